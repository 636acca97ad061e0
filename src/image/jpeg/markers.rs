//! The marker segments of a JPEG file, read as libjpeg reads them (T.81, annex B).

use super::{
    super::Reason,
    frame::{Coding, Frame, ScanHeader},
    huffman::Definition,
    source::{Halt, Source},
    tables::{Conditioning, Tables, ZIGZAG},
};

/// What the markers lead to.
#[derive(PartialEq, Eq)]
pub(super) enum Stop {
    /// Entropy-coded data follows.
    Scan,
    /// The end of the picture.
    End,
}

/// Everything that the headers have said so far.
#[derive(Default)]
pub(super) struct Headers {
    pub(super) frame: Option<Frame>,
    pub(super) tables: Tables,
    /// The latest scan header, and how many there were.
    pub(super) scan: ScanHeader,
    pub(super) scans: usize,
    /// A JFIF APP0 was seen.
    pub(super) jfif: bool,
    /// The colour transform of an Adobe APP14.
    pub(super) adobe: Option<u8>,
    started: bool,
}

/// How much of an APP0 or APP14 segment libjpeg looks at.
const APP_BYTES: usize = 14;

impl Headers {
    /// The frame header, which must have come by now.
    pub(super) fn frame(&self) -> Result<&Frame, Halt> {
        self.frame.as_ref().ok_or_else(|| Halt::header("a scan before any frame header"))
    }

    /// Reads on to the next scan or to the end of the picture.
    pub(super) fn advance(&mut self, source: &mut Source) -> Result<Stop, Halt> {
        loop {
            source.look_at_the_clock()?;
            if source.unread_marker == 0 {
                if self.started {
                    source.find_marker()?;
                } else {
                    self.start(source)?;
                }
            }
            match source.unread_marker {
                0xd8 => self.start_of_image()?,
                0xc0 | 0xc1 => self.start_of_frame(source, Coding::BASELINE)?,
                0xc2 => self.start_of_frame(source, Coding { progressive: true, arithmetic: false })?,
                0xc9 => self.start_of_frame(source, Coding { progressive: false, arithmetic: true })?,
                0xca => self.start_of_frame(source, Coding { progressive: true, arithmetic: true })?,
                0xc3 | 0xc5..=0xc8 | 0xcb | 0xcd..=0xcf => {
                    let kind = match source.unread_marker {
                        0xc3 | 0xcb => "lossless",
                        _ => "hierarchical",
                    };
                    return Err(Halt::failed(Reason::UnsupportedCoding, format!("{kind} JPEG is not supported")));
                }
                0xda => {
                    self.start_of_scan(source)?;
                    source.unread_marker = 0;
                    return Ok(Stop::Scan);
                }
                0xd9 => {
                    source.unread_marker = 0;
                    return Ok(Stop::End);
                }
                0xc4 => self.huffman_tables(source)?,
                0xcc => self.conditioning(source)?,
                0xdb => self.quantisation_tables(source)?,
                0xdd => self.restart_interval(source)?,
                0xe0 => self.app0(source)?,
                0xee => self.app14(source)?,
                0xe1..=0xef | 0xfe | 0xdc => skip_segment(source)?,
                0xd0..=0xd7 | 0x01 => {} // stand alone
                other => return Err(Halt::header(format!("unknown marker FF {other:02X}"))),
            }
            source.sync();
            source.unread_marker = 0;
        }
    }

    /// The first two bytes.
    fn start(&mut self, source: &mut Source) -> Result<(), Halt> {
        if (source.byte()?, source.byte()?) != (0xff, 0xd8) {
            return Err(Halt::header("no start of image"));
        }
        source.unread_marker = 0xd8;
        source.sync();
        Ok(())
    }

    fn start_of_image(&mut self) -> Result<(), Halt> {
        if self.started {
            return Err(Halt::header("a second start of image"));
        }
        self.started = true;
        Ok(())
    }

    fn start_of_frame(&mut self, source: &mut Source, coding: Coding) -> Result<(), Halt> {
        let length = usize::from(source.word()?);
        let precision = source.byte()?;
        let height = usize::from(source.word()?);
        let width = usize::from(source.word()?);
        let count = usize::from(source.byte()?);
        if self.frame.is_some() {
            return Err(Halt::header("a second frame header"));
        }
        let mut frame = Frame::new(coding, precision, width, height);
        if width == 0 || height == 0 {
            return Err(Halt::failed(Reason::ZeroSize, format!("{width} x {height} pixels")));
        }
        if count == 0 || length != 8 + 3 * count {
            return Err(Halt::header(format!("a frame header of {length} bytes for {count} components")));
        }
        for _ in 0..count {
            frame.push(source.byte()?, source.byte()?, source.byte()?);
        }
        self.frame = Some(frame);
        Ok(())
    }

