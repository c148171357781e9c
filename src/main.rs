//! The `gyre` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match gyre::cli::main(gyre::cli::Cli::parse()) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("gyre: {error}");
            ExitCode::FAILURE
        }
    }
}
