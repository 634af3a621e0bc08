//! `voile scene`: a synthetic aerial clip with exact truth, as Y4M and MOT CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use voile::base::{FramePool, Size};
use voile::camera::{self, Camera, Y4mFormat, Y4mWriter, scene};

use super::progress::Progress;
use super::{Failure, INTERNAL, USAGE, output_folder, say};

/// Writes a synthetic aerial clip (clip.y4m) with exact truth (truth.csv, MOT).
#[derive(Args)]
pub struct Scene {
    /// The same seed gives the same bytes on every machine.
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Length of the clip.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Folder for the clip and its truth.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace a clip that is already there.
    #[arg(long)]
    force: bool,
    /// Picture size.
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = parse_size)]
    size: Size,
    /// Frames a second.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    fps: u32,
}

impl Scene {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode, Failure> {
        output_folder(&self.out, self.force, &["clip.y4m", "truth.csv"], &[])?;
        let rate = camera::Rate { frames: self.fps, seconds: 1 };
        let settings =
            scene::Settings { size: self.size, rate, ..scene::Settings::new(self.seed) }.lasting(self.seconds);
        let mut camera = scene::Scene::new(settings).map_err(|error| Failure::new(USAGE, error))?;
        let clip_path = self.out.join("clip.y4m");
        let truth_path = self.out.join("truth.csv");
        let failed = |path: &PathBuf, error: &std::io::Error| {
            Failure::new(USAGE, format_args!("{}: {error}: free some space or choose another --out", path.display()))
        };
        let file = File::create(&clip_path).map_err(|error| failed(&clip_path, &error))?;
        let mode = camera.mode();
        let mut clip = Y4mWriter::new(BufWriter::new(file), self.size, mode.rate, Y4mFormat::I420, mode.full_range)
            .map_err(|error| failed(&clip_path, &error))?;
        let mut truth = File::create(&truth_path).map(BufWriter::new).map_err(|error| failed(&truth_path, &error))?;
        let pool = FramePool::new(mode.shape, 1);
        let mut progress = Progress::begin(Some(u64::from(self.seconds) * u64::from(self.fps)));
        while let Some(frame) = camera.next(&pool).map_err(|error| Failure::new(INTERNAL, error))? {
            clip.write(frame.luma(), Some(frame.chroma())).map_err(|error| failed(&clip_path, &error))?;
            scene::write_mot(frame.sequence(), camera.last_truth(), &mut truth)
                .map_err(|error| failed(&truth_path, &error))?;
            progress.step();
        }
        clip.finish().map_err(|error| failed(&clip_path, &error))?;
        truth.flush().map_err(|error| failed(&truth_path, &error))?;
        progress.end();
        say(format_args!("clip   {}", clip_path.display()));
        say(format_args!("truth  {}", truth_path.display()));
        Ok(ExitCode::SUCCESS)
    }
}

fn parse_size(text: &str) -> Result<Size, String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match sides {
        Some((width, height)) if (64..=4096).contains(&width) && (64..=4096).contains(&height) => {
            Ok(Size::new(width, height))
        }
        _ => Err("give WIDTHxHEIGHT, each 64 to 4096".to_owned()),
    }
}
