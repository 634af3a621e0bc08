//! Random streams: round trip, arbitrary bytes, cuts, flips and trickles.

use std::io::{self, ErrorKind, Read};

use proptest::collection::vec;
use proptest::prelude::*;

use super::samples::{forged, read, written};
use super::*;
use crate::base::clock::SimulatedClock;
use crate::base::{Fault, Micros, Size};

fn fault() -> impl Strategy<Value = Fault> {
    (0..Fault::ALL.len()).prop_map(|place| Fault::ALL[place])
}

fn hello() -> impl Strategy<Value = Hello> {
    let bytes = any::<[u8; 32]>;
    (1..=8192_usize, 1..=4320_usize, 1..=240_u32, any::<bool>(), LEVELS, bytes(), bytes()).prop_map(
        |(width, height, frames, av1, level, policy, model)| Hello {
            size: Size::new(width, height),
            rate: (frames, 1),
            codec: if av1 { Codec::Av1 } else { Codec::H264 },
            level,
            policy,
            model,
        },
    )
}

/// What a frame's report tells beside its number.
fn health() -> impl Strategy<Value = Health> {
    let moment = || (0..=LARGEST).prop_map(Micros);
    let time = || (0..=LONGEST.0).prop_map(Micros);
    let share = || 0.0..=1.0_f32;
    (
        (moment(), moment(), proptest::option::of(fault()), 0..Backend::ALL.len()),
        (share(), share(), time()),
        [time(), time(), time()],
        time(),
        time(),
    )
        .prop_map(
            |((captured, born, slate, backend), (clear, density, age), [follow, detect, wait], redact, encode)| {
                Health {
                    sequence: 0,
                    captured,
                    born,
                    slate,
                    clear_fraction: if slate.is_some() { 0.0 } else { clear },
                    objects: u32::from(slate.is_some()),
                    evidence_age: age,
                    px_per_m: if slate.is_some() { 0.0 } else { density * PX_PER_M_MAX },
                    follow,
                    detect,
                    wait,
                    redact,
                    encode,
                    backend: Backend::ALL[backend],
                }
            },
        )
}

/// One step of a stream: a frame's report with its unit so many frames later, or a fault.
#[derive(Clone, Debug)]
enum Step {
    Frame { health: Health, gap: u64, key: bool, data: Vec<u8>, units: usize },
    Fault(Fault),
    Pause,
}

fn step() -> impl Strategy<Value = Step> {
    let frame = (health(), 1..1000_u64, any::<bool>(), vec(any::<u8>(), 1..200), 0..3_usize)
        .prop_map(|(health, gap, key, data, units)| Step::Frame { health, gap, key, data, units });
    prop_oneof![4 => frame, 1 => fault().prop_map(Step::Fault), 1 => Just(Step::Pause)]
}

/// Reports that keep every rule; `coded` holds what the units show.
fn lawful<'a>(hello: Hello, steps: &'a [Step]) -> Vec<Report<'a>> {
    let mut reports = vec![Report::Hello(hello)];
    let (mut sequence, mut frames, mut group) = (0, 0, None);
    let mut waiting = std::collections::VecDeque::new();
    let mut release = |count: usize, waiting: &mut std::collections::VecDeque<(Health, bool, &'a [u8])>| -> Vec<_> {
        let ready = waiting.drain(..count.min(waiting.len()));
        let units = ready.map(|(health, key, data)| {
            let key = key || group.is_none();
            let next = group.map_or(0, |group: u64| group + u64::from(key));
            group = Some(next);
            Report::Unit(Unit { sequence: health.sequence, captured: health.captured, group: next, key, data })
        });
        units.collect()
    };
    for step in steps {
        match step {
            Step::Frame { health, gap, key, data, units } => {
                sequence += gap;
                frames += 1;
                let health = Health { sequence, ..*health };
                reports.push(Report::Health(health));
                waiting.push_back((health, *key, &data[..]));
                reports.extend(release(*units, &mut waiting));
            }
            Step::Fault(fault) => reports.push(Report::Fault(*fault)),
            Step::Pause => reports.push(Report::Pause),
        }
    }
    reports.extend(release(usize::MAX, &mut waiting));
    reports.push(Report::End(Tally { frames, dropped: 0 }));
    reports
}

