//! Where blocks go: straight to samples, or to a store of coefficients until all scans are in.

use super::{
    frame::{BLOCK, Component, Frame},
    idct,
    scan::Sink,
    source::{Halt, Source},
};

/// The samples of one component, in whole blocks.
pub(super) struct Plane {
    pub(super) stride: usize,
    pub(super) samples: Vec<u8>,
    blocks_wide: usize,
    blocks_high: usize,
}

impl Plane {
    /// A plane of middle grey, which is what a component without data shows.
    pub(super) fn new(component: &Component) -> Self {
        Self {
            stride: component.blocks_wide * BLOCK,
            samples: vec![128; component.blocks_wide * component.blocks_high * BLOCK * BLOCK],
            blocks_wide: component.blocks_wide,
            blocks_high: component.blocks_high,
        }
    }

    /// Row `y` of the samples.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.stride]
    }

    /// Transforms `block` and puts it at block position (`x`, `y`).
    pub(super) fn put(&mut self, block: &[i16; 64], multipliers: &[i16; 64], x: usize, y: usize) {
        let start = y * BLOCK * self.stride + x * BLOCK;
        let rows = self.samples[start..].chunks_mut(self.stride);
        if block[1..].iter().fold(0, |seen, &value| seen | value) == 0 {
            let value = idct::flat(block[0], multipliers);
            rows.take(BLOCK).for_each(|row| row[..BLOCK].fill(value));
        } else {
            let samples = idct::transform(block, multipliers);
            rows.zip(&samples).for_each(|(row, samples)| row[..BLOCK].copy_from_slice(samples));
        }
    }
}

/// The blocks of a picture that comes in a single scan: each is transformed as soon as it is decoded.
pub(super) struct Direct {
    pub(super) planes: Vec<Plane>,
    multipliers: Vec<[i16; 64]>,
    block: [i16; 64],
}

impl Direct {
    pub(super) fn new(frame: &Frame) -> Self {
        Self {
            planes: frame.components.iter().map(Plane::new).collect(),
            multipliers: frame.components.iter().map(multipliers).collect(),
            block: [0; 64],
        }
    }
}

impl Sink for Direct {
    fn block(&mut self, _component: usize, _x: usize, _y: usize) -> &mut [i16; 64] {
        self.block = [0; 64];
        &mut self.block
    }

    fn done(&mut self, component: usize, x: usize, y: usize) {
        let plane = &mut self.planes[component];
        if x < plane.blocks_wide && y < plane.blocks_high {
            plane.put(&self.block, &self.multipliers[component], x, y);
        }
    }
}

/// Where the blocks of a picture in a single scan go if nobody wants to see it.
pub(super) struct Nowhere([i16; 64]);

impl Default for Nowhere {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Sink for Nowhere {
    fn block(&mut self, _component: usize, _x: usize, _y: usize) -> &mut [i16; 64] {
        self.0 = [0; 64];
        &mut self.0
    }

    fn done(&mut self, _component: usize, _x: usize, _y: usize) {}
}

/// The coefficients of a picture in several scans.
pub(super) struct Coefficients {
    components: Vec<Blocks>,
}

/// The blocks of one component, with the padding of the last MCUs.
pub(super) struct Blocks {
    pub(super) wide: usize,
    pub(super) blocks: Vec<[i16; 64]>,
}

impl Blocks {
    /// The block at (`x`, `y`).
    pub(super) fn at(&self, x: usize, y: usize) -> &[i16; 64] {
        &self.blocks[y * self.wide + x]
    }
}

impl Coefficients {
    pub(super) fn new(frame: &Frame) -> Self {
        let store = |component: &Component| {
            let (wide, high) = (frame.mcus_wide * component.h, frame.mcus_high * component.v);
            Blocks { wide, blocks: vec![[0; 64]; wide * high] }
        };
        Self { components: frame.components.iter().map(store).collect() }
    }

    /// The blocks of one component.
    pub(super) fn of(&self, component: usize) -> &Blocks {
        &self.components[component]
    }

    /// Transforms everything. `smooth` may change a copy of a block (component, x, y) before.
    pub(super) fn transform(
        &self,
        frame: &Frame,
        source: &Source,
        mut smooth: impl FnMut(usize, usize, usize, &mut [i16; 64]),
    ) -> Result<Vec<Plane>, Halt> {
        let mut planes: Vec<_> = frame.components.iter().map(Plane::new).collect();
        for (index, (plane, component)) in planes.iter_mut().zip(&frame.components).enumerate() {
            let multipliers = multipliers(component);
            for y in 0..component.blocks_high {
                source.look_at_the_clock()?;
                for x in 0..component.blocks_wide {
                    let mut block = *self.components[index].at(x, y);
                    smooth(index, x, y, &mut block);
                    plane.put(&block, &multipliers, x, y);
                }
            }
        }
        Ok(planes)
    }
}

impl Sink for Coefficients {
    fn block(&mut self, component: usize, x: usize, y: usize) -> &mut [i16; 64] {
        let store = &mut self.components[component];
        &mut store.blocks[y * store.wide + x]
    }

    fn done(&mut self, _component: usize, _x: usize, _y: usize) {}
}

/// The scaled quantisation table; all zero for a component that no scan came for.
fn multipliers(component: &Component) -> [i16; 64] {
    component.quant.as_ref().map_or([0; 64], idct::multipliers)
}
