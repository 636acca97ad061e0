//! Tools that know nothing of photos: work on many threads, panics that are caught, `.npy` files, and deaths for tests.

pub(crate) mod failpoint;
pub mod npy;
pub(crate) mod panics;
pub mod parallel;
