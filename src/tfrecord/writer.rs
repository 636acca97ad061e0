//! Writing records into anything that is [`Write`].

use std::io::{self, Write};

use super::framing::{self, FRAMING_LEN};

/// Writes framed records one after the other and counts them.
///
/// A record takes three writes, two of them of a few bytes: give it a [`std::io::BufWriter`].
#[derive(Debug)]
pub struct Writer<W: Write> {
    inner: W,
    records: u64,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// A writer that starts a new record file at the present position of `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, records: 0, bytes: 0 }
    }

    /// Writes one record: `data` and the 16 bytes of framing around it.
    ///
    /// # Errors
    /// What the underlying writer says. The file then ends in a broken record and is only good for throwing away.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.inner.write_all(&framing::header(data.len() as u64))?;
        self.inner.write_all(data)?;
        self.inner.write_all(&framing::footer(data))?;
        self.records += 1;
        self.bytes += (FRAMING_LEN + data.len()) as u64;
        Ok(())
    }

    /// Records written whole so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of those records, framing included: the file's length so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Flushes and hands the underlying writer back, for instance to sync and rename its file.
    ///
    /// # Errors
    /// What flushing says.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.flush()?;
        Ok(self.inner)
    }
}

/// A record file of these records, for tests.
#[cfg(test)]
pub(super) fn file_of(records: &[&[u8]]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        writer.write(record).expect("a Vec takes everything");
    }
    writer.finish().expect("a Vec takes everything")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_header_data_and_footer() -> io::Result<()> {
        let mut writer = Writer::new(Vec::new());

        writer.write(b"hello")?;

        let expected = [&framing::header(5)[..], b"hello", &framing::footer(b"hello")];
        assert_eq!(writer.finish()?, expected.concat());
        Ok(())
    }

    #[test]
    fn records_and_bytes_count_what_was_written() -> io::Result<()> {
        let mut writer = Writer::new(Vec::new());

        writer.write(b"")?;
        writer.write(&[7; 100])?;

        assert_eq!((writer.records(), writer.bytes()), (2, 132));
        assert_eq!(writer.finish()?.len(), 132);
        Ok(())
    }

    #[test]
    fn a_record_that_could_not_be_written_is_not_counted() {
        let mut room = [0; 20];
        let mut writer = Writer::new(&mut room[..]);

        assert!(writer.write(&[1; 5]).is_err());

        assert_eq!((writer.records(), writer.bytes()), (0, 0));
    }
}
