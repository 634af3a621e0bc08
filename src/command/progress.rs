//! Progress on standard error: a bar with the time left on a terminal, a line every 5 s elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::complain;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// How far a command has come.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    done: u64,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// Begins; `total` frames are expected, if that is known.
    pub fn begin(total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            let form = match total {
                Some(_) => "{bar:30} {pos}/{len} frames, {per_sec}, {eta} left",
                None => "{spinner} {pos} frames, {per_sec}, {elapsed} so far",
            };
            // The forms above are valid; if not, the default one serves.
            bar.with_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let now = Instant::now();
        Self { bar, total, done: 0, begun: now, told: now }
    }

    /// One more frame is done.
    pub fn step(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        } else if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
            complain(format_args!("{}{of} frames in {} s", self.done, self.begun.elapsed().as_secs()));
        }
    }

    /// Clears the bar.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
