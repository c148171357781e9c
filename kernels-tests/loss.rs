use gyre::{
    graph::{Array, Operator, Shape},
    loss::{
        Bce, ClassReduction, ClassWeighting, CrossEntropy, GeneralisedDice, Link, Overlap, Penalty,
        PenaltyForm, Scope, Sides, SoftmaxFocal,
        samples::{sample, samples, weighted_cross_entropy},
    },
    ops::check::Sample,
};

const SHAPES: [Shape; 5] = [
    Shape::new(3, 5, 7, 13),
    Shape::new(1, 1, 1, 2),
    Shape::new(2, 9, 11, 3),
    Shape::new(1, 17, 3, 8),
    Shape::new(3, 6, 5, 1),
];

fn overlaps() -> Vec<(&'static str, Overlap)> {
    let image = Overlap { scope: Scope::Image, ..Overlap::tversky(0.2, 0.8, 0.1) };
    let focal = Overlap::focal_tversky(0.3, 0.7, 0.6, 1.0);
    vec![
        ("dice", Overlap::dice(1.0)),
        ("dice without smoothing", Overlap::dice(0.0)),
        ("tversky image", image),
        ("tversky image, sum", Overlap { class_reduction: ClassReduction::Sum, ..image }),
        ("two-class Dice", Overlap::two_class_dice(0.1)),
        ("two-class Dice image", Overlap { scope: Scope::Image, ..Overlap::two_class_dice(1.0) }),
        ("focal", focal),
        ("focal image", Overlap { scope: Scope::Image, ..Overlap::focal_tversky(0.8, 0.3, 1.7, 2.0) }),
        ("focal, sum", Overlap { class_reduction: ClassReduction::Sum, ..focal }),
        ("focal, both sides", Overlap { sides: Sides::Both, ..focal }),
        (
            "tversky image, sum, both sides",
            Overlap { sides: Sides::Both, class_reduction: ClassReduction::Sum, ..image },
        ),
    ]
}

#[test]
fn samples_of_the_doctor() {
    crate::both(samples());
}

#[test]
fn cross_entropy_of_sigmoids() {
    for op in [Bce::PLAIN, Bce::weighted(0.39), Bce::focal(0.25, 2.0), Bce::focal(0.8, 0.5)] {
        crate::both(SHAPES.map(|shape| sample("mean", op, shape)));
        crate::forward(SHAPES.map(|shape| sample("large logits", op, shape).with(0, far)));
        crate::forward([sample("many shares", op, Shape::new(2, 211, 157, 3))]);
    }
}

/// Makes some logits large.
fn far(v: f64) -> f64 {
    if v.abs() > 1.0 { 60.0 * v } else { v }
}

#[test]
fn cross_entropy_of_a_softmax() {
    let op = CrossEntropy { weighted: false };
    crate::both(SHAPES.map(|shape| sample("mean", op, shape)));
    crate::both(SHAPES.map(weighted_cross_entropy));
    crate::forward(SHAPES.map(|shape| sample("large logits", op, shape).with(0, far)));
    crate::forward([sample("many shares", op, Shape::new(2, 211, 157, 3))]);
    let nothing = Array::zeros(SHAPES[0]);
    assert_eq!(value(op, &nothing, &nothing), 0.0);
}

#[test]
fn focal_losses_of_a_softmax() {
    for (alpha, gamma, one_vs_all) in
        [(0.25, 2.0, true), (0.8, 0.5, true), (0.25, 2.0, false), (0.6, 0.0, false)]
    {
        let op = SoftmaxFocal { alpha, gamma, one_vs_all };
        let shapes = || SHAPES.into_iter().filter(|s| s.c > 1);
        crate::both(shapes().map(|shape| sample("mean", op, shape)));
        crate::forward(shapes().map(|shape| sample("large logits", op, shape).with(0, |v| 7.0 * v)));
        crate::forward([sample("many shares", op, Shape::new(2, 211, 157, 3))]);
    }
}

