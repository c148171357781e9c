use std::sync::Arc;

use gyre::{
    graph::{Array, Graph, Operator, Plan, Session, Shape, Weights},
    ops::{Dropout, WORDS, check::Sample},
};

fn sample(p: f32, salt: u32, x: Shape) -> Sample {
    Sample::new(format!("{p} {salt} {x}"), Dropout::new(p, salt), &[x, WORDS]).constants(&[1])
}

#[test]
fn masks_and_gradients() {
    for p in [0.0, 0.1, 0.5, 0.9] {
        for x in [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 1, 1, 8)] {
            crate::both([sample(p, 0, x), sample(p, 3, x)]);
        }
    }
}

fn mask(op: Dropout, words: [u32; 4], shape: Shape) -> Vec<f64> {
    let ones = Array::zeros(shape).map(|_| 1.0);
    let raw = words.map(|w| f64::from(f32::from_bits(w))).to_vec();
    op.twin(&[ones, Array { shape: WORDS, data: raw }]).swap_remove(0).data
}

#[test]
fn pictures_are_kept_or_dropped_as_a_whole() {
    let shape = Shape::new(400, 2, 3, 5);
    for p in [0.0, 0.2f32, 0.7] {
        let all = mask(Dropout::of_pictures(p, 2), [3, 1, 0, 0], shape);
        let pictures: Vec<&[f64]> = all.chunks(30).collect();
        assert!(pictures.iter().all(|picture| picture.iter().all(|v| *v == picture[0])));
        let dropped = pictures.iter().filter(|picture| picture[0] == 0.0).count() as f64;
        // Five standard deviations.
        assert!((dropped / 400.0 - f64::from(p)).abs() <= 5.0 * 0.5 / 20.0, "{dropped} of 400 at {p}");
        assert!(pictures.iter().all(|v| v[0] == 0.0 || (v[0] - 1.0 / (1.0 - f64::from(p))).abs() < 1e-6));
    }
    for x in [Shape::new(9, 5, 7, 13), Shape::new(4, 1, 1, 1), Shape::new(2, 1, 3, 8)] {
        let op = Dropout::of_pictures(0.5, 1);
        crate::both([Sample::new(x.to_string(), op, &[x, WORDS]).constants(&[1])]);
    }
}

#[test]
fn raw_words_of_the_host() {
    let (shape, op, words) = (Shape::new(2, 3, 4, 6), Dropout::new(0.3, 7), [42, 1_000_000, 0, 1]);
    let mut graph = Graph::new();
    let (x, w) = (graph.input("x", shape), graph.input("words", WORDS));
    let y = graph.apply(op, &[x, w]).expect("fits");
    graph.output(y);
    let context = crate::context();
    let weights = Arc::new(Weights::new(context, &graph, 0).expect("fits"));
    let session = Session::new(Plan::new(&graph, context).expect("fits"), &weights).expect("compiles");
    session.write(x, &vec![1.0; shape.count()]).expect("fits");
    session.write_words(w, &words).expect("fits");
    session.run();
    let got: Vec<f64> = session.read(y).expect("is an output").into_iter().map(f64::from).collect();
    for (g, want) in got.iter().zip(mask(op, words, shape)) {
        assert!((g - want).abs() < 1e-6);
    }
}

#[test]
fn drops_the_share_asked_for() {
    let shape = Shape::new(1, 100, 100, 4);
    for p in [0.1f32, 0.5, 0.8] {
        let kept = mask(Dropout::new(p, 1), [9, 5, 0, 0], shape);
        let share = kept.iter().filter(|v| **v == 0.0).count() as f64 / kept.len() as f64;
        // Five standard deviations.
        assert!((share - f64::from(p)).abs() < 5.0 * 0.5 / 200.0, "{share} of {p}");
    }
}

#[test]
fn seed_step_and_salt_all_matter() {
    let shape = Shape::new(1, 16, 16, 4);
    let base = mask(Dropout::new(0.5, 0), [1, 1, 0, 0], shape);
    for (salt, words) in [(1, [1, 1, 0, 0]), (0, [2, 1, 0, 0]), (0, [1, 2, 0, 0]), (0, [1, 1, 1, 0])] {
        let other = mask(Dropout::new(0.5, salt), words, shape);
        let same = base.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!((400..624).contains(&same), "{same} of 1024 alike for salt {salt}, {words:?}");
    }
    assert_eq!(base, mask(Dropout::new(0.5, 0), [1, 1, 0, 0], shape));
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    assert!(Dropout::new(1.0, 0).shapes(&[x, WORDS]).unwrap_err().to_string().contains("below 1"));
    assert!(Dropout::new(-0.1, 0).shapes(&[x, WORDS]).is_err());
    assert!(Dropout::new(0.5, 0).shapes(&[x, x]).is_err());
}
