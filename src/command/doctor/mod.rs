//! `voile doctor`: the pre-flight. A line for each part: ok, warn or fail, and the mend.
//!
//! Opens what the service would open, with the same code and settings, and lets go of it again; sends nothing, and
//! leaves nothing behind but the folders that the service would make. To be run as the service's user while the
//! service is stopped, since lines and cameras have one holder. Exit code 1 if anything fails.

mod checks;
mod probe;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use voile::config::Config;
use voile::sandbox::Side;

use super::{FELL_SHORT, Failure, USAGE, run, say};

/// Looks at everything that a flight needs.
#[derive(Args)]
pub struct Doctor {
    /// Configuration file; without it /etc/voile/voile.toml if there is one, else every key has its safe default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Gives up a side's rights, as the doctor asks of another process, and says how far that went.
    #[arg(long, hide = true, value_parser = probe::side)]
    probe: Option<Side>,
}

/// How a part fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Ok,
    /// The service runs, with less than it could have.
    Warn,
    /// The service does not run, or not as promised.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// What is said of one part: how it fares, and the mend where it needs one.
struct Finding {
    part: &'static str,
    verdict: Verdict,
    said: String,
}

impl Finding {
    fn new(part: &'static str, verdict: Verdict, said: impl fmt::Display) -> Self {
        // Whatever a library put into its message, the pilot gets one line.
        Self { part, verdict, said: said.to_string().replace(['\n', '\r'], " ") }
    }

    fn ok(part: &'static str, said: impl fmt::Display) -> Self {
        Self::new(part, Verdict::Ok, said)
    }

    fn warn(part: &'static str, said: impl fmt::Display) -> Self {
        Self::new(part, Verdict::Warn, said)
    }

    fn fail(part: &'static str, said: impl fmt::Display) -> Self {
        Self::new(part, Verdict::Fail, said)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:4}  {:9}  {}", self.verdict, self.part, self.said)
    }
}

impl Doctor {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let file = run::configuration(self.config);
        let config = Config::read(file.as_deref()).map_err(|error| Failure::new(USAGE, error))?;
        if let Some(side) = self.probe {
            return probe::run(side, &config);
        }
        match &file {
            Some(file) => say(format_args!("# {} as understood", file.display())),
            None => say("# no file: every key has its default"),
        }
        say(config.understood());
        let mut counts = [0; 3];
        checks::all(&config, file.as_deref(), &mut |finding| {
            say(&finding);
            counts[finding.verdict as usize] += 1;
        });
        let [ok, warn, fail] = counts;
        say(format_args!("{ok} ok, {warn} warn, {fail} fail"));
        Ok(if fail > 0 { ExitCode::from(FELL_SHORT) } else { ExitCode::SUCCESS })
    }
}
