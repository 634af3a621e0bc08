//! A directory of stills: each a clip of one frame, in its own size.
//!
//! No motion is assumed between them, so this is no camera but a list of them. Only files named .jpg, .jpeg or .png are
//! looked at; what is in them decides how they are read. Hidden files are passed over.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::base::{FramePool, Layout, Micros, RawFrame, Shape, Size};

use super::error::{one_line, path_name};
use super::stills_decode::{self, Refusal};
use super::{Camera, CameraError, Mode, Rate, check_pool};

/// Largest file that is read as a still, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// The stills of a directory in the order of their file names.
pub struct Stills {
    list: Vec<Still>,
}

impl Stills {
    /// Lists the stills in `directory`, or, if it holds none itself, in its `images` directory, as data sets with
    /// truth in YOLO text are laid out. Opens none of them.
    ///
    /// # Errors
    /// [`CameraError::Open`] if it cannot be listed, [`CameraError::NoStills`] if there are none, and
    /// [`CameraError::SameStem`] if two differ at most in their extension.
    pub fn open(directory: &Path) -> Result<Self, CameraError> {
        let mut list = list(directory)?;
        let images = directory.join("images");
        if list.is_empty() && images.is_dir() {
            list = self::list(&images)?;
        }
        let mut stems = BTreeMap::new();
        for still in &list {
            // As outputs are named: what is no Unicode looks alike there.
            if let Some(first) = stems.insert(still.stem().to_string_lossy(), still) {
                let [first, second] =
                    [first, still].map(|still| path_name(Path::new(still.path.file_name().unwrap_or_default())));
                return Err(CameraError::SameStem { path: path_name(directory), first, second });
            }
        }
        if list.is_empty() { Err(CameraError::NoStills { path: path_name(directory) }) } else { Ok(Self { list }) }
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The stills in the order of their file names, byte by byte.
    pub fn iter(&self) -> std::slice::Iter<'_, Still> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Stills {
    type Item = &'a Still;
    type IntoIter = std::slice::Iter<'a, Still>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The stills that lie in `directory` itself, in file-name order.
fn list(directory: &Path) -> Result<Vec<Still>, CameraError> {
    let unreadable = |error: std::io::Error| CameraError::Open {
        path: path_name(directory),
        reason: one_line(&error.to_string()),
        mend: "give yourself the right to read the directory (chmod u+rx)",
    };
    let mut list = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // A link to nowhere stays in the list, so that opening it says so; pipes and directories do not.
        if is_still(&path) && path.metadata().map_or(true, |about| about.is_file()) {
            list.push(Still { path });
        }
    }
    list.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(list)
}

fn is_still(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let named = |ending: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    !hidden && ["jpg", "jpeg", "png"].into_iter().any(named)
}

/// One still, not opened yet.
#[derive(Clone, Debug)]
pub struct Still {
    path: PathBuf,
}

impl Still {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name without its extension: what outputs and truth files are named after.
    pub fn stem(&self) -> &OsStr {
        self.path.file_stem().unwrap_or_default()
    }

    /// Reads the file and its header; its frame will have this number.
    ///
    /// # Errors
    /// [`CameraError::Open`], or [`CameraError::Still`] if it is no image or not one that is supported.
    pub fn camera(&self, number: u64) -> Result<StillCamera, CameraError> {
        let path = path_name(&self.path);
        let unreadable = |reason: String, mend| CameraError::Open { path: path.clone(), reason, mend };
        let mut coded = Zeroizing::new(Vec::new());
        let read = File::open(&self.path).and_then(|file| {
            // Room for all of it at once: a vector that grows leaves copies behind that nobody wipes.
            let length = file.metadata()?.len().min(MAX_FILE);
            coded.reserve_exact(usize::try_from(length).unwrap_or(0).saturating_add(1));
            file.take(MAX_FILE + 1).read_to_end(&mut coded)
        });
        match read {
            Err(error) => return Err(unreadable(one_line(&error.to_string()), "check the file and its rights")),
            Ok(0) => return Err(CameraError::Empty { path }),
            Ok(bytes) if bytes as u64 > MAX_FILE => {
                return Err(unreadable(format!("more than {MAX_FILE} bytes"), "save it smaller"));
            }
            Ok(_) => {}
        }
        match stills_decode::size(&coded) {
            Ok(size) => Ok(StillCamera { coded: Some(coded), path, size, number }),
            Err(refusal) => Err(refused(path, refusal)),
        }
    }
}

fn refused(path: String, Refusal { reason, mend }: Refusal) -> CameraError {
    CameraError::Still { path, reason: one_line(&reason), mend }
}

/// A camera that delivers one still as packed I420, limited range, with a given number, at time 0.
pub struct StillCamera {
    coded: Option<Zeroizing<Vec<u8>>>,
    path: String,
    size: Size,
    number: u64,
}

impl Camera for StillCamera {
    fn mode(&self) -> Mode {
        let shape = Shape::packed(self.size, Layout::I420);
        Mode { shape, rate: Rate { frames: 1, seconds: 1 }, full_range: false, frames: Some(1) }
    }

