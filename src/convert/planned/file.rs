//! A plan, of which only those parts are read that are asked for.
//!
//! It is a record file: a header (JSON); a record for each record file to write, with its name and its images; where the records
//! are not in the order of the data set, its images once more in that order; an index of 16 bytes for each of these; and a tail
//! of a fixed length that says where the index is. So every part has its checksums, and what is cut off lacks its tail.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::codec::{Input, LEAST, PlannedImage, put_bytes, put_images, put_number};
use super::error::PlanFileError;
use super::header::Header;
use super::source::Source;
use crate::convert::ConvertError;
use crate::convert::content::Content;
use crate::convert::earlier::folders_of;
use crate::convert::output_dir::OutputDir;
use crate::convert::plan::Plan;
use crate::dataset::{Dataset, ImageFile};
use crate::engine::Selection;
use crate::manifest::{RecordDescription, WorkerId, below};
use crate::model::Architecture;
use crate::storage;
use crate::storage::dirs::portable;
use crate::storage::lock::LockMode;
use crate::text::named;
use crate::text::one_line;
use crate::tfrecord::Writer;
use crate::tfrecord::framing::FRAMING_LEN;

/// Version of all of it.
const FORMAT: u64 = 2;
/// How a tail begins.
const MAGIC: u64 = u64::from_le_bytes(*b"petrecPL");
/// The numbers of a tail.
const TAIL: usize = 7;
/// Bytes of a tail.
const TAIL_LEN: usize = TAIL * 8 + FRAMING_LEN;
/// Entries in a record of the index.
const PER_RECORD: usize = 4096;
/// Bytes of one: where its part begins, and how many images come before.
const ENTRY_LEN: usize = 16;
/// Images in a part that tells the data set's order.
const PER_LISTING: usize = 4096;

/// A plan, open, in a folder that stays locked as long as this is there; or at a URL.
pub struct PlanFile {
    pub(super) dir: Arc<OutputDir>,
    source: Source,
    pub(super) header: Header,
    /// SHA-256 of the header, by which journals know the plan.
    pub(super) digest: String,
    tail: Tail,
    /// The record of the index that was read last, with its place.
    index: (usize, Vec<Entry>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail {
    header_len: usize,
    files: usize,
    images: usize,
    /// Record files, and parts that tell the data set's order.
    parts: usize,
    index_at: u64,
}

/// An entry of the index.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    at: u64,
    images_before: u64,
}

/// A record file to write.
pub(super) struct Part {
    /// Relative to the output folder, with forward slashes.
    pub(super) name: String,
    /// The same as a path.
    pub(super) path: PathBuf,
    /// The place of its split, where the data set is divided.
    pub(super) split: Option<usize>,
    pub(super) images: Vec<PlannedImage>,
}

impl PlanFile {
    /// Opens the plan in the folder `out` for one of several workers, or for somebody who wants the folder for himself.
    /// `None` where there is none.
    ///
    /// # Errors
    /// It is locked, damaged, cut off, another version's, or cannot be read.
    pub fn open(out: &Path, share: Option<WorkerId>) -> Result<Option<Self>, ConvertError> {
        if !storage::is_url(out) && Content::of(out)? != Content::Plan {
            return Ok(None); // no folder is made to say so
        }
        let mode = if share.is_some() { LockMode::Shared } else { LockMode::Alone };
        let dir = Arc::new(OutputDir::open(out, mode)?);
        match share {
            Some(_) => there(Self::find(&dir).and_then(|source| Ok(source.map(|it| Self::read(dir, it)).transpose()?))),
            None => Self::open_and_check(dir),
        }
    }

    /// The plan in a folder that is locked, read to its end; `None` where there is none.
    pub(super) fn open_and_check(dir: Arc<OutputDir>) -> Result<Option<Self>, ConvertError> {
        there(Self::find(&dir).and_then(|source| source.map(|it| Self::checked(dir, it.copied()?)).transpose()))
    }

    fn find(dir: &OutputDir) -> Result<Option<Source>, ConvertError> {
        Source::of(dir.root())
    }

