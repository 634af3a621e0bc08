//! What the hardware is asked for beside its format: rate, groups, parameter sets, profile.
//!
//! Drivers know few of the controls, and which ones differs. One that is refused is done without; only where that
//! changes what the radio gets is it said. What a driver made of a value comes back with the call, so that a value that
//! was clamped in silence is seen.

use std::io;
use std::os::fd::OwnedFd;

use v4l2r::QueueType;
use v4l2r::bindings::{self, v4l2_fract, v4l2_outputparm, v4l2_streamparm, v4l2_streamparm__bindgen_ty_1};
use v4l2r::controls::{ExtControlTrait, SafeExtControl};
use v4l2r::ioctl::{self, CtrlWhich};

use super::queue::error;
use crate::base::Size;

/// Any control that is a number. v4l2r has types for some; this reaches the others too.
struct Number<const ID: u32>;

impl<const ID: u32> ExtControlTrait for Number<ID> {
    const ID: u32 = ID;
    type PAYLOAD = i32;
}

/// Sets a control; what the driver made of the value.
fn set<const ID: u32>(node: &OwnedFd, value: i32) -> io::Result<i32> {
    let mut control = SafeExtControl::<Number<ID>>::from_value(value);
    ioctl::s_ext_ctrls(node, CtrlWhich::Current, &mut control).map_err(error)?;
    Ok(control.value())
}

/// Sets a control that can be done without.
fn wish<const ID: u32>(node: &OwnedFd, name: &str, value: i32) {
    match set::<ID>(node, value) {
        Ok(made) if made == value => {}
        Ok(made) => log::debug!("hardware encoder: {name} is {made}, {value} was asked for"),
        Err(refusal) => log::debug!("hardware encoder: {name}: {refusal}"),
    }
}

/// What the stream is to be.
#[derive(Clone, Copy)]
pub(super) struct Wishes {
    pub size: Size,
    /// Frames, in so many seconds.
    pub rate: (u32, u32),
    pub kbps: u32,
    /// Frames from one key frame to the next, at most.
    pub group: u64,
}

/// Asks for all that holds for the whole stream. To be called before buffers are allocated.
pub(super) fn set_up(node: &OwnedFd, wishes: &Wishes) {
    let (frames, seconds) = wishes.rate;
    let output =
        v4l2_outputparm { timeperframe: v4l2_fract { numerator: seconds, denominator: frames }, ..Default::default() };
    let pace =
        v4l2_streamparm { type_: QueueType::VideoOutputMplane as u32, parm: v4l2_streamparm__bindgen_ty_1 { output } };
    if let Err(refusal) = ioctl::s_parm::<_, v4l2_streamparm>(node, pace).map_err(error) {
        log::debug!("hardware encoder: frame rate: {refusal}");
    }

    let group = i32::try_from(wishes.group).unwrap_or(i32::MAX);
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_GOP_SIZE }>(node, "group", group);
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_H264_I_PERIOD }>(node, "key frames", group);
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_B_FRAMES }>(node, "frames out of order", 0);
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_FRAME_SKIP_MODE }>(node, "skipped frames", 0);
    // Parameter sets come with their key frame, and with each.
    let joined = bindings::v4l2_mpeg_video_header_mode_V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME;
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_HEADER_MODE }>(node, "joined parameter sets", number(joined));
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER }>(node, "repeated parameter sets", 1);
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR }>(node, "parameter sets of each key frame", 1);
    // Every decoder on the ground takes High; what openh264 makes is a part of it.
    let high = bindings::v4l2_mpeg_video_h264_profile_V4L2_MPEG_VIDEO_H264_PROFILE_HIGH;
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_H264_PROFILE }>(node, "profile", number(high));
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_H264_LEVEL }>(node, "level", number(level(wishes)));
    // The filter smooths over the edges of macroblocks, which are the mask's cells: see `h264::loop_filter`.
    let off = bindings::v4l2_mpeg_video_h264_loop_filter_mode_V4L2_MPEG_VIDEO_H264_LOOP_FILTER_MODE_DISABLED;
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_H264_LOOP_FILTER_MODE }>(node, "loop filter off", number(off));
    let constant = bindings::v4l2_mpeg_video_bitrate_mode_V4L2_MPEG_VIDEO_BITRATE_MODE_CBR;
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_BITRATE_MODE }>(node, "constant bitrate", number(constant));
    wish::<{ bindings::V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE }>(node, "rate control", 1);
    bitrate(node, wishes.kbps);
}

/// Asks for a bitrate, in kilobits a second; says so where the hardware keeps to another.
pub(super) fn bitrate(node: &OwnedFd, kbps: u32) {
    let bits = number(kbps.saturating_mul(1000));
    match set::<{ bindings::V4L2_CID_MPEG_VIDEO_BITRATE }>(node, bits) {
        Ok(made) if made == bits => {}
        Ok(made) => log::warn!("the hardware encoder keeps to {} kb/s, {kbps} was asked for", made / 1000),
        Err(refusal) => log::warn!("the hardware encoder keeps to its own bitrate, not {kbps} kb/s ({refusal})"),
    }
}

/// Makes the next frame a key frame; false where the driver knows no such wish.
pub(super) fn key_frame(node: &OwnedFd) -> bool {
    set::<{ bindings::V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME }>(node, 1).is_ok()
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The lowest H.264 level that holds the stream: macroblocks a second, macroblocks a picture, and kilobits a second of
/// the Main profile (H.264, table A-1).
const LEVELS: [(u64, u64, u32, u32); 6] = [
    (40_500, 1620, 10_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_0),
    (108_000, 3600, 14_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_1),
    (216_000, 5120, 20_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_2),
    (245_760, 8192, 20_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_0),
    (522_240, 8704, 50_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_2),
    (983_040, 36_864, 240_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_5_1),
];

fn level(wishes: &Wishes) -> u32 {
    let side = |pixels: usize| u64::try_from(pixels.div_ceil(16)).unwrap_or(u64::MAX);
    let picture = side(wishes.size.width).saturating_mul(side(wishes.size.height));
    let (frames, seconds) = (u64::from(wishes.rate.0), u64::from(wishes.rate.1.max(1)));
    let second = picture.saturating_mul(frames).div_ceil(seconds);
    let holds = |(per_second, per_picture, kbps, _): &&(u64, u64, u32, u32)| {
        second <= *per_second && picture <= *per_picture && wishes.kbps <= *kbps
    };
    let [.., (_, _, _, highest)] = LEVELS;
    LEVELS.iter().find(holds).map_or(highest, |(_, _, _, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_holds_the_stream_and_no_more() {
        for (width, height, rate, kbps, expected) in [
            (640, 480, (30, 1), 1000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_0),
            (1280, 720, (30, 1), 4000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_1),
            (1280, 720, (30, 1), 25_000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_2),
            (1280, 720, (60, 1), 4000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_2),
            (1920, 1080, (30_000, 1001), 8000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_0),
            (1920, 1080, (60, 1), 8000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_2),
            (3840, 2160, (120, 1), 8000, bindings::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_5_1),
        ] {
            let wishes = Wishes { size: Size::new(width, height), rate, kbps, group: 30 };
            assert_eq!(level(&wishes), expected, "{width}x{height} at {rate:?}");
        }
    }
}
