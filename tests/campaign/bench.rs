//! The detectors of a campaign, made once: compiling a network takes longer than a thousand passes.

use std::path::PathBuf;

use voile::base::Size;
use voile::detect::{self, Detector};

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Bright is a person, dark a vehicle.
    Contrast,
    /// Gives what is not finite.
    Nan,
}

#[derive(Default)]
pub struct Bench(Vec<((usize, usize), Network, Detector)>);

impl Bench {
    /// The detector for pictures of a size.
    pub fn detector(&mut self, network: Network, size: Size) -> &mut Detector {
        let sides = (size.width, size.height);
        let known = self.0.iter().position(|(known, which, _)| (*known, *which) == (sides, network));
        let index = known.unwrap_or_else(|| {
            let name = match network {
                Network::Contrast => "contrast.onnx",
                Network::Nan => "nan.onnx",
            };
            let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name);
            let settings = detect::Settings { model: Some(model), passes: 1, ..detect::Settings::default() };
            let mut detector = Detector::load(&settings).expect("a test network");
            detector.prepare(size).expect("prepared");
            self.0.push((sides, network, detector));
            self.0.len() - 1
        });
        &mut self.0[index].2
    }
}
