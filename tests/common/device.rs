//! The GPU that the tests run on: a real one, or Mesa's lavapipe, which is a whole Vulkan device on the processor.

use petrec::engine::{Adapter, AdapterKind, adapters};

/// Set where a missing device is a failure and no reason to skip.
const REQUIRED: &str = "PETREC_TEST_DEVICE";

/// The first device; says so when there is none.
pub(crate) fn device() -> Option<Adapter> {
    let found = adapters().into_iter().find(|adapter| adapter.kind != AdapterKind::Other);
    if found.is_none() {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and there is no device");
        eprintln!("skipped: no Vulkan, Metal or DirectX 12 device");
    }
    found
}
