//! From an address to a file that is known to be the right one.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::debug;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::part::{Part, md5_of};
use super::proxy::proxy_for;
use super::{FetchError, Source};

/// Whether a transfer went on with what an earlier one left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Anew,
    Earlier,
}

/// Downloads `source` into `folder`, which is made where it is missing, and returns the file's path; a file of its name that
/// is the right one is left as it is.
///
/// What has come lies in `NAME.part` until it is whole, and stays there whatever happens. `patience` is how long the server
/// may say nothing. `watch` is told the bytes that are here, and of how many, as far as the server tells.
///
/// # Errors
/// [`FetchError`] says what stood in the way, and what to do next.
pub fn download(
    source: &Source,
    folder: &Path,
    patience: Duration,
    watch: &mut dyn FnMut(u64, Option<u64>),
) -> Result<PathBuf, FetchError> {
    let path = folder.join(source.file_name());
    let expected = source.md5;
    if path.exists() {
        let found = md5_of(&path)?;
        return if found == expected { Ok(path) } else { Err(FetchError::Taken { path, found, expected }) };
    }
    fs::create_dir_all(folder).map_err(|error| FetchError::Io { path: folder.into(), source: error })?;
    let mut part = Part::open(path.with_added_extension("part"))?;
    debug!(url = source.url, into = %folder.display(), "downloading");
    let mut transfer = Transfer { agent: agent(&source.url, patience)?, url: &source.url, patience, watch };

    let begun = transfer.run(&mut part)?;
    let mut found = part.md5()?;
    if found != expected && begun == Begun::Earlier {
        // What was there may have been of another file.
        part.empty()?;
        transfer.run(&mut part)?;
        found = part.md5()?;
    }
    if found != expected {
        return Err(FetchError::Other { url: source.url.clone(), part: part.path().into(), found, expected });
    }
    part.publish(&path)?;
    Ok(path)
}

fn agent(url: &str, patience: Duration) -> Result<Agent, FetchError> {
    let patience = Some(patience);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("petrec/", env!("CARGO_PKG_VERSION")))
        .proxy(proxy_for(url)?)
        .timeout_resolve(patience)
        .timeout_connect(patience)
        .timeout_recv_response(patience)
        .timeout_per_read(patience)
        .timeout_per_write(patience);
    Ok(config.build().into())
}

/// One address, asked as often as needed.
struct Transfer<'a> {
    agent: Agent,
    url: &'a str,
    patience: Duration,
    watch: &'a mut dyn FnMut(u64, Option<u64>),
}

impl Transfer<'_> {
    /// Gets what `part` lacks.
    fn run(&mut self, part: &mut Part) -> Result<Begun, FetchError> {
        let here = part.end()?;
        let response = self.ask(here)?;
        debug!(from = here, status = %response.status(), length = response.body().content_length(), "the server answered");
        match response.status() {
            StatusCode::PARTIAL_CONTENT if here > 0 && begins_at(&response, here) => {
                self.copy(response, part, here)?;
                Ok(Begun::Earlier)
            }
            // All of it is here, or more than that: its hash will tell.
            StatusCode::RANGE_NOT_SATISFIABLE if here > 0 => Ok(Begun::Earlier),
            StatusCode::OK => {
                part.empty()?;
                self.copy(response, part, 0)?;
                Ok(Begun::Anew)
            }
            // Some other piece than what was asked for.
            StatusCode::PARTIAL_CONTENT if here > 0 => {
                part.empty()?;
                self.run(part)
            }
            status => Err(FetchError::Status { url: self.url.into(), status: status.to_string() }),
        }
    }

    /// Asks for all but the first `here` bytes.
    fn ask(&self, here: u64) -> Result<Response<Body>, FetchError> {
        let mut request = self.agent.get(self.url);
        if here > 0 {
            request = request.header(RANGE, format!("bytes={here}-"));
        }
        request.call().map_err(|error| match error {
            ureq::Error::Timeout(_) => self.stalled(here, None),
            error => FetchError::Unreachable { url: self.url.into(), reason: reason(error) },
        })
    }

    /// Adds what comes to `part`, which has `done` bytes.
    fn copy(&mut self, response: Response<Body>, part: &mut Part, mut done: u64) -> Result<(), FetchError> {
        let body = response.into_body();
        let total = body.content_length().map(|length| length.saturating_add(done));
        let mut body = body.into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.watch)(done, total);
            let read = body.read(&mut buffer).map_err(|error| match ureq::Error::from(error) {
                ureq::Error::Timeout(_) => self.stalled(done, total),
                error => FetchError::CutOff { url: self.url.into(), reason: reason(error), done, total },
            })?;
            if read == 0 {
                return Ok(());
            }
            part.write(&buffer[..read])?;
            done += read as u64;
        }
    }

    fn stalled(&self, done: u64, total: Option<u64>) -> FetchError {
        FetchError::Stalled { url: self.url.into(), patience: self.patience, done, total }
    }
}

/// Whether what is sent is the rest from byte `here` on.
fn begins_at(response: &Response<Body>, here: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {here}-")))
}

/// What the system said, without ureq's word for its kind.
fn reason(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