    /// The folders below `out` that the plan there puts record files into; none where there is no plan that can be read.
    pub(in crate::convert) fn folders_in(out: &Path) -> BTreeSet<PathBuf> {
        let plan = || {
            let dir = Arc::new(OutputDir::at(out));
            let mut plan = Self::read(dir, Source::of(out).ok()??).ok()?;
            let mut folders = BTreeSet::new();
            for part in 0..plan.files() {
                folders.extend(folders_of(&plan.part(part).ok()?.path));
            }
            Some(folders)
        };
        // A store has no folders.
        if storage::is_url(out) { BTreeSet::new() } else { plan().unwrap_or_default() }
    }

    /// Whoever needs all of it had better know at once that it is sound.
    fn checked(dir: Arc<OutputDir>, source: Source) -> Result<Self, ConvertError> {
        let mut plan = Self::read(dir, source)?;
        for part in 0..plan.tail.parts {
            plan.images_in(part)?;
        }
        Ok(plan)
    }

    fn read(dir: Arc<OutputDir>, mut source: Source) -> Result<Self, PlanFileError> {
        let path = source.path().to_path_buf();
        let damaged = || PlanFileError::Damaged(path.clone());
        let foreign = || PlanFileError::Foreign(path.clone());
        let tail_at = source.length().checked_sub(TAIL_LEN as u64).ok_or_else(damaged)?;
        let tail = numbers::<TAIL>(&source.record(tail_at, TAIL_LEN)?).ok_or_else(damaged)?;
        let tail = Tail::of(tail, tail_at).map_err(|is_foreign| if is_foreign { foreign() } else { damaged() })?;

        let header = source.record(0, tail.header_len.checked_add(FRAMING_LEN).ok_or_else(damaged)?)?;
        let digest = crate::text::hex(&Sha256::digest(&header));
        let header: Header = serde_json::from_slice(&header).map_err(|_| foreign())?;
        if header.manifest.petrec != env!("CARGO_PKG_VERSION") {
            return Err(foreign());
        }
        let (files, images, parts) = (tail.files, tail.images, tail.parts);
        let is_sound = header.is_sound() && header.manifest.images == images;
        let mut plan = Self { dir, source, header, digest, tail, index: (usize::MAX, Vec::new()) };
        // What the index says at three of its places must be what the tail says. No number is believed that takes more bytes than
        // there are: memory is reserved by it.
        let all = if parts > files { images.checked_mul(2) } else { Some(images) };
        let is_counted =
            [(files, Some(images)), (parts, all)].into_iter().try_fold(true, |sound, (part, images)| {
                let before = plan.entry(part)?.images_before;
                Ok::<_, PlanFileError>(sound && images.is_some_and(|images| images as u64 == before))
            })?;
        if is_sound && is_counted && plan.entry(0)?.images_before == 0 { Ok(plan) } else { Err(damaged()) }
    }

    /// How many record files there are to be.
    pub(super) fn files(&self) -> usize {
        self.tail.files
    }

    /// How many images there are in all.
    #[must_use]
    pub fn images(&self) -> usize {
        self.tail.images
    }

    /// The class names in label order.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.header.manifest.classes
    }

    /// What each record is to hold.
    #[must_use]
    pub fn record(&self) -> &RecordDescription {
        &self.header.manifest.record
    }

