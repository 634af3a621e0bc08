//! H.264 by openh264, at the quantiser the rate loop chose for the group.
//!
//! openh264's own control keeps to a bitrate only if it may drop frames, which a record of evidence may not. So it runs
//! with one fixed quantiser per group, in its buffer-based mode (the only one that neither moves the quantiser nor
//! warns on standard error); a group at another quantiser gets a new encoder, which takes 7 ms at 1280x720. Units come
//! out with their own frame. One slice and one thread: 4 ms a frame at 768x576 need no more, and the bytes stay the
//! same.
//!
//! Clear ground must not come through in covered cells, however coarse the quantiser: the loop filter is off
//! (`loop_filter.rs`), and modes are compared by transformed differences (medium complexity). By plain ones, prediction
//! leaves ground in twice as many cells. Tried and left: the filter at its weakest (as good at quantiser 36, useless at
//! 45), and black paint with the filter on (leak_correlation 0.23 on a clip of people; without it `solid` is black).

mod loop_filter;

use openh264::Timestamp;
use openh264::encoder::{
    BitRate, Complexity, Encoder as OpenH264, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange,
    RateControlMode, VuiConfig,
};
use openh264::formats::YUVSource;

use super::picture::{self, Picture};
use super::rate::{self, Abilities, Rate, Verdict};
use super::{AccessUnit, Backend, Codec, EncodeError, Encoder, Settings};
use crate::base::{Chroma, Fault, Micros, Plane, Size};
use crate::mask::RedactedFrame;

/// The H.264 encoder.
pub(super) struct H264 {
    config: EncoderConfig,
    size: Size,
    rate: Rate,
    encoder: OpenH264,
    /// What `encoder` was made for.
    quantiser: u8,
    /// The luma of a picture of nothing, which each new `encoder` codes first.
    blank: Box<[u8]>,
    /// Number of the present group, from 0.
    group: u64,
    /// Units of the group handed out.
    given: u64,
    /// Key frames that `encoder` has made: it numbers them so.
    keys: u32,
    /// The number of the key frame handed out last, if nothing came after it.
    last: Option<u32>,
    /// U and V of interleaved frames, parted.
    chroma: [Box<[u8]>; 2],
}

