//! VP8 key frames (RFC 6386), as libwebp 1.4 decodes them.
//!
//! Damage that leaves data to read goes unnoticed, and the pixels are what comes out; a partition that ends too early
//! rejects the picture. Both are libwebp's answers.

mod bools;
mod filter;
mod header;
mod modes;
mod planes;
mod predict;
mod residuals;
mod tables;
mod transform;
mod upsample;

use std::borrow::Cow;

use super::super::Reason;
use super::super::limits::Deadline;
use super::Damage;
use filter::Work;
use header::Filter;
use modes::Luma;
use planes::Planes;
use predict::{Bottom, Position, Workspace};
use residuals::{Edge, Residuals};
use upsample::Upsampler;

/// Decodes the frame that `data` begins with to `width` x `height` x 3 bytes.
///
/// # Errors
///
/// Where libwebp finds too few data, and where the time is up.
pub(super) fn decode(data: &[u8], width: usize, height: usize, deadline: Deadline) -> Result<Vec<u8>, Damage> {
    let (header, mut first, mut partitions) = header::open(data)?;
    let columns = width.div_ceil(16);
    let mut rgb = vec![0; width * height * 3];
    let mut planes = Planes::new(columns);
    let mut upsampler = Upsampler::new(width);
    let mut workspace = Workspace::new();
    let mut residuals = Residuals::EMPTY;
    let mut tops = vec![Bottom::OUTSIDE; columns];
    let mut top_modes = vec![[modes::DC; 4]; columns];
    let mut top_edges = vec![Edge::default(); columns];
    let mut works = vec![Work::default(); columns];
    for y in 0..height.div_ceil(16) {
        if deadline.has_passed() {
            return Err((Reason::TimeLimit, Cow::Borrowed("")));
        }
        let several = partitions.len();
        let reader = &mut partitions[y % several];
        let (mut left_modes, mut left_edge) = ([modes::DC; 4], Edge::default());
        for x in 0..columns {
            let block = modes::read(&mut first, &header, &mut top_modes[x], &mut left_modes);
            let by_blocks = matches!(block.luma, Luma::Blocks(_));
            let top_edge = &mut top_edges[x];
            let any = if block.skip {
                top_edge.skip(by_blocks);
                left_edge.skip(by_blocks);
                false
            } else {
                let steps = &header.steps[block.segment];
                let edges = (top_edge, &mut left_edge);
                residuals::read(reader, &header.probabilities, steps, by_blocks, edges, &mut residuals)
            };
            if first.ended() || reader.ended() {
                return Err((Reason::Truncated, Cow::Borrowed("the VP8 data end before the picture is whole")));
            }
            let at = Position { x, y };
            workspace.surround(at, &tops[x], tops.get(x + 1));
            workspace.luma(at, &block.luma, &residuals);
            workspace.chroma(at, block.chroma, &residuals);
            if any || !block.skip {
                residuals = Residuals::EMPTY;
            }
            tops[x] = workspace.bottom();
            planes.store(x, &workspace);
            let strength = header.strengths[block.segment][usize::from(by_blocks)];
            works[x] = Work { strength, inner: by_blocks || any };
        }
        for (x, &work) in works.iter().enumerate() {
            match header.filter {
                Filter::Off => break,
                Filter::Simple => filter::simple(&mut planes, x, y > 0, work),
                Filter::Normal => filter::normal(&mut planes, x, y > 0, work),
            }
        }
        planes.finish(y, height, &mut upsampler, &mut rgb);
    }
    Ok(rgb)
}
