//! What is in a folder of a store, page by page.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use futures_lite::StreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Key;
use object_store::{ListResult, ObjectMeta};

use super::Item;
use super::connect::locate;
use super::remote::{modified, wait};

/// Whether anything lies below `folder`; taken for granted where the server cannot list.
pub(crate) fn has_objects(folder: &Path) -> io::Result<bool> {
    let (store, key) = locate(folder)?;
    store.pages.as_deref().map_or(Ok(true), |pages| wait(0, has_any(pages, &key)))
}

/// Whether there is an object below `key`.
pub(super) async fn has_any(pages: &dyn PaginatedListStore, key: &Key) -> object_store::Result<bool> {
    let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
    let page = pages.list_paginated(below_key(key).as_deref(), options).await?;
    Ok(!page.result.objects.is_empty())
}

/// What lies directly below `folder`.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Item>> {
    list_from(folder, "")
}

/// Lists what is directly below `folder` and has a name that begins with `beginning`; nothing else is requested.
pub(crate) fn list_from(folder: &Path, beginning: &str) -> io::Result<Vec<Item>> {
    let (store, key) = locate(folder)?;
    let mut items = Vec::new();
    let mut add = |page: ListResult| {
        let folders = page.common_prefixes.into_iter();
        let folders = folders.map(|prefix| Item { name: name(&prefix), is_folder: true, bytes: 0, modified: None });
        // An object that stands for a folder has the folder's own name, with a slash behind it.
        let objects = page.objects.into_iter().filter(|object| object.location != key);
        let objects = objects.map(|object| Item {
            name: name(&object.location),
            is_folder: false,
            bytes: object.size,
            modified: modified(&object),
        });
        items.extend(folders.chain(objects));
    };
    match &store.pages {
        Some(pages) => {
            let prefix = Some(below_key(&key).unwrap_or_default() + beginning).filter(|prefix| !prefix.is_empty());
            for_each_page(pages.as_ref(), prefix.as_deref(), Some("/"), &mut add)?;
        }
        None => add(wait(0, store.objects.list_with_delimiter(Some(&key)))?),
    }
    items.retain(|item| item.name.starts_with(beginning));
    Ok(items)
}

/// What [`list`] of `folder` left out since this was asked last, because no path can hold such a name; as it would be shown.
pub(crate) fn take_unusable(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (store, key) = locate(folder)?;
    let key = below_key(&key).unwrap_or_default();
    let names = store.unusable.take(&key).into_iter();
    Ok(names.map(|name| folder.join(&name[key.len()..])).collect())
}

/// All that lies below `folder`, as paths from there on.
pub(crate) fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (store, key) = locate(folder)?;
    let mut found = Vec::new();
    let mut add = |object: &ObjectMeta| {
        let parts = object.location.prefix_match(&key).into_iter().flatten();
        found.push(parts.map(|part| part.as_ref().to_owned()).collect());
    };
    match &store.pages {
        Some(pages) => {
            for_each_page(pages.as_ref(), below_key(&key).as_deref(), None, |page| {
                page.objects.iter().for_each(&mut add);
            })?;
        }
        None => {
            let mut objects = store.objects.list(Some(&key));
            while let Some(object) = wait(0, async { objects.next().await.transpose() })? {
                add(&object);
            }
        }
    }
    Ok(found)
}

/// Pages of a listing, one after the other, that may bring nothing new: a server that goes on and on is not waited for.
const EMPTY_PAGES: usize = 1000;

/// Lists page by page. A listing that comes back to where it was, or that goes on without an object, is an error: it has no end.
fn for_each_page(
    pages: &dyn PaginatedListStore,
    prefix: Option<&str>,
    delimiter: Option<&'static str>,
    mut each: impl FnMut(ListResult),
) -> io::Result<()> {
    let (mut page_token, mut tokens, mut empty) = (None, HashSet::new(), 0);
    loop {
        let options = PaginatedListOptions {
            delimiter: delimiter.map(Into::into),
            page_token,
            ..PaginatedListOptions::default()
        };
        let page = wait(0, pages.list_paginated(prefix, options))?;
        let is_empty = page.result.objects.is_empty() && page.result.common_prefixes.is_empty();
        empty = if is_empty { empty + 1 } else { 0 };
        each(page.result);
        let Some(token) = page.page_token else { return Ok(()) };
        if empty > EMPTY_PAGES || !tokens.insert(token.clone()) {
            let words = "the server's list has no end: check the endpoint, or name a smaller part of the bucket";
            return Err(io::Error::other(words));
        }
        page_token = Some(token);
    }
}

/// What the keys of all objects below `key` begin with; `None` of a whole bucket.
fn below_key(key: &Key) -> Option<String> {
    Some(format!("{key}/")).filter(|_| !key.as_ref().is_empty())
}

fn name(key: &Key) -> String {
    key.filename().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use object_store::aws::AmazonS3Builder;
    use object_store::{ClientOptions, RetryConfig};

    use super::*;
    use crate::storage::problem::problem;

    /// What comes of a listing where the server answers each request with a page that holds `between`.
    fn listed(between: &'static str) -> io::Result<()> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        thread::spawn(move || {
            for (number, mut stream) in listener.incoming().flatten().enumerate() {
                let Ok(client) = stream.try_clone() else { continue };
                BufReader::new(client).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                let page = between.replace("NUMBER", &number.to_string());
                let page = format!("<ListBucketResult><IsTruncated>true</IsTruncated>{page}</ListBucketResult>");
                let length = page.len();
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}");
            }
        });
        let store = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_bucket_name("bucket")
            .with_skip_signature(true)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .map_err(|error| problem(&error))?;
        for_each_page(&store, None, None, drop)
    }

    #[test]
    fn a_listing_that_has_no_end_is_given_up() {
        let [again, on_and_on] = [
            "<NextContinuationToken>again</NextContinuationToken>",
            "<NextContinuationToken>NUMBER</NextContinuationToken>",
        ]
        .map(|between| listed(between).expect_err("it has no end").to_string());

        assert!(again.contains("list has no end") && on_and_on.contains("list has no end"), "{again}, {on_and_on}");
        assert!(listed("").is_ok());
    }
}
