//! What a store said, in words and as one of the system's kinds of errors.

use std::io::{self, ErrorKind};

use object_store::Error;

use crate::text::one_line;

/// How much of what a server says is passed on.
const LONGEST: usize = 160;

/// One line: what is wrong, and what to do. The URL is for those to tell who know it.
pub(super) fn problem(error: &Error) -> io::Error {
    let told = told(error);
    let kind = match error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => ErrorKind::AlreadyExists,
        Error::NotSupported { .. } | Error::NotImplemented { .. } | Error::InvalidPath { .. } => ErrorKind::Unsupported,
        // Of a bucket the client tells in another way than of an object.
        _ if told.starts_with("404") => ErrorKind::NotFound,
        _ if told.starts_with("401") || told.starts_with("403") => ErrorKind::PermissionDenied,
        _ if told.starts_with("405") || told.starts_with("501") => ErrorKind::Unsupported,
        _ => ErrorKind::ConnectionAborted,
    };
    let words = match (kind, error) {
        (ErrorKind::NotFound, Error::NotFound { .. }) => "there is no such object".to_owned(),
        (ErrorKind::NotFound, _) => format!("there is no such bucket ({told})"),
        (ErrorKind::PermissionDenied, _) => {
            format!("access denied ({told}): check the credentials in the environment, and what they allow")
        }
        (ErrorKind::AlreadyExists, _) => "there is such an object already".to_owned(),
        (ErrorKind::Unsupported, Error::Generic { .. }) => {
            format!(
                "the server cannot do that ({told}): over http petrec lists by WebDAV; name single files, or another store"
            )
        }
        (ErrorKind::Unsupported, _) => told,
        _ => format!(
            "the store does not answer as it should ({told}): check the endpoint and the network, then run the same command again"
        ),
    };
    io::Error::new(kind, words)
}

/// One of those that another try could have helped against, had it been made.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::TimedOut)
}

/// What lies at the bottom of an error, in one line.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut bottom = error;
    while let Some(source) = bottom.source() {
        bottom = source;
    }
    let words = bottom.to_string();
    let within = |tag: &str| {
        let start = words.find(&format!("<{tag}>"))? + tag.len() + 2;
        Some(&words[start..start + words[start..].find("</")?])
    };
    // S3, GCS and Azure say why in XML.
    let before = words.split(['<', '\n']).next().unwrap_or_default();
    let before =
        before.trim_start_matches("Server returned non-2xx status code: ").trim().trim_end_matches(':').trim_end();
    let said = [within("Code"), within("Message")].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let words = if said.is_empty() { before.to_owned() } else { format!("{before}, {said}") };
    one_line(&words).to_string().chars().take(LONGEST).collect()
}
