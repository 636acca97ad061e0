//! A dense convolution as a product of matrices: pixels x inputs, times inputs x channels.
//!
//! The work is cut into tiles of a few pixels by one panel of channels, small enough that a tile's sums stay in registers
//! while the inputs pass by one at a time:
//!
//! ```text
//!                         48 channels (3 vectors)
//!                        +------+------+------+
//!         one input ->   |  w0  |  w1  |  w2  |     from the panel, which lies in memory in just this order
//!                        +------+------+------+
//!   x of pixel 0  ->     | s00 += x*w0 ...    |
//!   x of pixel 1  ->     | s10                |     7 x 3 sums in registers
//!   ...                  |                    |
//!   x of pixel 6  ->     | s60                |
//! ```
//!
//! `x` is read where it lies (NHWC) and broadcast. At the end the activation is applied, another map is added where the
//! block has a residual, and the sums are stored. A 1x1 convolution has one segment of inputs per pixel, all its channels;
//! the 3x3 stem has three, one for each kernel row, of 9 neighbouring values.

use super::activation::{Apply, Identity, Relu6, Swish};
use super::{Act, Kernel, LANES, LINE, Shape, Simd, Vector, pieces, unrolled};
use crate::engine::cpu::pack::Dense;
use crate::engine::cpu::plan::MAX_STEM;

/// Where the pixels' inputs are.
#[derive(Clone, Copy)]
pub(in super::super) struct Pixels<'a> {
    /// One slice per segment of a pixel's inputs; it begins at the first pixel.
    pub(in super::super) segments: &'a [&'a [f32]],
    /// Values in each segment.
    pub(in super::super) length: usize,
    /// Values from one pixel to the next.
    pub(in super::super) step: usize,
    /// Number of pixels.
    pub(in super::super) count: usize,
}

/// Where a panel's channels go.
pub(in super::super) struct Output<'a> {
    /// Begins at the first pixel's first channel of the panel.
    pub(in super::super) values: &'a mut [f32],
    /// Where the other pixels are.
    pub(in super::super) place: Place<'a>,
    /// Applied to each sum.
    pub(in super::super) act: Act,
    /// Added afterwards; laid out like `values`.
    pub(in super::super) residual: Option<&'a [f32]>,
}

/// Where each pixel's channels go, counted from the first pixel's.
#[derive(Clone, Copy)]
pub(in super::super) enum Place<'a> {
    /// So many values after those of the pixel before.
    Step(usize),
    /// Where the list says.
    Listed(&'a Places),
}

impl Place<'_> {
    /// The offset of the last of `count` pixels, the largest.
    fn last(self, count: usize) -> usize {
        match self {
            Self::Step(step) => (count - 1) * step,
            Self::Listed(Places(offsets)) => offsets[count - 1],
        }
    }
}

/// Offsets of pixels from the first one's, which never fall.
pub(in super::super) struct Places(Vec<usize>);

impl Places {
    pub(in super::super) fn new(offsets: Vec<usize>) -> Self {
        assert!(offsets.is_sorted());
        Self(offsets)
    }
}

/// The most segments that a pixel has: the rows of the stem's kernel.
const MAX_SEGMENTS: usize = MAX_STEM;

