//! The form of what the dark side says: a body for each report, and back.
//!
//! ```text
//! 0x11 hello   width u32  height u32  frames u32  seconds u32  codec u8  level u8  policy 32  model 32
//! 0x12 health  sequence u64  captured u64  born u64  state u8  clear f32  objects u32  age u32  density f32
//!              follow u32  detect u32  wait u32  redact u32  encode u32  backend u8
//! 0x13 unit    sequence u64  captured u64  group u64  key u8  coded bytes
//! 0x14 fault   fault u8
//! 0x15 end     frames u64  dropped u64
//! 0x16 pause
//! ```
//!
//! Moments and durations are microseconds. A fault goes by its place in [`Fault::ALL`]; the state is 0 for a redacted
//! frame, otherwise one more than the fault of the slate. Each value has one form, and what has none is refused here or
//! by [`super::order`].

use crate::base::{Fault, Micros, Size};

use super::bytes::Take;
use super::direction::fits;
use super::error::{Misread, Wrong};
use super::message::{
    AREA_MAX, Backend, Codec, Health, Hello, LEVELS, LONGEST, PX_PER_M_MAX, Report, Tally, UNIT_MAX, Unit,
};

pub const HELLO: u8 = 0x11;
pub const HEALTH: u8 = 0x12;
pub const UNIT: u8 = 0x13;
pub const FAULT: u8 = 0x14;
pub const END: u8 = 0x15;
pub const PAUSE: u8 = 0x16;

const HELLO_BYTES: usize = 82;
const HEALTH_BYTES: usize = 62;
/// Bytes of a unit before the coded ones.
const UNIT_HEAD: usize = 25;
const END_BYTES: usize = 16;
/// How many faults there are.
#[expect(clippy::cast_possible_truncation, reason = "checked beside it")]
const FAULTS: u8 = {
    assert!(Fault::ALL.len() < u8::MAX as usize, "a fault and one more fit into a byte");
    Fault::ALL.len() as u8
};
/// The longest body there is.
pub const BODY_MAX: usize = UNIT_HEAD + UNIT_MAX;

/// What messages call a kind.
pub const fn name(kind: u8) -> Result<&'static str, Wrong> {
    match kind {
        HELLO => Ok("hello"),
        HEALTH => Ok("health report"),
        UNIT => Ok("access unit"),
        FAULT => Ok("fault"),
        END => Ok("end"),
        PAUSE => Ok("pause"),
        _ => Err(Wrong::Kind(kind)),
    }
}

/// Holds the length of a body to its kind.
pub fn length(kind: u8, length: usize) -> Result<(), Wrong> {
    let (low, high) = match kind {
        HELLO => (HELLO_BYTES, HELLO_BYTES),
        HEALTH => (HEALTH_BYTES, HEALTH_BYTES),
        UNIT => (UNIT_HEAD + 1, BODY_MAX),
        FAULT => (1, 1),
        END => (END_BYTES, END_BYTES),
        PAUSE => (0, 0),
        _ => return Err(Wrong::Kind(kind)),
    };
    fits(name(kind)?, length, low, high)
}

/// The report in a body.
pub fn decode(kind: u8, body: &[u8]) -> Result<Report<'_>, Misread> {
    let name = name(kind).map_err(|wrong| Misread { at: 0, wrong })?;
    length(kind, body.len()).map_err(|wrong| Misread { at: 0, wrong })?;
    let mut take = Take::new(name, body);
    let report = match kind {
        HELLO => Report::Hello(hello(&mut take)?),
        HEALTH => Report::Health(health(&mut take)?),
        UNIT => return unit(&mut take).map(Report::Unit),
        FAULT => Report::Fault(fault(&mut take)?),
        PAUSE => Report::Pause,
        _ => Report::End(Tally { frames: take.number("frames")?, dropped: take.number("dropped frames")? }),
    };
    take.done().map(|()| report)
}

