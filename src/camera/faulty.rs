//! A camera with faults on order: any camera, played through a script of letters.
//!
//! For tests and for nothing else: what happens to a stream when frames are lost, late, torn or told twice. One letter
//! stands for one frame of the source.
//!
//! | Letter | What becomes of the frame |
//! |---|---|
//! | `F` | delivered as it is |
//! | `-` | dropped: its number is missing from the stream |
//! | `S` | stalled: captured later by the stall; so are all frames after it, which go on at the source's pace |
//! | `T` | torn: the lower half is black and the frame is marked [`Fault::FrameTorn`] |
//! | `R` | told twice: it carries number and capture time of the frame delivered before it, and no mark |
//! | `B` | the clock goes back: captured a microsecond before the frame delivered before it; later frames are in time |
//! | `K` | the camera dies with an error |

use std::time::Duration;

use crate::base::{ChromaMut, Fault, FramePool, Micros, PlaneMut, RawFrame};

use super::{Camera, CameraError, Mode};

/// The letters of a script, as messages name them.
pub const LETTERS: &str = "F as is, - dropped, S stalled, T torn, R repeated, B clock back, K dies";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Frame,
    Dropped,
    Stalled,
    Torn,
    Repeated,
    Back,
    Dies,
}

/// A camera that does to another camera's frames what a script says.
pub struct Faulty<C> {
    camera: C,
    script: Vec<Letter>,
    repeats: bool,
    stall: Micros,
    /// Letters played so far.
    played: usize,
    /// Sum of the stalls so far.
    late: Micros,
    /// Number and capture time of the last frame delivered.
    last: (u64, Micros),
    dead: bool,
}

impl<C: Camera> Faulty<C> {
    /// Plays `script` once; the clip ends with it, or with the source if that is shorter. Each `S` takes `stall`.
    ///
    /// # Errors
    /// [`CameraError::Script`]: an empty script, an unknown letter, an `R` with no frame before it, or a `B` with no
    /// frame before it that was captured later than the first.
    pub fn once(camera: C, script: &str, stall: Duration) -> Result<Self, CameraError> {
        Self::new(camera, script, stall, false)
    }

    /// Plays `script` again and again until the source ends.
    ///
    /// # Errors
    /// As [`Faulty::once`].
    pub fn looped(camera: C, script: &str, stall: Duration) -> Result<Self, CameraError> {
        Self::new(camera, script, stall, true)
    }

    fn new(camera: C, script: &str, stall: Duration, repeats: bool) -> Result<Self, CameraError> {
        let stall = Micros(u64::try_from(stall.as_micros()).unwrap_or(u64::MAX));
        let script = parse(script)?;
        Ok(Self { camera, script, repeats, stall, played: 0, late: Micros(0), last: (0, Micros(0)), dead: false })
    }
}

impl<C: Camera> Camera for Faulty<C> {
    /// As the source's, but how many frames there will be is not known.
    fn mode(&self) -> Mode {
        Mode { frames: None, ..self.camera.mode() }
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        loop {
            let at = if self.repeats { self.played % self.script.len() } else { self.played };
            let Some(&letter) = self.script.get(at).filter(|_| !self.dead) else { return Ok(None) };
            let Some(mut frame) = self.camera.next(pool)? else { return Ok(None) };
            self.played += 1;
            let (number, captured) = (frame.sequence(), frame.captured().plus(self.late));
            let stamp = match letter {
                Letter::Dropped => continue,
                Letter::Dies => {
                    self.dead = true;
                    return Err(CameraError::Died { position: at + 1, frame: number });
                }
                Letter::Frame => (number, captured),
                Letter::Stalled => {
                    self.late = self.late.plus(self.stall);
                    (number, captured.plus(self.stall))
                }
                Letter::Torn => {
                    tear(&mut frame);
                    (number, captured)
                }
                Letter::Repeated => self.last,
                Letter::Back => (number, Micros(self.last.1.0.saturating_sub(1))),
            };
            frame.stamp(stamp.0, stamp.1);
            self.last = stamp;
            return Ok(Some(frame));
        }
    }
}

/// Blackens the lower half, as if the transfer had stopped there.
fn tear(frame: &mut RawFrame) {
    let lower = |mut plane: PlaneMut<'_>, value| {
        let half = plane.height / 2;
        plane.rows().skip(half).for_each(|row| row.fill(value));
    };
    let (luma, chroma) = frame.planes_mut();
    lower(luma, 0);
    match chroma {
        ChromaMut::I420(u, v) => {
            lower(u, 128);
            lower(v, 128);
        }
        ChromaMut::Nv12(pairs) => lower(pairs, 128),
    }
    frame.mark(Fault::FrameTorn);
}

