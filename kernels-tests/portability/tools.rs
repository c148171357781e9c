//! Programs that judge what naga wrote, and what they are known to be wrong about.

use std::{
    fs,
    io::ErrorKind,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use rayon::prelude::*;

/// A complaint that does not count.
struct Exclusion {
    /// The language, as in [`Tool::language`].
    language: &'static str,
    /// Part of the kernel's label; empty for all.
    kernel: &'static str,
    /// Part of the complaint.
    message: &'static str,
    /// Why the program is wrong.
    reason: &'static str,
    /// Spells the text so that the rest of it can be judged.
    respell: Option<fn(&str) -> String>,
}

const ARRAY_CAST: &str = "Microsoft's compilers know the cast of zero to an array; judged without it";

/// Every entry must be needed: one that excuses nothing fails the tests.
const EXCLUSIONS: &[Exclusion] = &[
    Exclusion {
        language: "HLSL",
        kernel: "",
        message: "array constructor needs one argument per array element",
        reason: ARRAY_CAST,
        respell: Some(without_array_casts),
    },
    Exclusion {
        language: "HLSL",
        kernel: "COLS=1",
        message: "const 1-element array of 4-component vector of float' : cannot construct",
        reason: ARRAY_CAST,
        respell: Some(without_array_casts),
    },
];

/// A program that reads a language.
pub struct Tool {
    /// What it reads.
    pub language: &'static str,
    /// Its name.
    pub program: &'static str,
    /// What it is installed with.
    pub package: &'static str,
    /// Files that it takes at once.
    pub batch: usize,
}

/// A text or module to be judged.
#[derive(Clone)]
pub struct Job {
    /// The kernel and its form, for messages.
    pub label: String,
    /// What goes into the file.
    pub content: Vec<u8>,
    /// Ending of the file's name.
    pub ending: &'static str,
    /// Arguments before the files; the same for all of a batch.
    pub arguments: Vec<String>,
}

impl Tool {
    /// Judges all jobs; panics with the complaints. Where the program is not installed, says so, which is a
    /// failure where the environment variable `CI` is set.
    pub fn judge(&self, jobs: &[Job]) {
        let Self { language, program, package, batch } = self;
        if let Err(e) = Command::new(program).arg("--version").output() {
            assert!(e.kind() == ErrorKind::NotFound, "{program} does not start: {e}");
            let message =
                format!("{program} is not installed (package {package}): {language} is written, not judged");
            assert!(std::env::var_os("CI").is_none(), "{message}");
            eprintln!("LEFT OUT: {message}");
            return;
        }
        let excuses: Vec<(&Exclusion, AtomicUsize)> =
            EXCLUSIONS.iter().filter(|e| e.language == *language).map(|e| (e, AtomicUsize::new(0))).collect();
        let complaints: Vec<String> = jobs
            .par_chunks(*batch)
            .filter(|chunk| chunk.len() == 1 || self.run(chunk).is_some())
            .flat_map_iter(|chunk| chunk.iter().filter_map(|job| self.complaint(job, &excuses)))
            .collect();
        let shown: Vec<_> = complaints.iter().take(5).map(String::as_str).collect();
        let (wrong, all, shown) = (complaints.len(), jobs.len(), shown.join("\n"));
        assert!(wrong == 0, "{program} refuses {wrong} of {all} kernels in {language}:\n{shown}");
        for (e, count) in &excuses {
            let count = count.load(Ordering::Relaxed);
            println!("{language}: {program} is excused {count} times, {:?}: {}", e.message, e.reason);
            assert!(count > 0, "the exclusion {:?} matches nothing", e.message);
        }
        println!("{language}: {program} takes all {all}");
    }

    /// What the program says of one job, and does not say for a known reason.
    fn complaint(&self, job: &Job, excuses: &[(&Exclusion, AtomicUsize)]) -> Option<String> {
        let labelled = |complaint: String| format!("{}: {}", job.label, complaint.trim());
        let complaint = self.run(std::slice::from_ref(job))?;
        let known =
            excuses.iter().find(|(e, _)| job.label.contains(e.kernel) && complaint.contains(e.message));
        let Some((exclusion, count)) = known else { return Some(labelled(complaint)) };
        count.fetch_add(1, Ordering::Relaxed);
        let content = exclusion.respell?(&String::from_utf8_lossy(&job.content)).into_bytes();
        self.run(&[Job { content, ..job.clone() }]).map(labelled)
    }

    /// What the program says if it refuses one of `jobs`. It works in a folder of its own, as it may leave
    /// files there.
    fn run(&self, jobs: &[Job]) -> Option<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(self.program);
        command.current_dir(&folder).args(&jobs[0].arguments);
        for (i, job) in jobs.iter().enumerate() {
            let name = format!("{i}.{}", job.ending);
            fs::write(folder.path().join(&name), &job.content).expect("room for files");
            command.arg(name);
        }
        let output = command.output().expect("starts as before");
        let said = || [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
        (!output.status.success()).then(said)
    }
}

/// HLSL with arrays left undefined where naga sets them to zero by a cast, `(float4[4])0`.
fn without_array_casts(text: &str) -> String {
    let line = |line: &str| respelled(line).unwrap_or_else(|| line.to_string());
    text.lines().map(|l| line(l) + "\n").collect()
}

/// A line with such a cast: a declaration with a value, or the end of a function.
fn respelled(line: &str) -> Option<String> {
    let end = line.find("])0;")? + 1;
    let start = line[..end].rfind('(')?;
    let (element, sizes) = line[start + 1..end].split_at(line[start + 1..end].find('[')?);
    let before = line[..start].trim_end();
    match before.strip_suffix('=') {
        Some(declared) => Some(format!("{declared};")),
        None => {
            before.strip_suffix("return").map(|space| format!("{space}{element} zero{sizes}; return zero;"))
        }
    }
}

#[test]
fn casts_are_respelled() {
    let text = "  float4 acc[4][2] = (float4[4][2])0;\n  return (uint[3])0;\n  x = (y[2]) + 0;\n";
    let want = "  float4 acc[4][2] ;\n  uint zero[3]; return zero;\n  x = (y[2]) + 0;\n";
    assert_eq!(without_array_casts(text), want);
}
