//! `gyre experiment claims`.

use std::fs;

use clap::Args;

use super::{
    experiment::{ChoiceArgs, read},
    say,
};
use crate::{
    Error, Result,
    experiment::{Claims, Results, Spec, Sweep, builtins},
    io::atomic::write_atomic,
    metrics::Correction,
};

#[derive(Debug, Args)]
pub struct ClaimsArgs {
    /// TOML files, or experiments that ship with gyre; without any, all that ship, claim something and have the profile
    /// and their data.
    experiments: Vec<String>,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// How p-values are raised for the number of comparisons: none, bonferroni, holm, benjamini-hochberg.
    #[arg(long, default_value = "holm", value_parser = correction)]
    correction: Correction,
}

fn correction(text: &str) -> Result<Correction, String> {
    match text {
        "none" => Ok(Correction::None),
        "bonferroni" => Ok(Correction::Bonferroni),
        "holm" => Ok(Correction::Holm),
        "benjamini-hochberg" => Ok(Correction::BenjaminiHochberg),
        _ => Err("expected none, bonferroni, holm or benjamini-hochberg".into()),
    }
}

/// Prints what became of the claims, and writes it to `claims.md`, or `claims-<profile>.md`.
///
/// # Errors
/// [`Error::Config`] where there is no claim, or an experiment is wrong; [`Error::Data`] for scores that cannot be
/// understood, [`Error::Io`] where the file cannot be written.
pub fn claims(args: &ClaimsArgs) -> Result<u8> {
    let choice = args.choice.choice();
    let mut experiments = Vec::new();
    for (name, spec) in chosen(args)? {
        let sweep = Sweep::new(spec, &choice).map_err(|e| match e {
            Error::Config(message) => Error::Config(format!("{name}: {message}")),
            other => other,
        })?;
        experiments.push((name, Results::of(&sweep)?));
    }
    let claims = Claims::of(&experiments, args.correction)?;
    if claims.is_empty() {
        return Err(Error::Config("nothing is claimed; name an experiment that has [[claims]]".into()));
    }
    let text = claims.markdown();
    fs::create_dir_all(&choice.out).map_err(Error::io(&choice.out))?;
    let path = choice.out.join(format!("{}.md", args.choice.file_name("claims")));
    write_atomic(&path, text.as_bytes())?;
    say!("{text}\n{}", path.display());
    Ok(0)
}

/// The experiments that are named, else those that ship and can be resolved as things are.
fn chosen(args: &ClaimsArgs) -> Result<Vec<(String, Spec)>> {
    if !args.experiments.is_empty() {
        return args.experiments.iter().map(|given| read(given)).collect();
    }
    let choice = args.choice.choice();
    let mut chosen = Vec::new();
    for (name, text) in builtins() {
        let spec = Spec::parse(text)?;
        let has_profile = choice.profile.as_ref().is_none_or(|p| spec.profiles.contains_key(p));
        if spec.claims.is_empty() || !has_profile {
            continue;
        }
        match spec.needs.keys().find(|name| !choice.folders.contains_key(*name)) {
            Some(folder) => eprintln!("{name} is left out: it needs --data {folder}=FOLDER"),
            None => chosen.push((name.to_owned(), spec)),
        }
    }
    Ok(chosen)
}