fn hello(take: &mut Take<'_>) -> Result<Hello, Misread> {
    let width = side(take, "width")?;
    let height = side(take, "height")?;
    if width * height > AREA_MAX {
        return Err(take.wrong(Wrong::Area { width, height }));
    }
    let frames = take.short_number("frames a second", 1..=u32::MAX)?;
    let seconds = take.short_number("seconds", 1..=u32::MAX)?;
    let (wide_frames, wide_seconds) = (u64::from(frames), u64::from(seconds));
    if wide_frames * 10 < wide_seconds || wide_frames > wide_seconds * 240 {
        return Err(take.wrong(Wrong::Rate { frames, seconds }));
    }
    let codec = match take.byte("codec", 0..=1)? {
        0 => Codec::Av1,
        _ => Codec::H264,
    };
    let size = Size::new(width, height);
    let level = take.byte("level", LEVELS)?;
    Ok(Hello { size, rate: (frames, seconds), codec, level, policy: take.array()?, model: take.array()? })
}

fn side(take: &mut Take<'_>, field: &'static str) -> Result<usize, Misread> {
    let longest = u32::try_from(Size::MAX_SIDE).unwrap_or(u32::MAX);
    let side = take.short_number(field, 1..=longest)?;
    usize::try_from(side).map_err(|_| take.wrong(Wrong::Unfit(field)))
}

fn health(take: &mut Take<'_>) -> Result<Health, Misread> {
    Ok(Health {
        sequence: take.number("frame number")?,
        captured: Micros(take.number("capture time")?),
        born: Micros(take.number("time of birth")?),
        slate: state(take)?,
        clear_fraction: take.fraction("clear fraction", 1.0)?,
        objects: take.short_number("objects", 0..=u32::MAX)?,
        evidence_age: duration(take, "evidence age")?,
        px_per_m: take.fraction("density", PX_PER_M_MAX)?,
        follow: duration(take, "follower's time")?,
        detect: duration(take, "detector's time")?,
        wait: duration(take, "waiting time")?,
        redact: duration(take, "redaction time")?,
        encode: duration(take, "encoder's time")?,
        backend: backend(take)?,
    })
}

fn backend(take: &mut Take<'_>) -> Result<Backend, Misread> {
    let number = take.byte("backend", 0..=3)?;
    Backend::ALL.get(usize::from(number)).copied().ok_or_else(|| take.wrong(Wrong::Unfit("backend")))
}

fn state(take: &mut Take<'_>) -> Result<Option<Fault>, Misread> {
    match take.byte("state", 0..=FAULTS)?.checked_sub(1) {
        Some(place) => known(take, place).map(Some),
        None => Ok(None),
    }
}

fn fault(take: &mut Take<'_>) -> Result<Fault, Misread> {
    let place = take.byte("fault", 0..=FAULTS - 1)?;
    known(take, place)
}

fn known(take: &Take<'_>, place: u8) -> Result<Fault, Misread> {
    Fault::ALL.get(usize::from(place)).copied().ok_or_else(|| take.wrong(Wrong::Unfit("fault")))
}

fn duration(take: &mut Take<'_>, field: &'static str) -> Result<Micros, Misread> {
    take.short_number(field, 0..=u32::MAX).map(|micros| Micros(u64::from(micros)))
}

fn unit<'a>(take: &mut Take<'a>) -> Result<Unit<'a>, Misread> {
    Ok(Unit {
        sequence: take.number("frame number")?,
        captured: Micros(take.number("capture time")?),
        group: take.number("group")?,
        key: take.byte("key", 0..=1)? == 1,
        data: take.rest(),
    })
}

