use std::collections::BTreeMap;

use super::*;
use crate::experiment::{Choice, builtin};

const SPEC: &str = r#"
    title = "t"
    columns = ["dice"]
    base = { data.kind = "shapes" }
    seeds = [1, 2]
    [two_stage]
    axis = "net"
    baseline = "whole"
    stage1 = "small"
    stage2 = [{ level = "parts", set = { grid = 4 } }, { level = "parts", set = { grid = 4, patches = 16 } }]
    [[axes]]
    name = "rate"
    levels = [{ label = "slow", set = { optim.lr = 0.1 } }, { label = "fast", set = { optim.lr = 1.0 } }]
    [[axes]]
    name = "net"
    levels = [
        { label = "whole", set = {} }, { label = "small", set = { data.size = 32 } },
        { label = "parts", set = { data.size = 64 } },
    ]
"#;

fn sweep(text: &str) -> Sweep {
    let folders = BTreeMap::from([("chase_db1".to_owned(), "here".to_owned())]);
    Sweep::new(Spec::parse(text).unwrap(), &Choice { folders, out: "o".into(), ..Choice::default() }).unwrap()
}

#[test]
fn runs_of_equal_levels_and_seed_belong_together() {
    let sweep = sweep(SPEC);
    let all = Trio::all(&sweep).unwrap();
    assert_eq!(all.len(), 8);
    assert_eq!(all[0].name(), "slow, 4 of 4x4 patches, seed 1");
    assert_eq!(all[1].config.refined(), 16);
    for trio in &all {
        let of = |folder: &Path| {
            let cell = sweep.cells.iter().find(|cell| cell.config.train.out == folder).unwrap();
            assert_eq!((cell.seed, &cell.labels[..1]), (trio.seed, &trio.labels[..]));
            cell.labels[1].clone()
        };
        assert_eq!(trio.folders.all().map(of), ["whole", "small", "parts"]);
    }
    assert_ne!(all[0].path().unwrap(), all[1].path().unwrap());
    assert!(all[0].scores().unwrap().is_none());
    assert_eq!(StagedResults::of(&all).unwrap().done, (0, 8));
}

#[test]
fn mistakes_are_named() {
    for (from, to, part) in [
        ("axis = \"net\"", "axis = \"nets\"", "no axis \"nets\""),
        ("stage1 = \"small\"", "stage1 = \"tiny\"", "no level \"tiny\""),
        ("patches = 16", "patchs = 16", "patchs"),
    ] {
        let message = Spec::parse(&SPEC.replace(from, to)).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_ships_has_a_trio_a_grid() {
    for name in ["twostage", "twostage_chase"] {
        let grids: Vec<usize> =
            Trio::all(&sweep(builtin(name).unwrap())).unwrap().iter().map(|t| t.config.refined()).collect();
        assert_eq!(grids, [2, 4, 8, 16], "{name}");
    }
}

#[test]
fn rows_are_means_over_seeds() {
    use crate::{
        metrics::{Confusion, Empty, summarise},
        train::two_stage::Way,
    };
    let way = |name: &str, hits: u64, flops: u64, ms: f64| {
        let confusion = Confusion::from_counts(2, &[10, 10 - hits, 0, hits]).unwrap();
        let scores = summarise(2, &[confusion], Empty::Skip).unwrap();
        Way { name: name.into(), scores, flops, ms }
    };
    let scores = |hits: u64, ms: f64| TwoStageScores {
        factor: 8,
        size: [64; 2],
        cells: [4; 2],
        patches: 4,
        window: [16; 2],
        ways: vec![
            way("baseline", 10, 4_000_000_000, 4.0 * ms),
            way("stage 1", 2, 1, 1.0),
            way("two stages", hits, 1_000_000_000, ms),
        ],
    };
    let row = row(&[scores(10, 1.0), scores(5, 3.0)]);
    assert_eq!((row.seeds, row.label().as_str(), row.expected()), (2, "4 of 16", 1.0 / 64.0 + 0.25));
    let two = row.ways[2];
    let dice = |hits: f64| 2.0 * hits / (2.0 * hits + 10.0 - hits);
    assert!((two.dice.0 - (1.0 + dice(5.0)) / 2.0).abs() < 1e-12 && two.dice.1 > 0.1);
    assert_eq!((two.gflop, two.ms, row.ways[0].ms), (1.0, 2.0, 8.0));
    let results = StagedResults { data: vec![("d".into(), vec![row])], done: (2, 2) };
    assert!(
        results.markdown("t").contains("| 4 of 16 |")
            && results.markdown("t").contains("| 0.2500 | 0.2656 |")
    );
    assert_eq!(results.csv().lines().count(), 4);
}
