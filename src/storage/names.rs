//! Objects' names that no path can hold, taken out of the pages of a listing before they are read.
//!
//! An object's name may be anything. The client takes no empty part, no `.` or `..` and no control character in one, and refuses
//! a whole page for a single such name: one object would make the data set unreadable.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::client::{HttpError, HttpRequest, HttpResponse, HttpService};
use object_store::path::Path as Key;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// What a page names, and the element that has the name: of S3 and Google, then of Azure.
const ENTRIES: [(&[u8], &[u8]); 4] =
    [(b"Contents", b"Key"), (b"CommonPrefixes", b"Prefix"), (b"Blob", b"Name"), (b"BlobPrefix", b"Name")];

/// The names that were taken out of a store's listings, whole.
#[derive(Clone, Debug, Default)]
pub(super) struct UnusableNames(Arc<Mutex<BTreeSet<String>>>);

impl UnusableNames {
    /// Removes and returns the names that begin with `folder`.
    pub(super) fn take(&self, folder: &str) -> Vec<String> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.extract_if(.., |name| name.starts_with(folder)).collect()
    }
}

/// A client whose listings hold names that can be used, and no others.
#[derive(Debug)]
pub(super) struct UsableNames {
    pub(super) client: reqwest::Client,
    pub(super) unusable: UnusableNames,
}

#[async_trait]
impl HttpService for UsableNames {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut query = request.uri().query().unwrap_or_default().split('&');
        let is_listing = query.any(|pair| matches!(pair, "list-type=2" | "comp=list"));
        let response = self.client.call(request).await?;
        if !is_listing || !response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let page = Vec::from(body.bytes().await?);
        // A page that is no XML is left to the client, which says so.
        let page = match usable(&page) {
            Ok((page, unusable)) => {
                self.unusable.0.lock().unwrap_or_else(PoisonError::into_inner).extend(unusable);
                page
            }
            Err(_) => page,
        };
        Ok(HttpResponse::from_parts(head, page.into()))
    }
}

/// The page without the entries whose names cannot be used, and these names.
fn usable(page: &[u8]) -> io::Result<(Vec<u8>, Vec<String>)> {
    let mut reader = Reader::from_reader(page);
    let (mut kept, mut kept_to, mut unusable) = (Vec::new(), 0, Vec::new());
    // The entry that we are in: where it begins, which element has its name, and the name once it is known.
    let mut entry: Option<(usize, &[u8], Option<String>)> = None;
    loop {
        let at = position(&reader)?;
        match reader.read_event().map_err(io::Error::other)? {
            Event::Start(start) => match &mut entry {
                None => {
                    let kind = ENTRIES.iter().find(|(kind, _)| *kind == start.name().as_ref());
                    entry = kind.map(|(_, name)| (at, *name, None));
                }
                Some((_, element, name @ None)) if start.name().as_ref() == *element => {
                    let text = reader.read_text(start.name()).map_err(io::Error::other)?;
                    let text = text.decode().map_err(io::Error::other)?;
                    *name = Some(unescape(&text).map_err(io::Error::other)?.into_owned());
                }
                Some(_) => {}
            },
            Event::End(end) => match entry.take() {
                Some((start, _, name)) if ENTRIES.iter().any(|(kind, _)| *kind == end.name().as_ref()) => {
                    if let Some(name) = name.filter(|name| Key::parse(name).is_err()) {
                        kept.extend_from_slice(&page[kept_to..start]);
                        kept_to = position(&reader)?;
                        unusable.push(name);
                    }
                }
                still_open => entry = still_open,
            },
            Event::Eof => break,
            _ => {}
        }
    }
    kept.extend_from_slice(&page[kept_to..]);
    Ok((kept, unusable))
}

fn position(reader: &Reader<&[u8]>) -> io::Result<usize> {
    usize::try_from(reader.buffer_position()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loses_the_names_that_no_path_can_hold_and_nothing_else() {
        let entry =
            |key: &str| format!("<Contents><Key>{key}</Key><Owner><ID>me</ID></Owner><Size>1</Size></Contents>");
        let prefix = |key: &str| format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>");
        let page = |between: &[String]| {
            let between = between.concat();
            format!(
                "<?xml version=\"1.0\"?>\n<ListBucketResult><Prefix>a//</Prefix>{between}<KeyCount>9</KeyCount></ListBucketResult>"
            )
        };
        let good = [entry("a/&amp; b.jpg"), entry("a/"), prefix("a/c/"), entry("&lt;x&gt;.jpg")];
        let bad = [entry("a//b.jpg"), entry("a/../b"), prefix("a//"), entry("a/&#10;b"), entry("a/./&amp;")];
        let mixed: Vec<_> = good.iter().zip(&bad).flat_map(|(good, bad)| [good.clone(), bad.clone()]).collect();

        let (kept, unusable) = usable(page(&[&mixed[..], &bad[4..]].concat()).as_bytes()).expect("XML");

        assert_eq!(String::from_utf8_lossy(&kept), page(&good));
        assert_eq!(unusable, ["a//b.jpg", "a/../b", "a//", "a/\nb", "a/./&"]);
    }

    #[test]
    fn azure_keeps_names_in_other_elements() {
        let blob = |name: &str| {
            format!(
                "<Blob><Name>{name}</Name><Metadata><Name>x//y</Name></Metadata></Blob><BlobPrefix><Name>{name}/</Name></BlobPrefix>"
            )
        };
        let page =
            |blobs: &str| format!("<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>");

        let (kept, unusable) = usable(page(&(blob("a//b") + &blob("c"))).as_bytes()).expect("XML");

        assert_eq!(String::from_utf8_lossy(&kept), page(&blob("c")));
        assert_eq!(unusable, ["a//b", "a//b/"]);
    }
}
