//! The commands and their exit codes.
//!
//! Progress and complaints go to standard error, results to standard output.

mod doctor;
mod model;
mod outlet;
mod progress;
mod replay;
mod results;
mod run;
mod scene;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

/// Everything voile can be asked to do.
#[derive(Subcommand)]
pub enum Command {
    /// The service: camera to radio.
    Run(run::Run),
    /// The pre-flight: a line for each part of what a flight needs, and the mend.
    Doctor(doctor::Doctor),
    /// The dark side of the service.
    #[command(hide = true)]
    Dark(run::Dark),
    /// The lit side of the service.
    #[command(hide = true)]
    Lit(run::Lit),
    /// Redacts a recorded clip through the pipeline of the service and scores it.
    Replay(replay::Replay),
    /// Writes a synthetic aerial clip with exact truth.
    Scene(scene::Scene),
    /// Looks at a detector's network.
    Model(model::Model),
}

impl Command {
    /// Runs the command to its end.
    pub fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(run) => run.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Dark(dark) => dark.run(),
            Self::Lit(lit) => lit.run(),
            Self::Replay(replay) => replay.run(),
            Self::Scene(scene) => scene.run(),
            Self::Model(model) => model.run(),
        }
    }
}

/// A figure or a check fell short.
pub const FELL_SHORT: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// The input could not be read.
pub const INPUT: u8 = 3;
/// A fault tripped the interlock.
pub const TRIPPED: u8 = 4;
/// Something that should not happen.
pub const INTERNAL: u8 = 5;
/// Ended by the user: 128 and the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Why a command ended early: one line, and the exit code.
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What happened, where, and the mend.
    pub line: String,
}

impl Failure {
    /// A failure with the line that `reason` displays.
    pub fn new(code: u8, reason: impl Display) -> Self {
        // Whatever a library put into its message, the user gets one line.
        let line = reason.to_string().replace(['\n', '\r'], " ");
        Self { code, line }
    }
}

/// Prints a line to standard output. Whoever reads it may have seen enough and gone.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The same, to standard error.
pub fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "voile: {line}");
}

/// Makes `folder` ready for results: it must be writable and hold none, unless `force`. Nothing that is among `inputs`,
/// or holds one of them, is ever removed.
pub fn output_folder(folder: &Path, force: bool, results: &[&str], inputs: &[&Path]) -> Result<(), Failure> {
    let refused = |path: &Path, reason: &dyn Display, mend: &str| {
        Failure::new(USAGE, format_args!("{}: {reason}: {mend}", path.display()))
    };
    std::fs::create_dir_all(folder)
        .map_err(|error| refused(folder, &error, "choose a folder you may write to with --out"))?;
    for name in results {
        let path: PathBuf = folder.join(name);
        if !path.exists() {
            continue;
        }
        let read = |input: &&&Path| {
            input.canonicalize().is_ok_and(|input| path.canonicalize().is_ok_and(|path| input.starts_with(path)))
        };
        if let Some(input) = inputs.iter().find(read) {
            let reason = format!("{} is read and would be replaced", input.display());
            return Err(refused(&path, &reason, "choose another --out"));
        }
        if !force {
            return Err(refused(
                &path,
                &"holds results already",
                "choose another --out, or add --force to replace them",
            ));
        }
        let removed = if path.is_dir() { remove_pictures(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(|error| refused(&path, &error, "remove it by hand, or choose another --out"))?;
    }
    Ok(())
}

/// Removes a folder of results, which are PNG pictures; one that holds anything else stays as it is.
fn remove_pictures(folder: &Path) -> std::io::Result<()> {
    let pictures =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    if let Some(other) = pictures.iter().find(|path| path.is_dir() || path.extension() != Some("png".as_ref())) {
        return Err(std::io::Error::other(format!("{} is no result", other.display())));
    }
    pictures.iter().try_for_each(std::fs::remove_file)?;
    std::fs::remove_dir(folder)
}
