//! AV1 by rav1e: one context per group, at the quantiser the rate loop chose.
//!
//! A context can neither change its quantiser nor be told one per frame, so each group gets a context of its own;
//! groups start with a sequence header and a key frame and stand alone. rav1e needs to have seen frame n + 4 before it
//! gives frame n, however it is set, so a unit comes out 4 frames after its own frame. Frames wait here as long, so that
//! a group can be coded again before any of it was handed out. A group is flushed at its end, and could then give its
//! last frames all at once; it gives one per frame that comes all the same, for five frames' work at one go would make
//! those behind them late.
//!
//! The work runs in one thread pool for the life of the stream. Tiles follow from the size, never from the threads.

use std::collections::VecDeque;
use std::sync::Arc;

use rav1e::Context;
use rav1e::color::{
    ChromaSampling, ColorDescription, ColorPrimaries, MatrixCoefficients, PixelRange, TransferCharacteristics,
};
use rav1e::config::SpeedSettings;
use rav1e::prelude::{EncoderConfig, EncoderStatus, Frame, Rational, SceneDetectionSpeed, SegmentationLevel, Tune};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::picture::{self, Picture};
use super::rate::{AV1, Abilities, Rate, Verdict};
use super::{AccessUnit, Backend, Codec, EncodeError, Encoder, Settings};
use crate::base::{Chroma, Fault, Micros, Size};
use crate::mask::RedactedFrame;

/// Frames that rav1e holds back, and so the most that wait here.
const DELAY: usize = 4;

/// A frame that rav1e may have seen but whose unit was not handed out yet.
struct Waiting {
    pixels: Arc<Frame<u8>>,
    sequence: u64,
    captured: Micros,
}

/// The AV1 encoder.
pub(super) struct Av1 {
    config: EncoderConfig,
    size: Size,
    threads: ThreadPool,
    rate: Rate,
    context: Option<Context<u8>>,
    /// Number of the group in the context, from 0.
    group: u64,
    /// Frames sent to the context.
    sent: u64,
    /// Units of the group handed out.
    given: u64,
    /// The context has been told that the group ends.
    closed: bool,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
    /// Of those, how many the context has.
    known: usize,
    /// Every frame memory there is, one at least: those only this list holds are free.
    memory: Vec<Arc<Frame<u8>>>,
}

impl Av1 {
    /// Opens an encoder; starts its threads.
    pub(super) fn open(
        settings: &Settings,
        size: Size,
        rate: (u32, u32),
        full_range: bool,
    ) -> Result<Self, EncodeError> {
        let codec = Codec::Av1;
        if size.width.min(size.height) < 16 || size.width.max(size.height) > Size::MAX_SIDE {
            return Err(EncodeError::Size { codec, size, mend: "use sides of 16 to 8192 pixels" });
        }
        let refused = |reason: String| EncodeError::Refused { codec, reason };
        let config = configure(settings, size, rate, full_range);
        let first: Context<u8> = rav1e::Config::new()
            .with_encoder_config(config.clone())
            .new_context()
            .map_err(|error| refused(error.to_string()))?;
        let mut memory = Vec::with_capacity(4 * DELAY);
        memory.push(Arc::new(first.new_frame()));
        let threads = ThreadPoolBuilder::new()
            .num_threads(settings.threads)
            .thread_name(|number| format!("encode {number}"))
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let abilities = Abilities { scale: &AV1, measures: true };
        Ok(Self {
            config,
            size,
            threads,
            rate: Rate::new(abilities, settings.bitrate_kbps, rate, settings.group_ms),
            context: None,
            group: 0,
            sent: 0,
            given: 0,
            closed: false,
            waiting: VecDeque::with_capacity(DELAY + 2),
            known: 0,
            memory,
        })
    }

