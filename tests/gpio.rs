//! Real GPIO lines: heartbeat, LED and cover on the kernel's gpio-sim.
//!
//! `VOILE_TEST_GPIOCHIP` is the chip (`/dev/gpiochip0`), made by gpio-sim with lines 0 to 2 named `heartbeat`, `led` and
//! `cover`; `VOILE_TEST_GPIO_SYSFS` is a folder with one for each of them, with `value` and `pull` in it. `scripts/vm` has
//! both. Without them, nothing is run.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::env;
use std::fs;
use std::path::PathBuf;

use voile::base::Micros;
use voile::interlock::led::Shown;
use voile::interlock::pins::Place;
use voile::interlock::{Cover, Heartbeat, Interlock, Led};

/// The lines' names, by number.
const LINES: [&str; 3] = ["heartbeat", "led", "cover"];

struct Sim {
    chip: String,
    folder: PathBuf,
}

impl Sim {
    fn level(&self, line: usize) -> String {
        let path = self.folder.join(LINES[line]).join("value");
        fs::read_to_string(path).expect("gpio-sim's value").trim().to_owned()
    }

    fn pull(&self, line: usize, up: bool) {
        let path = self.folder.join(LINES[line]).join("pull");
        fs::write(path, if up { "pull-up" } else { "pull-down" }).expect("gpio-sim's pull");
    }

    fn place(&self, line: &str) -> Place {
        Place::read(&format!("{}:{line}", self.chip)).expect("a place")
    }
}

fn sim() -> Option<Sim> {
    match (env::var("VOILE_TEST_GPIOCHIP"), env::var_os("VOILE_TEST_GPIO_SYSFS")) {
        (Ok(chip), Some(folder)) => Some(Sim { chip, folder: PathBuf::from(folder) }),
        _ => {
            eprintln!("not run: VOILE_TEST_GPIOCHIP and VOILE_TEST_GPIO_SYSFS name no chip made by gpio-sim");
            None
        }
    }
}

/// All of it in one test: lines are exclusive, and tests run side by side.
#[test]
fn lines_of_a_real_kernel() {
    let Some(sim) = sim() else { return };
    heartbeat(&sim);
    active_low(&sim);
    led(&sim);
    cover(&sim);
    refused(&sim);
}

fn heartbeat(sim: &Sim) {
    let line = sim.place("0").output().expect("the line");
    assert_eq!(sim.level(0), "0", "inactive from the request on");
    let mut heartbeat = Heartbeat::new(line, Micros(33_333)).expect("driven");
    let interlock = Interlock::default();
    let mut levels = String::new();
    for unit in 1..=6 {
        let now = Micros(unit * 33_333);
        heartbeat.sent(interlock.permit(now).expect("permissive"), now).expect("driven");
        levels += &sim.level(0);
    }
    assert_eq!(levels, "101010");
    let now = Micros(7 * 33_333);
    heartbeat.sent(interlock.permit(now).expect("permissive"), now).expect("driven");
    assert_eq!(sim.level(0), "1");
    sim.place("0").output().expect_err("nobody else gets it");
    drop(heartbeat);
    assert_eq!(sim.level(0), "0", "inactive when dropped");
}

fn active_low(sim: &Sim) {
    let line = sim.place("0:low").output().expect("the line");
    assert_eq!(sim.level(0), "1", "inactive is high here");
    drop(Heartbeat::new(line, Micros(33_333)).expect("driven"));
}

fn led(sim: &Sim) {
    let by_name = Place::read("led").expect("a place");
    let mut led = Led::new(by_name.output().expect("found by its name alone"), Micros(0));
    let levels: String = (0..40)
        .map(|letter| {
            led.tick(Micros::from_ms(letter * 100), Shown::CoverClosed).expect("driven");
            sim.level(1)
        })
        .collect();
    // What it shows first is the start: something better comes after a round.
    assert_eq!(levels, format!("1{}10101{}", "0".repeat(19), "0".repeat(15)));
    drop(led);
    let mut led = Led::new(sim.place("led").output().expect("found by chip and name"), Micros(0));
    led.tick(Micros(0), Shown::Starting).expect("driven");
    assert_eq!(sim.level(1), "1");
    drop(led);
    assert_eq!(sim.level(1), "0", "dark when dropped");
}

fn cover(sim: &Sim) {
    let mut cover = Cover::new(sim.place("2").input().expect("the line"));
    sim.pull(2, true);
    assert!(cover.closed(Micros(0)), "not believed yet");
    assert!(!cover.closed(Micros::from_ms(200)), "open");
    sim.pull(2, false);
    assert!(cover.closed(Micros::from_ms(201)), "at once");
}

fn refused(sim: &Sim) {
    for line in ["99999", "no-such-line"] {
        let text = sim.place(line).output().expect_err("no such line").to_string();
        assert!(text.contains(line) && !text.contains('\n'), "{text}");
    }
}
