//! How far a side gets in giving up its rights: tried in a process of its own, since what is given up never comes back.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use voile::config::Config;
use voile::sandbox::{self, Level, Side};

use super::super::{Failure, INTERNAL, USAGE, say};
use super::Finding;

/// Reads a side's name.
pub fn side(name: &str) -> Result<Side, String> {
    [Side::Dark, Side::Lit].into_iter().find(|side| side.to_string() == name).ok_or_else(|| "dark or lit".to_owned())
}

/// The probe's own process: gives up a side's rights and says how far that went.
pub fn run(side: Side, config: &Config) -> Result<ExitCode, Failure> {
    let isolated = sandbox::isolate(side, &[]).map_err(|error| Failure::new(INTERNAL, error))?;
    let settings = sandbox::Settings { minimum: config.sandbox_min, ..sandbox::Settings::default() };
    let level = sandbox::enter(isolated, &settings).map_err(|error| Failure::new(USAGE, error))?;
    match level.mend() {
        Some(mend) => say(format_args!("{level}; for {} of {}: {mend}", level.figure() + 1, Level::MAX)),
        None => say(level),
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a process try, and tells what it said.
pub fn ask(side: Side, config: Option<&Path>) -> Finding {
    let part = "sandbox";
    let mut command = Command::new("/proc/self/exe");
    command.args(["doctor", "--probe", &side.to_string()]).stdin(Stdio::null());
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    match command.output() {
        Ok(output) if output.status.success() => Finding::ok(part, String::from_utf8_lossy(&output.stdout).trim()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().last().unwrap_or("it ended without a word");
            Finding::fail(part, line.trim_start_matches("voile: "))
        }
        Err(error) => Finding::fail(part, format_args!("cannot be tried: {error}: mount /proc")),
    }
}