fn generalised() -> Vec<(&'static str, GeneralisedDice)> {
    let penalty = |k: f32, form: PenaltyForm| Some(Penalty { k, form });
    let of = GeneralisedDice::new;
    let batch = |op: GeneralisedDice| GeneralisedDice { scope: Scope::Batch, ..op };
    vec![
        ("image", of(ClassWeighting::InverseSquare)),
        ("batch", batch(of(ClassWeighting::InverseSquare))),
        ("alike", GeneralisedDice { smooth: 0.3, ..of(ClassWeighting::None) }),
        ("eps", GeneralisedDice { smooth: 1e-4, ..of(ClassWeighting::InverseSquareEps(0.5)) }),
        (
            "printed",
            GeneralisedDice {
                penalty: penalty(0.75, PenaltyForm::Printed),
                ..of(ClassWeighting::InverseSquare)
            },
        ),
        (
            "silva, batch",
            batch(GeneralisedDice {
                penalty: penalty(1.6, PenaltyForm::Silva),
                ..of(ClassWeighting::InverseSquareEps(1e-2))
            }),
        ),
    ]
}

#[test]
fn generalised_dice() {
    for (label, op) in generalised() {
        let foreground = GeneralisedDice { include_background: false, ..op };
        for shape in SHAPES.into_iter().filter(|s| s.c > 1) {
            crate::both([sample(label, op, shape), sample(label, foreground, shape)]);
        }
        crate::forward([
            sample(label, op, Shape::new(2, 181, 203, 3)),
            sample(label, op, Shape::new(2, 12, 13, 6)).with(0, |v| 25.0 * v),
        ]);
        let alone = GeneralisedDice { link: Link::Sigmoid, ..op };
        for shape in [Shape::new(3, 6, 5, 1), Shape::new(1, 1, 2, 1)] {
            crate::both([sample(label, alone, shape)]);
        }
        crate::forward([sample(label, alone, Shape::new(2, 181, 203, 1))]);
    }
}

/// A target of whole classes that lacks class 1 in its first picture, and logits.
fn lacking() -> [Array; 2] {
    let shape = Shape::new(2, 6, 5, 3);
    let class = |n: usize, y: usize, x: usize| if n == 0 { 2 * usize::from(x > 3) } else { (x + y) % 3 };
    let target = Array::from_fn(shape, |n, y, x, c| f64::from(class(n, y, x) == c));
    [sample("", Bce::PLAIN, shape).inputs.swap_remove(0), target]
}

/// Sums of the target and of the product with probabilities, from the definition of equations 21 and 23.
#[test]
fn generalised_dice_is_the_papers() {
    let [logits, target] = lacking();
    let picture = |a: &Array, n: usize| a.data[n * 90..(n + 1) * 90].to_vec();
    let mut want = 0.0;
    for n in 0..2 {
        let (v, g) = (picture(&logits, n), picture(&target, n));
        let p: Vec<f64> = v
            .chunks(3)
            .flat_map(|v| {
                let sum: f64 = v.iter().map(|v| v.exp()).sum();
                v.iter().map(move |v| v.exp() / sum).collect::<Vec<_>>()
            })
            .collect();
        let of = |class: usize, f: &dyn Fn(usize) -> f64| (class..90).step_by(3).map(f).sum::<f64>();
        let pixels: Vec<f64> = (0..3).map(|c| of(c, &|i| g[i])).collect();
        let weights: Vec<f64> = pixels.iter().map(|n| 1.0 / (n * n)).collect();
        let largest = weights.iter().copied().filter(|w| w.is_finite()).fold(0.0, f64::max);
        let weight = |c: usize| if weights[c].is_finite() { weights[c] } else { largest };
        let above: f64 = (0..3).map(|c| weight(c) * of(c, &|i| g[i] * p[i])).sum();
        let below: f64 = (0..3).map(|c| weight(c) * of(c, &|i| g[i] + p[i])).sum();
        want += 0.5 * (1.0 - 2.0 * above / below);
    }
    let gdl = GeneralisedDice::new(ClassWeighting::InverseSquare);
    approx::assert_relative_eq!(value(gdl, &logits, &target), want, max_relative = 1e-5);
    crate::both([on("an absent class", gdl, &logits, &target)]);
    let eps = GeneralisedDice::new(ClassWeighting::InverseSquareEps(1e-4));
    crate::forward([on("an absent class", eps, &logits, &target)]);
    // What eps does to the loss of a picture that lacks a class: 1, and half of the mean.
    assert!(value(eps, &logits, &target) > 0.5);
}

