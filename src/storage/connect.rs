//! From a URL to a client of its store, with what the environment says of credentials, endpoints and patience.

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::list::PaginatedListStore;
use object_store::path::Path as Key;
use object_store::{ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use reqwest::redirect::Policy;
use reqwest::tls::Certificate;
use reqwest::{ClientBuilder, NoProxy, Proxy, Url};

use super::names::{UnusableNames, UsableNames};
use super::problem::told;
use super::scheme;

/// Seconds during which a request is tried again, unless the environment says otherwise.
const PATIENCE: u64 = 180;
/// The environment variable that says otherwise.
const PATIENCE_NAME: &str = "PETREC_STORE_PATIENCE";
/// How long a connection may take to come about, and then say nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A store, or a bucket of one.
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The same, for listing page by page, where it can do that.
    pub(super) pages: Option<Arc<dyn PaginatedListStore>>,
    /// What its listings named that no path can hold.
    pub(super) unusable: UnusableNames,
}

/// How long a request is tried again.
pub(super) fn patience() -> Duration {
    static SET: LazyLock<u64> =
        LazyLock::new(|| env::var(PATIENCE_NAME).ok().and_then(|typed| typed.parse().ok()).unwrap_or(PATIENCE));
    Duration::from_secs((*SET).max(1))
}

/// The store of a URL, connected to once, and the object's key in it.
pub(super) fn locate(url: &Path) -> io::Result<(Arc<Store>, Key)> {
    static STORES: LazyLock<Mutex<HashMap<String, Arc<Store>>>> = LazyLock::new(Mutex::default);
    let text = url.to_str().ok_or_else(|| invalid("the URL is not UTF-8"))?;
    // `join` puts these between the parts of a path there.
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() };
    let (base, key) = parts(&text).ok_or_else(|| invalid("no bucket or host behind the scheme"))?;
    // Taken as it stands, as S3's own programs do: what looks like an escape in it is a part of the name.
    let key = Key::parse(key).map_err(|error| invalid(&told(&error)))?;

    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.get(base) {
        return Ok((Arc::clone(store), key));
    }
    let store = connect(base).map(Arc::new).map_err(|error| invalid(&told(&error)))?;
    stores.insert(base.to_owned(), Arc::clone(&store));
    Ok((store, key))
}

/// `s3://bucket` and what comes behind it.
fn parts(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let end = url[start..].find('/').map_or(url.len(), |slash| start + slash);
    (end > start).then(|| (&url[..end], url[end..].trim_matches('/')))
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

fn connect(base: &str) -> object_store::Result<Store> {
    // That somebody else has chosen one for this process is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { retry_timeout: patience(), ..RetryConfig::default() };
    let unusable = UnusableNames::default();
    let connector = SameHost { unusable: unusable.clone() };
    Ok(match scheme(Path::new(base)).unwrap_or_default() {
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_client_options(client("GOOGLE_"));
            let builder = builder.with_http_connector(connector);
            paged(builder.with_retry(retry).with_url(base).build()?, unusable)
        }
        "az" | "azure" | "abfs" | "abfss" => {
            let builder = MicrosoftAzureBuilder::from_env().with_client_options(client("AZURE_"));
            let builder = builder.with_http_connector(connector);
            paged(builder.with_retry(retry).with_url(base).build()?, unusable)
        }
        "http" | "https" => {
            // Whoever types http:// means it.
            let options = client("HTTP_").with_allow_http(true);
            let store = HttpBuilder::new().with_client_options(options).with_retry(retry).with_url(base).build()?;
            Store { objects: Arc::new(store), pages: None, unusable }
        }
        _ => {
            let builder = AmazonS3Builder::from_env().with_client_options(client("AWS_"));
            let builder = builder.with_http_connector(connector);
            paged(builder.with_retry(retry).with_url(base).build()?, unusable)
        }
    })
}

/// Makes clients that follow a redirect to the same host only. To any other the credentials in the headers would go along, of
/// which HTTP libraries drop those they know, and not `x-amz-security-token`.
#[derive(Debug)]
struct SameHost {
    unusable: UnusableNames,
}

/// Redirects in a row that are followed.
const MOST_REDIRECTS: usize = 10;

