use gyre::{
    graph::{Array, Operator, Shape},
    ops::{
        check::Sample,
        energy::{Crf, CrfKernel, Through},
    },
};

fn sample(op: Crf, v: Shape, matrix: bool) -> Sample {
    let w = if matrix { Shape::new(1, 1, v.c, v.c) } else { Shape::SCALAR };
    let mut shapes = vec![v, v.with_c(4), w];
    shapes.extend((op.anchor > 0.0).then_some(v));
    Sample::new(format!("{op:?} {v} {matrix}"), op, &shapes).with(1, |k| 0.25 * k.abs()).with(2, |w| 0.3 * w)
}

#[test]
fn steps_and_gradients() {
    for v in super::maps() {
        for matrix in [false, true] {
            for steps in [1, 4] {
                crate::forward([sample(Crf::new(0.3, steps), v, matrix)]);
            }
            let op = Crf { traced: true, ..Crf::new(0.3, 3) };
            crate::forward([sample(op, v, matrix).forward_only()]);
        }
    }
    for v in super::small() {
        for matrix in [false, true] {
            crate::both([sample(Crf::new(0.3, 2), v, matrix)]);
            let op = Crf { normalised: true, anchor: 0.2, ..Crf::new(0.3, 2) };
            crate::both([sample(op, v, matrix)]);
        }
    }
}

/// Factors are rounded to f32. With W = 1 and likeness that sums to 1 a normalised step is a mean: a constant map stays as it is, and no belief leaves the
/// range of the map.
#[test]
fn normalised_steps_are_means() {
    let v = Shape::new(1, 6, 7, 3);
    let likeness = Sample::new("likeness", CrfKernel::new(1.0, true), &[v.with_c(1)]);
    let k = likeness.op.twin(&likeness.inputs).remove(0);
    let op = Crf { normalised: true, ..Crf::new(0.5, 30) };
    let one = Array { shape: Shape::SCALAR, data: vec![1.0] };
    let flat = Array::from_fn(v, |_, _, _, c| c as f64);
    let after = op.twin(&[flat.clone(), k.clone(), one.clone()]).remove(0);
    assert!(after.data.iter().zip(&flat.data).all(|(a, b)| (a - b).abs() < 1e-5));
    let rough = Array::from_fn(v, |_, y, x, c| ((7 * y + 3 * x + c) % 5) as f64);
    let after = op.twin(&[rough, k, one]).remove(0);
    assert!(after.data.iter().all(|a| (-1e-5..=4.00001).contains(a)));
}

#[test]
fn bad_settings_are_refused() {
    let v = Shape::new(1, 4, 4, 3);
    let w = Shape::new(1, 1, 3, 3);
    assert!(Crf::new(0.1, 0).shapes(&[v, v.with_c(4), w]).is_err());
    assert!(Crf::new(0.1, 1).shapes(&[v, v.with_c(4), Shape::new(1, 1, 3, 4)]).is_err());
    let implicit = Crf { through: Through::Implicit(10), ..Crf::new(0.1, 1) };
    let said = implicit.shapes(&[v, v.with_c(4), w]).unwrap_err().to_string();
    assert!(said.contains("anchor"), "{said}");
}