#[test]
fn penalties_bend_generalised_dice() {
    let [logits, target] = lacking();
    let of = |k: f32, form: PenaltyForm| {
        let penalty = Some(Penalty { k, form });
        let op =
            GeneralisedDice { penalty, scope: Scope::Batch, ..GeneralisedDice::new(ClassWeighting::None) };
        value(op, &logits, &target)
    };
    let plain = GeneralisedDice { scope: Scope::Batch, ..GeneralisedDice::new(ClassWeighting::None) };
    let l = value(plain, &logits, &target);
    for form in [PenaltyForm::Printed, PenaltyForm::Silva] {
        approx::assert_relative_eq!(of(0.0, form), l, max_relative = 1e-6);
    }
    approx::assert_relative_eq!(
        of(0.75, PenaltyForm::Printed),
        l / (1.0 + 0.75 * (1.0 - l)),
        max_relative = 1e-5
    );
    approx::assert_relative_eq!(
        of(0.75, PenaltyForm::Silva),
        1.0 - (1.0 - l) / (1.0 + 0.75 * l),
        max_relative = 1e-5
    );
}

/// One sigmoid is a softmax of two channels that differ by its logit.
#[test]
fn a_sigmoid_stands_for_two_classes() {
    let s = sample("", Bce::PLAIN, Shape::new(2, 7, 9, 1));
    let pair = |a: &Array, outside: fn(f64) -> f64| {
        Array::from_fn(a.shape.with_c(2), |n, y, x, c| {
            let v = a.at(n, y, x, 0);
            if c == 1 { v } else { outside(v) }
        })
    };
    let (logits, target) = (pair(&s.inputs[0], |_| 0.0), pair(&s.inputs[1], |g| 1.0 - g));
    for (label, op) in generalised() {
        let alone = value(GeneralisedDice { link: Link::Sigmoid, ..op }, &s.inputs[0], &s.inputs[1]);
        let two = value(op, &logits, &target);
        assert!((alone - two).abs() < 1e-5 * two.max(0.1), "{label}: {alone} and {two}");
    }
}

#[test]
fn sigmoid_overlap() {
    for (label, op) in overlaps() {
        crate::both(SHAPES.map(|shape| sample(label, op, shape)));
    }
}

#[test]
fn softmax_overlap() {
    for (label, op) in overlaps() {
        let op = Overlap { link: Link::Softmax, ..op };
        let foreground = Overlap { include_background: false, ..op };
        for shape in SHAPES.into_iter().filter(|s| s.c > 1) {
            crate::both([sample(label, op, shape), sample(label, foreground, shape)]);
        }
    }
}

#[test]
fn many_shares_and_large_logits() {
    for (label, op) in overlaps() {
        for link in [Link::Sigmoid, Link::Softmax] {
            let op = Overlap { link, ..op };
            crate::forward([
                sample(label, op, Shape::new(2, 181, 203, 3)),
                sample(label, op, Shape::new(2, 12, 13, 6)).with(0, |v| 25.0 * v),
            ]);
        }
    }
}

/// A sample of given numbers.
fn on(label: &str, op: impl Operator, logits: &Array, target: &Array) -> Sample {
    let mut sample = sample(label, op, logits.shape);
    sample.inputs = vec![logits.clone(), target.clone()];
    sample
}

/// The loss on the device.
fn value(op: impl Operator, logits: &Array, target: &Array) -> f64 {
    f64::from(outputs(op, logits, target)[0][0])
}

