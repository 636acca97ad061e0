//! Any bytes as a weight file.

use petrec::model::Weights;
use sha2::{Digest, Sha256};

/// Where the checksum of the whole file is to stand.
const BLANK: [u8; 64] = [b'0'; 64];

/// Reading does not panic, and weights that were read are written to the same bytes.
pub(crate) fn holds(data: &[u8]) {
    let file = with_checksum(data);
    if let Ok(weights) = Weights::from_bytes(&file, "the input") {
        let written = weights.to_bytes().expect("what was read can be written");
        let again = Weights::from_bytes(&written, "the input").expect("what was written can be read");
        assert_eq!(again.to_bytes().expect("written before"), written);
    }
}

/// A guess would never hit the checksum, so it is filled in where the file has left it blank.
fn with_checksum(data: &[u8]) -> Vec<u8> {
    let mut file = data.to_vec();
    if let Some(at) = data.windows(BLANK.len()).position(|window| window == BLANK) {
        let sum = petrec::text::hex(&Sha256::digest(data));
        file[at..at + BLANK.len()].copy_from_slice(sum.as_bytes());
    }
    file
}
