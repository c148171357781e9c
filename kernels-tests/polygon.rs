use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Polygon, check::Sample},
};

/// Figures of up to `rows - 1` corners, some beyond the borders and some that cross themselves, and circles; a function
/// of their numbers.
fn figures(n: usize, rows: usize, size: [usize; 2]) -> Array {
    let mut word = 12345u32;
    let mut below = |most: i64| {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(word >> 8) * most as f64 / f64::from(1 << 24)
    };
    let [h, w] = size.map(|v| v as i64);
    let mut table = Array::zeros(Shape::new(n, 1, rows, 2));
    for (i, pairs) in table.data.chunks_exact_mut(2 * rows).enumerate() {
        for pair in pairs.chunks_exact_mut(2) {
            pair[0] = (below(2 * w) - w as f64 / 2.0).trunc();
            pair[1] = (below(2 * h) - h as f64 / 2.0).trunc();
        }
        let corners = if i % 3 == 2 { 0 } else { 3 + i % (rows - 3).max(1) };
        pairs[..2].copy_from_slice(&[corners as f64, (1 + 7 * i % 200) as f64]);
        if corners == 0 {
            pairs[4..6].copy_from_slice(&[(h.min(w) / 3) as f64, 0.0]);
        }
    }
    table
}

fn sample(n: usize, rows: usize, size: [usize; 2], channels: usize) -> Sample {
    let op = Polygon { size, channels };
    let table = figures(n, rows, size);
    let mut sample = Sample::new(format!("{n} of {rows} {size:?} {channels}"), op, &[table.shape]);
    sample.inputs[0] = table;
    sample.rtol = 0.0;
    sample.constants(&[0]).forward_only()
}

#[test]
fn pixels_are_exactly_those_of_the_twin() {
    let all = [(3, 5, [7, 11], 1), (1, 3, [1, 1], 3), (7, 16, [33, 20], 3), (2, 65, [64, 64], 4)];
    crate::forward(all.map(|(n, rows, size, channels)| sample(n, rows, size, channels)));
}

#[test]
fn large_numbers_do_not_overflow() {
    // From one end of what is allowed to the other, on the largest picture's lower right corner.
    let mut sample = sample(1, 5, [2, 4096], 1);
    let corners = [[-8192.0, -8192.0], [8192.0, -8191.0], [8192.0, 8192.0], [-8191.0, 8192.0]];
    sample.inputs[0].data = [[4.0, 1.0]].into_iter().chain(corners).flatten().collect();
    crate::forward([sample]);
}

#[test]
fn a_square_has_its_pixels() {
    let op = Polygon { size: [4, 5], channels: 1 };
    let data = [4.0, 6.0, 1.0, 1.0, 3.0, 1.0, 3.0, 4.0, 1.0, 4.0].to_vec();
    let made = op.twin(&[Array { shape: Shape::new(1, 1, 5, 2), data }]);
    let row = [0.0, 6.0, 6.0, 0.0, 0.0];
    assert_eq!(made[1].data, [[0.0; 5], row, row, row].concat());
    assert_eq!(made[0].data, made[1].data.iter().map(|v| v / 6.0).collect::<Vec<_>>());
}

/// The data set draws the same pixels by code of its own.
#[test]
fn the_data_set_draws_the_same() {
    use gyre::data::{Dataset, PolygonsDataset, PolygonsOptions};
    let options =
        PolygonsOptions { size: 48, count: 60, irregular: 40.0, seed: 3, ..PolygonsOptions::default() };
    let data = PolygonsDataset::new(options).unwrap();
    let rows = data.table_rows();
    for i in 0..data.len() {
        let table = data.figure(i).unwrap().table(rows).unwrap().iter().map(|v| f64::from(*v)).collect();
        let table = Array { shape: Shape::new(1, 1, rows, 2), data: table };
        let made = Polygon { size: [48; 2], channels: 1 }.twin(&[table]);
        let sample = data.load(i).unwrap();
        assert!(made[1].data.iter().zip(&sample.mask.data).all(|(a, b)| *a == f64::from(*b)), "{i}");
        assert!(made[0].data.iter().zip(&sample.picture.data).all(|(a, b)| *a == f64::from(*b)), "{i}");
    }
}

#[test]
fn other_tables_and_pictures_are_refused() {
    let of = |shape: Shape, size: [usize; 2], channels: usize| Polygon { size, channels }.shapes(&[shape]);
    let table = Shape::new(2, 1, 9, 2);
    assert_eq!(of(table, [8, 6], 3).unwrap(), [Shape::new(2, 8, 6, 3), Shape::new(2, 8, 6, 1)]);
    for (shape, size, channels) in [
        (Shape::new(2, 1, 2, 2), [8, 6], 1),
        (Shape::new(2, 1, 9, 3), [8, 6], 1),
        (table, [5000, 6], 1),
        (table, [8, 0], 1),
        (table, [8, 6], 5),
    ] {
        assert!(of(shape, size, channels).unwrap_err().to_string().contains("figures"));
    }
}