    /// The network.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.header.manifest.weights.architecture
    }

    /// The weights' file, where they are not found by the network's name.
    #[must_use]
    pub fn weights(&self) -> Option<PathBuf> {
        self.header.weights()
    }

    /// The engine.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.header.selection
    }

    /// The parts that hold the images in the order of the data set.
    pub(super) fn in_order(&self) -> Range<usize> {
        if self.tail.parts > self.tail.files { self.tail.files..self.tail.parts } else { 0..self.tail.files }
    }

    /// How many images are in a part.
    pub(super) fn images_of(&mut self, part: usize) -> Result<usize, PlanFileError> {
        let (before, behind) = (self.entry(part)?.images_before, self.entry(part + 1)?.images_before);
        let images = behind.checked_sub(before).and_then(|images| images.try_into().ok());
        images.ok_or_else(|| self.damaged())
    }

    /// A record file and its images.
    pub(super) fn part(&mut self, number: usize) -> Result<Part, PlanFileError> {
        let (data, count) = (self.data(number)?, self.images_of(number)?);
        let splits = self.header.manifest.splits().count();
        let mut input = Input(&data);
        let mut read = || {
            let split = match input.size()? {
                0 => None,
                split if split <= splits => Some(split - 1),
                _ => return None,
            };
            let name = str::from_utf8(input.bytes()?).ok()?.to_owned();
            Some((split, below(&name)?, name))
        };
        let (split, path, name) = read().ok_or_else(|| self.damaged())?;
        let images = self.sound(input.images(), count)?;
        Ok(Part { name, path, split, images })
    }

    /// The images of a part, in its order.
    pub(super) fn images_in(&mut self, part: usize) -> Result<Vec<PlannedImage>, PlanFileError> {
        if part < self.tail.files {
            return Ok(self.part(part)?.images);
        }
        let (data, count) = (self.data(part)?, self.images_of(part)?);
        self.sound(Input(&data).images(), count)
    }

    /// The first image that is another one in `dataset`, in words, and how many more; `None` where all are as they were planned.
    pub(super) fn difference(&mut self, dataset: &Dataset) -> Result<Option<String>, PlanFileError> {
        let mut now: HashMap<Vec<u8>, &ImageFile> =
            dataset.images.iter().map(|image| (portable(&image.relative), image)).collect();
        let mut changes = Vec::new();
        for part in self.in_order() {
            for image in self.images_in(part)? {
                let what = match now.remove(&image.path) {
                    None => "was removed",
                    Some(found)
                        if found.size != image.size || !storage::is_same_time(found.modified, image.modified) =>
                    {
                        "was changed"
                    }
                    Some(_) => continue,
                };
                changes.push((String::from_utf8_lossy(&image.path).into_owned(), what));
            }
        }
        let added = dataset.images.iter().filter(|image| now.contains_key(&portable(&image.relative)));
        changes.extend(added.map(|image| (image.relative.to_string_lossy().into_owned(), "was added")));
        let more = changes.len().saturating_sub(1);
        Ok(changes.first().map(|(first, what)| named(&one_line(first).to_string(), what, more)))
    }

    /// Refuses to go on where the data set's folder is gone.
    pub(super) fn refuse_lost_dataset(&self) -> Result<(), PlanFileError> {
        let folder = self.header.folder().ok_or_else(|| self.damaged())?;
        match storage::metadata(&folder.join("")) {
            Ok(found) if found.is_folder => Ok(()),
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => Err(PlanFileError::unreadable(&folder)(reason)),
            _ => Err(PlanFileError::NoDataset(folder)),
        }
    }

    /// The error that the plan is not as it was written.
    pub(super) fn damaged(&self) -> PlanFileError {
        self.source.damaged()
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        self.source.path()
    }

    fn sound(&self, images: Option<Vec<PlannedImage>>, count: usize) -> Result<Vec<PlannedImage>, PlanFileError> {
        let (all, classes) = (self.tail.images, self.header.manifest.classes.len());
        let is_sound = |image: &PlannedImage| image.number < all && image.label < classes;
        let images = images.filter(|images| images.len() == count && images.iter().all(is_sound));
        images.ok_or_else(|| self.damaged())
    }

    fn data(&mut self, part: usize) -> Result<Vec<u8>, PlanFileError> {
        let (at, end) = (self.entry(part)?.at, self.entry(part + 1)?.at);
        let length = end.checked_sub(at).filter(|_| end <= self.tail.index_at);
        let length = length.and_then(|length| length.try_into().ok()).ok_or_else(|| self.damaged())?;
        self.source.record(at, length)
    }

    fn entry(&mut self, part: usize) -> Result<Entry, PlanFileError> {
        let (record, place) = (part / PER_RECORD, part % PER_RECORD);
        if self.index.0 != record {
            let entries = (self.tail.parts + 1).saturating_sub(record * PER_RECORD).min(PER_RECORD);
            let at = self.tail.index_at + (record * (PER_RECORD * ENTRY_LEN + FRAMING_LEN)) as u64;
            let data = self.source.record(at, entries * ENTRY_LEN + FRAMING_LEN)?;
            let entry = |bytes: &[u8]| numbers(bytes).map(|[at, images_before]| Entry { at, images_before });
            let entries = data.chunks(ENTRY_LEN).map(entry).collect::<Option<_>>();
            self.index = (record, entries.ok_or_else(|| self.damaged())?);
        }
        self.index.1.get(place).copied().ok_or_else(|| self.damaged())
    }
}

