//! Reading the .npy files of the references: row-major, `<f4` or `<f8`, any shape.

use std::fs;
use std::path::Path;

/// An array of NumPy's, its values widened to f64.
pub(crate) struct Npy {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Npy {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
        let data = &bytes[10 + length..];
        assert!(header.contains("'fortran_order': False"), "{header}");

        let axes = header.split(['(', ')']).nth(1).expect("a shape");
        let shape = axes.split(',').filter_map(|axis| axis.trim().parse().ok()).collect();
        let values = if header.contains("'<f4'") {
            data.as_chunks().0.iter().map(|value| f64::from(f32::from_le_bytes(*value))).collect()
        } else {
            assert!(header.contains("'<f8'"), "{header}");
            data.as_chunks().0.iter().map(|value| f64::from_le_bytes(*value)).collect()
        };
        Self { shape, values }
    }
}
