//! A driver that does what a script of letters says.
//!
//! The letters are in `tests.rs`. Its time is a simulated clock's: waiting moves it on, so that no test waits.

use std::collections::VecDeque;
use std::sync::Mutex;

use rustix::io::Errno;

use super::*;
use crate::base::Size;
use crate::base::clock::SimulatedClock;
use crate::camera::Rate;
use crate::camera::v4l2::coding::{Coding, PLANES, Plan};
use crate::camera::v4l2::driver::Filled;

/// Size of its pictures.
pub const SIZE: Size = Size::new(32, 16);
/// From one letter to the next.
pub const PERIOD: Micros = Micros(40_000);
/// The driver's clock when the stream's reads zero.
const BOOT: u64 = 90_000_000_000;

/// What a test looks at while the driver is in the camera's hands.
#[derive(Default)]
pub struct Seen {
    pub calls: Vec<&'static str>,
    /// How often each buffer is out.
    pub out: [i32; 4],
}

/// The scripted driver.
pub struct Scripted {
    pub clock: SimulatedClock,
    script: VecDeque<char>,
    /// When the next letter is due.
    due: Micros,
    sequence: u32,
    pub memory: Vec<u8>,
    pub agreed: Agreed,
    gone: bool,
    /// How many attempts fail.
    pub opens: u32,
    pub restarts: u32,
    pub seen: Arc<Mutex<Seen>>,
}

pub fn agreed(coding: Coding, fps: u32) -> Agreed {
    let plan = Plan::new(coding, SIZE, &[32]).unwrap();
    Agreed { coding, size: SIZE, plan, rate: Rate { frames: fps, seconds: 1 }, full_range: false }
}

impl Scripted {
    pub fn new(script: &str) -> Self {
        Self {
            clock: SimulatedClock::default(),
            script: script.chars().collect(),
            due: PERIOD,
            sequence: 100,
            memory: (0..32 * 24).map(|n: u32| n.to_le_bytes()[0]).collect(),
            agreed: agreed(Coding::Nv12, 25),
            gone: false,
            opens: 0,
            restarts: 0,
            seen: Arc::default(),
        }
    }

    fn say(&self, call: &'static str) {
        self.seen.lock().unwrap().calls.push(call);
    }

    fn spend(&mut self) -> Option<char> {
        self.due = self.due.plus(PERIOD);
        self.script.pop_front()
    }
}

fn errno(code: Errno) -> io::Error {
    code.into()
}

impl Driver for Scripted {
    fn open(&mut self) -> Result<Agreed, CameraError> {
        self.say("open");
        if self.opens > 0 {
            self.opens -= 1;
            return Err(CameraError::Open { path: "it".to_owned(), reason: "gone".to_owned(), mend: "plug it in" });
        }
        (self.gone, self.sequence) = (false, 0);
        self.due = self.due.max(self.clock.now().plus(PERIOD));
        Ok(self.agreed.clone())
    }

    fn close(&mut self) {
        self.say("close");
        self.seen.lock().unwrap().out = [0; 4];
    }

    fn restart(&mut self) -> io::Result<()> {
        self.say("restart");
        if self.restarts > 0 {
            self.restarts -= 1;
            return Err(errno(Errno::IO));
        }
        self.seen.lock().unwrap().out = [0; 4];
        self.due = self.due.max(self.clock.now().plus(PERIOD));
        Ok(())
    }

    fn wait(&mut self, longest: Duration) -> io::Result<bool> {
        if self.gone {
            return Ok(true);
        }
        let until = self.clock.now().plus(Micros(u64::try_from(longest.as_micros()).unwrap()));
        while self.due <= until {
            match self.script.front() {
                Some('-') | None => {
                    self.clock.sleep_until(self.due);
                    self.spend();
                }
                Some('P') => {
                    self.clock.sleep_until(self.due);
                    self.spend();
                    return Err(errno(Errno::IO));
                }
                Some(_) => {
                    self.clock.sleep_until(self.due);
                    return Ok(true);
                }
            }
        }
        self.clock.sleep_until(until);
        Ok(false)
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        if self.gone {
            return Err(errno(Errno::NODEV));
        }
        let due = self.due;
        let Some(letter) = self.spend() else { return Ok(None) };
        let mut stamp = Micros(BOOT + due.0 - 10_000);
        let (mut filled, mut index) = ([0..self.memory.len(), 0..0, 0..0], self.sequence % 4);
        match letter {
            'I' => return Err(errno(Errno::IO)),
            'U' => {
                self.gone = true;
                return Err(errno(Errno::NODEV));
            }
            'S' => filled[0].end -= 1,
            'O' => filled[0].end += 1,
            'X' => index += 4,
            'R' => self.sequence -= 1,
            'G' => self.sequence += 2,
            'A' => stamp = stamp.plus(Micros::from_ms(3_600_000)),
            _ => {}
        }
        let sequence = self.sequence;
        self.sequence += 1;
        self.seen.lock().unwrap().out[usize::try_from(index % 4).unwrap()] += 1;
        if letter == 'Q' {
            // What give_back answers; the letter is spent.
            self.script.push_front('q');
        }
        Ok(Some(Filled { index, sequence, stamp: Some(stamp), damaged: letter == 'E', filled }))
    }

    fn memory(&self, index: u32, plane: usize) -> Option<&[u8]> {
        (index < 4 && plane < PLANES).then_some(&self.memory)
    }

    fn give_back(&mut self, index: u32) -> io::Result<()> {
        if self.script.front() == Some(&'q') {
            self.script.pop_front();
            return Err(errno(Errno::INVAL));
        }
        self.seen.lock().unwrap().out[usize::try_from(index % 4).unwrap()] -= 1;
        Ok(())
    }

    fn monotonic(&self) -> Micros {
        Micros(BOOT).plus(self.clock.now())
    }
}
