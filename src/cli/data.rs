//! `gyre data`: what a data set holds, and what is wrong with it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigFile, say};
use crate::{
    Error, Result,
    data::{Survey, contact_sheet},
    train::Setup,
};

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Reads every picture and mask; names what ought to be mended, and ends with 1 if anything ought.
    Check(CheckArgs),
    /// Tells sizes, classes and parts, and draws thumbnails.
    Summary(SummaryArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct SummaryArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Also draws the first pictures with the outlines of their masks to this PNG.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// How many pictures are drawn.
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=4096))]
    shown: u32,
}

/// Runs the command.
///
/// # Errors
/// What config and data raise.
pub fn data(command: &DataCommand) -> Result<u8> {
    match command {
        DataCommand::Check(args) => check(args),
        DataCommand::Summary(args) => summary(args),
    }
}

fn check(args: &CheckArgs) -> Result<u8> {
    let config = args.file.load()?;
    let data = match Setup::new(&config)?.open_data(&config) {
        Ok(data) => data,
        // Of what cannot be opened at all there is no more to tell.
        Err(error @ (Error::Data { .. } | Error::Io { .. } | Error::Several(_))) => {
            return unopened(&error, args.json);
        }
        Err(other) => return Err(other),
    };
    let survey = Survey::of(&*data.dataset, &data.split);
    let problems = survey.problems();
    if args.json {
        super::print_json(&serde_json::json!({ "survey": survey, "problems": problems }))?;
    } else {
        tell(&survey);
        data.warnings.iter().for_each(|warning| say!("note     {warning}"));
        for twins in survey.twins.iter().filter(|t| !t.exact) {
            let part = if twins.leak { ", in several parts" } else { "" };
            say!("note     look alike{part}: {}", twins.pictures.join(", "));
        }
        for twins in survey.twins.iter().filter(|t| t.exact && !t.leak) {
            say!("note     the same picture: {}", twins.pictures.join(", "));
        }
        tell_problems(&problems);
    }
    Ok(u8::from(!problems.is_empty()))
}

fn unopened(error: &Error, json: bool) -> Result<u8> {
    let problems: Vec<String> = error.each().into_iter().map(Error::to_string).collect();
    if json {
        super::print_json(&serde_json::json!({ "survey": null, "problems": problems }))?;
    } else {
        tell_problems(&problems);
    }
    Ok(1)
}

fn tell_problems(problems: &[String]) {
    problems.iter().for_each(|problem| say!("PROBLEM  {problem}"));
    say!("{}", if problems.is_empty() { "nothing ought to be mended" } else { "see PROBLEM above" });
}

fn tell(survey: &Survey) {
    let parts: Vec<String> = survey.parts.iter().map(|(part, n)| format!("{n} {part}")).collect();
    say!("pictures {} ({}), read as {} channel(s)", survey.pictures, parts.join(", "), survey.channels);
    let files: Vec<String> = survey.file_channels.iter().map(|(c, n)| format!("{c} ({n})")).collect();
    if !files.is_empty() {
        say!("files    with channels {}", files.join(", "));
    }
    if let Some(coding) = &survey.mask_coding {
        say!("masks    hold {coding}");
    }
    let mut sizes: Vec<_> = survey.sizes.iter().collect();
    sizes.sort_by(|a, b| b.1.cmp(a.1));
    let sizes: Vec<String> = sizes.iter().map(|(size, n)| format!("{size} ({n})")).collect();
    say!("sizes    {}", sizes.join(", "));
    for class in &survey.classes {
        say!(
            "class    {}: {:.2} % of pixels, in {} pictures",
            class.class,
            100.0 * class.share,
            class.pictures
        );
    }
    if !survey.empty.is_empty() {
        say!("empty    {} masks are background alone", survey.empty.len());
    }
}

fn summary(args: &SummaryArgs) -> Result<u8> {
    let config = args.file.load()?;
    let data = Setup::new(&config)?.open_data(&config)?;
    tell(&Survey::of(&*data.dataset, &data.split));
    if let Some(path) = &args.sheet {
        let shown: Vec<usize> = (0..data.dataset.len()).take(args.shown as usize).collect();
        contact_sheet(&*data.dataset, &shown)?.write_png(path)?;
        say!("sheet    {}", path.display());
    }
    Ok(0)
}
