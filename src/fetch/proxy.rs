//! The proxy that the environment names, by curl's rules.

use std::env;

use ureq::Proxy;

use super::FetchError;

/// This machine is reached without a proxy, as Go's programs do it.
const THIS_MACHINE: &str = "localhost,127.0.0.1,[::1]";

/// The proxy for `url`: `HTTPS_PROXY` or `HTTP_PROXY` by its scheme, else `ALL_PROXY`; `NO_PROXY` lists hosts without one, each
/// with all below it. In small letters first.
///
/// # Errors
/// The address makes no sense. To go past it would be no better: who has a proxy needs it.
pub(super) fn proxy_for(url: &str) -> Result<Option<Proxy>, FetchError> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let Some((variable, address)) = variable(&format!("{scheme}_proxy")).or_else(|| variable("all_proxy")) else {
        return Ok(None);
    };
    let exceptions = self::variable("no_proxy").map_or(String::new(), |(_, hosts)| hosts);
    with_exceptions(&address, &exceptions).map(Some).map_err(|_| FetchError::Proxy { variable })
}

/// ureq takes exceptions from its builder only, which takes no address.
fn with_exceptions(address: &str, exceptions: &str) -> Result<Proxy, ureq::Error> {
    let plain = Proxy::new(address)?;
    let mut proxy = Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
    if let Some(name) = plain.username() {
        proxy = proxy.username(name);
    }
    if let Some(password) = plain.password() {
        proxy = proxy.password(password);
    }
    for host in exceptions.split(',').chain(THIS_MACHINE.split(',')).map(str::trim).filter(|host| !host.is_empty()) {
        let bare = host.trim_start_matches("*.").trim_start_matches('.');
        proxy = proxy.no_proxy(bare).no_proxy(&format!(".{bare}"));
    }
    proxy.build()
}

/// A variable that is set to something, with the name under which it is.
fn variable(name: &str) -> Option<(String, String)> {
    let names = [name.to_owned(), name.to_ascii_uppercase()];
    names.into_iter().find_map(|name| {
        let value = env::var(&name).ok().filter(|value| !value.trim().is_empty())?;
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_a_proxy_are_told_by_name_and_domain() {
        let proxy = with_exceptions("http://me:a%20b@proxy.test:3128", "localhost, .corp.test,*.lab.test,10.0.0.7");
        let proxy = proxy.expect("a proxy");
        let goes_past = |host: &str| proxy.is_no_proxy(&format!("http://{host}/x").parse().expect("an address"));

        assert_eq!((proxy.host(), proxy.port(), proxy.password()), ("proxy.test", 3128, Some("a b")));
        for host in ["localhost", "corp.test", "www.corp.test", "www.lab.test", "10.0.0.7"] {
            assert!(goes_past(host), "{host}");
        }
        for host in ["example.com", "mycorp.test", "10.0.0.70"] {
            assert!(!goes_past(host), "{host}");
        }
        assert!(with_exceptions("a proxy", "").is_err());
        let all = with_exceptions("proxy.test", "*").expect("a proxy");
        assert!(all.is_no_proxy(&"https://example.com".parse().expect("an address")));
    }
}
