use gyre::{
    graph::{Array, Operator, Shape},
    ops::{
        check::Sample,
        energy::{Entmax, EntmaxKind},
        samples::samples,
    },
};

const KINDS: [EntmaxKind; 2] = [EntmaxKind::Sparsemax, EntmaxKind::Entmax15];

/// Whether no channel lies so near to the threshold that differences would straddle it, as those of numbers in half
/// easily do. Only the sparsemax has a kink there.
fn is_smooth(sample: &Sample) -> bool {
    let x = &sample.inputs[0];
    let y = &sample.op.twin(&sample.inputs)[0];
    let c = x.shape.c;
    x.data.chunks_exact(c).zip(y.data.chunks_exact(c)).all(|(x, y)| {
        let tau = x.iter().zip(y).find(|(_, y)| **y > 0.0).map_or(0.0, |(x, y)| x - y);
        x.iter().all(|x| (x - tau).abs() > 1e-5)
    })
}

/// The first draw that lies on no kink, in half or not.
fn drawn(kind: EntmaxKind, x: Shape) -> Sample {
    let draw = |i: u32| Sample::new(format!("{kind:?} {x}, draw {i}"), Entmax::new(kind), &[x]);
    let smooth = |s: &Sample| kind == EntmaxKind::Entmax15 || (is_smooth(s) && is_smooth(&s.halved()));
    (0..100).map(draw).find(smooth).expect("one of a hundred draws")
}

#[test]
fn samples_of_all_operators_lie_on_no_kink() {
    let all = samples();
    let linear = Entmax::new(EntmaxKind::Sparsemax);
    let mine: Vec<&Sample> = all.iter().filter(|s| s.op.is::<Entmax>() == Some(&linear)).collect();
    assert!(mine.len() > 1);
    for sample in mine {
        assert!(is_smooth(sample) && is_smooth(&sample.halved()), "draw {} anew", sample.label);
    }
}

#[test]
fn any_shape() {
    for kind in KINDS {
        for c in [2, 4, 7, 13, 32] {
            for x in [Shape::new(3, 5, 3, c), Shape::new(2, 1, 1, c)] {
                crate::both([drawn(kind, x)]);
            }
        }
        let one = Shape::new(3, 5, 3, 1);
        crate::both([drawn(kind, one)]);
    }
}

/// Around the number of channels from which a workgroup serves a pixel.
#[test]
fn many_channels() {
    for kind in KINDS {
        for c in [256, 257, 261, 511] {
            let x = Shape::new(1, 1, 2, c);
            let sample = |what: &str| Sample::new(format!("{what} {kind:?} {x}"), Entmax::new(kind), &[x]);
            crate::both([drawn(kind, x)]);
            // Close together, so that hundreds of channels take part.
            crate::forward([sample("close").with(0, |v| 1e-3 * v), sample("equal").with(0, |_| 1.0)]);
        }
        let x = Shape::new(1, 1, 2, 15_361);
        crate::forward([Sample::new(format!("{kind:?} {x}"), Entmax::new(kind), &[x])]);
    }
}

#[test]
fn far_from_zero() {
    for kind in KINDS {
        for c in [1, 5, 8, 300] {
            let x = Shape::new(1, 4, 5, c);
            let sample = |what: &str| Sample::new(format!("{what} {kind:?} {x}"), Entmax::new(kind), &[x]);
            crate::forward([
                sample("wide").with(0, |v| 5e3 * v),
                sample("high").with(0, |v| 1e4 + v.round()),
                // Padding lanes then lie far above every channel.
                sample("low").with(0, |v| v.round() - 1e4),
                sample("flat").with(0, |v| 1e-6 * v),
            ]);
        }
    }
}

/// Probabilities of one pixel by the kernel and by the twin, which must agree.
fn of(kind: EntmaxKind, z: &[f64]) -> Vec<f64> {
    let mut sample = Sample::new(format!("{kind:?} {z:?}"), Entmax::new(kind), &[Shape::channels(z.len())]);
    sample.inputs[0] = Array { data: z.to_vec(), ..sample.inputs[0].clone() };
    crate::forward([sample.clone()]);
    sample.op.twin(&sample.inputs).remove(0).data
}

fn assert_near(got: &[f64], want: &[f64]) {
    let far = got.iter().zip(want).any(|(g, w)| (g - w).abs() > 1e-12);
    assert!(got.len() == want.len() && !far, "{got:?} should be {want:?}");
}

#[test]
fn two_classes_have_closed_forms() {
    for z in [-3.0, -2.0, -0.75, 0.0, 0.25, 1.0, 1.5, 2.5] {
        let p = ((1.0 + z) / 2.0f64).clamp(0.0, 1.0);
        assert_near(&of(EntmaxKind::Sparsemax, &[z + 0.5, 0.5]), &[p, 1.0 - p]);
        let s = (z / 2.0f64).clamp(-1.0, 1.0);
        let p = ((s + (2.0 - s * s).sqrt()) / 2.0).powi(2);
        assert_near(&of(EntmaxKind::Entmax15, &[z + 0.5, 0.5]), &[p, 1.0 - p]);
    }
}

#[test]
fn known_vectors() {
    assert_near(&of(EntmaxKind::Sparsemax, &[0.125, 1.125, 0.25, 0.375]), &[0.0, 0.875, 0.0, 0.125]);
    assert_near(&of(EntmaxKind::Sparsemax, &[3.0, 1.0, 0.25]), &[1.0, 0.0, 0.0]);
    assert_near(&of(EntmaxKind::Sparsemax, &[0.5, 0.25, 0.25, 0.0]), &[0.5, 0.25, 0.25, 0.0]);
    for kind in KINDS {
        assert_near(&of(kind, &[7.5; 5]), &[0.2; 5]);
    }
    // Two of three take part: halves 1, 0.5 and -1 of z, so tau = (1.5 - sqrt(2 - 0.25)) / 2.
    let tau = (1.5 - 1.75f64.sqrt()) / 2.0;
    let want = [(1.0 - tau).powi(2), (0.5 - tau).powi(2), 0.0];
    assert_near(&of(EntmaxKind::Entmax15, &[2.0, 1.0, -2.0]), &want);
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    let op = Entmax::new(EntmaxKind::Sparsemax);
    assert!(op.shapes(&[x.with_c(0)]).is_err() && op.shapes(&[x, x]).is_err());
    assert!(op.shapes(&[x.with_c(Entmax::MOST_CHANNELS + 1)]).is_err());
    assert!(Entmax::backward(EntmaxKind::Entmax15).shapes(&[x, x.with_c(5)]).is_err());
}
