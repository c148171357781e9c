use super::*;

fn set(options: PolygonsOptions) -> PolygonsDataset {
    PolygonsDataset::new(options).unwrap()
}

fn small() -> PolygonsOptions {
    PolygonsOptions { size: 64, count: 6, ..PolygonsOptions::default() }
}

#[test]
fn a_sample_depends_on_seed_series_and_place_alone() {
    let (few, many) = (set(small()), set(PolygonsOptions { count: 9, val: 2, test: 4, ..small() }));
    for i in 0..6 {
        assert_eq!(few.load(i).unwrap(), many.load(i).unwrap(), "a smaller set is a prefix of a larger one");
    }
    let larger = set(PolygonsOptions { count: 30, val: 5, test: 4, ..small() });
    for i in 0..4 {
        assert_eq!(many.load(11 + i).unwrap(), larger.load(35 + i).unwrap(), "the test set is fixed");
    }
    assert_eq!(many.id(11), "polygon_test_00000");
    let first = |set: &PolygonsDataset, i: usize| set.figure(i).unwrap();
    assert_ne!(first(&many, 0), first(&many, 9), "the series differ");
    assert_ne!(first(&many, 9), first(&many, 11));
    assert_ne!(first(&many, 0), first(&set(PolygonsOptions { seed: 1, ..small() }), 0));
    assert!(few.load(6).is_err());
}

#[test]
fn classes_are_even_and_say_how_many_corners() {
    let data = set(PolygonsOptions { count: 2800, ..PolygonsOptions::default() });
    assert_eq!(data.classes(), 15);
    let mut counts = [0usize; 15];
    for figure in (0..data.len()).map(|i| data.figure(i).unwrap()) {
        counts[usize::from(figure.class)] += 1;
        let corners = match &figure.outline {
            Outline::Circle(..) => 0,
            Outline::Polygon(corners) => corners.len(),
        };
        assert_eq!(data.options().sides[usize::from(figure.class) - 1], corners);
    }
    assert_eq!(counts[0], 0);
    // 200 expected, deviation 13.6.
    assert!(counts[1..].iter().all(|n| (140..260).contains(n)), "{counts:?}");
}