    /// Takes a copy of `picture` and hands out what is ready.
    pub(super) fn encode(&mut self, picture: &Picture<'_>, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        if picture.size != self.size {
            log::error!("frame {}: {} in a stream of {}", picture.sequence, picture.size, self.size);
            return Err(Fault::EncoderFailed);
        }
        let pixels = self.copy(picture)?;
        self.waiting.push_back(Waiting { pixels, sequence: picture.sequence, captured: picture.captured });
        self.advance(false, out)
    }

    /// Moves frames in and units out until no more wait than must, or none if the stream ends.
    fn advance(&mut self, ending: bool, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let must = if ending { 0 } else { DELAY };
        while self.waiting.len() > must
            && let Some(oldest) = self.waiting.front().map(|frame| frame.captured)
        {
            let mut context = match self.context.take() {
                Some(context) => context,
                None => self.start(oldest)?,
            };
            self.feed(&mut context, ending)?;
            match self.threads.install(|| context.receive_packet()) {
                Ok(packet) => {
                    let verdict = self.rate.judge(u64::try_from(packet.data.len()).unwrap_or(u64::MAX), oldest);
                    self.obey(verdict, context, packet.data, out)?;
                }
                Err(EncoderStatus::Encoded) => self.context = Some(context),
                Err(EncoderStatus::NeedMoreData) if !self.closed => {
                    self.context = Some(context);
                    return Ok(());
                }
                Err(status) => return Err(failed(status)),
            }
        }
        Ok(())
    }

    /// A context for the group that begins at `start`.
    fn start(&mut self, start: Micros) -> Result<Context<u8>, Fault> {
        let quantiser = self.rate.begin(start);
        (self.sent, self.given, self.known, self.closed) = (0, 0, 0, false);
        self.context_at(quantiser)
    }

    fn context_at(&mut self, quantiser: u8) -> Result<Context<u8>, Fault> {
        self.config.quantizer = usize::from(quantiser);
        rav1e::Config::new().with_encoder_config(self.config.clone()).new_context().map_err(|error| {
            log::error!("rav1e: {error}");
            Fault::EncoderFailed
        })
    }

    /// Sends the context what it has not seen, up to the end of its group.
    fn feed(&mut self, context: &mut Context<u8>, ending: bool) -> Result<(), Fault> {
        while let Some(frame) = self.waiting.get(self.known).filter(|_| !self.closed) {
            self.threads.install(|| context.send_frame(Arc::clone(&frame.pixels))).map_err(failed)?;
            self.known += 1;
            self.sent += 1;
            if self.rate.is_last(self.sent, frame.captured) {
                context.flush();
                self.closed = true;
            }
        }
        if ending && !self.closed {
            context.flush();
            self.closed = true;
        }
        Ok(())
    }

    fn obey(
        &mut self,
        verdict: Verdict,
        context: Context<u8>,
        data: Vec<u8>,
        out: &mut Vec<AccessUnit>,
    ) -> Result<(), Fault> {
        match verdict {
            Verdict::Keep | Verdict::Cut => {
                let Some(frame) = self.waiting.pop_front() else { return Err(Fault::EncoderFailed) };
                let Waiting { sequence, captured, .. } = frame;
                out.push(AccessUnit { sequence, captured, group: self.group, key: self.given == 0, data });
                self.given += 1;
                self.known -= 1;
                let full = self.closed && self.given == self.sent;
                if full && verdict == Verdict::Keep {
                    self.rate.end();
                }
                if full || verdict == Verdict::Cut {
                    self.group += 1;
                } else {
                    self.context = Some(context);
                }
            }
            // The context is dropped with what it had seen; the frames still wait.
            Verdict::Again if self.given > 0 => self.group += 1,
            Verdict::Again => {}
            Verdict::Measure => self.measure()?,
        }
        Ok(())
    }

    /// Codes the first two frames of the group once, only to know their sizes. All that wait would say no more (the worst
    /// 3 s of two clips miss the bitrate by 11 and 15 %, by 29 and 22 % with all five) and keep the stream waiting.
    fn measure(&mut self) -> Result<(), Fault> {
        let quantiser = u8::try_from(self.config.quantizer).unwrap_or(u8::MAX);
        let mut trial = self.context_at(quantiser)?;
        for frame in self.waiting.iter().take(self.known.min(2)) {
            self.threads.install(|| trial.send_frame(Arc::clone(&frame.pixels))).map_err(failed)?;
        }
        trial.flush();
        let (mut key, mut inter) = (None, None);
        loop {
            match self.threads.install(|| trial.receive_packet()) {
                Ok(packet) if key.is_none() => key = Some(packet.data.len()),
                Ok(packet) => inter = Some(packet.data.len()),
                Err(EncoderStatus::Encoded) => {}
                Err(EncoderStatus::LimitReached) => break,
                Err(status) => return Err(failed(status)),
            }
        }
        let key = key.unwrap_or_default();
        // A group of one frame has no inter frames to speak of.
        let inter = inter.unwrap_or(key / 10);
        let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        self.rate.measured(bytes(key), bytes(inter));
        Ok(())
    }

    /// A padded copy in a memory that nobody else holds any more.
    fn copy(&mut self, picture: &Picture<'_>) -> Result<Arc<Frame<u8>>, Fault> {
        let free = self.memory.iter().position(|frame| Arc::strong_count(frame) == 1);
        let mut pixels = match (free, self.memory.first()) {
            (Some(at), _) => self.memory.swap_remove(at),
            (None, Some(other)) => Arc::new(Frame::clone(other)),
            (None, None) => return Err(Fault::EncoderFailed),
        };
        if let Some(frame) = Arc::get_mut(&mut pixels) {
            let [luma, u, v] = &mut frame.planes;
            let stride = luma.cfg.stride;
            picture::copy(picture.luma, luma.data_origin_mut(), stride);
            let stride = u.cfg.stride;
            match picture.chroma {
                Chroma::I420(from_u, from_v) => {
                    picture::copy(from_u, u.data_origin_mut(), stride);
                    picture::copy(from_v, v.data_origin_mut(), stride);
                }
                Chroma::Nv12(pairs) => picture::part(pairs, u.data_origin_mut(), v.data_origin_mut(), stride),
            }
            let Size { width, height } = self.size;
            for plane in [luma, u, v] {
                plane.pad(width, height);
            }
        }
        self.memory.push(Arc::clone(&pixels));
        Ok(pixels)
    }
}

