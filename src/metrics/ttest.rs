//! Student's t-tests, and what becomes of their p-values when there are several.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

/// What a two-sided t-test came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TTest {
    /// The statistic; above 0 where the first mean is the larger.
    pub t: f64,
    /// Degrees of freedom, by Welch and Satterthwaite where variances are not taken to be equal.
    pub df: f64,
    /// How likely a statistic at least as far from 0 is where the means are equal, 0 to 1.
    pub p: f64,
}

impl TTest {
    /// Whether two groups have equal means; their variances may differ (Welch 1947). `None` where a group has fewer than
    /// two values or one that is no number, or where neither group spreads.
    pub fn welch(a: &[f64], b: &[f64]) -> Option<Self> {
        let ([mean_a, error_a], [mean_b, error_b]) = (mean_and_error(a)?, mean_and_error(b)?);
        let error = error_a + error_b;
        let part = |error: f64, n: usize| error * error / (n - 1) as f64;
        let df = error * error / (part(error_a, a.len()) + part(error_b, b.len()));
        Self::of((mean_a - mean_b) / error.sqrt(), df)
    }

    /// Whether the differences of pairs have the mean 0. `None` where there are fewer than two pairs, values without a
    /// partner or no numbers, or where all differences are equal.
    pub fn paired(a: &[f64], b: &[f64]) -> Option<Self> {
        if a.len() != b.len() {
            return None;
        }
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let scale = a.iter().chain(b).fold(0.0, |most: f64, v| most.max(v.abs()));
        Self::against_scaled(&differences, 0.0, scale)
    }

    /// Whether values have the mean `mean`. `None` where there are fewer than two, one is no number, or all are equal.
    pub fn against(values: &[f64], mean: f64) -> Option<Self> {
        let scale = values.iter().fold(mean.abs(), |most: f64, v| most.max(v.abs()));
        Self::against_scaled(values, mean, scale)
    }

    /// `scale` is the largest number that the values are made of: a spread far below what it rounds to is none.
    fn against_scaled(values: &[f64], mean: f64, scale: f64) -> Option<Self> {
        let [found, error] = mean_and_error(values)?;
        let t = (error.sqrt() > ROUNDING * scale).then(|| (found - mean) / error.sqrt())?;
        Self::of(t, (values.len() - 1) as f64)
    }

    fn of(t: f64, df: f64) -> Option<Self> {
        let p = (t.is_finite() && df.is_finite()).then(|| two_sided(t, df))?;
        Some(Self { t, df, p: p? })
    }

    /// The p-value of the claim that the first mean is the larger, which only a large statistic speaks for.
    pub fn p_greater(&self) -> f64 {
        if self.t > 0.0 { 0.5 * self.p } else { 1.0 - 0.5 * self.p }
    }
}

/// Spreads below this part of the numbers come of their rounding.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// The mean, and the square of its standard error; `None` for fewer than two values, or one that is no number.
fn mean_and_error(values: &[f64]) -> Option<[f64; 2]> {
    let (&first, n) = (values.first()?, values.len() as f64);
    if values.len() < 2 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    // From the first value: equal ones then have no spread at all.
    let shift = values.iter().map(|v| v - first).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - first - shift).powi(2)).sum();
    let error = squares / (n - 1.0) / n;
    let scale = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let error = if error.sqrt() > ROUNDING * scale { error } else { 0.0 };
    Some([first + shift, error])
}

/// Both tails of Student's distribution beyond `t`: the regularised incomplete beta function of df / (df + t^2) with
/// df/2 and 1/2. Large statistics take the tail itself and no difference from 1, so that the smallest p-values keep
/// their digits. `None` where it does not converge.
fn two_sided(t: f64, df: f64) -> Option<f64> {
    let (square, half) = (t * t, 0.5 * df);
    // ln of x^a (1 - x)^b / B(a, b), which is that of 1 - x with a and b the other way round, too.
    let logs = -half * (square / df).ln_1p() + 0.5 * (square / (df + square)).ln();
    let front = (logs + ln_gamma_half(half) - ln_gamma(0.5)).exp();
    if square < 3.0 {
        let lower = front * fraction(0.5, half, square / (df + square))? / 0.5;
        return Some(1.0 - lower);
    }
    Some(front * fraction(half, 0.5, df / (df + square))? / half)
}

/// ln of gamma(h + 1/2) / gamma(h); by its series where the difference of two large numbers would cost digits.
fn ln_gamma_half(h: f64) -> f64 {
    if h < 1e3 {
        return ln_gamma(h + 0.5) - ln_gamma(h);
    }
    let r = 1.0 / h;
    let series = 1.0 - r / 8.0 + r * r / 128.0 + 5.0 * r.powi(3) / 1024.0 - 21.0 * r.powi(4) / 32768.0;
    0.5 * h.ln() + series.ln()
}

/// Steps after which a fraction is given up: some times the square root of the largest degrees of freedom.
const MOST_STEPS: u32 = 100_000;

/// The continued fraction of the incomplete beta function, by Lentz's method (Press et al., Numerical Recipes, 6.4);
/// it converges fast for x below (a + 1) / (a + b + 2).
fn fraction(a: f64, b: f64, x: f64) -> Option<f64> {
    let away = |v: f64| if v.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..MOST_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = value;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            value *= c * d;
        }
        if (value - before).abs() <= f64::EPSILON * value.abs() {
            return Some(value);
        }
    }
    None
}

