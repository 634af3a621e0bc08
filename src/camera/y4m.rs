//! Y4M: raw frames in a file or on a pipe, one header line and then frame after frame.
//!
//! Reads each plane straight into the pool's frame, unbuffered, so that no second copy of a raw picture stays behind
//! in memory that nobody wipes, and allocates nothing per frame. The y4m crate does neither: it keeps the last
//! picture in a buffer of its own and copies frame parameters. It stays the independent witness in the tests.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;

use crate::base::{ChromaMut, FramePool, Layout, PlaneMut, RawFrame, Shape};

use super::error::{one_line, path_name};
use super::y4m_header::{self, Header, MAX_LINE, NO_Y4M};
use super::{Camera, CameraError, Mode, check_pool};

/// What every frame begins with.
const FRAME: &[u8; 5] = b"FRAME";
/// Chroma without colour, for streams that are luma only.
const GREY: u8 = 128;

/// A reader that knows how many bytes have gone through it.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Counted<R> {
    /// Reads until `buffer` is full or the stream has ended; says how much was read.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        while let Some(rest) = buffer.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) => break,
                Ok(read) => {
                    have += read;
                    self.bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(have)
    }

    /// The next byte, `None` at the end.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        Ok((self.fill(&mut byte)? == 1).then_some(byte[0]))
    }
}

/// Why a frame could not be read, before file and frame are named.
enum Damage {
    Io(io::Error),
    /// The stream ended inside the frame.
    Cut,
    /// There is something else where the frame should begin.
    Marker,
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A camera that plays a Y4M stream: 8-bit 4:2:0 or mono, any size the house accepts, odd ones too.
///
/// Gives packed I420. Frames are numbered from 0 and stamped with their number over the rate, in microseconds.
pub struct Y4m<R> {
    stream: Counted<R>,
    path: String,
    header: Header,
    frames: Option<u64>,
    next: u64,
    ended: bool,
}

impl Y4m<File> {
    /// The Y4M stream on standard input.
    ///
    /// # Errors
    /// As [`Y4m::new`]; also if there is no standard input.
    pub fn stdin() -> Result<Self, CameraError> {
        let path = "standard input";
        // The descriptor itself: the standard library's handle would keep raw pixels in a buffer that lives for ever.
        let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(|error| CameraError::Open {
            path: path.to_owned(),
            reason: one_line(&error.to_string()),
            mend: "pipe a clip in: ffmpeg -i IN -pix_fmt yuv420p -f yuv4mpegpipe - | voile replay -",
        })?;
        Self::new(File::from(stdin), path)
    }
}

impl<R: Read + Send> Y4m<R> {
    /// Reads the header of `source`, which messages call `path`. Use a source without a buffer of its own.
    ///
    /// # Errors
    /// [`CameraError::Empty`], or [`CameraError::Header`] for a header that is cut short, damaged or not supported.
    pub fn new(source: R, path: &str) -> Result<Self, CameraError> {
        let mut stream = Counted { inner: source, bytes: 0 };
        let path = path_name(path.as_ref());
        let mut line = [0; MAX_LINE];
        let mut length = 0;
        loop {
            let fault = |byte, reason: &str, mend| {
                Err(CameraError::Header { path: path.clone(), byte, reason: reason.to_owned(), mend })
            };
            let begins_well = line.iter().zip(y4m_header::MAGIC).take(length).all(|(is, should)| is == should);
            match stream.byte() {
                Err(error) => {
                    return fault(stream.bytes, &one_line(&error.to_string()), "check the file or pipe and run again");
                }
                Ok(None) if length == 0 => return Err(CameraError::Empty { path }),
                Ok(None) if begins_well => {
                    return fault(stream.bytes, "the file ends inside the header", "copy or record it again");
                }
                Ok(Some(b'\n')) => break,
                Ok(Some(byte)) if length < MAX_LINE && begins_well => {
                    line[length] = byte;
                    length += 1;
                }
                Ok(Some(_)) if begins_well => {
                    return fault(stream.bytes, "the header line does not end within 1024 bytes", NO_Y4M);
                }
                Ok(_) => return fault(0, "this does not begin with YUV4MPEG2", NO_Y4M),
            }
        }
        let header = y4m_header::parse(&line[..length], &path)?;
        Ok(Self { stream, path, header, frames: None, next: 0, ended: false })
    }

