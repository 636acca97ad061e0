//! The rules of accepting and rejecting, on small files made here.

use super::*;

#[test]
fn an_empty_file_is_empty() {
    let rejection = decode(b"", Accept::TensorFlow).expect_err("nothing to decode");

    assert_eq!(rejection.reason, Reason::Empty);
    assert_eq!(rejection.to_string(), "the file is empty (E_EMPTY)");
}
