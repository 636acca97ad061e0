//! Memory for pictures whose headers ask for much of it.
//!
//! A file of a few hundred bytes can be a picture of gigabytes, and TensorFlow decodes it. So do we, but such pictures
//! take turns, however many workers there are, and one that does not fit is rejected before the attempt would end the run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Format, Reason, Rejection};

/// A decode that takes more bytes than this waits for its turn: a photo of 40 megapixels takes less.
const LARGE: u64 = 256 << 20;

static TURN: Mutex<()> = Mutex::new(());

/// The permission to use the memory that was asked for, while it is held.
pub(super) struct Room {
    _turn: Option<MutexGuard<'static, ()>>,
}

/// Asks for `bytes` of memory for decoding one picture.
///
/// # Errors
/// The system does not have them.
pub(super) fn room(bytes: u64, format: Format, size: Option<(usize, usize)>) -> Result<Room, Rejection> {
    if bytes <= LARGE {
        return Ok(Room { _turn: None });
    }
    // Whoever panicked in its turn left nothing behind: the lock guards no value.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    if !fits {
        let detail = format!("decoding it takes {:.1} GB of memory, which the system refuses", bytes as f64 / 1e9);
        return Err(Rejection::new(Reason::TooLarge, format, detail).with_size(size));
    }
    Ok(Room { _turn: Some(turn) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_cannot_fit_is_rejected_and_the_next_one_gets_its_turn() {
        let refused = room(1 << 62, Format::Png, Some((1 << 30, 1 << 30))).err();

        assert_eq!(refused.map(|rejection| rejection.reason), Some(Reason::TooLarge));
        assert!(room(LARGE + 1, Format::Png, None).is_ok());
        assert!(room(LARGE + 1, Format::Png, None).is_ok());
    }
}