    fn start_of_scan(&mut self, source: &mut Source) -> Result<(), Halt> {
        let Some(frame) = &mut self.frame else {
            return Err(Halt::header("a scan before any frame header"));
        };
        let length = usize::from(source.word()?);
        let count = usize::from(source.byte()?);
        if !(1..=4).contains(&count) || length != 6 + 2 * count {
            return Err(Halt::header(format!("a scan header of {length} bytes for {count} components")));
        }
        let mut scan = ScanHeader::default();
        for _ in 0..count {
            let (id, selectors) = (source.byte()?, source.byte()?);
            // An identifier that occurs twice in the frame means the first of its components in the first place of a
            // scan, and the second in the second: libjpeg leaves out the components whose *number* is a used *place*.
            let places = scan.components.len();
            let found = frame.components.iter().take(4).enumerate().position(|(n, c)| c.id == id && n >= places);
            let Some(index) = found else {
                return Err(Halt::header(format!("a scan asks for component {id}, which the frame does not have")));
            };
            let component = &mut frame.components[index];
            component.dc_table = usize::from(selectors >> 4);
            component.ac_table = usize::from(selectors & 15);
            if scan.components.contains(&index) {
                return Err(Halt::header(format!("a scan asks for component {id} twice")));
            }
            scan.components.push(index);
        }
        (scan.first, scan.last) = (source.byte()?, source.byte()?);
        let bits = source.byte()?;
        (scan.high, scan.low) = (bits >> 4, bits & 15);
        self.scan = scan;
        self.scans += 1;
        source.next_restart = 0;
        source.sync();
        Ok(())
    }

    fn huffman_tables(&mut self, source: &mut Source) -> Result<(), Halt> {
        let mut length = segment_length(source)?;
        while length > 16 {
            let index = source.byte()?;
            let mut counts = [0; 16];
            for count in &mut counts {
                *count = source.byte()?;
            }
            length -= 17;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            if total > 256 || total as i32 > length {
                return Err(Halt::header(format!("a Huffman table with {total} symbols")));
            }
            let mut symbols = [0; 256];
            for symbol in &mut symbols[..total] {
                *symbol = source.byte()?;
            }
            length -= total as i32;
            let slots = if index & 0x10 != 0 { &mut self.tables.ac } else { &mut self.tables.dc };
            let Some(slot) = slots.get_mut(usize::from(index & !0x10)) else {
                return Err(Halt::header(format!("Huffman table {index}; there are 0 to 3")));
            };
            *slot = Some(Definition { counts, symbols });
        }
        whole(length, "Huffman table")
    }

    fn quantisation_tables(&mut self, source: &mut Source) -> Result<(), Halt> {
        let mut length = segment_length(source)?;
        while length > 0 {
            let head = source.byte()?;
            let (wide, index) = (head >> 4 != 0, usize::from(head & 15));
            let Some(slot) = self.tables.quant.get_mut(index) else {
                return Err(Halt::header(format!("quantisation table {index}; there are 0 to 3")));
            };
            // libjpeg fills the table in place: what a cut segment did not reach keeps its value. Nothing can be seen
            // of that, because such a file is rejected before the table is used.
            let table = slot.get_or_insert([0; 64]);
            for position in &ZIGZAG[..64] {
                table[usize::from(*position)] = if wide { source.word()? } else { u16::from(source.byte()?) };
            }
            length -= if wide { 129 } else { 65 };
        }
        whole(length, "quantisation table")
    }

    fn conditioning(&mut self, source: &mut Source) -> Result<(), Halt> {
        let mut length = segment_length(source)?;
        while length > 0 {
            let (index, value) = (usize::from(source.byte()?), source.byte()?);
            length -= 2;
            let Conditioning { dc_low, dc_high, ac_split } = &mut self.tables.conditioning[index & 15];
            match index {
                0..=15 => {
                    (*dc_low, *dc_high) = (value & 15, value >> 4);
                    if dc_low > dc_high {
                        return Err(Halt::header(format!(
                            "arithmetic conditioning with bounds {dc_low} and {dc_high}"
                        )));
                    }
                }
                16..=31 => *ac_split = value,
                _ => return Err(Halt::header(format!("arithmetic conditioning {index}; there are 0 to 31"))),
            }
        }
        whole(length, "arithmetic conditioning")
    }

    fn restart_interval(&mut self, source: &mut Source) -> Result<(), Halt> {
        let length = segment_length(source)?;
        whole(length - 2, "restart interval")?;
        self.tables.restart_interval = source.word()?;
        Ok(())
    }

    fn app0(&mut self, source: &mut Source) -> Result<(), Halt> {
        let head = app_head(source)?;
        if head.len() >= APP_BYTES && head.starts_with(b"JFIF\0") {
            self.jfif = true;
            if head[5] != 1 {
                source.warnings.note("an unknown JFIF version");
            }
        }
        Ok(())
    }

    fn app14(&mut self, source: &mut Source) -> Result<(), Halt> {
        let head = app_head(source)?;
        if head.len() >= 12 && head.starts_with(b"Adobe") {
            self.adobe = Some(head[11]);
        }
        Ok(())
    }
}

/// The length of a segment's content; negative where the field is too small for itself.
fn segment_length(source: &mut Source) -> Result<i32, Halt> {
    Ok(i32::from(source.word()?) - 2)
}

/// A segment must end where its last table ends.
fn whole(left: i32, what: &str) -> Result<(), Halt> {
    if left == 0 { Ok(()) } else { Err(Halt::header(format!("a {what} segment of the wrong length"))) }
}

/// Passes over a segment; a length below 2 means an empty one.
fn skip_segment(source: &mut Source) -> Result<(), Halt> {
    let length = segment_length(source)?;
    source.sync();
    source.skip(usize::try_from(length).unwrap_or(0));
    Ok(())
}

/// The first bytes of an application segment, after which it is passed over.
fn app_head(source: &mut Source) -> Result<Vec<u8>, Halt> {
    let length = usize::try_from(segment_length(source)?).unwrap_or(0);
    let head = (0..length.min(APP_BYTES)).map(|_| source.byte()).collect::<Result<Vec<u8>, _>>()?;
    source.sync();
    source.skip(length - head.len());
    Ok(head)
}