/// The loss and its gradient on the device.
fn outputs(op: impl Operator, logits: &Array, target: &Array) -> Vec<Vec<f32>> {
    let (context, shape) = (crate::context(), logits.shape);
    let mut graph = gyre::graph::Graph::new();
    let (x, g) = (graph.input("logits", shape), graph.input("target", shape));
    let made = graph.apply_all(op, &[x, g]).unwrap();
    made.iter().for_each(|var| graph.output(*var));
    let plan = gyre::graph::Plan::new(&graph, context).unwrap();
    let weights = std::sync::Arc::new(gyre::graph::Weights::new(context, &graph, 0).unwrap());
    let session = gyre::graph::Session::new(plan, &weights).unwrap();
    for (var, array) in [(x, logits), (g, target)] {
        session.write(var, &array.data.iter().map(|v| *v as f32).collect::<Vec<_>>()).unwrap();
    }
    session.run();
    made.iter().map(|var| session.read(*var).unwrap()).collect()
}

#[test]
fn both_sides_are_the_class_and_its_complement() {
    let s = sample("", Overlap::dice(1.0), Shape::new(2, 7, 9, 1));
    let (logits, target) = (&s.inputs[0], &s.inputs[1]);
    let inside =
        Overlap { class_reduction: ClassReduction::Sum, ..Overlap::focal_tversky(0.2, 0.8, 0.6, 1.0) };
    let both = value(Overlap { sides: Sides::Both, ..inside }, logits, target);
    let outside = value(inside, &logits.map(|v| -v), &target.map(|v| 1.0 - v));
    assert!((both - value(inside, logits, target) - outside).abs() < 1e-6);
    let mean = Overlap { class_reduction: ClassReduction::Mean, sides: Sides::Both, ..inside };
    assert!((both - 2.0 * value(mean, logits, target)).abs() < 1e-6);
}

#[test]
fn identities() {
    let shape = Shape::new(2, 13, 9, 1);
    let inputs = sample("identities", Bce::PLAIN, shape).inputs;
    let of = |op: Overlap| value(op, &inputs[0], &inputs[1]);
    // Dice adds its smoothing to twice the counts of Tversky.
    approx::assert_relative_eq!(
        of(Overlap::dice(3.0)),
        of(Overlap::tversky(0.5, 0.5, 1.5)),
        max_relative = 1e-6
    );
    let tversky = Overlap::tversky(0.3, 0.7, 1.0);
    let focal = |gamma| Overlap::focal_tversky(0.3, 0.7, gamma, 1.0);
    approx::assert_relative_eq!(of(focal(1.0)), of(tversky), max_relative = 1e-6);
    approx::assert_relative_eq!(of(focal(0.5)), of(tversky).sqrt(), max_relative = 1e-6);
    // Dice from its definition.
    let p = inputs[0].map(|v| 1.0 / (1.0 + (-v).exp()));
    let hits: f64 = p.data.iter().zip(&inputs[1].data).map(|(p, g)| p * g).sum();
    let both: f64 = p.data.iter().chain(&inputs[1].data).sum();
    approx::assert_relative_eq!(
        of(Overlap::dice(1.0)),
        1.0 - (2.0 * hits + 1.0) / (both + 1.0),
        max_relative = 1e-5
    );
}

