//! Which instructions the kernels are made of: found at run time, or forced with `PETREC_ISA`.

use std::env;
use std::fmt;

use super::super::EngineError;
#[cfg(target_arch = "x86_64")]
use super::kernels::{Avx2, Avx512};

/// Forces an [`Isa`] by its name.
const VARIABLE: &str = "PETREC_ISA";

/// A set of vector instructions that the kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 16 values per vector, 32 registers: x86-64 with AVX-512 F, VL and DQ.
    Avx512,
    /// 8 values per vector, 16 registers: x86-64 with AVX2 and FMA.
    Avx2,
    /// What every compiler target has; no multiply-add is fused.
    Portable,
}

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The name as typed and reported: `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this machine has these instructions.
    #[must_use]
    pub fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// What `PETREC_ISA` names, else the fastest that this machine has.
    ///
    /// # Errors
    /// `PETREC_ISA` is set to anything else, or to what this machine does not have.
    pub fn choose() -> Result<Self, EngineError> {
        match env::var_os(VARIABLE) {
            None => Ok(Self::fastest()),
            Some(name) => Self::forced(&name.to_string_lossy()),
        }
    }

    fn fastest() -> Self {
        Self::ALL.into_iter().find(|isa| isa.available()).unwrap_or(Self::Portable)
    }

    fn forced(name: &str) -> Result<Self, EngineError> {
        let refuse = |problem: &str| {
            let usable: Vec<_> = Self::ALL.into_iter().filter(|isa| isa.available()).map(Self::name).collect();
            let problem = format!("{VARIABLE}={name}: {problem}; unset it, or set it to {}", usable.join(" or "));
            Err(EngineError::Failed { engine: super::NAME, problem })
        };
        match Self::ALL.into_iter().find(|isa| isa.name() == name) {
            None => refuse("there are no kernels of that name"),
            Some(isa) if !isa.available() => refuse("this machine does not have these instructions"),
            Some(isa) => Ok(isa),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_with_the_names_that_work() {
        let error = Isa::forced("sse9").expect_err("must be refused").to_string();

        assert!(error.contains("PETREC_ISA=sse9") && error.contains("portable"), "{error}");
    }

    #[test]
    fn every_name_forces_its_isa_or_is_refused_where_the_machine_lacks_it() {
        for isa in Isa::ALL {
            match Isa::forced(isa.name()) {
                Ok(forced) => assert_eq!(forced, isa),
                Err(error) => assert!(!isa.available() && error.to_string().contains("this machine"), "{error}"),
            }
        }
    }
}