/// Appends the body of `report` to `out`; its kind.
pub fn encode(report: &Report<'_>, out: &mut Vec<u8>) -> u8 {
    match report {
        Report::Hello(hello) => {
            for number in [narrow(hello.size.width), narrow(hello.size.height), hello.rate.0, hello.rate.1] {
                out.extend(number.to_le_bytes());
            }
            out.push(match hello.codec {
                Codec::Av1 => 0,
                Codec::H264 => 1,
            });
            out.push(hello.level);
            out.extend(hello.policy);
            out.extend(hello.model);
            HELLO
        }
        Report::Health(health) => {
            for number in [health.sequence, health.captured.0, health.born.0] {
                out.extend(number.to_le_bytes());
            }
            out.push(health.slate.map_or(0, |fault| fault.number().saturating_add(1)));
            out.extend(positive(health.clear_fraction).to_le_bytes());
            out.extend(health.objects.to_le_bytes());
            out.extend(micros(health.evidence_age).to_le_bytes());
            out.extend(positive(health.px_per_m).to_le_bytes());
            for time in [health.follow, health.detect, health.wait, health.redact, health.encode] {
                out.extend(micros(time).to_le_bytes());
            }
            out.push(health.backend as u8);
            HEALTH
        }
        Report::Unit(unit) => {
            for number in [unit.sequence, unit.captured.0, unit.group] {
                out.extend(number.to_le_bytes());
            }
            out.push(u8::from(unit.key));
            out.extend_from_slice(unit.data);
            UNIT
        }
        Report::Fault(fault) => {
            out.push(fault.number());
            FAULT
        }
        Report::End(tally) => {
            out.extend(tally.frames.to_le_bytes());
            out.extend(tally.dropped.to_le_bytes());
            END
        }
        Report::Pause => PAUSE,
    }
}

fn narrow(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

fn micros(time: Micros) -> u32 {
    u32::try_from(time.0.min(LONGEST.0)).unwrap_or(u32::MAX)
}

/// Zero without its sign: the two are equal, and only one has a form.
fn positive(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_no_value_has_are_refused_at_their_place() {
        let wrong = |kind, body: &[u8]| decode(kind, body).map(|_| ()).expect_err("no such value");
        let mut body = Vec::new();
        let unit = Unit { sequence: 1, captured: Micros(2), group: 0, key: true, data: b"coded" };
        assert_eq!(encode(&Report::Unit(unit), &mut body), UNIT);
        assert_eq!(decode(UNIT, &body), Ok(Report::Unit(unit)));
        body[24] = 2;
        let range = |field, got, high| Wrong::Range { field, got, low: 0, high };
        assert_eq!(wrong(UNIT, &body), Misread { at: 24, wrong: range("key", 2, 1) });
        let faults = u64::from(FAULTS);
        assert_eq!(wrong(FAULT, &[FAULTS]), Misread { at: 0, wrong: range("fault", faults, faults - 1) });
        let mut body = [0; HEALTH_BYTES];
        assert!(matches!(decode(HEALTH, &body), Ok(Report::Health(Health { slate: None, .. }))));
        body[24] = FAULTS;
        assert!(matches!(decode(HEALTH, &body), Ok(Report::Health(Health { slate: Some(_), .. }))));
        body[24] = FAULTS + 1;
        assert_eq!(wrong(HEALTH, &body), Misread { at: 24, wrong: range("state", faults + 1, faults) });
        let mut body = [1; HELLO_BYTES];
        body[..16].copy_from_slice(&[9, 0, 0, 0, 9, 0, 0, 0, 30, 0, 0, 0, 1, 0, 0, 0]);
        assert!(decode(HELLO, &body).is_ok());
        body[16] = 2;
        assert_eq!(wrong(HELLO, &body), Misread { at: 16, wrong: range("codec", 2, 1) });
        body[16..18].copy_from_slice(&[1, 5]);
        let level = Wrong::Range { field: "level", got: 5, low: 1, high: 4 };
        assert_eq!(wrong(HELLO, &body), Misread { at: 17, wrong: level });
        let mut body = [0; HEALTH_BYTES];
        body[HEALTH_BYTES - 1] = 4;
        assert_eq!(wrong(HEALTH, &body), Misread { at: HEALTH_BYTES - 1, wrong: range("backend", 4, 3) });
        assert_eq!(decode(PAUSE, b""), Ok(Report::Pause));
        let none = Wrong::Length { kind: "pause", got: 1, low: 0, high: 0 };
        assert_eq!(wrong(PAUSE, b"x"), Misread { at: 0, wrong: none });
        for kind in [0, 0x10, 0x17, 0x21, 0xff] {
            assert_eq!(wrong(kind, b""), Misread { at: 0, wrong: Wrong::Kind(kind) });
        }
    }
}