fn failed(status: EncoderStatus) -> Fault {
    log::error!("rav1e: {status}");
    Fault::EncoderFailed
}

impl Encoder for Av1 {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.encode(&Picture::of(&frame), out)
    }

    fn backend(&self) -> Backend {
        Backend::Rav1e
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.advance(true, out)
    }

    fn key_frame(&mut self) {
        // The context is dropped with what it had seen; the frames still wait.
        if self.given > 0 && self.context.take().is_some() {
            self.group += 1;
        }
    }

    fn bitrate(&mut self, kbps: u32) {
        self.rate.keep_to(kbps);
    }
}

fn configure(settings: &Settings, size: Size, (frames, seconds): (u32, u32), full_range: bool) -> EncoderConfig {
    let mut config = EncoderConfig::with_speed_preset(10);
    (config.width, config.height) = (size.width, size.height);
    config.time_base = Rational::new(u64::from(seconds), u64::from(frames));
    config.chroma_sampling = ChromaSampling::Cs420;
    config.pixel_range = if full_range { PixelRange::Full } else { PixelRange::Limited };
    config.color_description = Some(ColorDescription {
        color_primaries: ColorPrimaries::BT601,
        transfer_characteristics: TransferCharacteristics::BT601,
        matrix_coefficients: MatrixCoefficients::BT601,
    });
    config.low_latency = true;
    config.bitrate = 0;
    config.tune = Tune::Psnr;
    // The group's only key frame is its first.
    (config.min_key_frame_interval, config.max_key_frame_interval) = (0, u64::from(u16::MAX));
    config.tiles = if settings.tiles > 0 { settings.tiles } else { tiles_for(size) };
    config.speed_settings = speed();
    config
}

/// One tile up to 320x240, two up to 1280x720, four above.
const fn tiles_for(size: Size) -> usize {
    match size.area() {
        0..=76_800 => 1,
        76_801..=921_600 => 2,
        _ => 4,
    }
}

/// What rav1e leaves out. Beside its fastest preset this saves a tenth of the time and costs 0.2 dB, most of both by
/// CDEF. Measured on vtest and left: preset 10's blocks of 32 px and more (faster, but clear texture rings into cover:
/// `leak_correlation` 0.15 to 0.25), rates estimated in the transform domain (a third faster, `leak_correlation` 0.23 to
/// 0.30, for the same reason).
fn speed() -> SpeedSettings {
    let mut speed = SpeedSettings::from_preset(10);
    speed.rdo_lookahead_frames = 1;
    speed.scene_detection_mode = SceneDetectionSpeed::None;
    speed.segmentation = SegmentationLevel::Disabled;
    speed.cdef = false;
    speed.prediction.fine_directional_intra = false;
    // Smaller blocks than preset 10's: fewer straddle a covered edge, so less clear texture rings into cover, and the
    // picture is better at the same rate.
    speed.partition = SpeedSettings::from_preset(9).partition;
    speed
}

#[cfg(test)]
mod tests;
