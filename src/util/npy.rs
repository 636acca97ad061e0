//! NumPy's .npy files: the array that every framework can load and save.
//!
//! Written as version 1.0. Read in every version, if it holds little-endian floats in C order: what reference dumps hold.
//! Source: `numpy/lib/format.py`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The header is padded so that the data begins at a multiple of this (`ARRAY_ALIGN`).
const ALIGN: usize = 64;
/// Magic, version, and the header's length.
const PREFIX: usize = 10;

/// Why an array could not be read.
#[derive(Debug, Error)]
pub enum NpyError {
    /// The file could not be read.
    #[error("{}: {source}; check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not an array that can be taken.
    #[error("{}: {problem}; save a C-contiguous float32 or float64 array with numpy.save", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// An array of float32 or float64, its values widened to f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Npy {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// As many values as the shape's product, row-major.
    pub values: Vec<f64>,
}

impl Npy {
    /// Reads a file.
    ///
    /// # Errors
    /// [`NpyError`] names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, NpyError> {
        let bytes = fs::read(path).map_err(|source| NpyError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes).map_err(|problem| NpyError::Refused { path: path.into(), problem })
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (header, data) = split(bytes).ok_or("not a whole .npy file")?;
        let header = String::from_utf8_lossy(header);
        if entry(&header, "fortran_order") != Some("False") {
            return Err("its values are in Fortran's order, expected C's".into());
        }
        let shape = entry(&header, "shape").and_then(axes).ok_or("its header has no shape")?;
        let values: Vec<f64> = match entry(&header, "descr") {
            Some("<f4") => data.as_chunks().0.iter().map(|value| f64::from(f32::from_le_bytes(*value))).collect(),
            Some("<f8") => data.as_chunks().0.iter().map(|value| f64::from_le_bytes(*value)).collect(),
            other => return Err(format!("it holds {}, expected <f4 or <f8", other.unwrap_or("nothing"))),
        };
        let expected = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        if expected != Some(values.len()) {
            return Err(format!("it holds {} values, its shape is {shape:?} (cut off?)", values.len()));
        }
        Ok(Self { shape, values })
    }
}

/// The header, a Python dictionary, and the data behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[major, _minor], rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (length, rest) = if major == 1 {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::from(u16::from_le_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
    };
    rest.split_at_checked(length)
}

/// The value behind a key of the header: a word, or a tuple without its parentheses.
fn entry<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let value = header.split_once(&format!("'{key}':"))?.1.trim_start();
    match value.strip_prefix('(') {
        Some(tuple) => Some(tuple.split_once(')')?.0),
        None => Some(value.split([',', '}']).next()?.trim_matches([' ', '\''])),
    }
}

fn axes(tuple: &str) -> Option<Vec<usize>> {
    let axes = tuple.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    axes.map(|axis| axis.parse().ok()).collect()
}

/// Writes `data`, a row-major array of `shape` whose little-endian values have NumPy's type `descr` (`|u1`, `<f4`).
pub(crate) fn write(out: &mut impl Write, descr: &str, shape: &[usize], data: &[u8]) -> io::Result<()> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end());
    let padded = (PREFIX + header.len() + 1).next_multiple_of(ALIGN) - PREFIX;
    let length = u16::try_from(padded).map_err(|_| io::Error::other("the array has too many axes"))?;

    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&length.to_le_bytes())?;
    writeln!(out, "{header:<width$}", width = padded - 1)?;
    out.write_all(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, descr, shape, data).expect("a vector takes everything");
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let values = [1.5f32, -2.0, 0.0, 1e9, 3.0, 4.0];
        let bytes = file("<f4", &[2, 3], &values.map(f32::to_le_bytes).concat());

        let array = Npy::from_bytes(&bytes).expect("an array");

        assert_eq!(array, Npy { shape: vec![2, 3], values: values.map(f64::from).to_vec() });
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(Npy::from_bytes(&file("<f8", &[], &7f64.to_le_bytes())).expect("a number").values, [7.0]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let whole = file("<f4", &[2], &[0; 8]);
        let fortran = String::from_utf8_lossy(&whole[PREFIX..]).replace("False", "True ");
        let fortran = [&whole[..PREFIX], fortran.as_bytes()].concat();
        let cases = [
            (whole[..whole.len() - 1].to_vec(), "it holds 1 values, its shape is [2]"),
            (whole[..20].to_vec(), "not a whole .npy file"),
            (b"PK\x03\x04".to_vec(), "not a whole .npy file"),
            (fortran, "Fortran"),
            (file("<i8", &[1], &[0; 8]), "it holds <i8"),
            (file("<f4", &[usize::MAX, 16], &[]), "it holds 0 values"),
        ];
        for (bytes, expected) in cases {
            let problem = Npy::from_bytes(&bytes).expect_err(expected);

            assert!(problem.contains(expected), "{problem}");
        }
    }
}