impl HttpConnector for SameHost {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let get = |key: ClientConfigKey| options.get_config_value(&key).filter(|value| !value.is_empty());
        let is_set = |key| get(key).is_some_and(|value| matches!(&*value, "true" | "1" | "yes" | "on" | "y" | "t"));
        let time = |key| get(key).and_then(|typed| parse_time(&typed));
        let redirects = Policy::custom(|attempt| {
            let origin =
                |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
            let is_same = attempt.previous().first().is_some_and(|first| origin(first) == origin(attempt.url()));
            match is_same && attempt.previous().len() <= MOST_REDIRECTS {
                true => attempt.follow(),
                false => attempt.stop(),
            }
        });
        let mut builder = ClientBuilder::new()
            .redirect(redirects)
            .connect_timeout(time(ClientConfigKey::ConnectTimeout).unwrap_or(CONNECT_TIMEOUT))
            .read_timeout(time(ClientConfigKey::ReadTimeout).unwrap_or(READ_TIMEOUT))
            .user_agent(get(ClientConfigKey::UserAgent).unwrap_or_else(|| USER_AGENT.to_owned()))
            .https_only(!is_set(ClientConfigKey::AllowHttp))
            .danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates));
        if let Some(limit) = time(ClientConfigKey::Timeout) {
            builder = builder.timeout(limit);
        }
        if is_set(ClientConfigKey::NoSystemCertificates) {
            builder = builder.tls_certs_only([]);
        }
        if is_set(ClientConfigKey::Http1Only) {
            builder = builder.http1_only();
        }
        if is_set(ClientConfigKey::Http2Only) {
            builder = builder.http2_prior_knowledge();
        }
        if let Some(url) = get(ClientConfigKey::ProxyUrl) {
            let excludes = get(ClientConfigKey::ProxyExcludes).and_then(|hosts| NoProxy::from_string(&hosts));
            builder = builder.proxy(Proxy::all(url).map_err(of_client)?.no_proxy(excludes));
        }
        if let Some(pem) = get(ClientConfigKey::ProxyCaCertificate) {
            let certificate = Certificate::from_pem(pem.as_bytes()).map_err(of_client)?;
            builder = builder.tls_certs_merge([certificate]);
        }
        let client = builder.build().map_err(of_client)?;
        Ok(HttpClient::new(UsableNames { client, unusable: self.unusable.clone() }))
    }
}

/// A time as the store's client writes and takes it: `1m 30s`, `500ms`, `5 seconds`.
fn parse_time(typed: &str) -> Option<Duration> {
    let mut rest = typed.trim();
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, behind) = rest.split_at(end);
        let behind = behind.trim_start();
        let end = behind.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(behind.len());
        let milliseconds = match &behind[..end] {
            "ms" | "msec" | "millis" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(milliseconds)?))?;
        rest = behind[end..].trim_start();
    }
    Some(sum).filter(|sum| !sum.is_zero())
}

/// What petrec calls itself.
const USER_AGENT: &str = concat!("petrec/", env!("CARGO_PKG_VERSION"));

fn of_client(error: reqwest::Error) -> object_store::Error {
    object_store::Error::Generic { store: "client", source: Box::new(error) }
}

fn paged<S: ObjectStore + PaginatedListStore>(store: S, unusable: UnusableNames) -> Store {
    let store = Arc::new(store);
    Store { objects: Arc::clone(&store) as _, pages: Some(store), unusable }
}

/// How requests are made: our timeouts, and what the environment has under this prefix, such as `AWS_ALLOW_HTTP`.
fn client(prefix: &str) -> ClientOptions {
    // A limit for the whole of a request would be one for the length of objects.
    let options = ClientOptions::new().with_timeout_disabled();
    let options = options.with_connect_timeout(CONNECT_TIMEOUT).with_read_timeout(READ_TIMEOUT.min(patience()));
    env::vars_os().fold(options, |options, (name, value)| {
        let key = name.to_str().and_then(|name| name.strip_prefix(prefix)?.to_ascii_lowercase().parse().ok());
        match (key, value.into_string()) {
            (Some::<ClientConfigKey>(key), Ok(value)) => options.with_config(key, value),
            _ => options,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_the_environment_has_them() {
        let seconds = |typed| parse_time(typed).map(|time| time.as_secs_f64());

        assert_eq!(seconds("1m 30s"), Some(90.0));
        assert_eq!((seconds("500ms"), seconds("5 seconds")), (Some(0.5), Some(5.0)));
        assert_eq!((seconds("soon"), seconds("5"), seconds("")), (None, None, None));
    }

    #[test]
    fn a_redirect_to_another_host_does_not_get_the_session_token() {
        use std::io::{BufRead, BufReader, Write};
        use std::net::TcpListener;
        use std::sync::mpsc::channel;

        let _ = rustls::crypto::ring::default_provider().install_default();
        let [first, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let (at, elsewhere) = (port(&first), port(&other));
        let (send, reached) = channel();
        std::thread::spawn(move || {
            for stream in other.incoming().flatten() {
                let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                let _ = send.send(lines.collect::<Vec<_>>());
            }
        });
        std::thread::spawn(move || {
            for mut stream in first.incoming().flatten() {
                let lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                let answer = format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{elsewhere}/secret\r\nContent-Length: 0\r\n\
                     Connection: close\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let store = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{at}"))
            .with_bucket_name("bucket")
            .with_region("us-east-1")
            .with_access_key_id("key")
            .with_secret_access_key("secret")
            .with_token("session-token")
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(SameHost { unusable: UnusableNames::default() })
            .build()
            .expect("a client");

        let runtime = super::super::remote::runtime().expect("threads");
        let outcome = runtime.block_on(object_store::ObjectStoreExt::get(&store, &Key::from("photo.jpg")));

        assert!(outcome.is_err());
        assert!(reached.try_recv().is_err(), "another host was asked");
    }

    #[test]
    fn a_url_is_a_bucket_and_a_key() {
        assert_eq!(parts("s3://bucket/a/b c%20#?.jpg"), Some(("s3://bucket", "a/b c%20#?.jpg")));
        assert_eq!(parts("s3://bucket"), Some(("s3://bucket", "")));
        assert_eq!(parts("http://host:80/"), Some(("http://host:80", "")));
        assert_eq!(parts("s3://"), None);
        assert_eq!(parts("s3:///x"), None);
    }
}
