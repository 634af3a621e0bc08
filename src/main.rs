//! The command line: reads it, runs the command, turns the result into an exit code.

mod command;

use std::process::ExitCode;

use clap::Parser;

use command::{Command, Failure, complain};
use voile::health::lines;

/// Redacts a drone's video on board, before anything reaches the radio.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let journal = lines::to_journal(std::env::var_os("JOURNAL_STREAM").as_deref());
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .format(move |out, record| lines::write(out, record, journal))
        .init();
    let arguments = Arguments::parse();
    match arguments.command.run() {
        Ok(code) => code,
        Err(Failure { code, line }) => {
            complain(line);
            ExitCode::from(code)
        }
    }
}