    /// Tells the camera the length of its whole stream, from which it works out how many frames there are.
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        let frame = self.frame_bytes() + FRAME.len() as u64 + 1;
        let body = bytes.saturating_sub(self.stream.bytes);
        // A remainder means frame parameters or a cut: then the number is not known.
        self.frames = body.is_multiple_of(frame).then_some(body / frame);
        self
    }

    /// With the number of frames that somebody else knows of.
    #[must_use]
    pub(super) fn with_frames(mut self, frames: Option<u64>) -> Self {
        self.frames = frames;
        self
    }

    /// Bytes of a frame's planes in the stream.
    fn frame_bytes(&self) -> u64 {
        let size = self.header.size;
        (size.area() + if self.header.mono { 0 } else { 2 * size.chroma().area() }) as u64
    }

    /// Reads up to the end of the frame's marker line; false at a clean end of the stream.
    fn marker(&mut self) -> Result<bool, Damage> {
        let mut marker = [0; FRAME.len() + 1];
        let have = self.stream.fill(&mut marker)?;
        if have == 0 {
            return Ok(false);
        }
        if marker.iter().zip(FRAME).take(have).any(|(is, should)| is != should) {
            return Err(Damage::Marker);
        }
        match marker.last() {
            _ if have < marker.len() => Err(Damage::Cut),
            Some(b'\n') => Ok(true),
            Some(b' ') => {
                for _ in 0..MAX_LINE {
                    match self.stream.byte()? {
                        Some(b'\n') => return Ok(true),
                        Some(_) => {}
                        None => return Err(Damage::Cut),
                    }
                }
                Err(Damage::Marker)
            }
            _ => Err(Damage::Marker),
        }
    }

    fn plane(&mut self, mut plane: PlaneMut<'_>) -> Result<(), Damage> {
        let whole = plane.width * plane.height;
        if plane.stride == plane.width
            && let Some(packed) = plane.data.get_mut(..whole)
        {
            return if self.stream.fill(packed)? == whole { Ok(()) } else { Err(Damage::Cut) };
        }
        for row in plane.rows() {
            if self.stream.fill(row)? < row.len() {
                return Err(Damage::Cut);
            }
        }
        Ok(())
    }

    fn frame(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, Damage> {
        if !self.marker()? {
            return Ok(None);
        }
        let mut frame = pool.take(self.next, self.header.rate.moment(self.next));
        let (luma, chroma) = frame.planes_mut();
        self.plane(luma)?;
        match chroma {
            ChromaMut::I420(mut u, mut v) if self.header.mono => {
                u.rows().chain(v.rows()).for_each(|row| row.fill(GREY));
            }
            ChromaMut::I420(u, v) => {
                self.plane(u)?;
                self.plane(v)?;
            }
            // check_pool has refused every pool that is not I420.
            ChromaMut::Nv12(mut pairs) => pairs.rows().for_each(|row| row.fill(GREY)),
        }
        Ok(Some(frame))
    }

    /// What `damage` means for the frame that began at byte `start`.
    fn broken(&self, damage: Damage, start: u64) -> CameraError {
        let (byte, reason) = match damage {
            Damage::Io(error) => (self.stream.bytes, one_line(&error.to_string())),
            Damage::Cut => {
                let have = self.stream.bytes - start;
                let whole = self.frame_bytes() + FRAME.len() as u64 + 1;
                (self.stream.bytes, format!("the stream ends inside the frame, after {have} of {whole} bytes"))
            }
            Damage::Marker => (start, "there is no FRAME where the frame should begin".to_owned()),
        };
        CameraError::Frame { path: self.path.clone(), frame: self.next, byte, reason }
    }
}

impl<R: Read + Send> Camera for Y4m<R> {
    fn mode(&self) -> Mode {
        let shape = Shape::packed(self.header.size, Layout::I420);
        Mode { shape, rate: self.header.rate, full_range: self.header.full_range, frames: self.frames }
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        check_pool(self.mode(), pool)?;
        if self.ended {
            return Ok(None);
        }
        let start = self.stream.bytes;
        let frame = self.frame(pool).map_err(|damage| self.broken(damage, start));
        match frame {
            Ok(Some(_)) => self.next += 1,
            Ok(None) | Err(_) => self.ended = true,
        }
        frame
    }
}

#[cfg(test)]
mod tests;
