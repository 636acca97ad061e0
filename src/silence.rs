//! Catches a panic of code that is not ours without the message that Rust prints to stderr.
//!
//! The panic hook belongs to the whole process, so it is wrapped once: on a thread that is inside [`catch`] it says
//! nothing, on every other thread it does what it did before.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic inside it comes back as its message.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static WRAP: Once = Once::new();
    WRAP.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                before(info);
            }
        }));
    });

    let was = SILENT.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    SILENT.set(was);
    outcome.map_err(|payload| message(payload.as_ref()))
}

/// The text that the panic was raised with.
fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_comes_back_as_its_message() {
        let depth = 3;

        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| -> u8 { panic!("too deep: {depth}") }), Err("too deep: 3".to_owned()));
        assert!(!SILENT.get());
    }
}