/// Equations 12 and 13 of the focal Tversky paper, by the probabilities of either class, against the gradient that the
/// device computes: p1 = 1 - p0, and p0 is a sigmoid.
#[test]
fn the_gradient_of_tversky_is_the_papers() {
    let (alpha, beta) = (0.3, 0.7);
    let inputs = sample("gradient", Bce::PLAIN, Shape::new(2, 7, 9, 1)).inputs;
    let made = outputs(Overlap::tversky(alpha as f32, beta as f32, 0.0), &inputs[0], &inputs[1]);
    let p: Vec<f64> = inputs[0].data.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect();
    let g = &inputs[1].data;
    let sum = |f: fn(f64, f64) -> f64| p.iter().zip(g).map(|(p, g)| f(*p, *g)).sum::<f64>();
    let right = sum(|p, g| p * g);
    let whole = right + alpha * sum(|p, g| p * (1.0 - g)) + beta * sum(|p, g| (1.0 - p) * g);
    for ((p, g), got) in p.iter().zip(g).zip(&made[1]) {
        let by_p0 = (g * whole - (g + alpha * (1.0 - g)) * right) / (whole * whole);
        let by_p1 = -beta * g * right / (whole * whole);
        let want = -(by_p0 - by_p1) * p * (1.0 - p);
        approx::assert_relative_eq!(f64::from(*got), want, max_relative = 1e-4, epsilon = 1e-9);
    }
}

/// With alpha + beta = 1 the Tversky index of a mask is its F score with b^2 = beta / alpha.
#[test]
fn tversky_of_a_mask_is_an_f_score() {
    let target = Array::from_fn(Shape::new(1, 9, 8, 1), |_, y, x, _| f64::from((y * x) % 3 == 1));
    let logits = Array::from_fn(target.shape, |_, y, x, _| if (y + x) % 2 == 0 { 40.0 } else { -40.0 });
    let pairs = || logits.data.iter().zip(&target.data).map(|(l, g)| (*l > 0.0, *g > 0.5));
    let count = |p: bool, g: bool| pairs().filter(|pair| *pair == (p, g)).count() as f64;
    let (precision, recall) = (
        count(true, true) / (count(true, true) + count(true, false)),
        count(true, true) / (count(true, true) + count(false, true)),
    );
    for alpha in [0.2, 0.5, 0.7] {
        let b2 = (1.0 - alpha) / alpha;
        let f = (1.0 + b2) * precision * recall / (b2 * precision + recall);
        let loss = value(Overlap::tversky(alpha as f32, 1.0 - alpha as f32, 0.0), &logits, &target);
        approx::assert_relative_eq!(loss, 1.0 - f, max_relative = 1e-5);
    }
}

#[test]
fn right_predictions_cost_next_to_nothing() {
    let shape = Shape::new(2, 8, 7, 3);
    let target = Array::from_fn(shape, |_, y, x, c| f64::from((y / 3 + x / 2) % 3 == c));
    let logits = target.map(|g| if g > 0.5 { 12.0 } else { -12.0 });
    assert!(value(Bce::PLAIN, &logits, &target) < 1e-5);
    for link in [Link::Sigmoid, Link::Softmax] {
        let op = Overlap { link, ..Overlap::tversky(0.3, 0.7, 1.0) };
        let loss = value(op, &logits, &target);
        // Far below what 1 - T could hold in f32, so relative to the twin.
        let want = op.twin(&[logits.clone(), target.clone()])[0].data[0];
        assert!(loss < 1e-4);
        approx::assert_relative_eq!(loss, want, max_relative = 1e-4);
        // And the gradient is as exact.
        crate::forward([on("right", op, &logits, &target)]);
    }
    // Under the least value of 1 - T there is no slope.
    let certain = target.map(|g| if g > 0.5 { 30.0 } else { -30.0 });
    let focal = Overlap::focal_tversky(0.3, 0.7, 0.75, 1.0);
    let made = focal.twin(&[certain.clone(), target.clone()]);
    assert!(made[1].data.iter().all(|v| *v == 0.0));
    crate::forward([on("certain", focal, &certain, &target)]);
}

#[test]
fn nothing_there_and_nothing_found() {
    let shape = Shape::new(2, 3, 5, 2);
    let inputs = [Array::zeros(shape).map(|_| -200.0), Array::zeros(shape)];
    for op in [Overlap::dice(0.0), Overlap { scope: Scope::Image, ..Overlap::tversky(0.3, 0.7, 0.0) }] {
        let loss = value(op, &inputs[0], &inputs[1]);
        assert!((0.0..=1.0).contains(&loss), "{loss}");
    }
}
