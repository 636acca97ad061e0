//! WebP, as TensorFlow reads it through libwebp 1.4: bit for bit, damaged files included.
//!
//! TensorFlow makes a batch of one of a picture, and rejects animations and whatever has an alpha channel. Container and
//! decoders are our own, because which damaged files libwebp accepts and what it makes of them is in no specification.

mod container;
mod lossless;
mod lossy;

use std::borrow::Cow;

use super::{Format, Picture, Reason, Rejection, Terms};
use container::{Coding, Frame};

/// Damage that ends the decoding.
type Damage = (Reason, Cow<'static, str>);

/// Decodes a WebP file of one frame without an alpha channel.
pub(super) fn decode(data: &[u8], terms: &Terms) -> Result<Picture, Rejection> {
    let Frame { coding, width, height, data } = container::open(data, terms.deadline)
        .map_err(|refusal| Rejection::new(refusal.reason, Format::WebP, refusal.detail).with_size(refusal.size))?;
    let size = Some((width, height));
    let refuse = |(reason, detail): (Reason, String)| Rejection::new(reason, Format::WebP, detail).with_size(size);
    let pixels = width as u64 * height as u64;
    let limits = &terms.policy.limits;
    limits.admit_sides(width, height, u64::MAX).map_err(refuse)?;
    limits.admit_pixels(width, height, pixels).map_err(refuse)?;
    let beside = match coding {
        Coding::Lossy => 0,
        Coding::Lossless => lossless::memory(pixels),
    };
    let room = |bytes: u64| terms.turn.room(bytes, Format::WebP, size);
    room(3 * pixels + beside)?;
    let decoded = match coding {
        Coding::Lossy => lossy::decode(data, width, height, terms.deadline),
        Coding::Lossless => lossless::decode(data, width, height, terms.deadline, |bytes| {
            room(bytes).map_err(|rejection| (rejection.reason, rejection.detail.into()))
        }),
    };
    let rgb = decoded.map_err(|(reason, detail)| refuse((reason, detail.into_owned())))?;
    Ok(Picture { width, height, format: Format::WebP, rgb })
}

#[cfg(test)]
mod tests;
