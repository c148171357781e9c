//! Embeds every `shaders/**/*.wgsl` into the binary, so that adding a kernel is adding a file.

use std::{env, fmt::Write, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=shaders");
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("shaders");
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for name in &files {
        let path = root.join(format!("{name}.wgsl"));
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string())
            .map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("shaders.rs"), table)
}

/// Gathers the names (path below `root`, `/`-separated, without ending) of all shaders in `folder`.
fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            let name = path.strip_prefix(root).map_err(io::Error::other)?.with_extension("");
            files.push(name.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}
