//! Files of access units: IVF for AV1, plain Annex B for H.264.
//!
//! Each unit is written at once and whole, so that the file plays up to its end even if the program dies. A unit that
//! cannot be written is cut off again, and the error says how much is good.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use super::{AccessUnit, Codec, EncodeError};
use crate::base::{Micros, Size};

/// Bytes of the header of an IVF file.
const IVF_HEADER: usize = 32;
/// Where in it the number of frames stands.
const IVF_FRAMES: u64 = 24;

/// A stream's file, open for writing.
pub struct StreamFile {
    file: File,
    path: String,
    codec: Codec,
    rate: (u32, u32),
    /// Bytes in the file that are whole.
    written: u64,
    frames: u32,
    /// Capture time of the first unit, and time stamp of the last.
    first: Option<Micros>,
    last: u64,
}

impl StreamFile {
    /// Starts the file `path`, replacing what was there. `rate` is frames, in so many seconds: its inverse is the unit
    /// of IVF's time stamps.
    ///
    /// # Errors [`EncodeError::Write`] if it cannot be made or its header cannot be written; [`EncodeError::Size`] if
    /// the picture is larger than the format can say.
    pub fn create(path: &Path, codec: Codec, size: Size, rate: (u32, u32)) -> Result<Self, EncodeError> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| failure(&name, 0, &error))?;
        let mut stream = Self { file, path: name, codec, rate, written: 0, frames: 0, first: None, last: 0 };
        if codec == Codec::Av1 {
            let too_large = EncodeError::Size { codec, size, mend: "use sides of at most 8192 pixels" };
            let (Ok(width), Ok(height)) = (u16::try_from(size.width), u16::try_from(size.height)) else {
                return Err(too_large);
            };
            stream.append(&[&ivf_header(width, height, rate)])?;
        }
        Ok(stream)
    }

    /// Appends one unit. IVF's time stamps follow the capture times, and never repeat.
    ///
    /// # Errors
    /// [`EncodeError::Write`]; the file keeps what was whole before.
    pub fn write(&mut self, unit: &AccessUnit) -> Result<(), EncodeError> {
        if self.codec == Codec::H264 {
            return self.append(&[&unit.data]);
        }
        let Ok(length) = u32::try_from(unit.data.len()) else {
            return Err(failure(&self.path, self.written, &io::Error::other("a unit of more than 4 GiB")));
        };
        let stamp = self.stamp(unit.captured);
        let mut header = [0; 12];
        put(&mut header, &length.to_le_bytes(), 0);
        put(&mut header, &stamp.to_le_bytes(), 4);
        self.append(&[&header, &unit.data])?;
        self.last = stamp;
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Ends the file: IVF's header learns the number of frames, unless the file is a pipe.
    ///
    /// # Errors
    /// [`EncodeError::Write`]; the file is playable all the same.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        let regular = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        let patched = if self.codec == Codec::Av1 && regular {
            let header = self.file.seek(SeekFrom::Start(IVF_FRAMES));
            header.and_then(|_| self.file.write_all(&self.frames.to_le_bytes()))
        } else {
            Ok(())
        };
        patched.and_then(|()| self.file.flush()).map_err(|error| failure(&self.path, self.written, &error))
    }

    /// The time stamp of a frame captured then: the nearest whole frame since the first, and more than the last.
    fn stamp(&mut self, captured: Micros) -> u64 {
        let Some(first) = self.first else {
            self.first = Some(captured);
            return 0;
        };
        let (frames, seconds) = (u128::from(self.rate.0), u128::from(self.rate.1.max(1)) * 1_000_000);
        let nearest = (u128::from(captured.since(first).0) * frames + seconds / 2) / seconds;
        u64::try_from(nearest).unwrap_or(u64::MAX).max(self.last.saturating_add(1))
    }

    fn append(&mut self, parts: &[&[u8]]) -> Result<(), EncodeError> {
        let all = parts.iter().try_for_each(|part| self.file.write_all(part));
        if let Err(error) = all {
            // Best effort: on a pipe or a broken disk the tail stays as it is, and players stop there.
            if self.file.set_len(self.written).is_ok() {
                let _ = self.file.seek(SeekFrom::Start(self.written));
            }
            return Err(failure(&self.path, self.written, &error));
        }
        self.written += parts.iter().map(|part| u64::try_from(part.len()).unwrap_or(0)).sum::<u64>();
        Ok(())
    }
}