/// A plan that vanished while it was read was not there, either.
fn there(plan: Result<Option<PlanFile>, ConvertError>) -> Result<Option<PlanFile>, ConvertError> {
    match plan {
        Err(ConvertError::PlanFile(error)) if error.is_gone() => Ok(None),
        plan => plan,
    }
}

impl Tail {
    /// Reads the numbers of the tail that begins at `tail_at`; else tells whether they are another version's.
    fn of(
        [magic, format, header_len, files, images, parts, index_at]: [u64; TAIL],
        tail_at: u64,
    ) -> Result<Self, bool> {
        if (magic, format) != (MAGIC, FORMAT) {
            return Err(true);
        }
        let size = |number: u64| usize::try_from(number).map_err(|_| false);
        let tail = Self {
            header_len: size(header_len)?,
            files: size(files)?,
            images: size(images)?,
            parts: size(parts)?,
            index_at,
        };
        let is_sound = files <= parts
            && index_at.checked_add(index_len(parts).ok_or(false)?) == Some(tail_at)
            && images <= tail_at / LEAST as u64;
        if is_sound { Ok(tail) } else { Err(false) }
    }
}

/// Bytes of an index of so many parts.
fn index_len(parts: u64) -> Option<u64> {
    let entries = parts.checked_add(1)?;
    let framing = entries.div_ceil(PER_RECORD as u64).checked_mul(FRAMING_LEN as u64)?;
    entries.checked_mul(ENTRY_LEN as u64)?.checked_add(framing)
}

/// So many little-endian numbers, and nothing else.
fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (chunks, rest) = bytes.as_chunks();
    let numbers: Vec<_> = chunks.iter().map(|number| u64::from_le_bytes(*number)).collect();
    numbers.try_into().ok().filter(|_| rest.is_empty())
}

/// Writes a plan.
pub(super) fn write<W: Write>(out: W, header: &Header, plan: &Plan, dataset: &Dataset) -> io::Result<W> {
    let mut records = Writer::new(out);
    let header_json = serde_json::to_vec(header)?;
    records.write(&header_json)?;

    let image = |number: usize| {
        let image = &dataset.images[number];
        PlannedImage {
            number,
            label: image.label.unwrap_or_default(),
            size: image.size,
            modified: image.modified,
            path: portable(&image.relative),
        }
    };
    let splits: Vec<_> = header.manifest.splits().collect();
    let mut index = Vec::new();
    let mut images_before = 0;
    let mut part = Vec::new();
    let mut entry = |at: u64, images: usize| {
        index.extend([at, images_before].map(u64::to_le_bytes).concat());
        images_before += images as u64;
    };
    for file in &plan.files {
        let split = file.split.as_deref().and_then(|name| splits.iter().position(|split| *split == name));
        let images = plan.images_of(file);
        part.clear();
        put_number(&mut part, split.map_or(0, |split| split as u64 + 1));
        put_bytes(&mut part, file.name().as_bytes());
        put_images(&mut part, images.iter().copied().map(image));
        entry(records.bytes(), images.len());
        records.write(&part)?;
    }
    let mut parts = plan.files.len();
    if !plan.is_in_order() {
        let all = dataset.images.len();
        for start in (0..all).step_by(PER_LISTING) {
            let images = start..all.min(start + PER_LISTING);
            part.clear();
            put_images(&mut part, images.clone().map(image));
            entry(records.bytes(), images.len());
            records.write(&part)?;
            parts += 1;
        }
    }
    let index_at = records.bytes();
    entry(index_at, 0);
    for entries in index.chunks(PER_RECORD * ENTRY_LEN) {
        records.write(entries)?;
    }
    let [header_len, files, images, parts] =
        [header_json.len(), plan.files.len(), dataset.images.len(), parts].map(|number| number as u64);
    let tail: [u64; TAIL] = [MAGIC, FORMAT, header_len, files, images, parts, index_at];
    records.write(&tail.map(u64::to_le_bytes).concat())?;
    records.finish()
}
