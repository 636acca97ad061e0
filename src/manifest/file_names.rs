//! What petrec's own files in the folder of the records are called.

/// The manifest, which is there when a conversion is finished.
pub const MANIFEST_NAME: &str = "petrec-manifest.json";
/// The report on every image, unless it goes elsewhere.
pub(crate) const REPORT_NAME: &str = "petrec-report.json";
/// The page for people.
pub(crate) const PAGE_NAME: &str = "report.html";
/// The journal of a conversion that is not finished. Hidden, and no pattern for record files finds it.
pub const JOURNAL_NAME: &str = ".petrec-journal";
/// The plan of a conversion that is not finished.
pub const PLAN_NAME: &str = ".petrec-plan";
/// The lock on the folder, which is there while a command writes in it.
pub(crate) const LOCK_NAME: &str = ".petrec-lock";
