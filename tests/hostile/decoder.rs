//! Any bytes as an image file.

use petrec::image::{Accept, Reason, check, decode};

/// The decoder does not panic, deciding is decoding without the pixels, and what is flawless is accepted both ways.
pub(crate) fn holds(data: &[u8]) {
    let verdicts = [Accept::TensorFlow, Accept::Strict].map(|accept| {
        let checked = check(data, accept);
        // Pixels for a header's promise take seconds; what is promised is decided on above.
        if checked.as_ref().is_ok_and(|outline| outline.width * outline.height > 1 << 20) {
            return None;
        }
        let decoded = decode(data, accept);
        for rejection in decoded.as_ref().err().iter().chain(&checked.as_ref().err()) {
            assert_ne!(rejection.reason, Reason::DecoderPanic, "{rejection}");
        }
        assert_eq!(decoded.as_ref().map(petrec::image::Picture::outline), checked.as_ref().copied(), "{accept:?}");
        if let Ok(picture) = &decoded {
            assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
            assert!(picture.width > 0 && picture.height > 0);
        }
        decoded.ok()
    });
    if let [lenient, Some(strict)] = verdicts {
        assert!(lenient.is_some_and(|lenient| lenient == strict), "strict is a part of TensorFlow's");
    }
}
