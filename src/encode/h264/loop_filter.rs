//! Opens openh264 without its loop filter; the room's only unsafe code.
//!
//! H.264 smooths across the edges of macroblocks, and those are the mask's cells: the filter draws clear ground into the
//! outermost pixels of a covered cell, and prediction hands them on from picture to picture. The coarser the quantiser,
//! the further. The crate has no setting for it, and openh264 takes one over only where it sets itself up anew.

use openh264::encoder::{Encoder, EncoderConfig, SpsPpsStrategy};
use openh264::formats::YUVSource;
use openh264::{Error, OpenH264API, Timestamp};
use openh264_sys2::{CONSTANT_ID, DEBLOCKING_IDC_1, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, SEncParamExt};

/// An encoder as `config` says, for pictures of the size of `blank`. It has coded `blank` as its first key frame; the
/// next picture becomes a key frame too.
pub(super) fn off(config: EncoderConfig, blank: &impl YUVSource) -> Result<Encoder, Error> {
    // Another numbering of parameter sets is one of the changes after which openh264 sets itself up anew.
    let other = config.sps_pps_strategy(SpsPpsStrategy::IncreasingId);
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), other)?;
    // The crate hands its settings over with the first picture.
    encoder.encode_at(blank, Timestamp::ZERO)?;
    let mut settings = SEncParamExt::default();
    let option = ENCODER_OPTION_SVC_ENCODE_PARAM_EXT;
    // SAFETY: openh264 is set up since the first picture; it fills the structure that belongs to this option.
    if unsafe { encoder.raw_api().get_option(option, (&raw mut settings).cast()) } != 0 {
        return Err(Error::msg("its settings cannot be read"));
    }
    settings.eSpsPpsIdStrategy = CONSTANT_ID;
    settings.iLoopFilterDisableIdc = DEBLOCKING_IDC_1;
    // SAFETY: openh264 copies the structure. Size and format, which the crate relies on, are as it set them.
    if unsafe { encoder.raw_api().set_option(option, (&raw mut settings).cast()) } != 0 {
        return Err(Error::msg("the loop filter stays on"));
    }
    Ok(encoder)
}
