use super::*;
use crate::{
    experiment::{
        Spec,
        testing::{chance, results, spec},
    },
    train::Footprint,
};

/// The claim of a file that is otherwise the same.
fn claimed(keys: &str) -> String {
    format!("claims = [{{ text = \"x\", score = \"iou_micro\", {keys} }}]")
}

/// What becomes of a claim where SOM is better than CRF by far and than plain by nothing but chance; SOM rises with
/// iterations, CRF falls and both fall with noise.
fn verdict(keys: &str) -> Verdict {
    let results = results(spec(&claimed(keys)), |model, noise, iterations, seed| {
        let (level, slope, salt) = match model {
            "SOM" => (0.90, 2e-3, 1),
            "CRF" => (0.80, -2e-3, 2),
            _ => (0.92, 0.0, 3),
        };
        let iterations = iterations.unwrap_or(0.0);
        let wobble =
            0.01 * chance(seed, salt) + 0.002 * chance(seed + iterations as u64, salt + noise as u64);
        level + slope * iterations - 1e-3 * noise + wobble
    });
    let claims = Claims::of(&[("e".into(), results)], Correction::Holm).unwrap();
    claims.verdicts().next().unwrap().1
}

#[test]
fn levels_are_compared() {
    assert_eq!(verdict("of = 'SOM', than = ['CRF'], expect = 'higher'"), Verdict::Held);
    assert_eq!(verdict("of = 'SOM', than = ['CRF'], expect = 'lower'"), Verdict::DidNotHold);
    assert_eq!(verdict("of = 'CRF', than = ['SOM', 'plain'], expect = 'lower'"), Verdict::Held);
    assert_eq!(verdict("of = 'SOM', than = ['plain'], expect = 'higher'"), Verdict::NotSignificant);
    assert_eq!(verdict("of = 'SOM', than = ['CRF', 'plain'], expect = 'higher'"), Verdict::NotSignificant);
    let at = "of = 'SOM', than = ['plain'], expect = 'higher', where = { again = 'T=20' }";
    assert_eq!(verdict(at), Verdict::Held);
    assert_eq!(verdict(&at.replace("higher", "lower")), Verdict::DidNotHold);
    assert_eq!(verdict(&at.replace("T=20", "T=0")), Verdict::DidNotHold);
    let paired = "of = ['SOM'], than = ['CRF'], expect = 'higher', test = 'paired', samples = 'runs'";
    assert_eq!(verdict(paired), Verdict::Held);
}

#[test]
fn trends_are_told() {
    assert_eq!(verdict("of = 'SOM', along = 'again', expect = 'rises'"), Verdict::Held);
    assert_eq!(verdict("of = ['SOM', 'CRF'], along = 'again', expect = 'rises'"), Verdict::DidNotHold);
    // What is evaluated once neither rises nor falls.
    assert_eq!(verdict("of = 'plain', along = 'again', expect = 'rises'"), Verdict::Untested);
    assert_eq!(
        verdict("of = ['SOM', 'CRF'], along = 'noise', expect = 'falls', where = { again = 'T=0' }"),
        Verdict::Held
    );
    assert_eq!(verdict("of = ['SOM', 'CRF'], along = 'noise', expect = 'rises'"), Verdict::DidNotHold);
    assert_eq!(verdict("of = 'SOM', along = 'noise', expect = 'steady', within = 0.01"), Verdict::DidNotHold);
    assert_eq!(verdict("of = 'SOM', along = 'noise', expect = 'steady', within = 0.5"), Verdict::Held);
}

/// What is counted differs or does not, with one seed as with many, and is no comparison that others' p are raised for.
#[test]
fn what_is_counted_needs_no_test() {
    let verdicts = |keys: &str| {
        let mut results = results(spec(&claimed(keys).replace("iou_micro", "parameters")), |_, _, _, _| 0.5);
        results.seen.retain(|seen| seen.seed == 0);
        for seen in &mut results.seen {
            let parameters =
                if seen.labels[0] == "SOM" { 20 } else { 10 } + u64::from(seen.labels[1] == "noise 80");
            seen.footprint = Some(Footprint { parameters, ..Footprint::default() });
        }
        let claims = Claims::of(&[("e".into(), results)], Correction::Holm).unwrap();
        let (verdict, text) = (claims.verdicts().next().unwrap().1, claims.markdown());
        assert!(text.contains("; counted.") && text.contains("number of comparisons, 0"), "{text}");
        verdict
    };
    assert_eq!(verdicts("of = 'SOM', than = ['CRF'], expect = 'higher'"), Verdict::Held);
    assert_eq!(verdicts("of = 'SOM', than = ['CRF'], expect = 'lower'"), Verdict::DidNotHold);
    assert_eq!(verdicts("of = 'CRF', than = ['plain'], expect = 'lower'"), Verdict::DidNotHold);
    assert_eq!(verdicts("of = 'SOM', along = 'noise', expect = 'rises'"), Verdict::Held);
    // In millions.
    let steady = |within: &str| format!("of = 'SOM', along = 'noise', expect = 'steady', within = {within}");
    assert_eq!(verdicts(&steady("1e-7")), Verdict::DidNotHold);
    assert_eq!(verdicts(&steady("1e-5")), Verdict::Held);
}

