//! Inter-block smoothing of progressive pictures that stop before they are sharp.
//!
//! Where low AC coefficients are not fully known, libjpeg-turbo estimates those that are still zero from the DC values
//! of the 5 x 5 blocks around. If no AC is known at all it also smooths DC. TensorFlow leaves this on, so a progressive
//! file with an early end marker must be smoothed to get its pixels.

use super::{frame::Frame, planes::Coefficients, progressive::Precision};

/// Natural positions of the ten coefficients that are looked at, in zigzag order.
const POSITIONS: [usize; 10] = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24];

/// Weights of the 25 DC values, row by row, for one estimate.
type Kernel = [[i32; 5]; 5];

/// Estimates for coefficients 1 to 5 when some AC is known.
#[rustfmt::skip]
const SHARP: [Kernel; 5] = [
    [[0; 5], [0; 5], [-7, 50, 0, -50, 7], [0; 5], [0; 5]],
    [[0, 0, -7, 0, 0], [0, 0, 50, 0, 0], [0; 5], [0, 0, -50, 0, 0], [0, 0, 7, 0, 0]],
    [[0, 0, -1, 0, 0], [0, 0, 13, 0, 0], [0, 0, -24, 0, 0], [0, 0, 13, 0, 0], [0, 0, -1, 0, 0]],
    [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], [0; 5], [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]],
    [[0; 5], [0; 5], [-1, 13, -24, 13, -1], [0; 5], [0; 5]],
];

/// Estimates for coefficients 1 to 9 when only DC is known: a Gaussian-like window.
#[rustfmt::skip]
const SOFT: [Kernel; 9] = [
    [[-1, -1, 0, 1, 1], [-3, 13, 0, -13, 3], [-3, 38, 0, -38, 3], [-3, 13, 0, -13, 3], [-1, -1, 0, 1, 1]],
    [[-1, -3, -3, -3, -1], [-1, 13, 38, 13, -1], [0; 5], [1, -13, -38, -13, 1], [1, 3, 3, 3, 1]],
    [[0, 0, 1, 0, 0], [0, 2, 7, 2, 0], [0, -5, -14, -5, 0], [0, 2, 7, 2, 0], [0, 0, 1, 0, 0]],
    [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], [0; 5], [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]],
    [[0; 5], [0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0], [0; 5]],
    [[0; 5], [0, 1, 0, -1, 0], [0, 2, 0, -2, 0], [0, 1, 0, -1, 0], [0; 5]],
    [[0; 5], [0, 1, -3, 1, 0], [0; 5], [0, -1, 3, -1, 0], [0; 5]],
    [[0; 5], [0, 1, 0, -1, 0], [0, -3, 0, 3, 0], [0, 1, 0, -1, 0], [0; 5]],
    [[0; 5], [0, 1, 2, 1, 0], [0; 5], [0, -1, -2, -1, 0], [0; 5]],
];

/// The smoothed DC value when only DC is known.
const DC: Kernel =
    [[-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2]];

/// What smoothing needs to know about the picture.
pub(super) struct Smoothing<'a> {
    frame: &'a Frame,
    coefficients: &'a Coefficients,
    /// Per component: what is known up to and including `last_good_row`, and below it.
    known: Vec<[[i32; 10]; 2]>,
    last_good_row: usize,
}

impl<'a> Smoothing<'a> {
    /// `None` where smoothing does not apply: nothing to gain, or DC or the quantisation of a component is not known.
    pub(super) fn plan(
        frame: &'a Frame,
        coefficients: &'a Coefficients,
        precision: &[Precision],
        scans: usize,
        last_good_row: usize,
    ) -> Option<Self> {
        if !frame.coding.progressive {
            return None;
        }
        let mut useful = false;
        let mut known = Vec::new();
        for (component, precision) in frame.components.iter().zip(precision) {
            let quant = component.quant.as_ref()?;
            if POSITIONS.iter().any(|&position| quant[position] == 0) || precision.now[0] < 0 {
                return None;
            }
            let mut now = [0; 10];
            now.copy_from_slice(&precision.now[..10]);
            useful |= now[1..].iter().any(|&bits| bits != 0);
            known.push([now, if scans > 1 { precision.before } else { [-1; 10] }]);
        }
        useful.then_some(Self { frame, coefficients, known, last_good_row })
    }

    /// Fills in the estimates for `block`, which is a copy of the block at (`x`, `y`) of `component`.
    pub(super) fn apply(&self, component: usize, x: usize, y: usize, block: &mut [i16; 64]) {
        let Self { frame, known, last_good_row, .. } = self;
        let known = &known[component][usize::from(y / frame.components[component].v > *last_good_row)];
        let quant = frame.components[component].quant.unwrap_or([1; 64]);
        let window = self.window(component, x, y);

        let only_dc = known[1..].iter().all(|&bits| bits == -1);
        let kernels = if only_dc { SOFT.as_slice() } else { SHARP.as_slice() };
        for ((kernel, &position), &bits) in kernels.iter().zip(&POSITIONS[1..]).zip(&known[1..]) {
            if bits != 0 && block[position] == 0 {
                let weighted = i64::from(quant[0]) * weigh(kernel, &window);
                block[position] = estimate(weighted, quant[position], bits);
            }
        }
        if only_dc {
            block[0] = estimate(i64::from(quant[0]) * weigh(&DC, &window), quant[0], 0);
        }
    }

    /// The DC values around a block. Beyond the picture's edge the last one counts again.
    fn window(&self, component: usize, x: usize, y: usize) -> [[i32; 5]; 5] {
        let Self { frame, coefficients, .. } = self;
        let blocks = coefficients.of(component);
        let component = &frame.components[component];
        // libjpeg-turbo 2.1.4 looks two rows up only from the third row of MCUs on, and two rows down only to the third
        // from the end, unless the row is within the same MCU.
        let (mcu_row, within) = (y / component.v, y % component.v);
        let last_mcu_row = frame.mcus_high - 1;
        let rows_here =
            if mcu_row < last_mcu_row { component.v } else { component.blocks_high - mcu_row * component.v };
        let previous = if within > 0 || mcu_row > 0 { y - 1 } else { y };
        let before_previous = if within > 1 || mcu_row > 1 { y - 2 } else { previous };
        let next = if within + 1 < rows_here || mcu_row < last_mcu_row { y + 1 } else { y };
        let after_next = if within + 2 < rows_here || mcu_row + 1 < last_mcu_row { y + 2 } else { next };
        let last = component.blocks_wide - 1;
        // ... and in a component of just two columns, what it takes for the next column but one is the first.
        let beyond = if last == 1 { 0 } else { last };
        let column = |x: usize| if x <= last { x } else { beyond };
        let columns = [x.saturating_sub(2), x.saturating_sub(1), x, column(x + 1), column(x + 2)];
        [before_previous, previous, y, next, after_next]
            .map(|row| columns.map(|column| i32::from(blocks.at(column, row)[0])))
    }
}

fn weigh(kernel: &Kernel, window: &[[i32; 5]; 5]) -> i64 {
    let products = kernel.iter().flatten().zip(window.iter().flatten()).map(|(weight, value)| weight * value);
    i64::from(products.sum::<i32>())
}

/// `weighted / (256 * step)`, rounded, and below what the `bits` that are yet to come could tell.
fn estimate(weighted: i64, step: u16, bits: i32) -> i16 {
    let step = i64::from(step);
    let mut size = ((step << 7) + weighted.abs()) / (step << 8);
    if bits > 0 {
        size = size.min((1 << bits) - 1);
    }
    (if weighted < 0 { -size } else { size }) as i16
}