/// Computes the panel of that number for all pixels. `weights` are the panel's or a scaled copy of them; `ahead` is what will
/// be read soon, and is brought to the L2 cache on the side.
pub(in super::super) fn multiply<S: Simd>(
    simd: S,
    pixels: Pixels<'_>,
    (layer, number): (&Dense, usize),
    weights: &[f32],
    output: Output<'_>,
    ahead: &[f32],
) {
    let panel = &layer.panels[number];
    let Pixels { segments, length, step, count } = pixels;
    let bias = &layer.bias[panel.first..][..panel.width()];
    assert!(count > 0 && length > 0 && segments.len() <= MAX_SEGMENTS);
    assert!(segments.iter().all(|segment| segment.len() >= (count - 1) * step + length));
    assert!(weights.len() >= segments.len() * length * panel.step);
    assert_eq!(panel.width(), panel.shape.width::<S>());
    assert_eq!(panel.step, panel.shape.step::<S>());
    let reach = output.place.last(count) + panel.width();
    assert!(output.values.len() >= reach && output.residual.is_none_or(|residual| residual.len() >= reach));

    let mut starts = [std::ptr::null(); MAX_SEGMENTS];
    for (start, segment) in starts.iter_mut().zip(segments) {
        *start = segment.as_ptr();
    }
    let mut args = TileArgs {
        segments: &starts[..segments.len()],
        first: 0,
        length,
        input_step: step,
        weights: weights.as_ptr(),
        bias: bias.as_ptr(),
        output: output.values.as_mut_ptr(),
        place: output.place,
        act: output.act,
        residual: output.residual.map(<[f32]>::as_ptr),
        ahead,
        tiles: 0,
    };
    for (tiles, rows) in pieces(count, S::tile_rows(panel.shape)) {
        if tiles == 0 {
            continue;
        }
        args.tiles = tiles;
        // SAFETY: the assertions above are the kernel's conditions for all `count` pixels; the pieces add up to them, so
        // that the pointers move by less than that in all.
        unsafe { simd.tile(panel.shape, rows, &args) };
        args.skip::<S>(tiles, rows);
    }
}

/// What the tile kernel needs, as pointers.
#[derive(Clone, Copy)]
pub(in super::super) struct TileArgs<'a> {
    segments: &'a [*const f32],
    first: usize,
    length: usize,
    input_step: usize,
    weights: *const f32,
    bias: *const f32,
    output: *mut f32,
    place: Place<'a>,
    act: Act,
    residual: Option<*const f32>,
    ahead: &'a [f32],
    tiles: usize,
}

impl TileArgs<'_> {
    /// Where a pixel's inputs of a segment begin.
    #[inline(always)]
    fn input(&self, segment: usize, pixel: usize) -> *const f32 {
        self.segments[segment].wrapping_add((self.first + pixel) * self.input_step)
    }

    /// How much of `ahead` a tile asks for.
    fn ahead_per_tile<S: Simd>(&self) -> usize {
        let turns = self.segments.len() * (self.length / S::UNROLL);
        turns.max(1) * S::LINES_PER_TURN * LINE
    }

    /// Where the channels of `ROWS` pixels go, from the first pixel's on.
    ///
    /// # Safety
    /// They are among the pixels that the arguments were made for.
    #[inline(always)]
    unsafe fn places<const ROWS: usize>(&self, pixel: usize) -> [usize; ROWS] {
        let pixel = self.first + pixel;
        let mut places = [0; ROWS];
        match self.place {
            Place::Step(step) => {
                let mut place = pixel * step;
                for row in 0..ROWS {
                    places[row] = place;
                    place += step;
                }
            }
            Place::Listed(Places(offsets)) => {
                for row in 0..ROWS {
                    // SAFETY: the list has a place for each pixel.
                    places[row] = unsafe { *offsets.get_unchecked(pixel + row) };
                }
            }
        }
        places
    }

    /// The same without its swish, for kernels that apply it to all that the tiles have stored.
    pub(super) fn before_swish(&self) -> Option<Self> {
        // What is added is added after the activation.
        (self.act == Act::Swish && self.residual.is_none()).then_some(Self { act: Act::None, ..*self })
    }

    /// Changes the `N` channels of each of the first `pixels` pixels.
    ///
    /// # Safety
    /// They are among the pixels that the arguments were made for, and the panel has so many channels.
    #[inline(always)]
    pub(super) unsafe fn change<const N: usize>(&self, pixels: usize, f: impl Fn(&mut [f32; N])) {
        for pixel in 0..pixels {
            // SAFETY: the caller's; nothing else refers to the output meanwhile.
            unsafe {
                let [place] = self.places(pixel);
                f(&mut *self.output.add(place).cast());
            }
        }
    }

    /// How many tiles there are.
    pub(super) fn tiles(&self) -> usize {
        self.tiles
    }

    /// Moves on by `tiles` tiles of `rows` pixels.
    fn skip<S: Simd>(&mut self, tiles: usize, rows: usize) {
        self.ahead = self.ahead.get(tiles * self.ahead_per_tile::<S>()..).unwrap_or_default();
        self.first += tiles * rows;
    }
}

