//! Finding adapters, and opening Burn's device on one of them.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use ::burn::tensor::wgpu::{WgpuBackend, wgpu};
use ::burn::tensor::{Device, DeviceKind};
use futures_lite::future::block_on;
use tracing::debug;

use super::super::device::{Adapter, AdapterKind};
use super::stderr::without_noise;
use super::tuning;

/// A graphics API as wgpu names it, as Burn names it, and as people do.
struct Api {
    wgpu: wgpu::Backend,
    burn: WgpuBackend,
    name: &'static str,
}

/// The APIs of each system, the best first. OpenGL is not among them: its compute shaders are an afterthought.
const APIS: &[Api] = &[
    #[cfg(not(target_vendor = "apple"))]
    Api { wgpu: wgpu::Backend::Vulkan, burn: WgpuBackend::Vulkan, name: "Vulkan" },
    #[cfg(target_vendor = "apple")]
    Api { wgpu: wgpu::Backend::Metal, burn: WgpuBackend::Metal, name: "Metal" },
    #[cfg(windows)]
    Api { wgpu: wgpu::Backend::Dx12, burn: WgpuBackend::Dx12, name: "Dx12" },
];

/// The APIs that were looked at, for a message.
pub(super) fn api_names() -> String {
    APIS.iter().map(|api| api.name).collect::<Vec<_>>().join(" and ")
}

/// A device as Burn has it, and as wgpu has it beneath.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) device: Device,
    pub(super) beneath: wgpu::Device,
}

/// The devices that are open: Burn opens each once per process. The lock also keeps instances from coming and going on two
/// threads at a time, which crashes Vulkan's loader.
static OPEN: LazyLock<Mutex<HashMap<usize, Opened>>> = LazyLock::new(Mutex::default);

fn open_devices() -> MutexGuard<'static, HashMap<usize, Opened>> {
    // Only whole entries are ever put in.
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`super::super::adapters`].
pub(in super::super) fn adapters() -> Vec<Adapter> {
    let _no_other_instance = open_devices();
    let mut found: Vec<Adapter> = Vec::new();
    for api in APIS {
        let first = found.len();
        for adapter in of_api(api.wgpu) {
            let info = adapter.get_info();
            let kind = kind(info.device_type);
            let nth_of_kind = found[first..].iter().filter(|other| other.kind == kind).count();
            let limits = adapter.limits();
            found.push(Adapter {
                index: found.len(),
                name: info.name,
                kind,
                api: api.name,
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                max_buffer: limits.max_buffer_size,
                max_binding: limits.max_storage_buffer_binding_size,
                nth_of_kind,
            });
        }
    }
    debug!(apis = api_names(), adapters = ?found, "looked for GPUs");
    found
}

fn of_api(api: wgpu::Backend) -> Vec<wgpu::Adapter> {
    without_noise(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: api.into(),
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        block_on(instance.enumerate_adapters(api.into()))
    })
}

fn kind(kind: wgpu::DeviceType) -> AdapterKind {
    match kind {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Cpu,
        wgpu::DeviceType::Other => AdapterKind::Other,
    }
}

/// Burn's device on `adapter`; the message of the graphics API where there is none.
pub(super) fn open(adapter: &Adapter) -> Result<Opened, String> {
    let nth = adapter.nth_of_kind;
    let kind = match adapter.kind {
        AdapterKind::Discrete => DeviceKind::DiscreteGpu(nth),
        AdapterKind::Integrated => DeviceKind::IntegratedGpu(nth),
        AdapterKind::Virtual => DeviceKind::VirtualGpu(nth),
        AdapterKind::Cpu if nth == 0 => DeviceKind::Cpu,
        AdapterKind::Cpu | AdapterKind::Other => return Err("Burn has no name for it".into()),
    };
    let api = APIS.iter().find(|api| api.name == adapter.api).ok_or("its graphics API is not one of this system")?;

    let mut devices = open_devices();
    if let Some(opened) = devices.get(&adapter.index) {
        // What an earlier network had on it is not given back by itself.
        opened.device.memory_cleanup();
        return Ok(opened.clone());
    }
    tuning::keep();
    let opened = without_noise(|| Device::wgpu_options().device_kind(kind).graphics_api(api.burn).init_with_setup());
    let (device, setup) = opened.map_err(|error| error.to_string())?;
    let opened = Opened { device, beneath: setup.device };
    devices.insert(adapter.index, opened.clone());
    Ok(opened)
}
