//! Why a source cannot be opened or broke off, each as one line.
//!
//! A line names the file, the place (byte, frame or letter), the reason and the mend. Frames are counted from 0, so
//! that "frame 7" also says that the seven frames before it were delivered. Text from outside is stripped of line
//! breaks first.

use std::path::Path;

use crate::base::Size;

/// Why a source cannot be opened or broke off. The message names the file, the place and the mend.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The file cannot be read at all.
    #[error("{path}: {reason}: {mend}")]
    Open {
        /// The file as given.
        path: String,
        /// What the system said.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// The file ends before it begins.
    #[error("{path}: byte 0: the file is empty: record or copy it again")]
    Empty {
        /// The file as given.
        path: String,
    },
    /// A header is damaged, or says what is not supported.
    #[error("{path}: byte {byte}: {reason}: {mend}")]
    Header {
        /// The file as given.
        path: String,
        /// Offset of the header field in the stream.
        byte: u64,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// A frame is cut short, damaged or unreadable; those before it are good.
    #[error(
        "{path}: frame {frame}, byte {byte}: {reason}: the frames before it are kept, copy or record the rest again"
    )]
    Frame {
        /// The file as given.
        path: String,
        /// The frame that could not be read, from 0.
        frame: u64,
        /// Offset in the stream where it went wrong.
        byte: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A still is no image, damaged or not supported.
    #[error("{path}: {reason}: {mend}")]
    Still {
        /// The still's file.
        path: String,
        /// What the decoder said, with the place where it knows it.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// A directory holds no still.
    #[error("{path}: no .jpg, .jpeg or .png file in this directory: name a directory of stills, or a video file")]
    NoStills {
        /// The directory as given.
        path: String,
    },
    /// Two stills would give outputs of the same name.
    #[error(
        "{path}: {first} and {second} differ at most in their extension, so their outputs would overwrite each other: \
         rename one"
    )]
    SameStem {
        /// The directory as given.
        path: String,
        /// File name of the one …
        first: String,
        /// … and of the other.
        second: String,
    },
    /// ffmpeg is needed and cannot be started.
    #[error(
        "{path}: cannot start {program} to read it ({reason}): install it (apt install ffmpeg), or convert the clip \
         elsewhere: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m"
    )]
    FfmpegAbsent {
        /// The file as given.
        path: String,
        /// The program that was looked for.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// ffmpeg gave no frame at all.
    #[error("{path}: ffmpeg cannot read it ({reason}): name a video file; ffprobe shows what ffmpeg makes of it")]
    FfmpegRefused {
        /// The file as given.
        path: String,
        /// The last line ffmpeg wrote.
        reason: String,
    },
    /// ffmpeg ended before the clip did.
    #[error(
        "{path}: frame {frame}: ffmpeg ended with {ending} ({reason}): the frames before it are kept; repair the \
         clip (ffmpeg -i IN -c copy OUT) or run again"
    )]
    FfmpegDied {
        /// The file as given.
        path: String,
        /// The first frame that is missing, from 0.
        frame: u64,
        /// Exit status or signal.
        ending: String,
        /// The last line ffmpeg wrote.
        reason: String,
    },
    /// ffmpeg ended well, but complained and gave fewer frames than the file claims.
    #[error(
        "{path}: frame {frame}: ffmpeg found no more although the file claims {claimed} frames ({reason}): the \
         frames before it are kept, copy or record the rest again"
    )]
    FfmpegShort {
        /// The file as given.
        path: String,
        /// The first frame that is missing, from 0.
        frame: u64,
        /// Frames according to the file's header.
        claimed: u64,
        /// The last line ffmpeg wrote.
        reason: String,
    },
    /// ffmpeg ended well, but says that the file does not.
    #[error(
        "{path}: frame {frame}: ffmpeg found no more and says that the file is cut ({reason}): the frames before it \
         are kept, copy or record the rest again"
    )]
    FfmpegCut {
        /// The file as given.
        path: String,
        /// The first frame that is missing, from 0.
        frame: u64,
        /// The last line ffmpeg wrote.
        reason: String,
    },
    /// A camera's program broke off, or never came so far as a frame.
    #[error("{path}: frame {frame}: {reason}: {mend}")]
    Broke {
        /// The source as configured.
        path: String,
        /// The first frame that is missing, from 0.
        frame: u64,
        /// What it did, and the last line it wrote.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// The script of a faulty camera cannot be played.
    #[error("fault script \"{script}\", letter {position}: {reason}: the letters are {}", super::LETTERS)]
    Script {
        /// The script as given.
        script: String,
        /// The letter, from 1.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A faulty camera died on purpose.
    #[error("fault script, letter {position}: the camera died at frame {frame}: take the K out to go on")]
    Died {
        /// The letter, from 1.
        position: usize,
        /// The first frame that is missing, from 0.
        frame: u64,
    },
    /// The pool's frames do not fit the camera's; a mistake in the calling code.
    #[error("the frame pool holds {given} where the camera delivers {wanted}: make the pool from the camera's mode")]
    Pool {
        /// What the camera delivers.
        wanted: Size,
        /// What the pool holds.
        given: Size,
    },
}

/// A path as it stands in a message: on one line, whatever it contains.
pub(super) fn path_name(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// Text from outside on one line: control characters become blanks.
pub(super) fn one_line(text: &str) -> String {
    let blanked: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    blanked.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_on_one_line() {
        let error = CameraError::Empty { path: path_name(Path::new("a\nb\r\u{1b}[31m.y4m")) };
        assert_eq!(error.to_string(), "a b  [31m.y4m: byte 0: the file is empty: record or copy it again");
    }
}