    /// Decodes the still; after that the clip has ended.
    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        check_pool(self.mode(), pool)?;
        let Some(coded) = self.coded.take() else { return Ok(None) };
        let mut frame = pool.take(self.number, Micros(0));
        match stills_decode::decode(&coded, &mut frame) {
            Ok(()) => Ok(Some(frame)),
            Err(refusal) => Err(refused(self.path.clone(), refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// A directory with these files, each with this content.
    fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        directory
    }

    fn refusal(files: &[(&str, &[u8])]) -> String {
        let directory = directory(files);
        let text = Stills::open(directory.path()).err().unwrap().to_string();
        text.replace(directory.path().to_str().unwrap(), "DIR")
    }

    #[test]
    fn stills_come_in_file_name_order_and_other_files_are_passed_over() {
        let names = ["b.PNG", "a10.jpg", "a2.jpeg", ".c.png", "notes.txt", "d.png.part", "png"];
        let directory = directory(&names.map(|name| (name, b"?".as_slice())));
        fs::create_dir(directory.path().join("e.png")).unwrap();
        let stills = Stills::open(directory.path()).unwrap();
        let stems: Vec<_> = stills.iter().map(|still| still.stem().to_str().unwrap()).collect();
        assert_eq!((stems.as_slice(), stills.len()), (["a10", "a2", "b"].as_slice(), 3));
    }

    #[test]
    fn a_data_set_is_its_images() {
        let directory = directory(&[("classes.txt", b"person")]);
        fs::create_dir(directory.path().join("images")).unwrap();
        assert!(matches!(Stills::open(directory.path()), Err(CameraError::NoStills { .. })));
        fs::write(directory.path().join("images/a.jpg"), "?").unwrap();
        assert_eq!(Stills::open(directory.path()).unwrap().iter().next().unwrap().stem(), "a");
    }

    #[test]
    fn directories_without_a_clear_list_are_refused() {
        let text = "DIR: no .jpg, .jpeg or .png file in this directory: name a directory of stills, or a video file";
        assert_eq!(refusal(&[]), text);
        assert_eq!(refusal(&[("a.txt", b"?")]), text);
        let text = "DIR: a.jpg and a.png differ at most in their extension, \
                    so their outputs would overwrite each other: rename one";
        assert_eq!(refusal(&[("a.jpg", b"?"), ("a.png", b"?"), ("b.png", b"?")]), text);
        let directory = directory(&[]);
        for name in [b"\xe8.png", b"\xe9.png"] {
            fs::write(directory.path().join(OsStr::from_bytes(name)), "?").unwrap();
        }
        let text = Stills::open(directory.path()).err().unwrap().to_string();
        assert!(text.ends_with("so their outputs would overwrite each other: rename one"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_image_is_named_and_the_others_stay_good() {
        let directory = directory(&[("a.png", b"just text"), ("b.jpg", b""), ("c.png", &png(5, 3))]);
        let stills = Stills::open(directory.path()).unwrap();
        let opened: Vec<_> = (0..).zip(&stills).map(|(number, still)| still.camera(number)).collect();
        let texts: Vec<_> = opened.iter().filter_map(|camera| camera.as_ref().err()).map(ToString::to_string).collect();
        let name = |name| directory.path().join(name).display().to_string();
        let reason =
            "neither a JPEG nor a PNG image, by its first bytes: take it out of the directory, or put the image back";
        assert_eq!(
            texts,
            [
                format!("{}: {reason}", name("a.png")),
                format!("{}: byte 0: the file is empty: record or copy it again", name("b.jpg")),
            ]
        );
        let mut camera = opened.into_iter().last().unwrap().unwrap();
        let pool = FramePool::new(camera.mode().shape, 1);
        let frame = camera.next(&pool).unwrap().unwrap();
        assert_eq!((frame.sequence(), frame.captured(), frame.size()), (2, Micros(0), Size::new(5, 3)));
        drop(frame);
        assert!(camera.next(&pool).unwrap().is_none());
    }

    #[test]
    fn a_still_that_is_damaged_further_in_is_refused_when_it_is_decoded() {
        let whole = png(40, 30);
        let directory = directory(&[("cut.png", &whole[..whole.len() - 30])]);
        let stills = Stills::open(directory.path()).unwrap();
        let mut camera = stills.iter().next().unwrap().camera(0).unwrap();
        let pool = FramePool::new(camera.mode().shape, 1);
        let text = camera.next(&pool).err().unwrap().to_string();
        assert!(text.contains("cut.png: ") && text.ends_with(": save it again as JPEG or PNG: ffmpeg -i IN OUT.png"));
        assert!(pool.try_take(0, Micros(0)).is_some(), "its frame went home");
    }

    #[test]
    fn a_link_to_nowhere_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", directory.path().join("a.jpg")).unwrap();
        let stills = Stills::open(directory.path()).unwrap();
        let text = stills.iter().next().unwrap().camera(0).err().unwrap().to_string();
        assert!(text.contains("a.jpg: No such file") && text.ends_with(": check the file and its rights"), "{text}");
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> = (0..width * height * 3).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        bytes
    }
}
