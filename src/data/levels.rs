//! From the values of scanners, which are of any scale, to samples of 16 bits, and from label values to class numbers.

use serde::{Deserialize, Serialize};

/// Share of the values that [`Range::Percentiles`] gives up at each end.
const TAIL: f64 = 0.005;

/// Which values of a volume (NIfTI) or of a DICOM file become black and white. What lies outside becomes the nearer of
/// them; NaN becomes black.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RangeText", into = "RangeText")]
pub enum Range {
    /// A DICOM file's own window, where it names one; else as `MinMax`.
    #[default]
    Auto,
    /// The least and the largest finite value of the whole volume, each modality by itself.
    MinMax,
    /// Likewise the percentiles 0.5 and 99.5.
    Percentiles,
    /// These two, of values as they are scaled by their file, such as Hounsfield units.
    Given([f64; 2]),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RangeText {
    Name(String),
    Given([f64; 2]),
}

impl From<Range> for RangeText {
    fn from(range: Range) -> Self {
        match range {
            Range::Auto => Self::Name("auto".into()),
            Range::MinMax => Self::Name("minmax".into()),
            Range::Percentiles => Self::Name("percentiles".into()),
            Range::Given(ends) => Self::Given(ends),
        }
    }
}

impl TryFrom<RangeText> for Range {
    type Error = String;

    fn try_from(text: RangeText) -> Result<Self, String> {
        match text {
            RangeText::Name(name) if name == "auto" => Ok(Self::Auto),
            RangeText::Name(name) if name == "minmax" => Ok(Self::MinMax),
            RangeText::Name(name) if name == "percentiles" => Ok(Self::Percentiles),
            RangeText::Name(name) => Err(format!("no such range: {name}")),
            RangeText::Given(ends) => Ok(Self::Given(ends)),
        }
    }
}

impl Range {
    /// The values that become black and white; `None` where none of `values` is finite.
    pub(super) fn ends(self, values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
        match self {
            Self::Given(ends) => Some(ends),
            Self::Auto | Self::MinMax => {
                let wider = |[low, high]: [f64; 2], v: f64| [low.min(v), high.max(v)];
                let ends = values.filter(|v| v.is_finite()).fold([f64::INFINITY, f64::NEG_INFINITY], wider);
                (ends[0] <= ends[1]).then_some(ends)
            }
            Self::Percentiles => {
                let mut all: Vec<f32> = values.filter(|v| v.is_finite()).map(|v| v as f32).collect();
                let last = all.len().checked_sub(1)? as f64;
                let mut at = |share: f64| {
                    let (_, value, _) =
                        all.select_nth_unstable_by((share * last).round() as usize, f32::total_cmp);
                    f64::from(*value)
                };
                Some([at(TAIL), at(1.0 - TAIL)])
            }
        }
    }
}

/// A value between those that become black and white, in 16 bits.
pub(super) fn level(value: f64, [low, high]: [f64; 2]) -> u16 {
    let span = high - low;
    let share = if span > 0.0 { (value - low) / span } else { 0.0 };
    // NaN becomes 0.
    (share.clamp(0.0, 1.0) * f64::from(u16::MAX)).round() as u16
}

/// A label as the whole number that it must be.
pub(super) fn label(value: f64) -> Result<u16, String> {
    if value.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&value) {
        return Ok(value as u16);
    }
    Err(format!("holds {value}; the labels of a mask are whole numbers from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_of_finite_values() {
        let values = || [f64::NAN, 3.0, -2.0, f64::INFINITY, 8.0].into_iter();
        assert_eq!(Range::MinMax.ends(values()), Some([-2.0, 8.0]));
        assert_eq!(Range::Given([1.0, 2.0]).ends(values()), Some([1.0, 2.0]));
        assert_eq!(Range::Auto.ends([f64::NAN].into_iter()), None);
        assert_eq!(Range::Percentiles.ends(std::iter::empty()), None);
        let many = (0..=1000).map(|i| if i == 1000 { 1e9 } else { f64::from(i) });
        assert_eq!(Range::Percentiles.ends(many), Some([5.0, 995.0]));
    }

    #[test]
    fn levels_are_held_between_black_and_white() {
        let levels = [-3.0, -2.0, 3.0, 8.0, 9.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let wanted = [0, 0, 32768, 65535, 65535, 0, 65535, 0];
        assert_eq!(levels.map(|v| level(v, [-2.0, 8.0])), wanted);
        assert_eq!(level(5.0, [5.0, 5.0]), 0, "of one value throughout");
    }

    #[test]
    fn labels_are_whole() {
        assert_eq!((label(0.0), label(1605.0), label(-0.0)), (Ok(0), Ok(1605), Ok(0)));
        for wrong in [0.5, -1.0, 65536.0, f64::NAN, f64::INFINITY] {
            assert!(label(wrong).is_err());
        }
    }
}
