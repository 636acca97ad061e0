//! The bytes of a JPEG file as libjpeg sees them through TensorFlow's in-memory source.
//!
//! What matters is where reading stops. libjpeg asks its source for more when the bytes run out. TensorFlow's source
//! raises an error if libjpeg had consumed everything, and otherwise asks it to wait ("suspend"), which libjpeg can do
//! only between the units it has marked as done. Both end the decoding of a header or a scan, but a wait after the
//! last row of a picture goes unnoticed. [`Source::synced`] is that mark.

use std::fmt;

use super::super::{
    Reason,
    limits::{Deadline, Excess},
};

/// Why reading stopped before the end of the picture.
#[derive(Debug)]
pub(super) enum Halt {
    /// The bytes ran out in the middle of something; libjpeg waits for more.
    Suspended,
    /// What libjpeg calls an error.
    Failed(Reason, String),
}

impl Halt {
    /// An error of this `reason`.
    pub(super) fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Failed(reason, detail.into())
    }

    /// The picture asks for too much.
    pub(super) fn excess((reason, detail): Excess) -> Self {
        Self::Failed(reason, detail)
    }

    /// A damaged or contradictory header.
    pub(super) fn header(detail: impl Into<String>) -> Self {
        Self::failed(Reason::BadHeader, detail)
    }
}

/// What libjpeg would have warned about: how often, and what first.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    first: Option<&'static str>,
    count: usize,
}

impl Warnings {
    /// Notes one warning.
    pub(super) fn note(&mut self, what: &'static str) {
        self.first.get_or_insert(what);
        self.count += 1;
    }

    /// Whether there was none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.first.unwrap_or_default())?;
        match self.count {
            0 | 1 => Ok(()),
            2 => f.write_str(" and one more warning"),
            count => write!(f, " and {} more warnings", count - 1),
        }
    }
}

/// A position in the file, with what is shared by the readers of markers and of entropy-coded data.
pub(super) struct Source<'a> {
    pub(super) data: &'a [u8],
    /// The next byte to read.
    pub(super) position: usize,
    /// Everything before this is done with.
    pub(super) synced: usize,
    /// A marker code that was read but not yet acted upon; 0 for none.
    pub(super) unread_marker: u8,
    /// Bytes thrown away since the last marker.
    pub(super) discarded: usize,
    /// The number, 0 to 7, that the next restart marker should have.
    pub(super) next_restart: u8,
    pub(super) warnings: Warnings,
    /// Zero bytes that an arithmetic decoder took from beyond the end of its data.
    invented: usize,
    deadline: Deadline,
}

/// Bytes that are passed over between two looks at the clock.
const STRIDE: usize = 1 << 16;

/// Arithmetic-coded data may stop early: zeroes follow, as many as the blocks ask for. An encoder leaves out the zeroes
/// at its data's end, hardly ever more than two; data that was made for it can be decoded for minutes from nothing. So
/// many zero bytes take a few seconds at most.
const MAX_INVENTED: usize = 1 << 21;

impl<'a> Source<'a> {
    pub(super) fn new(data: &'a [u8], deadline: Deadline) -> Self {
        Self {
            data,
            position: 0,
            synced: 0,
            unread_marker: 0,
            discarded: 0,
            next_restart: 0,
            warnings: Warnings::default(),
            invented: 0,
            deadline,
        }
    }

    /// Stops the decoder when its time is up.
    pub(super) fn look_at_the_clock(&self) -> Result<(), Halt> {
        if self.deadline.has_passed() { Err(Halt::failed(Reason::TimeLimit, "")) } else { Ok(()) }
    }

    /// Looks at the clock once in [`STRIDE`] bytes, for loops that go on byte by byte.
    fn look_at_the_clock_at_times(&self) -> Result<(), Halt> {
        if self.position.is_multiple_of(STRIDE) { self.look_at_the_clock() } else { Ok(()) }
    }

    /// Passes over bytes FF, any number of which may stand before a marker's code, and returns the byte after them.
    pub(super) fn after_fill(&mut self) -> Result<u8, Halt> {
        loop {
            let byte = self.byte()?;
            if byte != 0xff {
                return Ok(byte);
            }
            self.look_at_the_clock_at_times()?;
        }
    }

    /// A zero byte from beyond the end of arithmetic-coded data.
    pub(super) fn invent(&mut self) -> Result<u8, Halt> {
        self.invented += 1;
        if self.invented > MAX_INVENTED {
            let detail =
                format!("its arithmetic-coded data ends more than {MAX_INVENTED} bytes before its picture does");
            return Err(Halt::failed(Reason::TooLarge, detail));
        }
        Ok(0)
    }

    /// Marks everything read so far as done.
    pub(super) fn sync(&mut self) {
        self.synced = self.position;
    }

    /// The end of the bytes was reached.
    pub(super) fn out_of_data(&self) -> Halt {
        if self.synced < self.data.len() {
            Halt::Suspended
        } else {
            Halt::failed(Reason::Truncated, "the file stops before its end marker")
        }
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, Halt> {
        match self.data.get(self.position) {
            Some(&byte) => {
                self.position += 1;
                Ok(byte)
            }
            None => Err(self.out_of_data()),
        }
    }

    /// The next two bytes as a big-endian number.
    pub(super) fn word(&mut self) -> Result<u16, Halt> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// Leaves out `count` bytes; beyond the end this stops at the end, and the next read fails.
    pub(super) fn skip(&mut self, count: usize) {
        self.position = self.data.len().min(self.position.saturating_add(count));
        self.sync();
    }

    /// Finds the next marker, passing over anything else, and leaves it in `unread_marker`.
    pub(super) fn find_marker(&mut self) -> Result<(), Halt> {
        let code = loop {
            let mut byte = self.byte()?;
            while byte != 0xff {
                self.discarded += 1;
                self.sync();
                self.look_at_the_clock_at_times()?;
                byte = self.byte()?;
            }
            byte = self.after_fill()?;
            if byte != 0 {
                break byte;
            }
            self.discarded += 2; // a stuffed FF 00 is data, not a marker
            self.sync();
            self.look_at_the_clock_at_times()?;
        };
        if self.discarded != 0 {
            self.warnings.note("stray bytes before a marker");
            self.discarded = 0;
        }
        self.unread_marker = code;
        self.sync();
        Ok(())
    }

    /// Goes to the next restart marker, repairing a wrong sequence as libjpeg does.
    pub(super) fn restart(&mut self) -> Result<(), Halt> {
        if self.unread_marker == 0 {
            self.find_marker()?;
        }
        if self.unread_marker == 0xd0 + self.next_restart {
            self.unread_marker = 0;
        } else {
            self.resynchronise()?;
        }
        self.next_restart = (self.next_restart + 1) & 7;
        Ok(())
    }

    /// A marker other than the expected restart stands here: drop it, look on, or leave it and let this interval be empty.
    fn resynchronise(&mut self) -> Result<(), Halt> {
        self.warnings.note("restart markers out of order");
        let desired = self.next_restart;
        loop {
            self.look_at_the_clock()?;
            let marker = self.unread_marker;
            if marker < 0xc0 {
                self.find_marker()?; // no valid marker at all
                continue;
            }
            if !(0xd0..=0xd7).contains(&marker) {
                return Ok(()); // the scan seems to be over
            }
            match (marker - 0xd0).wrapping_sub(desired) & 7 {
                1 | 2 => return Ok(()),       // one of the next two: this interval was lost
                6 | 7 => self.find_marker()?, // one of the last two: an old interval, read on
                _ => {
                    self.unread_marker = 0; // the right one, or too far away to guess
                    return Ok(());
                }
            }
        }
    }
}