#[test]
fn what_a_line_rises_by_is_its_change_from_end_to_end() {
    assert_eq!(slope(&[(0.0, 1.0), (10.0, 2.0), (20.0, 3.0)]), Some(0.1));
    assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0)]), None);
    let changes = [0.010, 0.012, 0.008, 0.011];
    assert!(steady(&changes, 0.01025, 0.02).unwrap() < 0.01);
    assert!(steady(&changes, 0.01025, 0.0105).unwrap() > 0.3);
    assert!(steady(&changes, 0.01025, 0.005).unwrap() < 0.05, "beyond the bound");
    assert_eq!(steady(&[0.0; 4], 0.0, 0.1), None);
}

#[test]
fn what_is_written_says_it_all() {
    let two = "claims = [
        { text = \"A\", requirement = \"r-1\", score = \"precision.1\", of = \"SOM\", than = [\"CRF\"], expect = \"higher\", where = { noise = \"upper\" } },
        { text = \"B\", score = \"iou\", of = \"CRF\", than = [\"SOM\"], expect = \"higher\" },
    ]";
    let results = results(spec(two), |model, _, _, seed| {
        let level = if model == "SOM" { 0.9 } else { 0.8 };
        level + 0.01 * chance(seed, model.len() as u64 + u64::from(model.as_bytes()[0]))
    });
    let text = Claims::of(&[("noise".into(), results)], Correction::Holm).unwrap().markdown();
    for part in [
        "| 1 | A | noise | held |",
        "| 2 | B | noise | did not hold |",
        "## 1. A [r-1]: held",
        "precision, vessel; noise: upper; a sample a seed; Welch's t-test.",
        "| SOM – CRF | +0.0",
        "5 + 5",
        "the number of comparisons, 2: Holm",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn nothing_done_is_not_testable() {
    let mut none = results(spec(&claimed("of = 'SOM', than = ['CRF'], expect = 'higher'")), |_, _, _, _| 0.5);
    none.seen.clear();
    let claims = Claims::of(&[("e".into(), none)], Correction::Holm).unwrap();
    assert_eq!(claims.verdicts().next().unwrap().1, Verdict::Untested);
    assert!(claims.markdown().contains("| SOM – CRF | – | – | – | 0 | not testable |"));
}

#[test]
fn mistakes_are_named() {
    let base = "title = \"t\"\ncolumns = [\"dice\"]\n[[axes]]\nname = \"m\"\nlevels = [{ label = \"a\", set = {} }, { label = \"b\", set = {} }]\n";
    let fails = |keys: &str, part: &str| {
        let message = Spec::parse(&format!("{}\n{base}", claimed(keys))).unwrap_err().to_string();
        assert!(message.contains(part), "{message} lacks {part}");
    };
    fails("of = 'c', than = ['b'], expect = 'higher'", "no level \"c\"");
    fails("of = 'a', than = ['c'], expect = 'higher'", "no level \"c\"");
    fails("of = [], than = ['b'], expect = 'higher'", "name a level");
    fails("of = 'a', expect = 'higher'", "need than");
    fails("of = 'a', than = ['b'], expect = 'rises'", "need along");
    fails("of = 'a', along = 'class', expect = 'rises'", "no order");
    fails("of = 'a', along = 'z', expect = 'rises'", "\"z\" is no axis");
    fails("of = 'a', along = 'again', expect = 'steady'", "within");
    fails("of = 'a', along = 'again', expect = 'rises', samples = 'scores'", "runs");
    fails("of = 'a', than = ['b'], expect = 'higher', where = { m = 'q' }", "no level \"q\"");
    fails("of = 'a', than = ['b'], expect = 'best'", "best");
}
