//! `petrec` alone: what to type next.

use super::tell;

/// Tells it on standard error, as wrong usage is told.
pub(super) fn tell_next_steps() {
    tell(&format!(
        "petrec {}: a folder of photos becomes training-ready TFRecord features.

With PHOTOS, a folder that has a sub-folder of photos for each class, type next:

  petrec validate PHOTOS
      which files are good, and why the others are not
  petrec convert --model efficientnet-lite0 PHOTOS RECORDS
      the features of every good photo as record files in the new folder RECORDS
  petrec probe RECORDS
      how well the features tell the classes apart

'petrec help' lists all commands, 'petrec help convert' what can be chosen.",
        env!("CARGO_PKG_VERSION")
    ));
}