/// `args.tiles` tiles one after the other, each of `ROWS` pixels by `FULL` vectors and `HALF` short ones.
///
/// # Safety
/// For `ROWS * tiles` pixels from `first` on: `length` values at each segment plus `input_step` per pixel; as many channels as
/// the vectors hold at `output` and `residual` plus the pixel's place, at `bias`, and at `weights` plus the shape's step
/// per value of all segments.
pub(super) struct Tile<'a, const ROWS: usize, const FULL: usize, const HALF: usize>(pub(super) &'a TileArgs<'a>);

impl<const ROWS: usize, const FULL: usize, const HALF: usize> Kernel for Tile<'_, ROWS, FULL, HALF> {
    #[inline(always)]
    unsafe fn call<S: Simd>(self) {
        // A copy that nothing else points to: what is in it need not be loaded again after each store.
        let args = &{ *self.0 };
        let mut ahead = args.ahead.chunks(args.ahead_per_tile::<S>());
        for pixel in (0..args.tiles).map(|tile| tile * ROWS) {
            // SAFETY: the conditions of `Tile` cover the pixels from `pixel` on; we are within `run`.
            unsafe {
                let (ahead, ahead_step) = match ahead.next() {
                    Some(ahead) => (ahead.as_ptr(), S::LINES_PER_TURN * LINE),
                    // The same line again and again: cheaper than a second loop.
                    None => (args.weights, 0),
                };
                let (full, half) = Self::sums::<S>(args, pixel, ahead, ahead_step);
                match args.act {
                    Act::None => finish::<S, Identity, ROWS, FULL, HALF>(args, pixel, full, half),
                    Act::Relu6 => finish::<S, Relu6, ROWS, FULL, HALF>(args, pixel, full, half),
                    Act::Swish => finish::<S, Swish, ROWS, FULL, HALF>(args, pixel, full, half),
                }
            }
        }
    }
}

/// The sums of a tile: full vectors, short vectors.
type Sums<S, const ROWS: usize, const FULL: usize, const HALF: usize> =
    ([[<S as Simd>::Full; FULL]; ROWS], [[<S as Simd>::Half; HALF]; ROWS]);

impl<const ROWS: usize, const FULL: usize, const HALF: usize> Tile<'_, ROWS, FULL, HALF> {
    /// The sums of the tile that begins at `pixel`. With each turn of the loop, the cache lines at `ahead` are asked for.
    ///
    /// # Safety
    /// That of [`Tile`], within [`Simd::run`].
    #[inline(always)]
    unsafe fn sums<S: Simd>(
        args: &TileArgs<'_>,
        pixel: usize,
        mut ahead: *const f32,
        ahead_step: usize,
    ) -> Sums<S, ROWS, FULL, HALF> {
        let step = Shape { full: FULL, half: HALF }.step::<S>();
        // SAFETY: the caller's.
        unsafe {
            let mut full = [[S::Full::splat(0.0); FULL]; ROWS];
            let mut half = [[S::Half::splat(0.0); HALF]; ROWS];
            for row in 0..ROWS {
                for v in 0..FULL {
                    full[row][v] = S::Full::load(args.bias.add(v * S::Full::LENGTH));
                }
                for v in 0..HALF {
                    half[row][v] = S::Half::load(args.bias.add(FULL * S::Full::LENGTH + v * LANES));
                }
            }

            let mut weights = args.weights;
            for segment in 0..args.segments.len() {
                let input = args.input(segment, pixel);
                let mut rows = [input; ROWS];
                for row in 0..ROWS {
                    rows[row] = input.add(row * args.input_step);
                }
                let mut k = 0;
                while k + S::UNROLL <= args.length {
                    unrolled!(u < S::UNROLL, {
                        add_products::<S, ROWS, FULL, HALF>(&mut full, &mut half, &rows, k + u, weights.add(u * step));
                    });
                    unrolled!(line < S::LINES_PER_TURN, { S::prefetch(ahead.wrapping_add(line * LINE)) });
                    weights = weights.add(S::UNROLL * step);
                    ahead = ahead.wrapping_add(ahead_step);
                    k += S::UNROLL;
                }
                while k < args.length {
                    add_products::<S, ROWS, FULL, HALF>(&mut full, &mut half, &rows, k, weights);
                    weights = weights.add(step);
                    k += 1;
                }
            }
            (full, half)
        }
    }
}

