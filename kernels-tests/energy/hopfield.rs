use gyre::{
    graph::{Operator, Shape},
    ops::{
        check::Sample,
        energy::{Hopfield, Retrieval},
    },
};

fn sample(op: Hopfield, v: Shape, memories: usize) -> Sample {
    let mut shapes = vec![v, Shape::new(1, 1, memories, v.c)];
    shapes.extend((op.anchor > 0.0).then_some(v));
    let scale = 1.0 / (v.c as f64).sqrt();
    Sample::new(format!("{op:?} {v} {memories}"), op, &shapes).with(1, move |m| scale * m)
}

#[test]
fn steps_and_gradients() {
    for retrieval in Retrieval::ALL {
        for (v, memories) in
            [(Shape::new(3, 2, 3, 12), 5), (Shape::new(1, 1, 1, 1), 1), (Shape::new(2, 3, 1, 27), 70)]
        {
            for steps in [1, 4] {
                let op = Hopfield { retrieval, beta: 0.7, ..Hopfield::new(0.4, steps) };
                crate::forward([sample(op, v, memories)]);
            }
            let op = Hopfield { retrieval, ..Hopfield::new(0.4, 3) };
            let traced = Hopfield { traced: true, ..op };
            crate::forward([sample(traced, v, memories).forward_only()]);
        }
        let op = Hopfield { retrieval, ..Hopfield::new(0.4, 2) };
        for (v, memories) in [(Shape::new(2, 1, 2, 6), 5), (Shape::new(1, 1, 1, 1), 1)] {
            crate::both([sample(op, v, memories)]);
            crate::both([sample(Hopfield { anchor: 0.2, ..op }, v, memories)]);
        }
    }
}

/// So many rounds that the steps are cut into several dispatches.
#[test]
fn long_descents_are_cut() {
    let v = Shape::new(1, 1, 2, 300);
    let op = Hopfield { traced: true, ..Hopfield::new(0.1, 40) };
    crate::forward([sample(op, v, 400).forward_only()]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let said =
        |v: Shape, m| Hopfield::new(0.1, 1).shapes(&[v, Shape::new(1, 1, m, v.c)]).unwrap_err().to_string();
    let v = Shape::new(1, 2, 2, 3840);
    assert!(said(v, 64).contains("workgroup memory"));
    let op = Hopfield { beta: 0.0, ..Hopfield::new(0.1, 1) };
    assert!(op.shapes(&[v.with_c(4), Shape::new(1, 1, 3, 4)]).is_err());
}
