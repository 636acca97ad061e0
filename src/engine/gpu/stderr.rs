//! Standard error while a driver is loaded.
//!
//! Where `XDG_RUNTIME_DIR` is not set, a layer of Mesa's Vulkan drivers looks for a Wayland display all the same and prints
//! `error: XDG_RUNTIME_DIR is invalid or not set` on the process's standard error, in the middle of what petrec prints. A
//! process may not change its own environment once it has threads, so its standard error leads nowhere for that moment.

#[cfg(unix)]
pub(super) fn without_noise<T>(load: impl FnOnce() -> T) -> T {
    use std::fs::File;

    /// Gives standard error back, after a panic too.
    struct Restored(std::os::fd::OwnedFd);

    impl Drop for Restored {
        fn drop(&mut self) {
            let _ = rustix::stdio::dup2_stderr(&self.0); // the number is free: nothing else can go wrong
        }
    }

    let is_quiet = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| std::path::Path::new(&folder).is_dir());
    let saved = (!is_quiet).then(|| rustix::io::dup(rustix::stdio::stderr()).ok()).flatten().map(Restored);
    if saved.is_some()
        && let Ok(nowhere) = File::options().write(true).open("/dev/null")
    {
        let _ = rustix::stdio::dup2_stderr(&nowhere);
    }
    load()
}

/// No driver of another system looks for a Wayland display.
#[cfg(not(unix))]
pub(super) fn without_noise<T>(load: impl FnOnce() -> T) -> T {
    load()
}
