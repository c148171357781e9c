//! Distances between the surfaces of two masks.

/// Squared distance of every pixel to the nearest of `sites`, in units of `spacing` (height, width of a pixel);
/// infinite where there are none. Rows first, `width` columns. Lower envelopes of parabolas (Felzenszwalb and
/// Huttenlocher 2012), along columns and then along rows.
pub fn squared_distances(sites: &[bool], width: usize, spacing: [f64; 2]) -> Vec<f64> {
    let mut all: Vec<f64> = sites.iter().map(|site| if *site { 0.0 } else { f64::INFINITY }).collect();
    for x in 0..width {
        let column: Vec<f64> = all.iter().skip(x).step_by(width).copied().collect();
        let made = along(&column, spacing[0]);
        all.iter_mut().skip(x).step_by(width).zip(made).for_each(|(to, v)| *to = v);
    }
    for row in all.chunks_exact_mut(width.max(1)) {
        let made = along(row, spacing[1]);
        row.copy_from_slice(&made);
    }
    all
}

/// The least of `f[i] + (step (i - j))^2` over all i, for every j.
fn along(f: &[f64], step: f64) -> Vec<f64> {
    // Parabolas of the envelope, and where each begins to be the lowest.
    let mut envelope: Vec<(usize, f64)> = Vec::new();
    let square = step * step;
    for (i, v) in f.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let meets = |j: usize| {
            let (a, b) = (i as f64, j as f64);
            ((v - f[j]) / square + a * a - b * b) / (2.0 * (a - b))
        };
        while envelope.last().is_some_and(|(j, from)| meets(*j) <= *from) {
            envelope.pop();
        }
        let from = envelope.last().map_or(f64::NEG_INFINITY, |(j, _)| meets(*j));
        envelope.push((i, from));
    }
    let mut at = 0;
    let lowest = |j: usize| {
        while envelope.get(at + 1).is_some_and(|(_, from)| *from <= j as f64) {
            at += 1;
        }
        let (i, _) = envelope.get(at)?;
        Some(f[*i] + square * (*i as f64 - j as f64).powi(2))
    };
    (0..f.len()).map(lowest).map(|v| v.unwrap_or(f64::INFINITY)).collect()
}

/// Hausdorff distance of two masks and its robust forms, over the pixels of their surfaces (a mask's pixels that
/// have a neighbour above, below, left or right that is none, or lie at the border), from centre to centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceDistance {
    /// The larger of the largest distances from either surface to the other.
    pub hausdorff: f64,
    /// The larger of the two 95th percentiles of those distances.
    pub hd95: f64,
    /// The 95th percentile of both lists of distances together.
    pub hd95_pooled: f64,
}

impl SurfaceDistance {
    /// Between two masks, rows first, `width` columns, with pixels of `spacing` (height, width): zero where both are
    /// empty, and none where one is.
    pub fn between(a: &[bool], b: &[bool], width: usize, spacing: [f64; 2]) -> Option<Self> {
        match (a.contains(&true), b.contains(&true)) {
            (false, false) => return Some(Self { hausdorff: 0.0, hd95: 0.0, hd95_pooled: 0.0 }),
            (true, true) => {}
            _ => return None,
        }
        let (a, b) = (surface(a, width), surface(b, width));
        let directed = |from: &[bool], to: &[bool]| {
            let distances = squared_distances(to, width, spacing);
            let of = from.iter().zip(distances).filter(|(on, _)| **on).map(|(_, d)| d.sqrt());
            let mut of: Vec<f64> = of.collect();
            of.sort_by(f64::total_cmp);
            of
        };
        let (there, back) = (directed(&a, &b), directed(&b, &a));
        let mut both = [there.clone(), back.clone()].concat();
        both.sort_by(f64::total_cmp);
        Some(Self {
            hausdorff: percentile(&there, 1.0).max(percentile(&back, 1.0)),
            hd95: percentile(&there, 0.95).max(percentile(&back, 0.95)),
            hd95_pooled: percentile(&both, 0.95),
        })
    }
}

fn surface(mask: &[bool], width: usize) -> Vec<bool> {
    let height = mask.len() / width.max(1);
    let inner = |i: usize| {
        let (y, x) = (i / width, i % width);
        (y > 0 && y + 1 < height && x > 0 && x + 1 < width)
            && [i - width, i + width, i - 1, i + 1].into_iter().all(|n| mask[n])
    };
    (0..mask.len()).map(|i| mask[i] && !inner(i)).collect()
}

/// Of a sorted list that is not empty, with linear interpolation.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_all_pairs() {
        let (width, height) = (13, 9);
        for (seed, spacing) in [(3, [1.0, 1.0]), (5, [2.0, 0.75]), (29, [0.3, 1.9])] {
            let sites: Vec<bool> = (0..width * height).map(|i| (i * i + i) % seed == 1).collect();
            let made = squared_distances(&sites, width, spacing);
            for (i, got) in made.into_iter().enumerate() {
                let to = |j: usize| {
                    let dy = (i / width) as f64 - (j / width) as f64;
                    let dx = (i % width) as f64 - (j % width) as f64;
                    (dy * spacing[0]).powi(2) + (dx * spacing[1]).powi(2)
                };
                let want = (0..sites.len()).filter(|j| sites[*j]).map(to).fold(f64::INFINITY, f64::min);
                assert!(got == want || (got - want).abs() < 1e-9, "{i}: {got}, not {want}");
            }
        }
        assert!(squared_distances(&[false; 6], 3, [1.0; 2]).iter().all(|d| d.is_infinite()));
    }

    #[test]
    fn surfaces_by_hand() {
        // A pixel, and a square of 3 with a hole that its surface does not see as one: only its ring counts.
        let mut one = vec![false; 49];
        let mut square = one.clone();
        one[0] = true;
        for y in 2..5 {
            (2..5).for_each(|x| square[y * 7 + x] = true);
        }
        let far = SurfaceDistance::between(&one, &square, 7, [1.0; 2]).unwrap();
        assert_eq!(far.hausdorff, (16.0f64 + 16.0).sqrt());
        assert!(far.hd95 < far.hausdorff && far.hd95_pooled < far.hausdorff);
        assert_eq!(surface(&square, 7).iter().filter(|s| **s).count(), 8);
        let nothing = vec![false; 49];
        assert_eq!(SurfaceDistance::between(&one, &nothing, 7, [1.0; 2]), None);
        assert_eq!(SurfaceDistance::between(&nothing, &nothing, 7, [1.0; 2]).unwrap().hausdorff, 0.0);
    }
}
