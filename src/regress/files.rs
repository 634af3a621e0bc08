//! The coverage files: one Y4M for a clip, one pair of PNGs for each still.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::base::{Chroma, Size, colour};
use crate::camera::Rate;

use super::coverage::Picture;

/// Where coverage goes.
pub enum Output {
    /// Nowhere.
    None,
    /// One file for the clip.
    Clip(CoverageFile),
    /// A pair of pictures for each still.
    Stills(StillFiles),
}

/// `coverage.y4m`: 8-bit mono, one byte per pixel, one frame per frame that was sent.
pub struct CoverageFile {
    file: BufWriter<File>,
    path: PathBuf,
}

impl CoverageFile {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// It cannot be created or written.
    pub fn create(path: &Path, size: Size, rate: Rate) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(path)?);
        let Rate { frames, seconds } = rate;
        writeln!(file, "YUV4MPEG2 W{} H{} F{frames}:{seconds} Ip A1:1 Cmono", size.width, size.height)?;
        Ok(Self { file, path: path.to_owned() })
    }

    fn write(&mut self, mask: &[u8]) -> io::Result<()> {
        self.file.write_all(b"FRAME\n")?;
        self.file.write_all(mask)
    }
}

/// `coverage/STEM.png` and `redacted/STEM.png`, each in its still's own size.
pub struct StillFiles {
    coverage: PathBuf,
    redacted: PathBuf,
    rgb: Vec<u8>,
}

impl StillFiles {
    /// Makes both directories inside `out`.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn create(out: &Path) -> io::Result<Self> {
        let (coverage, redacted) = (out.join("coverage"), out.join("redacted"));
        std::fs::create_dir_all(&coverage)?;
        std::fs::create_dir_all(&redacted)?;
        Ok(Self { coverage, redacted, rgb: Vec::new() })
    }

    fn write(&mut self, stem: &str, mask: &[u8], sent: Picture<'_>, full_range: bool) -> Result<(), String> {
        let size = Size::new(sent.luma.width, sent.luma.height);
        let path = self.coverage.join(format!("{stem}.png"));
        png(&path, size, png::ColorType::Grayscale, mask).map_err(|error| failure(&path, &error))?;
        let path = self.redacted.join(format!("{stem}.png"));
        self.rgb.resize(size.area() * 3, 0);
        rgb(sent, full_range, &mut self.rgb).map_err(|reason| format!("{}: {reason}", path.display()))?;
        png(&path, size, png::ColorType::Rgb, &self.rgb).map_err(|error| failure(&path, &error))
    }
}

/// A picture as RGB in row order.
fn rgb(sent: Picture<'_>, full_range: bool, rgb: &mut [u8]) -> Result<(), String> {
    let side = |bytes: usize| u32::try_from(bytes).map_err(|_| format!("a side of {bytes} is too long"));
    let (width, height) = (side(sent.luma.width)?, side(sent.luma.height)?);
    let (y_plane, y_stride) = (sent.luma.data, side(sent.luma.stride)?);
    let (range, matrix) = (colour::range(full_range), colour::MATRIX);
    let done = match sent.chroma {
        Chroma::I420(u, v) => {
            let (u_stride, v_stride) = (side(u.stride)?, side(v.stride)?);
            let (u_plane, v_plane) = (u.data, v.data);
            let image = yuv::YuvPlanarImage { y_plane, y_stride, u_plane, u_stride, v_plane, v_stride, width, height };
            yuv::yuv420_to_rgb(&image, rgb, width * 3, range, matrix)
        }
        Chroma::Nv12(uv) => {
            let (uv_plane, uv_stride) = (uv.data, side(uv.stride)?);
            let image = yuv::YuvBiPlanarImage { y_plane, y_stride, uv_plane, uv_stride, width, height };
            yuv::yuv_nv12_to_rgb(&image, rgb, width * 3, range, matrix, yuv::YuvConversionMode::Balanced)
        }
    };
    done.map_err(|error| error.to_string())
}

fn png(path: &Path, size: Size, colour: png::ColorType, bytes: &[u8]) -> io::Result<()> {
    let side = |pixels| u32::try_from(pixels).map_err(io::Error::other);
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), side(size.width)?, side(size.height)?);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(())
}

/// One line for an output file that could not be written.
pub(super) fn failure(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}: make room there, or choose another directory with --out", path.display())
}

impl Output {
    /// Writes one frame's coverage, and for stills its redacted picture; `stem` names the still.
    ///
    /// # Errors
    /// One line that names the file and the mend.
    pub fn write(&mut self, stem: &str, mask: &[u8], sent: Picture<'_>, full_range: bool) -> Result<(), String> {
        match self {
            Self::None => Ok(()),
            Self::Clip(clip) => clip.write(mask).map_err(|error| failure(&clip.path, &error)),
            Self::Stills(stills) => stills.write(stem, mask, sent, full_range),
        }
    }

    /// Writes out what is still in memory.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn flush(&mut self) -> Result<(), String> {
        match self {
            Self::None | Self::Stills(_) => Ok(()),
            Self::Clip(clip) => clip.file.flush().map_err(|error| failure(&clip.path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Plane;

    fn grey(luma: &[u8], chroma: &'static [u8]) -> Vec<u8> {
        let half = Plane { data: chroma, stride: 1, width: 1, height: 1 };
        let luma = Plane { data: luma, stride: 2, width: 2, height: 1 };
        let mut out = vec![0; 6];
        rgb(Picture { luma, chroma: Chroma::I420(half, half) }, true, &mut out).unwrap();
        out
    }

    #[test]
    fn stills_come_out_in_their_own_size() {
        assert_eq!(grey(&[10, 200], &[128]), [10, 10, 10, 200, 200, 200]);
        let directory = tempfile::tempdir().unwrap();
        let mut files = Output::Stills(StillFiles::create(directory.path()).unwrap());
        let luma = Plane { data: &[10, 200], stride: 2, width: 2, height: 1 };
        let uv = Plane { data: &[128, 128], stride: 2, width: 2, height: 1 };
        files.write("a", &[255, 0], Picture { luma, chroma: Chroma::Nv12(uv) }, true).unwrap();
        files.flush().unwrap();
        for (name, expected) in [("coverage/a.png", vec![255, 0]), ("redacted/a.png", grey(&[10, 200], &[128]))] {
            let file = std::io::BufReader::new(File::open(directory.path().join(name)).unwrap());
            let mut reader = png::Decoder::new(file).read_info().unwrap();
            let mut bytes = vec![0; expected.len()];
            let info = reader.next_frame(&mut bytes).unwrap();
            assert_eq!(((info.width, info.height), bytes), ((2, 1), expected));
        }
    }

    #[test]
    fn a_full_disk_is_told_in_one_line() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let file = CoverageFile::create(full, Size::new(400, 400), Rate { frames: 25, seconds: 1 }).unwrap();
        let mut output = Output::Clip(file);
        let luma = Plane { data: &[], stride: 1, width: 0, height: 0 };
        let reason = output.write("", &[0; 160_000], Picture { luma, chroma: Chroma::Nv12(luma) }, false).unwrap_err();
        assert!(reason.starts_with("/dev/full: No space left") && reason.contains("--out"), "{reason}");
    }
}
