//! From a URL to a client of its store, with what the environment says of credentials, endpoints and patience.

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::list::PaginatedListStore;
use object_store::path::Path as Key;
use object_store::{ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

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
    Ok(match scheme(Path::new(base)).unwrap_or_default() {
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_client_options(client("GOOGLE_"));
            paged(builder.with_retry(retry).with_url(base).build()?)
        }
        "az" | "azure" | "abfs" | "abfss" => {
            let builder = MicrosoftAzureBuilder::from_env().with_client_options(client("AZURE_"));
            paged(builder.with_retry(retry).with_url(base).build()?)
        }
        "http" | "https" => {
            // Whoever types http:// means it.
            let options = client("HTTP_").with_allow_http(true);
            let store = HttpBuilder::new().with_client_options(options).with_retry(retry).with_url(base).build()?;
            Store { objects: Arc::new(store), pages: None }
        }
        _ => {
            let builder = AmazonS3Builder::from_env().with_client_options(client("AWS_"));
            paged(builder.with_retry(retry).with_url(base).build()?)
        }
    })
}

fn paged<S: ObjectStore + PaginatedListStore>(store: S) -> Store {
    let store = Arc::new(store);
    Store { objects: Arc::clone(&store) as _, pages: Some(store) }
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
    fn a_url_is_a_bucket_and_a_key() {
        assert_eq!(parts("s3://bucket/a/b c%20#?.jpg"), Some(("s3://bucket", "a/b c%20#?.jpg")));
        assert_eq!(parts("s3://bucket"), Some(("s3://bucket", "")));
        assert_eq!(parts("http://host:80/"), Some(("http://host:80", "")));
        assert_eq!(parts("s3://"), None);
        assert_eq!(parts("s3:///x"), None);
    }
}