/// Gives pieces of the sizes it is told, and nothing for size 0.
struct Trickle<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.sizes.next().copied().unwrap_or(1));
        if most == 0 && !self.bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.bytes.read(&mut into[..most])
    }
}

/// Whatever a reader gives for `bytes`, as text, in pieces of the given sizes.
fn transcript(bytes: &[u8], sizes: &[usize]) -> Vec<String> {
    let mut reader = ReportReader::new(Trickle { bytes, sizes: sizes.iter().cycle() });
    let mut given = Vec::new();
    loop {
        match reader.receive(&SimulatedClock::default(), Micros(1)) {
            Ok(Some(report)) => given.push(format!("{report:?}")),
            Ok(None) => {}
            Err(error) => {
                given.push(format!("{error:?}"));
                return given;
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_sent_comes_back_and_writes_the_same_bytes(hello in hello(), steps in vec(step(), 0..30)) {
        let reports = lawful(hello, &steps);
        let (bytes, refused) = written(&reports);
        prop_assert_eq!(refused, None);
        let mut reader = ReportReader::new(&bytes[..]);
        let mut again = Vec::new();
        let mut writer = ReportWriter::new(&mut again);
        for report in &reports {
            let back = reader.receive(&SimulatedClock::default(), Micros(0)).expect("lawful").expect("whole");
            prop_assert_eq!(&back, report);
            writer.send(&back, &SimulatedClock::default(), Micros(0)).expect("as before");
        }
        let end = reader.receive(&SimulatedClock::default(), Micros(0)).err();
        prop_assert_eq!(end, Some(SeamError::Over { from: Side::Dark }));
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn arbitrary_bytes_give_an_error_within_them(bytes in vec(any::<u8>(), 0..2000), opened in any::<bool>()) {
        let mut stream = if opened { forged(&[]) } else { Vec::new() };
        stream.extend(bytes);
        let (given, error) = read(&stream);
        prop_assert_eq!(given, "");
        let place = match error {
            SeamError::Garbled { offset, .. } | SeamError::Broken { offset, .. } => offset,
            SeamError::Version { .. } => 6,
            other => panic!("{other}"),
        };
        prop_assert!(place <= u64::try_from(stream.len()).expect("short"));
    }

    #[test]
    fn a_cut_anywhere_is_a_broken_pipe_after_the_whole_messages(hello in hello(), steps in vec(step(), 0..5)) {
        let (bytes, _) = written(&lawful(hello, &steps));
        let whole = transcript(&bytes, &[usize::MAX]);
        for cut in 0..bytes.len() {
            let given = transcript(&bytes[..cut], &[usize::MAX]);
            let (last, before) = given.split_last().expect("an error at least");
            prop_assert_eq!(last, &format!("Broken {{ from: Dark, offset: {cut} }}"));
            prop_assert_eq!(before, &whole[..before.len()]);
        }
    }

    #[test]
    fn a_flipped_bit_is_seen_before_its_message_is_believed(
        hello in hello(),
        steps in vec(step(), 0..4),
        bit in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, _) = written(&lawful(hello, &steps));
        let whole = transcript(&bytes, &[usize::MAX]);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let given = transcript(&bytes, &[usize::MAX]);
        let (last, before) = given.split_last().expect("an error at least");
        prop_assert!(last.starts_with("Garbled") || last.starts_with("Version"), "{}", last);
        prop_assert!(before.len() < whole.len() - 1);
        prop_assert_eq!(before, &whole[..before.len()]);
    }

    #[test]
    fn pieces_and_pauses_change_nothing(
        hello in hello(),
        steps in vec(step(), 0..20),
        sizes in vec(0..400_usize, 1..9),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, _) = written(&lawful(hello, &steps));
        bytes.truncate(cut.index(bytes.len()) + 1);
        // A pause at most every other time, or nothing would ever come.
        let sizes: Vec<_> = sizes.into_iter().flat_map(|size| [size, 1]).collect();
        prop_assert_eq!(transcript(&bytes, &sizes), transcript(&bytes, &[usize::MAX]));
        prop_assert_eq!(transcript(&bytes, &[1]), transcript(&bytes, &[usize::MAX]));
    }
}
