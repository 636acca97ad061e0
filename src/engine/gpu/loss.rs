//! Losing the device on purpose, for the test of what becomes of a run then.

use std::env;

use ::burn::tensor::wgpu::wgpu;

/// `PETREC_LOSE_DEVICE_AT=3` destroys the device before its third batch: what was queued comes to nothing, and so does all that
/// is asked of it later, as after a driver's reset.
pub(super) struct Loss {
    device: wgpu::Device,
    /// Batches until then; `None` where that is not wanted.
    left: Option<u64>,
}

impl Loss {
    pub(super) fn of(device: wgpu::Device) -> Self {
        Self { device, left: env::var("PETREC_LOSE_DEVICE_AT").ok().and_then(|at| at.parse().ok()) }
    }

    /// Stands before every batch.
    pub(super) fn point(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            self.device.destroy();
            // wgpu tells of it now, as it does at once where the driver fails.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
    }
}
