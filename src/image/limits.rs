//! How much one picture may ask for: TensorFlow's own limits, or the user's in their place.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Accept, Reason, memory};

/// TensorFlow refuses pictures of 2^29 samples and more; so do we, before anything is allocated.
pub(super) const MAX_SAMPLES: u64 = 1 << 29;

/// TensorFlow refuses longer files, whose length fits no `int`.
const MAX_FILE_SIZE: u64 = i32::MAX as u64;

/// What one picture may ask for. `None` leaves it at TensorFlow's own limit, with which the verdict is TensorFlow's, but for
/// what `docs/numerics.md` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Width times height. TensorFlow's: less than 2^29 samples, which it counts for each format in its own way.
    pub pixels: Option<u64>,
    /// Width and height, each. TensorFlow's: 65,500 for a JPEG, 1,000,000 for a PNG, none for the others.
    pub side: Option<u64>,
    /// Length of the file in bytes. TensorFlow's: 2^31 - 1.
    pub file_size: Option<u64>,
    /// Time for reading and decoding. TensorFlow's: any. With a limit the verdict depends on the machine; it is looked at
    /// between rows of blocks and the like, so that a decoder may take some milliseconds more.
    pub time: Option<Duration>,
}

impl fmt::Display for Limits {
    /// As they are typed, and nothing for TensorFlow's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |name: &str, limit: Option<u64>| limit.map(|limit| format!("{name} {limit}"));
        let set = [
            number("max-side", self.side),
            number("max-pixels", self.pixels),
            number("max-file-size", self.file_size),
            self.time.map(|time| format!("time-limit {}", time.as_secs_f64())),
        ];
        f.write_str(&set.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Which files count as pictures, and how much one may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// What a file must be.
    pub accept: Accept,
    /// What it may ask for.
    pub limits: Limits,
}

impl From<Accept> for Policy {
    /// With TensorFlow's own limits.
    fn from(accept: Accept) -> Self {
        Self { accept, limits: Limits::default() }
    }
}

/// A limit that was passed, and how.
pub(super) type Excess = (Reason, String);

impl Limits {
    /// Refuses a file of that many bytes.
    pub(super) fn admit_file(&self, bytes: u64) -> Result<(), Excess> {
        let (limit, reason) = chosen(self.file_size, Reason::FileSizeLimit, MAX_FILE_SIZE);
        if bytes > limit {
            return Err((reason, format!("the file has {bytes} bytes, the limit is {limit}")));
        }
        Ok(())
    }

    /// Refuses a picture with a longer side; `own` is TensorFlow's limit for the format.
    pub(super) fn admit_sides(&self, width: usize, height: usize, own: u64) -> Result<(), Excess> {
        let (limit, reason) = chosen(self.side, Reason::SideLimit, own);
        if width.max(height) as u64 > limit {
            return Err((reason, format!("{width} x {height} pixels; sides end at {limit}")));
        }
        Ok(())
    }

    /// Refuses a picture of that many pixels, or of that many samples as TensorFlow counts them.
    pub(super) fn admit_pixels(&self, width: usize, height: usize, samples: u64) -> Result<(), Excess> {
        match self.pixels {
            Some(limit) if width as u64 * height as u64 > limit => {
                Err((Reason::PixelLimit, format!("{width} x {height} pixels; the limit is {limit}")))
            }
            None if samples >= MAX_SAMPLES => Err((Reason::TooLarge, format!("{width} x {height} pixels"))),
            _ => Ok(()),
        }
    }
}

/// The user's limit with its own reason, or else TensorFlow's.
fn chosen(users: Option<u64>, reason: Reason, tensorflows: u64) -> (u64, Reason) {
    users.map_or((tensorflows, Reason::TooLarge), |limit| (limit, reason))
}

/// When a picture's time is up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// That of a picture that was begun with at `start`.
    pub(super) fn of(limits: &Limits, start: Instant) -> Self {
        // What the clock cannot show will not come.
        Self(limits.time.and_then(|time| start.checked_add(time)))
    }

    /// Whether it is now, or was; asked on the thread that decodes.
    pub(super) fn has_passed(self) -> bool {
        // Waiting until other pictures are done is not this picture's doing.
        self.0.is_some_and(|end| Instant::now() >= end + memory::waited())
    }
}
