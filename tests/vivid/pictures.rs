//! Known pictures through vivid's HDMI loop: exact, and in order.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use voile::base::{Fault, Size};
use voile::camera::v4l2::Coding;

use super::bench::{Bench, Pair, VGA, formats, letters_of, pairs, planes, tell};

/// Sides of the blocks that carry a picture's number.
const BLOCK: usize = 16;

/// Picture number `n`, as planes: noise of its own, and the number in 16 blocks of light and dark at the top.
fn picture(n: u32, size: Size) -> [Vec<u8>; 3] {
    let mut state = n.wrapping_mul(0x9e37_79b9) | 1;
    let mut noise = move |length: usize| -> Vec<u8> {
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            16 + state.to_le_bytes()[1] % 220
        };
        (0..length).map(|_| byte()).collect()
    };
    let mut luma = noise(size.area());
    mark(&mut luma, n, size);
    [luma, noise(size.chroma().area()), noise(size.chroma().area())]
}

/// Writes a picture's number over its first rows.
pub fn mark(luma: &mut [u8], n: u32, size: Size) {
    for row in luma.chunks_mut(size.width).take(BLOCK) {
        for (bit, block) in row.chunks_mut(BLOCK).take(16).enumerate() {
            block.fill(if n >> bit & 1 == 1 { 235 } else { 16 });
        }
    }
}

/// The number in a picture.
pub fn number(luma: &[u8]) -> u32 {
    (0..16).map(|bit| u32::from(luma[bit * BLOCK + BLOCK / 2] > 125) << bit).sum()
}

/// The planes as the driver wants them, one after the other.
pub fn packed([y, u, v]: &[Vec<u8>; 3], coding: Coding, size: Size) -> Vec<u8> {
    match coding {
        Coding::I420 | Coding::I420Split => [y.as_slice(), u, v].concat(),
        Coding::Nv12 | Coding::Nv12Split => {
            let pairs = u.iter().zip(v).flat_map(|(u, v)| [*u, *v]);
            y.iter().copied().chain(pairs).collect()
        }
        Coding::Yuyv => {
            let half = size.width / 2;
            let pixel = |row: usize, x: usize| {
                let (at, colour) = (row * size.width + 2 * x, row / 2 * half + x);
                [y[at], u[colour], y[at + 1], v[colour]]
            };
            (0..size.height).flat_map(|row| (0..half).flat_map(move |x| pixel(row, x))).collect()
        }
        Coding::Mjpeg => unreachable!("vivid has none"),
    }
}

/// Connects the pair by HDMI at 640x480, pictures in `coding`.
pub fn connect(pair: &Pair, coding: Coding) {
    tell(&pair.capture, &["--set-input=1", "--set-dv-bt-timings", "index=0"]);
    tell(&pair.output, &["--set-dv-bt-timings", "index=0"]);
    let format = format!("--set-fmt-video-out=width=640,height=480,pixelformat={}", letters_of(coding));
    tell(&pair.output, &[&format]);
    pair.set("loop_video=1");
}

#[test]
fn pictures_through_the_loop_are_exact_and_in_order() {
    const PICTURES: u32 = 60;
    let Some((_turn, pairs)) = pairs() else { return };
    println!("\n| Node | Format | Pictures sent, seen exact and in order | Frames looked at |\n|---|---|---|---|");
    for pair in &pairs {
        for coding in formats(pair) {
            connect(pair, coding);
            let mut bench = pair.open(VGA, 60, Some(coding));
            let mut player = Player::start(&pair.output);
            // As many as the player has buffers: it starts when all are filled.
            (0..Player::BUFFERS).for_each(|_| player.show(&packed(&picture(0, VGA), coding, VGA)));
            let mut looked = 0;
            for n in 1..=PICTURES {
                let sent = picture(n, VGA);
                player.show(&packed(&sent, coding, VGA));
                looked += seen(&mut bench, n, &sent);
            }
            println!("| {} | {} | {PICTURES} of {PICTURES} | {looked} |", pair.kind, letters_of(coding));
            drop(player);
            drop(bench);
            pair.reset();
        }
    }
}

/// Waits for picture `n`; before it only the one before may be seen, or vivid's own before any came. How many frames
/// that took.
fn seen(bench: &mut Bench, n: u32, sent: &[Vec<u8>; 3]) -> usize {
    for looked in 1..400 {
        let frame = bench.next();
        let got = planes(&frame);
        let at = number(&got[0]);
        let fault = frame.fault();
        // Making a picture takes seconds where the machine is simulated: what has lain in the buffers meanwhile is
        // marked as late, and its pixels are looked at all the same.
        let known = [Fault::FrameRepeated, Fault::CameraLost, Fault::ClockBack].map(Some).contains(&fault);
        assert!(fault.is_none() || known, "{fault:?}");
        if fault != Some(Fault::CameraLost) && at == n && &got == sent {
            return looked;
        }
        let before = fault == Some(Fault::CameraLost) || n == 1 || at + 1 == n && got == picture(at, VGA);
        assert!(before, "picture {at} ({fault:?}) while {n} was awaited");
    }
    panic!("picture {n} never came");
}

/// A program that shows pictures on an output node: each until the next is there.
pub struct Player(Child);

impl Player {
    pub const BUFFERS: u32 = 4;

    pub fn start(node: &str) -> Self {
        let buffers = format!("--stream-out-mmap={}", Self::BUFFERS);
        let mut player = Command::new("v4l2-ctl");
        player.args(["-d", node, &buffers, "--stream-from=-"]);
        player.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(player.spawn().expect("v4l2-ctl"))
    }

    pub fn show(&mut self, picture: &[u8]) {
        self.0.stdin.as_mut().unwrap().write_all(picture).unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
