use super::*;

fn set(options: AngiographyOptions) -> AngiographyDataset {
    AngiographyDataset::new(options).unwrap()
}

fn small() -> AngiographyOptions {
    AngiographyOptions { size: 128, count: 6, ..AngiographyOptions::default() }
}

/// Shares of vessels and catheter.
fn shares(mask: &Mask) -> [f64; 2] {
    let of = |class: u8| mask.data.iter().filter(|c| **c == class).count() as f64 / mask.data.len() as f64;
    [of(VESSEL), of(CATHETER)]
}

#[test]
fn a_sample_depends_on_seed_series_and_place_alone() {
    let (few, many) = (set(small()), set(AngiographyOptions { count: 8, val: 1, test: 2, ..small() }));
    few.load(3).unwrap();
    for i in [0, 5] {
        assert_eq!(few.load(i).unwrap(), many.load(i).unwrap());
    }
    let longer = set(AngiographyOptions { count: 20, val: 3, test: 2, ..small() });
    assert_eq!(many.load(10).unwrap(), longer.load(24).unwrap(), "the test set is fixed");
    assert_eq!(many.id(10), "angiogram_test_00001");
    let mask = |set: &AngiographyDataset, i: usize| set.load(i).unwrap().mask;
    assert_ne!(mask(&many, 0), mask(&many, 8));
    assert_ne!(mask(&many, 0), mask(&set(AngiographyOptions { seed: 1, ..small() }), 0));
    assert!(few.load(6).is_err());
}

#[test]
fn vessels_are_a_few_percent_and_the_catheter_less() {
    let data = set(AngiographyOptions { size: 256, count: 40, ..small() });
    let all: Vec<[f64; 2]> = (0..40).map(|i| shares(&data.load(i).unwrap().mask)).collect();
    for (i, [vessels, catheter]) in all.iter().enumerate() {
        assert!((0.012..0.11).contains(vessels), "{i}: vessels {vessels}");
        assert!((0.002..0.025).contains(catheter), "{i}: catheter {catheter}");
    }
    let mean = |k: usize| all.iter().map(|s| s[k]).sum::<f64>() / 40.0;
    assert!((0.025..0.07).contains(&mean(0)) && (0.006..0.02).contains(&mean(1)), "{} {}", mean(0), mean(1));
}

/// Vessels and catheter are darker than what is close to them, so that a network can find them; yet no threshold of
/// grey does, as it could where the background were even.
#[test]
fn tubes_are_dark_and_no_threshold_finds_them() {
    let data = set(AngiographyOptions { size: 256, count: 12, ..small() });
    let (mut inside, mut outside) = ([0f64; 256], [0f64; 256]);
    for i in 0..data.len() {
        let Sample { picture, mask, .. } = data.load(i).unwrap();
        let mut near = [[0f64; 2]; 3];
        for (at, class) in mask.data.iter().enumerate() {
            let (x, y) = (at % 256, at / 256);
            let (xs, ys) = (x.saturating_sub(6)..(x + 7).min(256), y.saturating_sub(6)..(y + 7).min(256));
            let close = ys.clone().any(|v| xs.clone().any(|u| mask.data[v * 256 + u] > 0));
            if *class > 0 || close {
                near[usize::from(*class)][0] += f64::from(picture.data[at]);
                near[usize::from(*class)][1] += 1.0;
            }
            let histogram = if *class > 0 { &mut inside } else { &mut outside };
            histogram[(picture.data[at] * 255.0) as usize] += 1.0;
        }
        let [around, vessel, catheter] = near.map(|[sum, n]| sum / n);
        assert!(vessel < around - 0.05 && catheter < around - 0.05, "{i}: {around} {vessel} {catheter}");
    }
    let total: f64 = inside.iter().sum();
    let (mut hits, mut taken, mut best) = (0.0, 0.0, 0f64);
    for level in 0..256 {
        hits += inside[level];
        taken += inside[level] + outside[level];
        best = best.max(2.0 * hits / (taken + total));
    }
    assert!((0.1..0.75).contains(&best), "best Dice of a threshold {best}");
}

#[test]
fn vessels_taper_and_the_catheter_does_not() {
    for number in 0..20 {
        let mut rng = keyed(Purpose::Angiography, 7, number, 0);
        let scene = Scene::random(&mut rng);
        let catheter = scene.catheter.points();
        assert!(catheter.iter().all(|(_, radius)| *radius == catheter[0].1));
        let outside = |p: Vec2| p.min_element() < 0.0 || p.max_element() > 1.0;
        assert!(outside(catheter[0].0), "it comes from a border");
        let tip = catheter[catheter.len() - 1].0;
        assert!(tip.distance(scene.vessels[0].points()[0].0) < 1e-3, "and ends where the vessels begin");
        for vessel in &scene.vessels {
            let points = vessel.points();
            assert!(points.windows(2).all(|w| w[1].1 <= w[0].1), "a vessel grows thicker");
            assert!(points.windows(2).all(|w| w[0].0.distance(w[1].0) < 0.01), "a vessel has a gap");
        }
        assert!(scene.vessels.len() >= 6, "{} vessels", scene.vessels.len());
    }
}

#[test]
fn the_scene_is_the_same_at_any_size() {
    let share = |size: usize| shares(&set(AngiographyOptions { size, ..small() }).load(2).unwrap().mask);
    let (half, whole) = (share(256), share(512));
    assert!((half[0] - whole[0]).abs() < 0.01 && (half[1] - whole[1]).abs() < 0.002, "{half:?} {whole:?}");
    let gray = set(AngiographyOptions { size: 33, ..small() }).load(1).unwrap();
    let colour = set(AngiographyOptions { size: 33, channels: 3, ..small() }).load(1).unwrap();
    assert_eq!(gray.mask, colour.mask);
    assert!(colour.picture.data.chunks_exact(3).zip(&gray.picture.data).all(|(p, v)| p == [*v; 3]));
}

#[test]
fn bad_options_are_refused() {
    let bad = [
        AngiographyOptions { size: 16, ..small() },
        AngiographyOptions { channels: 4, ..small() },
        AngiographyOptions { count: 0, ..small() },
    ];
    for options in bad {
        assert!(matches!(AngiographyDataset::new(options), Err(Error::Config(_))));
    }
}