#[test]
fn lengths_are_the_papers() {
    let data = set(PolygonsOptions { count: 3000, ..PolygonsOptions::default() });
    let (mut radii, mut spread, mut middles) = (Vec::new(), Vec::new(), Vec::new());
    for figure in (0..data.len()).map(|i| data.figure(i).unwrap()) {
        match figure.outline {
            Outline::Circle(centre, radius) => {
                assert!((10..128).contains(&radius) && centre.iter().all(|v| (0..512).contains(v)));
                radii.push(f64::from(radius));
            }
            // The centre of a polygon of many corners is nearly their mean.
            Outline::Polygon(corners) if corners.len() >= 12 => {
                let n = corners.len() as f64;
                let mean = |i: usize| corners.iter().map(|c| f64::from(c[i]) + 0.5).sum::<f64>() / n;
                let middle = [mean(0), mean(1)];
                let away: Vec<f64> = corners
                    .iter()
                    .map(|c| (f64::from(c[0]) + 0.5 - middle[0]).hypot(f64::from(c[1]) + 0.5 - middle[1]))
                    .collect();
                let base = away.iter().sum::<f64>() / n;
                assert!((45.0..135.0).contains(&base), "{base}");
                spread.push(away.iter().map(|r| (r - base).powi(2)).sum::<f64>() / n);
                middles.push(middle[0]);
            }
            Outline::Polygon(_) => {}
        }
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    assert!((mean(&radii) - 69.0).abs() < 8.0, "{}", mean(&radii));
    assert!((mean(&middles) - 256.0).abs() < 20.0, "{}", mean(&middles));
    let deviation = mean(&spread).sqrt();
    assert!((3.8..5.6).contains(&deviation), "5 pixels, of which the fitted middle takes some: {deviation}");
}

#[test]
fn pixels_follow_the_rule() {
    let square = Outline::Polygon(vec![[1, 1], [3, 1], [3, 3], [1, 3]]);
    let inside = |outline: &Outline| -> Vec<(i32, i32)> {
        (-1..6).flat_map(|y| (-1..6).map(move |x| (x, y))).filter(|(x, y)| outline.covers(*x, *y)).collect()
    };
    assert_eq!(inside(&square), [(1, 1), (2, 1), (1, 2), (2, 2)]);
    let Outline::Polygon(mut corners) = square else { unreachable!() };
    corners.reverse();
    assert_eq!(inside(&Outline::Polygon(corners)).len(), 4, "the direction of the border does not matter");
    // Its slope passes through the middles of (0, 2), (1, 1) and (2, 0), which lie on its left.
    let triangle = Outline::Polygon(vec![[0, 0], [3, 0], [0, 3]]);
    assert_eq!(inside(&triangle), [(0, 0), (1, 0), (0, 1)]);
    let other = Outline::Polygon(vec![[3, 0], [3, 3], [0, 3]]);
    assert_eq!(inside(&other).len(), 6, "and belong to the other half of the square, once");
    assert_eq!(inside(&Outline::Circle([2, 2], 1)), [(1, 1), (2, 1), (1, 2), (2, 2)]);
    // A dent: what is between the tips is outside.
    let dented = Outline::Polygon(vec![[0, 0], [2, 3], [4, 0], [4, 4], [0, 4]]);
    assert!(!dented.covers(1, 0) && !dented.covers(2, 1) && dented.covers(0, 1) && dented.covers(3, 1));
}

#[test]
fn pictures_are_one_where_the_mask_has_a_class() {
    let data = set(PolygonsOptions { channels: 3, count: 40, ..small() });
    let mut seen = 0;
    for i in 0..data.len() {
        let (sample, figure) = (data.load(i).unwrap(), data.figure(i).unwrap());
        for (values, class) in sample.picture.data.chunks_exact(3).zip(&sample.mask.data) {
            assert!(*class == 0 || *class == figure.class);
            assert_eq!(values, [f32::from(u8::from(*class > 0)); 3]);
        }
        seen += usize::from(sample.mask.data.contains(&figure.class));
    }
    assert!(seen >= 38, "{seen} of 40 pictures show their figure");
}

#[test]
fn lengths_follow_the_size() {
    let (large, small) = (set(PolygonsOptions { size: 512, ..small() }), set(small()));
    for i in 0..6 {
        let share = |data: &PolygonsDataset| {
            let mask = data.load(i).unwrap().mask;
            mask.data.iter().filter(|c| **c > 0).count() as f64 / mask.data.len() as f64
        };
        assert!((share(&large) - share(&small)).abs() < 0.02, "{i}: {} {}", share(&large), share(&small));
    }
}

#[test]
fn corners_stay_where_32_bits_hold_their_products() {
    let (size, irregular) = (PolygonsOptions::MOST_PIXELS, PolygonsOptions::MOST_IRREGULAR);
    let data = set(PolygonsOptions { size, irregular, count: 3000, ..PolygonsOptions::default() });
    let far = (0..data.len()).flat_map(|i| data.figure(i).unwrap().table(data.table_rows()).unwrap());
    assert!(far.fold(0.0f32, |a, v| a.max(v.abs())) <= 8192.0);
}

#[test]
fn tables_hold_the_figure() {
    let figure = Figure { class: 3, outline: Outline::Polygon(vec![[1, 2], [3, 4], [-5, 6]]) };
    assert_eq!(figure.table(5).unwrap(), [3.0, 3.0, 1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 0.0, 0.0]);
    assert!(figure.table(3).is_err());
    let circle = Figure { class: 9, outline: Outline::Circle([7, 8], 5) };
    assert_eq!(circle.table(3).unwrap(), [0.0, 9.0, 7.0, 8.0, 5.0, 0.0]);
}

#[test]
fn bad_options_are_refused() {
    let bad = [
        PolygonsOptions { size: 8, ..small() },
        PolygonsOptions { size: 4097, ..small() },
        PolygonsOptions { count: 0, ..small() },
        PolygonsOptions { channels: 2, ..small() },
        PolygonsOptions { sides: vec![], ..small() },
        PolygonsOptions { sides: vec![3, 2], ..small() },
        PolygonsOptions { sides: vec![3, 4, 3], ..small() },
        PolygonsOptions { irregular: f32::NAN, ..small() },
        PolygonsOptions { irregular: 65.0, ..small() },
    ];
    for options in bad {
        assert!(matches!(PolygonsDataset::new(options), Err(Error::Config(_))));
    }
}
