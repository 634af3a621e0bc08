//! Y4M out: whole planes to a file, for synthetic clips and coverage.
//!
//! Takes planes, not frames, and buffers nothing: hand it a `BufWriter` if the rows are short.

use std::io::{self, Write};

use crate::base::{Chroma, Plane, Size};

use super::Rate;

/// What the stream holds of each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Y4mFormat {
    /// Luma and two chroma planes halved both ways.
    I420,
    /// Luma only.
    Mono,
}

/// A Y4M stream being written; every frame has the size given at the start.
pub struct Y4mWriter<W> {
    out: W,
    size: Size,
    format: Y4mFormat,
    row: Vec<u8>,
}

impl<W: Write> Y4mWriter<W> {
    /// Writes the header. `full_range` says that luma uses 0 to 255.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(mut out: W, size: Size, rate: Rate, format: Y4mFormat, full_range: bool) -> io::Result<Self> {
        let Rate { frames, seconds } = rate;
        let colour = match format {
            Y4mFormat::I420 => "420jpeg",
            Y4mFormat::Mono => "mono",
        };
        let range = if full_range { "FULL" } else { "LIMITED" };
        let Size { width, height } = size;
        writeln!(out, "YUV4MPEG2 W{width} H{height} F{frames}:{seconds} Ip A1:1 C{colour} XCOLORRANGE={range}")?;
        Ok(Self { out, size, format, row: Vec::with_capacity(size.chroma().width) })
    }

    /// Writes one frame. In a mono stream `chroma` is left out and may be `None`.
    ///
    /// # Errors
    /// What the output says; [`io::ErrorKind::InvalidInput`] if a plane has another size than the stream, or chroma is
    /// wanted and missing.
    pub fn write(&mut self, luma: Plane<'_>, chroma: Option<Chroma<'_>>) -> io::Result<()> {
        let chroma = match (self.format, chroma) {
            (Y4mFormat::Mono, _) => None,
            (Y4mFormat::I420, Some(chroma)) => Some(chroma),
            (Y4mFormat::I420, None) => return Err(wrong("a colour frame without chroma")),
        };
        let half = self.size.chroma();
        let fits = |plane: &Plane<'_>, size: Size| plane.width == size.width && plane.height == size.height;
        let chroma_fits = match &chroma {
            None => true,
            Some(Chroma::I420(u, v)) => fits(u, half) && fits(v, half),
            Some(Chroma::Nv12(pairs)) => fits(pairs, Size::new(2 * half.width, half.height)),
        };
        if !fits(&luma, self.size) || !chroma_fits {
            return Err(wrong("a frame of another size"));
        }

        self.out.write_all(b"FRAME\n")?;
        luma.rows().try_for_each(|row| self.out.write_all(row))?;
        match chroma {
            None => Ok(()),
            Some(Chroma::I420(u, v)) => u.rows().chain(v.rows()).try_for_each(|row| self.out.write_all(row)),
            Some(Chroma::Nv12(pairs)) => {
                for skip in 0..2 {
                    for row in pairs.rows() {
                        self.row.clear();
                        self.row.extend(row.iter().skip(skip).step_by(2));
                        self.out.write_all(&self.row)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Flushes and hands the output back.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ChromaMut, FramePool, Layout, Micros, RawFrame, Shape};

    const SIZE: Size = Size::new(5, 3);
    const RATE: Rate = Rate { frames: 30, seconds: 1 };

    fn frame(layout: Layout) -> RawFrame {
        let pool = FramePool::new(Shape::packed(SIZE, layout).aligned(8), 1);
        let mut frame = pool.take(0, Micros(0));
        let (mut luma, chroma) = frame.planes_mut();
        luma.rows().enumerate().for_each(|(y, row)| row.fill(u8::try_from(y).unwrap()));
        match chroma {
            ChromaMut::I420(mut u, mut v) => {
                u.rows().for_each(|row| row.fill(90));
                v.rows().for_each(|row| row.fill(70));
            }
            ChromaMut::Nv12(mut pairs) => pairs.rows().for_each(|row| row.copy_from_slice(&[90, 70, 90, 70, 90, 70])),
        }
        frame
    }

    #[test]
    fn another_reader_reads_what_was_written() {
        for layout in [Layout::I420, Layout::Nv12] {
            let frame = frame(layout);
            let mut writer = Y4mWriter::new(Vec::new(), SIZE, RATE, Y4mFormat::I420, true).unwrap();
            writer.write(frame.luma(), Some(frame.chroma())).unwrap();
            let bytes = writer.finish().unwrap();
            assert!(bytes.starts_with(b"YUV4MPEG2 W5 H3 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\nFRAME\n"));
            let mut decoder = y4m::decode(bytes.as_slice()).unwrap();
            let read = decoder.read_frame().unwrap();
            assert_eq!(read.get_y_plane(), [[0; 5], [1; 5], [2; 5]].concat());
            assert_eq!(read.get_u_plane(), [90; 6]);
            assert_eq!(read.get_v_plane(), [70; 6]);
            assert!(matches!(decoder.read_frame(), Err(y4m::Error::EOF)));
        }
    }

    #[test]
    fn mono_writes_luma_only() {
        let frame = frame(Layout::I420);
        let mut writer = Y4mWriter::new(Vec::new(), SIZE, RATE, Y4mFormat::Mono, false).unwrap();
        writer.write(frame.luma(), None).unwrap();
        writer.write(frame.luma(), Some(frame.chroma())).unwrap();
        let bytes = writer.finish().unwrap();
        let mut decoder = y4m::decode(bytes.as_slice()).unwrap();
        assert!(matches!(decoder.get_colorspace(), y4m::Colorspace::Cmono));
        for _ in 0..2 {
            assert_eq!(decoder.read_frame().unwrap().get_y_plane().len(), 15);
        }
        assert!(matches!(decoder.read_frame(), Err(y4m::Error::EOF)));
    }

    #[test]
    fn a_frame_that_does_not_fit_is_refused_and_not_half_written() {
        let frame = frame(Layout::I420);
        let mut writer = Y4mWriter::new(Vec::new(), SIZE, RATE, Y4mFormat::I420, false).unwrap();
        assert!(writer.write(frame.luma(), None).is_err());
        let mut larger = Y4mWriter::new(Vec::new(), Size::new(6, 3), RATE, Y4mFormat::I420, false).unwrap();
        assert!(larger.write(frame.luma(), Some(frame.chroma())).is_err());
        assert!(!writer.finish().unwrap().windows(5).any(|bytes| bytes == b"FRAME"));
    }
}
