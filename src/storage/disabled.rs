//! Object stores in a petrec without the feature `cloud`: the command line lets no URL pass, and whoever uses the library
//! is told what is missing.

use std::io;
use std::path::{Path, PathBuf};

use super::{Item, Metadata, ReadSeek};

fn missing<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this petrec was built without the feature 'cloud'"))
}

pub(super) fn metadata(_: &Path) -> io::Result<Metadata> {
    missing()
}

pub(crate) fn head(_: &Path) -> io::Result<Metadata> {
    missing()
}

pub(crate) fn has_objects(_: &Path) -> io::Result<bool> {
    missing()
}

pub(super) fn open(_: &Path) -> io::Result<Box<dyn ReadSeek>> {
    missing()
}

pub(super) fn read(_: &Path) -> io::Result<Vec<u8>> {
    missing()
}

pub(crate) fn read_piece(_: &Path, _: u64, _: usize) -> io::Result<Vec<u8>> {
    missing()
}

pub(crate) fn read_many(paths: &[PathBuf]) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    paths.iter().map(|_| missing())
}

pub(crate) fn list(_: &Path) -> io::Result<Vec<Item>> {
    missing()
}

pub(crate) fn list_from(_: &Path, _: &str) -> io::Result<Vec<Item>> {
    missing()
}

pub(crate) fn take_unusable(_: &Path) -> io::Result<Vec<PathBuf>> {
    missing()
}

pub(crate) fn below(_: &Path) -> io::Result<Vec<PathBuf>> {
    missing()
}

pub(crate) fn put(_: &Path, _: Vec<u8>) -> io::Result<()> {
    missing()
}

pub(crate) fn put_new(_: &Path, _: Vec<u8>) -> io::Result<bool> {
    missing()
}

pub(crate) fn upload(_: &Path, _: &Path) -> io::Result<()> {
    missing()
}

pub(crate) fn upload_new(_: &Path, _: &Path) -> io::Result<bool> {
    missing()
}

pub(crate) fn remove(_: &Path) -> io::Result<()> {
    missing()
}

pub(crate) fn is_transient(_: &io::Error) -> bool {
    false
}

/// Objects that are about to be read.
#[derive(Default)]
pub(crate) struct Prefetch {}

impl Prefetch {
    pub(crate) fn take<'p>(
        &self,
        _: usize,
        _: impl Fn(usize) -> Option<(&'p Path, Option<u64>)>,
    ) -> io::Result<(Metadata, Vec<u8>)> {
        missing()
    }
}
