//! NumPy's .npy files, version 1.0: the array that every framework can load.

use std::io::{self, Write};

/// The header is padded so that the data begins at a multiple of this (numpy/lib/format.py, `ARRAY_ALIGN`).
const ALIGN: usize = 64;
/// Magic, version, and the header's length.
const PREFIX: usize = 10;

/// Writes `data`, a row-major array of `shape` whose little-endian values have NumPy's type `descr` (`|u1`, `<f4`).
pub(super) fn write(out: &mut impl Write, descr: &str, shape: &[usize], data: &[u8]) -> io::Result<()> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end());
    let padded = (PREFIX + header.len() + 1).next_multiple_of(ALIGN) - PREFIX;
    let length = u16::try_from(padded).map_err(|_| io::Error::other("the array has too many axes"))?;

    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&length.to_le_bytes())?;
    writeln!(out, "{header:<width$}", width = padded - 1)?;
    out.write_all(data)
}