/// How the p-values of several tests are raised, so that the errors of all together stay few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Not at all.
    None,
    /// Times their number: the chance of any false alarm is kept.
    Bonferroni,
    /// The same, but the k-th smallest times the number that is left (Holm 1979): never less powerful.
    #[default]
    Holm,
    /// The share of false alarms among all alarms is kept (Benjamini and Hochberg 1995).
    BenjaminiHochberg,
}

impl Correction {
    /// The raised p-values, in the order of `p`, none above 1.
    pub fn adjust(self, p: &[f64]) -> Vec<f64> {
        let n = p.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
        let mut raised = p.to_vec();
        match self {
            Self::None => {}
            Self::Bonferroni => raised.iter_mut().for_each(|p| *p = (*p * n as f64).min(1.0)),
            Self::Holm => {
                let mut least = 0.0;
                for (rank, &at) in order.iter().enumerate() {
                    least = f64::max(least, (p[at] * (n - rank) as f64).min(1.0));
                    raised[at] = least;
                }
            }
            Self::BenjaminiHochberg => {
                let mut most = 1.0;
                for (rank, &at) in order.iter().enumerate().rev() {
                    most = f64::min(most, p[at] * n as f64 / (rank + 1) as f64);
                    raised[at] = most;
                }
            }
        }
        raised
    }

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no correction",
            Self::Bonferroni => "Bonferroni",
            Self::Holm => "Holm",
            Self::BenjaminiHochberg => "Benjamini-Hochberg",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64) {
        assert!((got - wanted).abs() <= 1e-9 * wanted.abs(), "{got:e} is not {wanted:e}");
    }

    #[test]
    fn tails_keep_their_digits() {
        for (t, df, p) in [
            (263.5113410340793, 77.2129817272342, 7.911462090259e-116),
            (324.6534371547088, 39.0, 1.516865778246e-68),
            (0.41420680599871, 13.402670318323937, 0.685275116336),
            (0.001, 4.0, 0.9992500001562),
            (2.0, 1.0, 0.2951672353009),
            (12.5, 2.5, 0.002564384541908),
            (1.96, 100000.0, 0.0499985631943),
            (3.0, 1000000.0, 0.002699862541422),
            (40.0, 2000.0, 1.427861853356e-257),
            (0.05, 10000.0, 0.9601233869108),
        ] {
            near(two_sided(t, df).unwrap(), p);
            near(two_sided(-t, df).unwrap(), p);
        }
        assert_eq!(two_sided(0.0, 3.0), Some(1.0));
    }

    #[test]
    fn tests_by_hand() {
        // Means 2 and 4, variances 1 and 4, three values each: t = -2 / sqrt(5/3), df = (5/3)^2 / ((1/3)^2/2 + (4/3)^2/2).
        let welch = TTest::welch(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap();
        near(welch.t, -2.0 / (5.0f64 / 3.0).sqrt());
        near(welch.df, 50.0 / 17.0);
        // Differences 1, 2, 3: mean 2, standard error 1/sqrt 3; of two degrees of freedom the tail is closed.
        let paired = TTest::paired(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0]).unwrap();
        let t = 2.0 * 3.0f64.sqrt();
        assert_eq!(paired.df, 2.0);
        near(paired.t, t);
        near(paired.p, 1.0 - t / (2.0 + t * t).sqrt());
        near(paired.p_greater(), 0.5 * paired.p);
        let against = TTest::against(&[1.0, 2.0, 3.0], 4.0).unwrap();
        near(against.t, -t);
        near(against.p_greater(), 1.0 - 0.5 * paired.p);
    }

    #[test]
    fn what_is_undefined_is_none() {
        let same = [0.1 + 0.2; 5];
        assert_eq!(TTest::welch(&same, &same), None);
        assert_eq!(TTest::welch(&same, &[0.5; 5]), None);
        assert_eq!(TTest::welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(TTest::welch(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(TTest::welch(&[], &[]), None);
        assert_eq!(TTest::paired(&[1.0, 2.0], &[1.0, 2.0, 3.0]), None);
        // Differences that are equal but for rounding.
        assert_eq!(TTest::paired(&[0.3, 0.4, 0.7], &[0.1, 0.2, 0.5]), None);
        assert_eq!(TTest::against(&same, 0.0), None);
        // One group that does not spread is enough to compare with one that does.
        assert!(TTest::welch(&same, &[0.5, 0.6]).is_some());
    }

    #[test]
    fn corrections_by_hand() {
        let p = [0.01, 0.04, 0.03, 0.5];
        let adjust = |c: Correction| c.adjust(&p);
        assert_eq!(adjust(Correction::None), p);
        let close = |got: Vec<f64>, wanted: [f64; 4]| got.iter().zip(wanted).for_each(|(g, w)| near(*g, w));
        close(adjust(Correction::Bonferroni), [0.04, 0.16, 0.12, 1.0]);
        close(adjust(Correction::Holm), [0.04, 0.09, 0.09, 0.5]);
        close(adjust(Correction::BenjaminiHochberg), [0.04, 0.16 / 3.0, 0.16 / 3.0, 0.5]);
        assert!(Correction::Holm.adjust(&[]).is_empty());
    }
}
