//! Where a data set or records lie, as it was typed: a path, or a URL.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::storage;

/// What reads such an argument.
pub(super) fn place() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|typed| parse(&typed))
}

/// A path is taken as it is, and a URL of an object store, too; `file://` becomes a path, and other URLs are refused, as is an
/// empty name: that is an unset variable of a shell, and would be the current folder.
fn parse(typed: &OsStr) -> Result<PathBuf, String> {
    if typed.is_empty() {
        return Err("the path is empty, as that of a shell variable that is not set; name a file or folder".to_owned());
    }
    let path = Path::new(typed);
    let (Some(scheme), Some(text)) = (storage::scheme(path), typed.to_str()) else { return Ok(path.into()) };
    if scheme.eq_ignore_ascii_case("file") {
        return of_file_url(text).ok_or_else(|| "write file:///path, or the path alone".to_owned());
    }
    if !storage::is_url(path) {
        return Err("petrec knows folders and s3://, gs://, az://, http(s):// and file:// URLs".to_owned());
    }
    if cfg!(not(feature = "cloud")) {
        let words = "this petrec was built without object stores: build it with --features cloud, or copy the files to a folder";
        return Err(words.to_owned());
    }
    // Of a web server the slash says that a folder is meant.
    let slash = if storage::is_writable(path) { "" } else { "/" };
    let trimmed = text.trim_end_matches('/');
    Ok(if text.len() > trimmed.len() { format!("{trimmed}{slash}") } else { text.to_owned() }.into())
}

/// The path of `file:///a%20b`, on this machine.
fn of_file_url(url: &str) -> Option<PathBuf> {
    let behind = url.split_once("://")?.1;
    let path = behind.strip_prefix("localhost").unwrap_or(behind);
    // `file:///C:/photos`
    let path = if cfg!(windows) { path.strip_prefix('/')? } else { path.starts_with('/').then_some(path)? };
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &behind[2..];
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    Some(OsString::from(String::from_utf8(bytes).ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_as_they_are() {
        for typed in ["photos", "./s3:/x", "/a b/c", "..", "s3", "C:/photos"] {
            assert_eq!(parse(typed.as_ref()), Ok(typed.into()));
        }
    }

    #[test]
    fn an_empty_path_is_refused() {
        assert!(parse(OsStr::new("")).is_err_and(|words| words.contains("empty")));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_url_is_a_path() {
        assert_eq!(parse("file:///a%20b/50%/c".as_ref()), Ok("/a b/50%/c".into()));
        assert_eq!(parse("file://localhost/photos".as_ref()), Ok("/photos".into()));
        assert!(parse("file://photos".as_ref()).is_err());
    }

    #[test]
    fn a_url_is_taken_where_petrec_has_stores_and_else_told_what_to_do() {
        let taken = parse("s3://bucket/pets/".as_ref());

        match cfg!(feature = "cloud") {
            true => assert_eq!(taken, Ok("s3://bucket/pets".into())),
            false => assert!(taken.is_err_and(|words| words.contains("--features cloud"))),
        }
        assert!(parse("ftp://host/pets".as_ref()).is_err_and(|words| words.contains("s3://")));
    }
}
