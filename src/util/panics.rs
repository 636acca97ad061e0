//! Catches a panic of code that is not ours without the message that Rust prints to stderr.
//!
//! The panic hook belongs to the whole process, so it is wrapped once: on a thread that is inside [`catch`] it says
//! nothing, on every other thread it does what it did before. Burn's own threads are silent as well: what fails there comes
//! back to whoever asked as an error.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe, Location},
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
            let file = info.location().map_or("", Location::file);
            if !SILENT.get() && !is_burns(file) {
                before(info);
            }
        }));
    });

    let was = SILENT.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    SILENT.set(was);
    outcome.map_err(|payload| message(payload.as_ref()))
}

/// Whether this source file is of Burn's runtime.
fn is_burns(file: &str) -> bool {
    file.split(['/', '\\']).any(|part| part.starts_with("cubecl-"))
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
    fn burns_own_threads_are_known_by_their_source_on_every_system() {
        assert!(is_burns("/home/a/.cargo/registry/src/index/cubecl-wgpu-0.11.3/src/compute/device_poison.rs"));
        assert!(is_burns(r"C:\a\.cargo\registry\src\index\cubecl-runtime-0.11.3\src\lib.rs"));
        assert!(!is_burns("src/engine/gpu/batches.rs"));
    }

    #[test]
    fn a_panic_comes_back_as_its_message() {
        let depth = 3;

        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| -> u8 { panic!("too deep: {depth}") }), Err("too deep: 3".to_owned()));
        assert!(!SILENT.get());
    }
}
