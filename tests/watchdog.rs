//! A real watchdog driver: start, feed, the orderly stop (softdog in a VM).
//!
//! `VOILE_TEST_WATCHDOG` is the device (`/dev/watchdog0`), free and allowed to be stopped. Without it nothing is run.
//! That an unfed watchdog resets the machine is for the machine's own script to try, as its last act.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::env;
use std::fs;
use std::path::PathBuf;

use voile::base::Micros;
use voile::interlock::Watchdog;

/// What the kernel says about the device, where it is built to say it.
fn sysfs(device: &std::path::Path, name: &str) -> Option<String> {
    let folder = PathBuf::from("/sys/class/watchdog").join(device.file_name()?);
    Some(fs::read_to_string(folder.join(name)).ok()?.trim().to_owned())
}

#[test]
fn a_real_watchdog_starts_is_fed_and_stops() {
    let Some(device) = env::var_os("VOILE_TEST_WATCHDOG").map(PathBuf::from) else {
        eprintln!("not run: VOILE_TEST_WATCHDOG names no hardware watchdog");
        return;
    };
    let states = |expected: &str| match sysfs(&device, "state") {
        Some(state) => assert_eq!(state, expected),
        None => eprintln!("not run: this kernel does not say whether {} runs", device.display()),
    };
    let mut watchdog = Watchdog::start(&device, 20).expect("started");
    assert_eq!(watchdog.timeout(), Micros::from_ms(20_000));
    states("active");
    if let Some(timeout) = sysfs(&device, "timeout") {
        assert_eq!(timeout, "20");
    }
    let busy = Watchdog::start(&device, 20).expect_err("one owner").to_string();
    assert!(busy.contains("busy"), "{busy}");
    watchdog.feed().expect("fed");
    watchdog.stop().expect("stopped");
    states("inactive");
    // A time that no driver takes: refused, and not left running.
    Watchdog::start(&device, u32::MAX).expect_err("refused");
    states("inactive");
    Watchdog::start(&device, 30).expect("free again").stop().expect("stopped");
    states("inactive");
    // What a side has left running is stopped from outside; what is no watchdog is left alone.
    drop(Watchdog::start(&device, 30).expect("started"));
    states("active");
    Watchdog::disarm(&device).expect("stopped");
    states("inactive");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "as it was").expect("written");
    Watchdog::disarm(&file).expect("no watchdog");
    assert_eq!(fs::read(&file).expect("read"), b"as it was");
}
