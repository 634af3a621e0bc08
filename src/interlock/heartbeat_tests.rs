//! The heartbeat against a model of the board, in simulated time.

use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use proptest::prelude::*;

use super::*;
use crate::interlock::Interlock;

fn permit(now: Micros) -> Permit {
    Interlock::default().permit(now).expect("permissive")
}

/// A pin that takes everything; the heartbeat's own answers say when it changed.
struct Open;

impl embedded_hal::digital::ErrorType for Open {
    type Error = std::convert::Infallible;
}

impl OutputPin for Open {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn interval(fps: u64) -> Micros {
    Micros(1_000_000 / fps)
}

/// What the lit side hears, in order: a unit to send, or the dark side's word that it waits.
fn events(fps: u64, jitter_us: &[u64], end: Micros) -> Vec<(Micros, bool)> {
    let mut events = Vec::new();
    let mut last = Micros(0);
    for (index, jitter) in (0u64..).zip(jitter_us.iter().cycle()) {
        let unit = Micros(index * interval(fps).0 + jitter);
        if let Some(every) = word_every(interval(fps)) {
            let mut word = last.plus(every);
            while word < unit {
                events.push((word, false));
                word = word.plus(every);
            }
        }
        last = unit;
        events.push((unit, true));
        if unit > end {
            return events;
        }
    }
    events
}

/// Lets the lit side hear everything up to `death`; the edges that come out.
fn edges(fps: u64, events: &[(Micros, bool)], death: Micros) -> Vec<Micros> {
    let mut heartbeat = Heartbeat::new(Open, interval(fps)).expect("driven");
    let mut edges = Vec::new();
    for &(now, unit) in events.iter().filter(|(now, _)| *now <= death) {
        let permit = permit(now);
        let changed = if unit { heartbeat.sent(permit, now) } else { heartbeat.paused(permit, now) };
        if changed.expect("driven") {
            edges.push(now);
        }
    }
    edges
}

proptest! {
    /// Both sides: alive, no board takes the stream for dead; dead, every board is dark 100 ms after the last sign of
    /// life.
    #[test]
    fn the_board_tells_life_from_death(
        fps in 5u64..=60,
        jitter in prop::collection::vec(0u64..15_000, 1..20),
        death in 500_000u64..3_000_000,
    ) {
        let death = Micros(death);
        let events = events(fps, &jitter, Micros::from_ms(3_000));
        let edges = edges(fps, &events, death);
        let heard = events.iter().rfind(|(now, _)| *now <= death).expect("some").0;
        let last = *edges.last().expect("edges");
        prop_assert!(last <= heard, "an edge without a sign of life");
        prop_assert!(last.plus(BOARD).since(heard) <= Micros::from_ms(100).since(OURS));
        for pair in edges.windows(2) {
            let gap = pair[1].since(pair[0]);
            prop_assert!(gap <= GAP_MAX, "{gap:?} at {fps} frames a second");
            prop_assert!(gap >= EDGE_EVERY);
        }
        prop_assert!(death.since(last) <= GAP_MAX, "edges came until the end");
    }

    /// The dark side speaks on, but no frame comes: the line is static after a frame and a half, at 20 or more at
    /// once.
    #[test]
    fn a_camera_that_hangs_behind_a_living_side_stops_the_line(fps in 5u64..=60) {
        let mut heartbeat = Heartbeat::new(Open, interval(fps)).expect("driven");
        let start = Micros::from_ms(1_000);
        heartbeat.sent(permit(start), start).expect("driven");
        let mut last = start;
        for step in 1..2_000 {
            let now = start.plus(Micros::from_ms(step));
            if heartbeat.paused(permit(now), now).expect("driven") {
                last = now;
            }
        }
        let bound = if fps >= 20 { Micros(0) } else { Micros(interval(fps).0 * 3 / 2) };
        prop_assert!(last.since(start) <= bound, "{:?}", last.since(start));
        prop_assert!(fps >= 20 || last > start, "a slow stream is bridged");
    }
}

#[test]
fn the_parts_of_the_hundred_milliseconds_add_up() {
    assert_eq!(BOARD.plus(OURS), Micros::from_ms(100));
    assert!(EDGE_EVERY < interval(60) && UNITS_ALONE < GAP_MAX && WORD_EVERY < GAP_MAX);
    assert_eq!(word_every(interval(20)), None);
    assert_eq!(word_every(interval(19)), Some(WORD_EVERY));
}

#[test]
fn each_unit_is_an_edge_and_a_dropped_heartbeat_rests() {
    let mut pin = Mock::new(&[
        Transaction::set(State::Low),
        Transaction::set(State::High),
        Transaction::set(State::Low),
        Transaction::set(State::High),
        Transaction::set(State::Low),
    ]);
    let mut heartbeat = Heartbeat::new(pin.clone(), interval(30)).expect("driven");
    for ms in [33, 66, 100] {
        assert_eq!(heartbeat.sent(permit(Micros::from_ms(ms)), Micros::from_ms(ms)), Ok(true));
    }
    drop(heartbeat);
    pin.done();
}

#[test]
fn neither_a_stale_permit_nor_a_burst_nor_a_clock_that_goes_back_makes_an_edge() {
    let mut pin = Mock::new(&[
        Transaction::set(State::Low),
        Transaction::set(State::High),
        Transaction::set(State::Low),
        Transaction::set(State::Low),
    ]);
    let mut heartbeat = Heartbeat::new(pin.clone(), interval(30)).expect("driven");
    let at = Micros::from_ms;
    assert_eq!(heartbeat.sent(permit(at(0)), at(100)), Ok(false), "100 ms old");
    assert_eq!(heartbeat.sent(permit(at(100)), at(100)), Ok(true));
    assert_eq!(heartbeat.sent(permit(at(109)), at(109)), Ok(false), "a burst");
    assert_eq!(heartbeat.sent(permit(at(20)), at(20)), Ok(false), "the clock went back");
    assert_eq!(heartbeat.paused(permit(at(120)), at(120)), Ok(false), "units alone count at this rate");
    heartbeat.rest().expect("driven");
    drop(heartbeat);
    pin.done();
}

#[test]
fn before_the_first_unit_and_after_a_rest_a_pause_is_worth_nothing() {
    let mut heartbeat = Heartbeat::new(Open, interval(5)).expect("driven");
    let at = Micros::from_ms;
    assert_eq!(heartbeat.paused(permit(at(40)), at(40)), Ok(false));
    assert_eq!(heartbeat.sent(permit(at(0)), at(110)), Ok(false), "its permit had ended");
    assert_eq!(heartbeat.paused(permit(at(111)), at(111)), Ok(false), "so nothing is bridged");
    assert_eq!(heartbeat.sent(permit(at(180)), at(180)), Ok(true));
    assert_eq!(heartbeat.paused(permit(at(220)), at(220)), Ok(true));
    heartbeat.rest().expect("driven");
    assert_eq!(heartbeat.paused(permit(at(260)), at(260)), Ok(false));
}

#[test]
fn a_pin_that_cannot_be_driven_is_a_fault() {
    let broken = || MockError::Io(std::io::ErrorKind::BrokenPipe);
    let mut pin = Mock::new(&[Transaction::set(State::Low).with_error(broken())]);
    assert_eq!(Heartbeat::new(pin.clone(), interval(30)).err(), Some(Fault::HeartbeatFailed));
    pin.done();
    let mut pin = Mock::new(&[
        Transaction::set(State::Low),
        Transaction::set(State::High).with_error(broken()),
        Transaction::set(State::Low).with_error(broken()),
    ]);
    let mut heartbeat = Heartbeat::new(pin.clone(), interval(30)).expect("driven");
    assert_eq!(heartbeat.sent(permit(Micros(0)), Micros(0)), Err(Fault::HeartbeatFailed));
    drop(heartbeat);
    pin.done();
}