fn parse(script: &str) -> Result<Vec<Letter>, CameraError> {
    let refuse = |position, reason: String| {
        Err(CameraError::Script { script: script.escape_debug().to_string(), position, reason })
    };
    // What `R` and `B` need: a frame delivered, and one delivered with a time after the first frame's.
    let (mut delivered, mut timed) = (false, false);
    let mut letters = Vec::new();
    for (index, letter) in script.chars().enumerate() {
        let meant = match letter {
            'F' => Letter::Frame,
            '-' => Letter::Dropped,
            'S' => Letter::Stalled,
            'T' => Letter::Torn,
            'R' if !delivered => return refuse(index + 1, "there is no frame before it to repeat".to_owned()),
            'R' => Letter::Repeated,
            'B' if !timed => return refuse(index + 1, "no frame before it that it could fall behind".to_owned()),
            'B' => Letter::Back,
            'K' => Letter::Dies,
            other => return refuse(index + 1, format!("'{}' means nothing", other.escape_debug())),
        };
        let fresh = matches!(meant, Letter::Frame | Letter::Stalled | Letter::Torn);
        delivered |= fresh;
        timed |= fresh && index > 0;
        letters.push(meant);
    }
    if letters.is_empty() { refuse(0, "it is empty".to_owned()) } else { Ok(letters) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Chroma, Layout, Shape, Size};
    use crate::camera::{Rate, Y4m};

    /// Ten frames of 2x4 at 100 a second; frame n has luma 100 + n.
    fn source() -> Y4m<std::io::Cursor<Vec<u8>>> {
        let mut bytes = b"YUV4MPEG2 W2 H4 F100:1\n".to_vec();
        for n in 0..10 {
            bytes.extend(b"FRAME\n");
            bytes.extend([[100 + n; 8].as_slice(), &[60; 4]].concat());
        }
        Y4m::new(std::io::Cursor::new(bytes), "source").unwrap()
    }

    /// What a script delivers: number, milliseconds, luma of the first and last row, fault.
    fn played(mut camera: impl Camera) -> Vec<(u64, f64, u8, u8, Option<Fault>)> {
        let pool = FramePool::new(camera.mode().shape, 2);
        let mut seen = Vec::new();
        while let Some(frame) = camera.next(&pool).unwrap() {
            let luma = frame.luma();
            seen.push((frame.sequence(), frame.captured().as_ms(), luma.row(0)[0], luma.row(3)[0], frame.fault()));
        }
        seen
    }

    const STALL: Duration = Duration::from_millis(500);

    #[test]
    fn each_letter_does_what_the_table_says() {
        let seen = played(Faulty::once(source(), "F-STRFBF", STALL).unwrap());
        assert_eq!(
            seen,
            [
                (0, 0.0, 100, 100, None),
                (2, 520.0, 102, 102, None),
                (3, 530.0, 103, 0, Some(Fault::FrameTorn)),
                (3, 530.0, 104, 104, None),
                (5, 550.0, 105, 105, None),
                (6, 549.999, 106, 106, None),
                (7, 570.0, 107, 107, None),
            ]
        );
    }

    #[test]
    fn a_torn_frame_keeps_its_upper_half_and_loses_its_colour_below() {
        let mut camera = Faulty::once(source(), "T", STALL).unwrap();
        let frame = camera.next(&FramePool::new(camera.mode().shape, 1)).unwrap().unwrap();
        let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
        assert_eq!([u.row(0)[0], u.row(1)[0], v.row(0)[0], v.row(1)[0]], [60, 128, 60, 128]);
        assert_eq!([frame.luma().row(1)[0], frame.luma().row(2)[0]], [100, 0]);
    }

    #[test]
    fn a_script_ends_the_clip_or_starts_again() {
        let numbers = |camera| played(camera).into_iter().map(|frame: (u64, _, _, _, _)| frame.0).collect::<Vec<_>>();
        assert_eq!(numbers(Faulty::once(source(), "F-F", STALL).unwrap()), [0, 2]);
        assert_eq!(numbers(Faulty::looped(source(), "F-F", STALL).unwrap()), [0, 2, 3, 5, 6, 8, 9]);
        assert_eq!(numbers(Faulty::once(source(), "FFFFFFFFFFFFFFF", STALL).unwrap()).len(), 10);
    }

    #[test]
    fn a_dead_camera_says_where_and_stays_dead() {
        let mut camera = Faulty::looped(source(), "FFK", STALL).unwrap();
        let pool = FramePool::new(camera.mode().shape, 1);
        for _ in 0..2 {
            assert!(camera.next(&pool).unwrap().is_some());
        }
        let text = camera.next(&pool).err().unwrap().to_string();
        assert!(text.starts_with("fault script, letter 3: the camera died at frame 2: "), "{text}");
        assert!(camera.next(&pool).unwrap().is_none());
    }

    #[test]
    fn scripts_that_mean_nothing_are_refused_with_the_place() {
        for (script, start) in [
            ("", "fault script \"\", letter 0: it is empty"),
            ("FFx", "fault script \"FFx\", letter 3: 'x' means nothing: the letters are F as is, - dropped"),
            ("F\n", "fault script \"F\\n\", letter 2: '\\n' means nothing"),
            ("-RF", "fault script \"-RF\", letter 2: there is no frame before it to repeat"),
            ("FRB", "fault script \"FRB\", letter 3: no frame before it that it could fall behind"),
        ] {
            let text = Faulty::once(source(), script, STALL).err().unwrap().to_string();
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn works_on_a_boxed_camera_of_any_layout() {
        struct Pairs;
        impl Camera for Pairs {
            fn mode(&self) -> Mode {
                let shape = Shape::packed(Size::new(3, 3), Layout::Nv12);
                Mode { shape, rate: Rate { frames: 1, seconds: 1 }, full_range: false, frames: Some(1) }
            }
            fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
                Ok(Some(pool.take(0, Micros(0))))
            }
        }
        let boxed: Box<dyn Camera> = Box::new(Pairs);
        let mut camera = Faulty::once(boxed, "T", STALL).unwrap();
        assert_eq!(camera.mode().frames, None);
        let frame = camera.next(&FramePool::new(camera.mode().shape, 1)).unwrap().unwrap();
        let Chroma::Nv12(pairs) = frame.chroma() else { panic!("layout") };
        assert_eq!((pairs.row(0), pairs.row(1)), ([0; 4].as_slice(), [128; 4].as_slice()));
    }
}
