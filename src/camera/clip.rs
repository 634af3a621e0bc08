//! The argument `CLIP`: which kind of source a name stands for.
//!
//! The content decides before the name does. A stream is opened once and read from its first byte, so that named pipes
//! work as files do.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;

use super::error::{one_line, path_name};
use super::{Camera, CameraError, Ffmpeg, Programs, Stills, Y4m, y4m_header};

/// What stands behind a `CLIP`.
pub enum Clip {
    /// One stream of frames of one size.
    Stream(Box<dyn Camera>),
    /// A directory of stills, each a clip of one frame with a size of its own.
    Stills(Stills),
}

impl Clip {
    /// The one stream of frames.
    ///
    /// # Errors
    /// These are stills, which are a clip each.
    pub fn stream(self) -> Result<Box<dyn Camera>, CameraError> {
        match self {
            Self::Stream(camera) => Ok(camera),
            Self::Stills(_) => Err(CameraError::Open {
                path: "the clip".to_owned(),
                reason: "a directory of stills is no stream".to_owned(),
                mend: "give a video file",
            }),
        }
    }
}

/// Length of the header of an IVF file, which begins with `DKIF` and names the frames at byte 24.
const IVF_HEADER: usize = 32;

/// Opens `clip`: `-` for Y4M on standard input, a directory of JPEG and PNG stills, a Y4M file or pipe, or any file
/// that the system's ffmpeg reads (IVF is one). A file that begins as Y4M does is one, whatever its name.
///
/// # Errors
/// [`CameraError`], one line that names the file, the place and the mend.
pub fn open(clip: &Path) -> Result<Clip, CameraError> {
    open_with(clip, &Programs::default())
}

/// As [`open`], with other programs than the system's ffmpeg and ffprobe.
///
/// # Errors
/// As [`open`].
pub fn open_with(clip: &Path, programs: &Programs) -> Result<Clip, CameraError> {
    if clip.as_os_str() == "-" {
        return Ok(Clip::Stream(Box::new(Y4m::stdin()?)));
    }
    let refuse = |reason: &str, mend| CameraError::Open { path: path_name(clip), reason: one_line(reason), mend };
    let refuse_io = |error: std::io::Error| {
        let mend = match error.kind() {
            ErrorKind::NotFound => "check the spelling and the directory",
            ErrorKind::PermissionDenied => "give yourself the right to read it (chmod u+r)",
            _ => "check the disk and the file",
        };
        refuse(&error.to_string(), mend)
    };
    let about = clip.metadata().map_err(refuse_io)?;
    if about.is_dir() {
        return Ok(Clip::Stills(Stills::open(clip)?));
    }

    let mut file = File::open(clip).map_err(refuse_io)?;
    let mut start = Vec::with_capacity(IVF_HEADER);
    file.by_ref().take(IVF_HEADER as u64).read_to_end(&mut start).map_err(refuse_io)?;
    let named_y4m = clip.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("y4m"));
    if start.is_empty() {
        return Err(CameraError::Empty { path: path_name(clip) });
    }
    if named_y4m || start.starts_with(y4m_header::MAGIC) {
        let camera = Y4m::new(Cursor::new(start).chain(file), &clip.to_string_lossy())?;
        let camera = if about.is_file() { camera.with_length(about.len()) } else { camera };
        return Ok(Clip::Stream(Box::new(camera)));
    }
    if !about.is_file() {
        let mend = "send Y4M through the pipe: ffmpeg -i IN -pix_fmt yuv420p -f yuv4mpegpipe - | voile replay -";
        return Err(refuse("a pipe that does not begin with YUV4MPEG2", mend));
    }
    Ok(Clip::Stream(Box::new(Ffmpeg::open(clip, programs, ivf_frames(&start))?)))
}

/// Frames according to an IVF header; `None` for other files and for writers that did not fill it in.
fn ivf_frames(start: &[u8]) -> Option<u64> {
    let count = start.strip_prefix(b"DKIF")?.get(20..24)?.first_chunk()?;
    Some(u64::from(u32::from_le_bytes(*count))).filter(|&count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FramePool;
    use std::fs;

    const Y4M: &[u8] = b"YUV4MPEG2 W2 H2 F25:1\nFRAME\nabcdefFRAME\nghijkl";

    fn refusal(path: &Path) -> String {
        open(path).err().unwrap().to_string().replace(path.parent().unwrap().to_str().unwrap(), "DIR")
    }

    fn frames(clip: Clip) -> (Option<u64>, usize) {
        let Clip::Stream(mut camera) = clip else { panic!("a stream was expected") };
        let pool = FramePool::new(camera.mode().shape, 1);
        let mut count = 0;
        while camera.next(&pool).unwrap().is_some() {
            count += 1;
        }
        (camera.mode().frames, count)
    }

    #[test]
    fn y4m_is_known_by_its_content_whatever_its_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.y4m", "b.mp4", "c", "-"] {
            let path = directory.path().join(name);
            fs::write(&path, Y4M).unwrap();
            assert_eq!(frames(open(&path).unwrap()), (Some(2), 2), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_opened_is_named_with_its_mend() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        for (path, start) in [
            (directory.path().join("none.y4m"), "DIR/none.y4m: No such file or directory"),
            (write("empty.mp4", b""), "DIR/empty.mp4: byte 0: the file is empty: record or copy it again"),
            (write("a.y4m", b"text"), "DIR/a.y4m: byte 0: this does not begin with YUV4MPEG2: make a Y4M file of it"),
            (write("b.y4m", b"YUV4MPEG2 W2"), "DIR/b.y4m: byte 12: the file ends inside the header"),
            (write("c.y4m", b"YUV4MPEG2 W16384 H16384\n"), "DIR/c.y4m: byte 10: the picture is 16384x16384, more"),
            (write("d.mp4", b"YUV4MPEG2 W2 H2 C444\n"), "DIR/d.mp4: byte 16: colour format 444 is not 8-bit 4:2:0"),
        ] {
            let text = refusal(&path);
            assert!(text.starts_with(start) && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn directories_are_stills() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(open(directory.path()), Err(CameraError::NoStills { .. })));
        fs::write(directory.path().join("a.png"), "?").unwrap();
        assert!(matches!(open(directory.path()).unwrap(), Clip::Stills(stills) if stills.len() == 1));
    }

    #[test]
    fn a_named_pipe_is_read_once_from_its_first_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let send = |content: &'static [u8]| {
            let path = path.clone();
            std::thread::spawn(move || fs::write(path, content))
        };
        let writer = send(Y4M);
        assert_eq!(frames(open(&path).unwrap()), (None, 2));
        writer.join().unwrap().unwrap();
        let writer = send(b"something else");
        let text = refusal(&path);
        assert!(
            text.starts_with("DIR/pipe: a pipe that does not begin with YUV4MPEG2: send Y4M through the pipe"),
            "{text}"
        );
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn ivf_names_its_frames() {
        let mut header = *b"DKIF\0\0 \0AV01____fps_sec_\x2c\x01\0\0____";
        assert_eq!(ivf_frames(&header), Some(300));
        header[24..28].fill(0);
        assert_eq!(ivf_frames(&header), None);
        assert_eq!(ivf_frames(&header[..26]), None);
        assert_eq!(ivf_frames(b"RIFF____________________abcd____"), None);
    }
}