impl H264 {
    /// Opens an encoder.
    pub(super) fn open(
        settings: &Settings,
        size: Size,
        rate: (u32, u32),
        full_range: bool,
    ) -> Result<Self, EncodeError> {
        let codec = Codec::H264;
        let (long, short) = (size.width.max(size.height), size.width.min(size.height));
        if !size.width.is_multiple_of(2) || !size.height.is_multiple_of(2) {
            return Err(EncodeError::Size {
                codec,
                size,
                mend: "use even sides, or AV1 (encode.codec = \"av1\", for a replay `--encoder av1`)",
            });
        }
        if !(16..=2160).contains(&short) || long > 3840 {
            return Err(EncodeError::Size { codec, size, mend: "use 16x16 to 3840x2160, or `--encoder av1`" });
        }
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(settings.bitrate_kbps.saturating_mul(1000)))
            .max_frame_rate(FrameRate::from_hz(hertz(rate)))
            .rate_control_mode(RateControlMode::Bufferbased)
            .skip_frames(false)
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            .complexity(Complexity::Medium)
            .intra_frame_period(IntraFramePeriod::auto())
            .num_threads(1)
            .vui(VuiConfig::bt601().full_range(full_range));
        let quantiser = rate::H264.first;
        let blank = vec![0; size.area()].into_boxed_slice();
        let encoder = encoder_at(config, quantiser, size, &blank)
            .map_err(|error| EncodeError::Refused { codec, reason: error.to_string() })?;
        let abilities = Abilities { scale: &rate::H264, measures: false };
        let plane = || vec![0; size.chroma().area()].into_boxed_slice();
        Ok(Self {
            config,
            size,
            rate: Rate::new(abilities, settings.bitrate_kbps, rate, settings.group_ms),
            encoder,
            quantiser,
            blank,
            group: 0,
            given: 0,
            keys: 1,
            last: None,
            chroma: [plane(), plane()],
        })
    }

    /// Encodes `picture`, until the rate loop is content with it.
    pub(super) fn encode(&mut self, picture: &Picture<'_>, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let Picture { size, sequence, captured, luma, .. } = *picture;
        if size != self.size {
            log::error!("frame {sequence}: {size} in a stream of {}", self.size);
            return Err(Fault::EncoderFailed);
        }
        if let Chroma::Nv12(pairs) = picture.chroma {
            let [u, v] = &mut self.chroma;
            picture::part(pairs, u, v, size.chroma().width);
        }
        loop {
            if self.given == 0 {
                self.start(sequence, captured)?;
            }
            let [u, v] = &self.chroma;
            let source = match picture.chroma {
                Chroma::I420(u, v) => Source { size, luma, u: u.data, v: v.data, chroma_stride: u.stride },
                Chroma::Nv12(_) => Source { size, luma, u, v, chroma_stride: size.chroma().width },
            };
            let moment = Timestamp::from_millis(captured.0 / 1000);
            let key = self.given == 0;
            if key && self.last == Some(self.keys) {
                // Two key frames in a row must not carry the same number: this one is made, dropped and made again.
                self.encoder.encode_at(&source, moment).map_err(|error| failed(sequence, &error))?;
                self.encoder.force_intra_frame();
                self.keys += 1;
            }
            let coded = self.encoder.encode_at(&source, moment).map_err(|error| failed(sequence, &error))?;
            if coded.frame_type() != if key { FrameType::IDR } else { FrameType::P } {
                log::error!("frame {sequence}: openh264 gave {:?}", coded.frame_type());
                return Err(Fault::EncoderFailed);
            }
            let number = key.then_some(self.keys);
            self.keys += u32::from(key);
            let data = coded.to_vec();
            match self.rate.judge(u64::try_from(data.len()).unwrap_or(u64::MAX), captured) {
                verdict @ (Verdict::Keep | Verdict::Cut) => {
                    out.push(AccessUnit { sequence, captured, group: self.group, key, data });
                    (self.given, self.last) = (self.given + 1, number);
                    let full = self.rate.is_last(self.given, captured);
                    if full && verdict == Verdict::Keep {
                        self.rate.end();
                    }
                    if full || verdict == Verdict::Cut {
                        (self.group, self.given) = (self.group + 1, 0);
                    }
                    return Ok(());
                }
                Verdict::Again | Verdict::Measure if key => {}
                Verdict::Again | Verdict::Measure => (self.group, self.given) = (self.group + 1, 0),
            }
        }
    }

    /// Makes the next frame a key frame, at the quantiser that the rate loop wants now.
    fn start(&mut self, sequence: u64, captured: Micros) -> Result<(), Fault> {
        let quantiser = self.rate.begin(captured);
        if quantiser != self.quantiser {
            self.encoder =
                encoder_at(self.config, quantiser, self.size, &self.blank).map_err(|error| failed(sequence, &error))?;
            (self.quantiser, self.keys) = (quantiser, 1);
        } else {
            self.encoder.force_intra_frame();
        }
        Ok(())
    }
}

fn encoder_at(config: EncoderConfig, quantiser: u8, size: Size, blank: &[u8]) -> Result<OpenH264, openh264::Error> {
    let luma = Plane { data: blank, stride: size.width, width: size.width, height: size.height };
    let blank = Source { size, luma, u: blank, v: blank, chroma_stride: size.chroma().width };
    loop_filter::off(config.qp(QpRange::new(quantiser, quantiser)), &blank)
}

fn failed(sequence: u64, error: &openh264::Error) -> Fault {
    log::error!("frame {sequence}: openh264: {error}");
    Fault::EncoderFailed
}

#[expect(clippy::cast_precision_loss, reason = "only a hint in the stream; 24 bits hold every real rate")]
fn hertz((frames, seconds): (u32, u32)) -> f32 {
    frames as f32 / seconds as f32
}

/// The planes as openh264 wants to be shown them.
struct Source<'a> {
    size: Size,
    luma: Plane<'a>,
    u: &'a [u8],
    v: &'a [u8],
    chroma_stride: usize,
}

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.size.width, self.size.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.luma.stride, self.chroma_stride, self.chroma_stride)
    }

    fn y(&self) -> &[u8] {
        self.luma.data
    }

    fn u(&self) -> &[u8] {
        self.u
    }

    fn v(&self) -> &[u8] {
        self.v
    }
}

impl Encoder for H264 {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.encode(&Picture::of(&frame), out)
    }

    fn backend(&self) -> Backend {
        Backend::Openh264
    }

    fn finish(&mut self, _out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        // Every unit went out with its frame.
        Ok(())
    }

    fn key_frame(&mut self) {
        if self.given > 0 {
            (self.group, self.given) = (self.group + 1, 0);
        }
    }

    fn bitrate(&mut self, kbps: u32) {
        self.rate.keep_to(kbps);
    }
}

#[cfg(test)]
mod tests;
