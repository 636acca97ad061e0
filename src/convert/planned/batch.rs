//! A part of a plan that is in memory at a time: some record files, and their images.

use super::error::PlanFileError;
use super::file::PlanFile;
use crate::convert::plan::{Plan, PlannedFile, ToldBy};
use crate::dataset::{Dataset, ImageFile};
use crate::storage::dirs::path_of;

/// So many images, or those of one record file where that has more: some minutes of work, some 15 MB.
const IMAGES: usize = 1 << 16;

/// Record files and their images, as if they were a data set of their own.
pub(super) struct PlanBatch {
    pub(super) dataset: Dataset,
    pub(super) plan: Plan,
}

impl PlanBatch {
    /// The next of those files of `plan` that are `wanted`, from the place `next` on, which moves on; `None` behind the last.
    pub(super) fn next(
        plan: &mut PlanFile,
        next: &mut usize,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Option<Self>, PlanFileError> {
        let header = &plan.header;
        let folder = header.folder().ok_or_else(|| plan.damaged())?;
        let splits: Vec<_> = header.manifest.splits().map(str::to_owned).collect();
        let dataset = Dataset {
            name: header.manifest.dataset.clone(),
            root: folder,
            classes: header.manifest.classes.clone(),
            images: Vec::new(),
            notes: Vec::new(),
        };
        let layout = header.layout();
        let mut lot =
            Self { dataset, plan: Plan { layout, files: Vec::new(), order: Vec::new(), told_by: ToldBy::Plan } };
        while *next < plan.files() && lot.dataset.images.len() < IMAGES {
            let number = *next;
            *next += 1;
            if !wanted(number) {
                continue;
            }
            let part = plan.part(number)?;
            let start = lot.dataset.images.len();
            for image in part.images {
                let relative = path_of(&image.path).ok_or_else(|| plan.damaged())?;
                let path = lot.dataset.root.join(&relative);
                let (label, size, modified) = (Some(image.label), image.size, image.modified);
                lot.dataset.images.push(ImageFile { path, relative, label, size, modified });
            }
            let images = start..lot.dataset.images.len();
            lot.plan.order.extend(images.clone());
            let split = part.split.map(|split| splits[split].clone());
            lot.plan.files.push(PlannedFile { number, path: part.path, images, split });
        }
        Ok((!lot.plan.files.is_empty()).then_some(lot))
    }
}
