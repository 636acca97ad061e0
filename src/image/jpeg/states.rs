//! The probability states of arithmetic coding (T.81, table D.3).

/// One state: how wide the unlikely part of the interval is, and where to go from here.
pub(super) struct State {
    /// Qe, the size of the unlikely sub-interval.
    pub(super) size: u16,
    /// The next state after the likely symbol that made the interval small, and after the unlikely one.
    pub(super) after_likely: u8,
    pub(super) after_unlikely: u8,
    /// Whether the unlikely symbol becomes the likely one.
    pub(super) exchange: bool,
}

/// A state that keeps its sense.
const fn keep(size: u16, after_likely: u8, after_unlikely: u8) -> State {
    State { size, after_likely, after_unlikely, exchange: false }
}

/// A state that exchanges the symbols after the unlikely one.
const fn swap(size: u16, after_likely: u8, after_unlikely: u8) -> State {
    State { size, after_likely, after_unlikely, exchange: true }
}

/// The states 0 to 112, and 113, which stays at one half for ever.
#[rustfmt::skip]
pub(super) const STATES: [State; 114] = [
    swap(0x5a1d, 1, 1), keep(0x2586, 2, 14), keep(0x1114, 3, 16), keep(0x080b, 4, 18),
    keep(0x03d8, 5, 20), keep(0x01da, 6, 23), keep(0x00e5, 7, 25), keep(0x006f, 8, 28),
    keep(0x0036, 9, 30), keep(0x001a, 10, 33), keep(0x000d, 11, 35), keep(0x0006, 12, 9),
    keep(0x0003, 13, 10), keep(0x0001, 13, 12), swap(0x5a7f, 15, 15), keep(0x3f25, 16, 36),
    keep(0x2cf2, 17, 38), keep(0x207c, 18, 39), keep(0x17b9, 19, 40), keep(0x1182, 20, 42),
    keep(0x0cef, 21, 43), keep(0x09a1, 22, 45), keep(0x072f, 23, 46), keep(0x055c, 24, 48),
    keep(0x0406, 25, 49), keep(0x0303, 26, 51), keep(0x0240, 27, 52), keep(0x01b1, 28, 54),
    keep(0x0144, 29, 56), keep(0x00f5, 30, 57), keep(0x00b7, 31, 59), keep(0x008a, 32, 60),
    keep(0x0068, 33, 62), keep(0x004e, 34, 63), keep(0x003b, 35, 32), keep(0x002c, 9, 33),
    swap(0x5ae1, 37, 37), keep(0x484c, 38, 64), keep(0x3a0d, 39, 65), keep(0x2ef1, 40, 67),
    keep(0x261f, 41, 68), keep(0x1f33, 42, 69), keep(0x19a8, 43, 70), keep(0x1518, 44, 72),
    keep(0x1177, 45, 73), keep(0x0e74, 46, 74), keep(0x0bfb, 47, 75), keep(0x09f8, 48, 77),
    keep(0x0861, 49, 78), keep(0x0706, 50, 79), keep(0x05cd, 51, 48), keep(0x04de, 52, 50),
    keep(0x040f, 53, 50), keep(0x0363, 54, 51), keep(0x02d4, 55, 52), keep(0x025c, 56, 53),
    keep(0x01f8, 57, 54), keep(0x01a4, 58, 55), keep(0x0160, 59, 56), keep(0x0125, 60, 57),
    keep(0x00f6, 61, 58), keep(0x00cb, 62, 59), keep(0x00ab, 63, 61), keep(0x008f, 32, 61),
    swap(0x5b12, 65, 65), keep(0x4d04, 66, 80), keep(0x412c, 67, 81), keep(0x37d8, 68, 82),
    keep(0x2fe8, 69, 83), keep(0x293c, 70, 84), keep(0x2379, 71, 86), keep(0x1edf, 72, 87),
    keep(0x1aa9, 73, 87), keep(0x174e, 74, 72), keep(0x1424, 75, 72), keep(0x119c, 76, 74),
    keep(0x0f6b, 77, 74), keep(0x0d51, 78, 75), keep(0x0bb6, 79, 77), keep(0x0a40, 48, 77),
    swap(0x5832, 81, 80), keep(0x4d1c, 82, 88), keep(0x438e, 83, 89), keep(0x3bdd, 84, 90),
    keep(0x34ee, 85, 91), keep(0x2eae, 86, 92), keep(0x299a, 87, 93), keep(0x2516, 71, 86),
    swap(0x5570, 89, 88), keep(0x4ca9, 90, 95), keep(0x44d9, 91, 96), keep(0x3e22, 92, 97),
    keep(0x3824, 93, 99), keep(0x32b4, 94, 99), keep(0x2e17, 86, 93), swap(0x56a8, 96, 95),
    keep(0x4f46, 97, 101), keep(0x47e5, 98, 102), keep(0x41cf, 99, 103), keep(0x3c3d, 100, 104),
    keep(0x375e, 93, 99), keep(0x5231, 102, 105), keep(0x4c0f, 103, 106), keep(0x4639, 104, 107),
    keep(0x415e, 99, 103), swap(0x5627, 106, 105), keep(0x50e7, 107, 108), keep(0x4b85, 103, 109),
    keep(0x5597, 109, 110), keep(0x504f, 107, 111), swap(0x5a10, 111, 110), keep(0x5522, 109, 112),
    swap(0x59eb, 111, 112), keep(0x5a1d, 113, 113),
];
