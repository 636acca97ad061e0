//! The devices that graphics APIs offer, and how one of them is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::one_line;

/// What kind of device an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU that a host lends to a virtual machine.
    Virtual,
    /// No GPU at all: a driver that computes on the processor, as Mesa's lavapipe or Windows' WARP do.
    Cpu,
    /// Anything else; petrec does not use it.
    Other,
}

impl AdapterKind {
    /// All that can be used, the fastest first.
    const USABLE: [Self; 4] = [Self::Discrete, Self::Integrated, Self::Virtual, Self::Cpu];

    /// The name as typed and shown: `discrete`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Cpu => "cpu",
            Self::Other => "other",
        }
    }

    /// Whether there is a GPU behind it; what computes on the processor is slower than petrec's own engine for that.
    #[must_use]
    pub fn is_hardware(self) -> bool {
        matches!(self, Self::Discrete | Self::Integrated | Self::Virtual)
    }
}

/// A device as one graphics API shows it. One card may be there twice, under two APIs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adapter {
    /// Its place in the list, from 0: what `--device` takes.
    pub index: usize,
    /// What the driver calls it.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// The graphics API: `Vulkan`, `Metal` or `Dx12`.
    pub api: &'static str,
    /// The driver and its version, as it tells them; Metal tells nothing.
    pub driver: String,
    /// The largest buffer that it gives, in bytes.
    pub max_buffer: u64,
    /// The largest part of a buffer that a kernel may see, in bytes: no map of the network may take more.
    pub max_binding: u64,
    /// Its place among those of its kind and API, by which the API's library knows it.
    #[serde(skip)]
    pub(super) nth_of_kind: usize,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", one_line(&self.name), self.kind.name(), self.api)
    }
}

/// All adapters that Vulkan, Metal and DirectX 12 show; none where this petrec was built without the feature `wgpu`.
#[must_use]
pub fn adapters() -> Vec<Adapter> {
    #[cfg(feature = "wgpu")]
    return super::gpu::adapters();
    #[cfg(not(feature = "wgpu"))]
    Vec::new()
}

/// Which adapter is wanted, as typed after `--device`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// That place in the list.
    Index(usize),
    /// The first of that kind.
    Kind(AdapterKind),
    /// The first with this in its name, in upper or lower case.
    Name(String),
}

impl FromStr for DeviceChoice {
    type Err = &'static str;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        if typed.trim().is_empty() {
            return Err("not a device: type what 'petrec devices' shows, a number or a name");
        }
        let kind = AdapterKind::USABLE.into_iter().find(|kind| kind.name() == typed);
        Ok(match (typed.parse(), kind) {
            (Ok(index), _) => Self::Index(index),
            (_, Some(kind)) => Self::Kind(kind),
            _ => Self::Name(typed.to_owned()),
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::Name(name) => one_line(name).fmt(f),
        }
    }
}

impl DeviceChoice {
    /// Whether it means `adapter`.
    #[must_use]
    pub fn is(&self, adapter: &Adapter) -> bool {
        adapter.kind != AdapterKind::Other
            && match self {
                Self::Index(index) => adapter.index == *index,
                Self::Kind(kind) => adapter.kind == *kind,
                Self::Name(name) => adapter.name.to_lowercase().contains(&name.to_lowercase()),
            }
    }
}

/// The best GPU; nothing that computes on the processor.
#[must_use]
pub fn best_hardware(adapters: &[Adapter]) -> Option<&Adapter> {
    let rank = |adapter: &&Adapter| AdapterKind::USABLE.iter().position(|kind| *kind == adapter.kind);
    adapters.iter().filter(|adapter| adapter.kind.is_hardware()).min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapters(kinds: &[(AdapterKind, &str)]) -> Vec<Adapter> {
        let adapter = |(index, (kind, name)): (usize, &(AdapterKind, &str))| Adapter {
            index,
            name: (*name).to_owned(),
            kind: *kind,
            api: "Vulkan",
            driver: String::new(),
            max_buffer: 1 << 30,
            max_binding: 1 << 27,
            nth_of_kind: 0,
        };
        kinds.iter().enumerate().map(adapter).collect()
    }

    fn laptop() -> Vec<Adapter> {
        adapters(&[
            (AdapterKind::Cpu, "llvmpipe (LLVM 15)"),
            (AdapterKind::Integrated, "Intel Iris Xe"),
            (AdapterKind::Other, "NVIDIA something"),
            (AdapterKind::Discrete, "NVIDIA RTX 3050"),
            (AdapterKind::Discrete, "NVIDIA RTX 4090"),
        ])
    }

    #[test]
    fn a_device_is_picked_by_number_kind_or_name() {
        let picked = |typed: &str| {
            let choice: DeviceChoice = typed.parse().expect(typed);
            assert_eq!(choice.to_string(), typed);
            laptop().iter().find(|adapter| choice.is(adapter)).map(|adapter| adapter.index)
        };

        assert_eq!(picked("4"), Some(4));
        assert_eq!(picked("cpu"), Some(0));
        assert_eq!(picked("discrete"), Some(3));
        assert_eq!(picked("rtx 4090"), Some(4));
        assert_eq!(picked("nvidia"), Some(3), "what petrec cannot use is passed over");
        for none in ["2", "5", "virtual", "amd", "Discrete"] {
            assert_eq!(picked(none), None, "{none}");
        }
        assert!(" ".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn the_best_gpu_is_a_card_of_its_own_and_never_the_processor() {
        assert_eq!(best_hardware(&laptop()).map(|adapter| adapter.index), Some(3));
        assert_eq!(best_hardware(&adapters(&[(AdapterKind::Cpu, "llvmpipe"), (AdapterKind::Other, "?")])), None);
    }
}
