//! `gyre bench`: reports that can be saved and compared, and a shader of the user's.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::{run, succeed};

#[test]
fn reports_are_saved_drawn_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let files = ["--save", "a.json", "--csv", "a.csv", "--plot", "a.svg"];
    let text =
        succeed(here, &[&["bench", "--only", "passes add,1x1 32->32", "--runs", "2"], &files[..]].concat());
    assert!(text.contains("matrix product") && text.contains("1x1 32->32 at 256, weight gradient"), "{text}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(here.join("a.json")).unwrap()).unwrap();
    for ceiling in ["fma", "int8", "matmul"] {
        assert!(report["ceilings"][ceiling].as_f64().unwrap() > 0.0, "{ceiling}");
    }
    let kernels = report["kernels"].as_array().unwrap();
    assert!(kernels.iter().all(|k| k["gbytes"].as_f64().unwrap() > 0.0 && k["times"]["runs"] == 2));
    let lines = fs::read_to_string(here.join("a.csv")).unwrap();
    assert_eq!(lines.lines().count(), 1 + kernels.len());
    assert!(fs::read_to_string(here.join("a.svg")).unwrap().contains("weight gradient"));
    let compared = succeed(here, &["bench", "compare", "a.json", "a.json"]);
    assert!(compared.contains("1.000  passes add 64 at 128, forward"), "{compared}");
}

const SHADER: &str = "
@group(0) @binding(0) var<uniform> factor: vec4f;
@group(0) @binding(1) var<storage, read_write> x: array<vec4f>;
@compute @workgroup_size(64) fn scale(@builtin(global_invocation_id) i: vec3u) { x[i.x] *= factor; }
";

#[test]
fn a_shader_of_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("s.wgsl"), SHADER).unwrap();
    let bench = |args: &[&str]| run(here, &[&["bench", "--shader", "s.wgsl", "--runs", "3"], args].concat());
    let refused = |args: &[&str], part: &str| {
        let output = bench(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(part) && !said.contains("panicked"), "{said}");
    };
    refused(&["--groups", "16"], "2 buffers");
    refused(&["--buffers", "16,16384"], "groups");
    refused(&["--groups", "16", "--buffers", "16,16384", "--entry", "other"], "scale");
    fs::write(
        here.join("s.toml"),
        "groups = [16]\nbuffers = [16, 16384]\nuniform = [1.0, 2, 1, 1]\nflops = 4096",
    )
    .unwrap();
    let output = bench(&["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &report["kernels"][0];
    assert!(row["pass"] == "scale" && row["gflops"].as_f64().unwrap() > 0.0, "{report}");
    assert!(row["of_ceiling"].as_f64().unwrap() > 0.0, "{report}");
    assert!(bench(&["--save", "s.json", "--csv", "s.csv", "--plot", "s.svg"]).status.success());
    assert!(["s.json", "s.csv", "s.svg"].iter().all(|file| here.join(file).is_file()));
    fs::write(here.join("s.wgsl"), "fn broken(").unwrap();
    refused(&[], "s.wgsl");
}