fn ivf_header(width: u16, height: u16, (frames, seconds): (u32, u32)) -> [u8; IVF_HEADER] {
    let mut header = [0; IVF_HEADER];
    put(&mut header, b"DKIF", 0);
    put(&mut header, &32_u16.to_le_bytes(), 6);
    put(&mut header, b"AV01", 8);
    put(&mut header, &width.to_le_bytes(), 12);
    put(&mut header, &height.to_le_bytes(), 14);
    put(&mut header, &frames.to_le_bytes(), 16);
    put(&mut header, &seconds.to_le_bytes(), 20);
    header
}

/// Sets the bytes of `target` from `at` on.
fn put(target: &mut [u8], bytes: &[u8], at: usize) {
    target.iter_mut().skip(at).zip(bytes).for_each(|(to, &from)| *to = from);
}

fn failure(path: &str, byte: u64, error: &io::Error) -> EncodeError {
    let mend = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, or choose another --out",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "choose an --out that can be written",
        ErrorKind::NotFound | ErrorKind::NotADirectory => "choose an --out that exists",
        ErrorKind::BrokenPipe => "keep the reading end open",
        _ => "check the disk, or choose another --out",
    };
    EncodeError::Write { path: path.to_owned(), byte, reason: error.to_string(), mend }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(ms: u64, byte: u8) -> AccessUnit {
        AccessUnit { sequence: 0, captured: Micros::from_ms(ms), group: 0, key: true, data: vec![byte; 5] }
    }

    #[test]
    fn ivf_has_header_lengths_and_rising_time_stamps() {
        let path = tempfile::tempdir().expect("directory").keep().join("a.ivf");
        let mut stream = StreamFile::create(&path, Codec::Av1, Size::new(33, 17), (10, 1)).expect("created");
        for (ms, byte) in [(500, 1), (600, 2), (601, 3), (1000, 4)] {
            stream.write(&unit(ms, byte)).expect("written");
        }
        let early = std::fs::read(&path).expect("file");
        assert_eq!(early.len(), 32 + 4 * 17, "whole before it is finished");
        stream.finish().expect("finished");
        let bytes = std::fs::read(&path).expect("file");
        let expected =
            [b"DKIF\0\0\x20\0AV01".as_slice(), &[33, 0, 17, 0, 10, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]].concat();
        assert_eq!(bytes[..28], expected);
        let stamps: Vec<u8> = bytes[32..].chunks(17).map(|frame| frame[4]).collect();
        assert_eq!(stamps, [0, 1, 2, 5]);
        assert!(bytes[32..].chunks(17).all(|frame| frame[0] == 5 && frame[12..] == [frame[12]; 5]));
        std::fs::remove_dir_all(path.parent().expect("parent")).expect("removed");
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_file_place_and_mend() {
        let Err(error) = StreamFile::create(Path::new("/dev/full"), Codec::Av1, Size::new(16, 16), (10, 1)) else {
            panic!("written to a full disk");
        };
        let text = error.to_string();
        assert!(text.starts_with("/dev/full: byte 0: "), "{text}");
        assert!(text.ends_with("free some space, or choose another --out"), "{text}");
        let missing = StreamFile::create(Path::new("/nowhere/a.h264"), Codec::H264, Size::new(16, 16), (10, 1));
        assert!(missing.is_err_and(|error| error.to_string().starts_with("/nowhere/a.h264: byte 0: ")));
    }

    #[test]
    fn annex_b_is_the_units_and_nothing_else() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a.h264");
        let mut stream = StreamFile::create(&path, Codec::H264, Size::new(16, 16), (10, 1)).expect("created");
        stream.write(&unit(0, 1)).expect("written");
        stream.write(&unit(100, 2)).expect("written");
        assert_eq!(stream.written(), 10);
        stream.finish().expect("finished");
        assert_eq!(std::fs::read(&path).expect("file"), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    }
}