/// One input of each pixel, times its row of weights, added to the sums.
///
/// # Safety
/// That of [`Tile`]: input `k` exists at each of `rows`, and the shape's channels at `weights`.
#[inline(always)]
unsafe fn add_products<S: Simd, const ROWS: usize, const FULL: usize, const HALF: usize>(
    full: &mut [[S::Full; FULL]; ROWS],
    half: &mut [[S::Half; HALF]; ROWS],
    rows: &[*const f32; ROWS],
    k: usize,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut w_full = [S::Full::splat(0.0); FULL];
        let mut w_half = [S::Half::splat(0.0); HALF];
        for v in 0..FULL {
            w_full[v] = S::Full::load(weights.add(v * S::Full::LENGTH));
        }
        for v in 0..HALF {
            w_half[v] = S::Half::load(weights.add(FULL * S::Full::LENGTH + v * LANES));
        }
        for row in 0..ROWS {
            let x = S::Full::splat(*rows[row].add(k));
            for v in 0..FULL {
                full[row][v] = full[row][v].mul_add(x, w_full[v]);
            }
            for v in 0..HALF {
                half[row][v] = half[row][v].mul_add(S::narrow(x), w_half[v]);
            }
        }
    }
}

/// Activation, residual, store.
///
/// # Safety
/// As [`Tile`]'s, for the tile that begins at `pixel`.
#[inline(always)]
unsafe fn finish<S: Simd, A: Apply, const ROWS: usize, const FULL: usize, const HALF: usize>(
    args: &TileArgs<'_>,
    pixel: usize,
    full: [[S::Full; FULL]; ROWS],
    half: [[S::Half; HALF]; ROWS],
) {
    // SAFETY: the caller's.
    unsafe {
        let places = args.places::<ROWS>(pixel);
        unrolled!(row < ROWS, {
            let at = places[row];
            for v in 0..FULL {
                store(args, at + v * S::Full::LENGTH, A::apply(full[row][v]));
            }
            for v in 0..HALF {
                store(args, at + FULL * S::Full::LENGTH + v * LANES, A::apply(half[row][v]));
            }
        });
    }
}

/// Adds the residual, if there is one, and stores.
///
/// # Safety
/// As [`Tile`]'s, for one vector at offset `at` of the output.
#[inline(always)]
unsafe fn store<V: Vector>(args: &TileArgs<'_>, at: usize, mut value: V) {
    // SAFETY: the caller's.
    unsafe {
        if let Some(residual) = args.residual {
            value = value.add(V::load(residual.add(at)));
        }
        value.store(args.output.add(at));
    }
}

/// Runs the [`Tile`] of a shape and a number of rows that are known only now: lists those that exist.
macro_rules! tiles {
    ($simd:ident, $shape:ident, $rows:ident, $args:ident; $(($full:literal, $half:literal): $($n:literal)*);*) => {
        match ($shape.full, $shape.half, $rows) {
            $($( ($full, $half, $n) => {
                // SAFETY: the caller's.
                unsafe { $simd.run($crate::engine::cpu::kernels::gemm::Tile::<$n, $full, $half>($args)) }
            } )*)*
            (full, half, rows) => unreachable!("no tile of {rows} rows by {full} and {half} vectors"),
        }
    };
}
pub(super) use tiles;
