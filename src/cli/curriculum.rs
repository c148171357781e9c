//! `gyre curriculum`: the training pictures from the easiest to the hardest.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;

use super::{ConfigFile, say};
use crate::{
    Error, Result,
    gpu::Context,
    train::{Setup, config::OrderName, given, rank},
};

#[derive(Debug, Args)]
pub struct CurriculumArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Folder for ranking.csv, a contact sheet of it (ranking.png) and, where a task was learnt for it,
    /// pretext.safetensors. `gyre train` makes the same in the run folder by itself.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// How many of the easiest and of the hardest pictures are told.
    #[arg(long, default_value_t = 5)]
    told: usize,
}

/// Ranks the training pictures of a config.
///
/// # Errors
/// [`Error::Config`] if the config has no order, or the folder has a ranking; what data, device or disk raise.
pub fn curriculum(context: &Arc<Context>, args: &CurriculumArgs) -> Result<u8> {
    let config = args.file.load()?;
    if config.curriculum.order == OrderName::None {
        return Err(Error::Config("the config has no curriculum; set curriculum.order".into()));
    }
    if args.out.join("ranking.csv").exists() {
        let out = args.out.display();
        return Err(Error::Config(format!("{out} has a ranking.csv already; give another --out")));
    }
    let setup = Setup::new(&config)?;
    let data = setup.open_data(&config)?;
    let given = given(&config, &data)?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let ranking = rank(context, &config, &setup, &data, given, &args.out, &mut |line| say!("{line}"))?;
    let count = ranking.pictures.len();
    say!("{count} pictures, easiest first: {}", args.out.join("ranking.csv").display());
    let skipped = count.saturating_sub(args.told).max(args.told);
    for (rank, (id, difficulty)) in ranking.pictures.iter().enumerate() {
        if rank < args.told || rank >= skipped {
            let difficulty = difficulty.map(|v| format!("  {v:.5}")).unwrap_or_default();
            say!("{:6}{difficulty}  {id}", rank + 1);
        } else if rank == args.told {
            say!("   ...");
        }
    }
    Ok(0)
}
