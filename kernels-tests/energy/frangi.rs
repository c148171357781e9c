use gyre::{
    graph::{Array, Operator, Shape},
    ops::{check::Sample, energy::Frangi},
};

#[test]
fn any_shape() {
    for c in [1, 3] {
        for [n, h, w] in [[3, 5, 7], [1, 1, 1], [2, 1, 9], [1, 33, 3], [2, 2, 3], [2, 70, 41]] {
            let x = Shape::new(n, h, w, c);
            crate::forward([Sample::new(x.to_string(), Frangi, &[x]).forward_only()]);
        }
    }
}

/// A sample of one picture.
fn picture(label: &str, x: Array) -> Sample {
    let mut sample = Sample::new(label, Frangi, &[x.shape]).forward_only();
    sample.inputs[0] = x.map(|v| f64::from(v as f32));
    sample
}

/// Numbers from the formula in NumPy, with `numpy.gradient` and `numpy.linalg.eigvalsh`, to nine places.
#[test]
fn as_numpy_has_it() {
    #[rustfmt::skip]
    const ONE: [f64; 42] = [
        1.000000000, 1.000000000, 1.000000000, 0.079743891, 0.398847947, 0.197389585, 0.584284682,
        1.000000000, 1.000000000, 1.000000000, 0.251205657, 0.108171828, 1.000000000, 1.000000000,
        1.000000000, 1.000000000, 1.000000000, 0.412800524, 1.000000000, 1.000000000, 1.000000000,
        0.067465196, 1.000000000, 0.256162954, 0.318485076, 0.518970150, 1.000000000, 0.338777181,
        0.156460863, 0.195770755, 0.667428746, 0.541134334, 0.480215575, 0.441253972, 0.354012380,
        1.000000000, 0.158498744, 0.613777057, 0.109134601, 1.000000000, 0.085587694, 0.207086672,
    ];
    #[rustfmt::skip]
    const THREE: [f64; 42] = [
        0.522829946, 0.628147535, 0.581615881, 0.555489592, 0.649094413, 0.122055319, 0.048796287,
        0.537129057, 0.682819702, 0.574494965, 0.493312512, 0.151025687, 1.000000000, 1.000000000,
        0.170266050, 0.195927117, 0.163878112, 1.000000000, 1.000000000, 1.000000000, 1.000000000,
        1.000000000, 1.000000000, 1.000000000, 0.111170880, 1.000000000, 0.114899196, 0.158774402,
        1.000000000, 0.020057703, 0.188038350, 0.604780305, 0.690283564, 0.816583704, 0.436581828,
        1.000000000, 0.399303393, 0.555791634, 0.792040727, 0.520249561, 0.685058264, 0.611550580,
    ];
    for (c, want) in [(1, ONE), (3, THREE)] {
        let x = Array::from_fn(Shape::new(1, 6, 7, c), |_, y, x, c| {
            let sum = 7 * y + 5 * x + 3 * x * y * (c + 1) + c * c;
            ((sum % 11) as f64 - 5.0) / 8.0
        });
        let sample = picture("NumPy's", x);
        let got = &sample.op.twin(&sample.inputs)[0].data;
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((g - w).abs() < 1e-8, "pixel {i} of {c} channels: {g}, should be {w}");
        }
        crate::forward([sample]);
    }
}

#[test]
fn flat_pictures_have_no_edges() {
    for c in [1, 3] {
        let x = Shape::new(2, 5, 6, c);
        let sample = Sample::new("flat", Frangi, &[x]).with(0, |_| 0.0).forward_only();
        assert!(sample.op.twin(&sample.inputs)[0].data.iter().all(|v| *v == 1.0));
        crate::forward([sample]);
    }
    // Within, a picture of one value is flat, too; at its border it ends.
    let grey = Sample::new("grey", Frangi, &[Shape::new(1, 14, 15, 1)]).with(0, |_| 0.7).forward_only();
    assert_eq!(grey.op.twin(&grey.inputs)[0].at(0, 7, 7, 0), 1.0);
    crate::forward([grey]);
}

/// A blot in the middle of a picture.
fn blot(sign: f64) -> Array {
    Array::from_fn(Shape::new(1, 15, 15, 1), |_, y, x, _| {
        let away = (y as f64 - 7.0).powi(2) + (x as f64 - 7.0).powi(2);
        sign * (-away / 8.0).exp()
    })
}

#[test]
fn dark_is_told_from_bright() {
    for (sign, middle, side) in [(-1.0, 0.11701964434787925, 0.29219558713740645), (1.0, 1.0, 1.0)] {
        let sample = picture("blot", blot(sign));
        let y = sample.op.twin(&sample.inputs).remove(0);
        assert!((y.at(0, 7, 7, 0) - middle).abs() < 1e-6 && (y.at(0, 7, 5, 0) - side).abs() < 1e-6, "{sign}");
    }
}

/// Every picture has its own gamma.
#[test]
fn pictures_do_not_see_each_other() {
    let of = |scale: f64| blot(-scale);
    let both = Array { shape: Shape::new(2, 15, 15, 1), data: [of(1.0).data, of(16.0).data].concat() };
    let sample = picture("two", both);
    let y = sample.op.twin(&sample.inputs).remove(0);
    let (first, second) = y.data.split_at(225);
    // The response does not know the scale, as far as it lies above the least divisor.
    assert!(first.iter().zip(second).all(|(a, b)| (a - b).abs() < 1e-9));
    crate::forward([sample]);
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 5, 5, 1);
    assert!(Frangi.shapes(&[x.with_c(2)]).is_err() && Frangi.shapes(&[x, x]).is_err());
    assert!(Frangi.shapes(&[Shape::new(1, 0, 5, 1)]).is_err());
}
