//! Colours that the colour-blind can tell apart too (Okabe and Ito 2008).

/// Blue: training curves, missed pixels, the first of several.
pub const BLUE: [u8; 3] = [0, 114, 178];
/// Orange.
pub const ORANGE: [u8; 3] = [230, 159, 0];
/// Bluish green.
pub const GREEN: [u8; 3] = [0, 158, 115];
/// Reddish purple: one class taken for another.
pub const PURPLE: [u8; 3] = [204, 121, 167];
/// Vermilion: validation curves, false alarms.
pub const VERMILION: [u8; 3] = [213, 94, 0];
/// Sky blue.
pub const SKY: [u8; 3] = [86, 180, 233];
/// Yellow.
pub const YELLOW: [u8; 3] = [240, 228, 66];

/// Colours of things that are compared, in turn; black is left for what has none.
pub const SERIES: [[u8; 3]; 7] = [BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW];
