//! The figures in plain words, and numbers as people read them.

/// Name, plain words and unit of every figure.
pub const FIGURES: [(&str, &str, Unit); 15] = [
    ("head_leak", "Heads not fully covered", Unit::Share),
    ("person_cover", "Area of persons covered", Unit::Share),
    ("identity_leak", "Persons whose head showed at least once", Unit::Share),
    ("longest_leak_ms", "Longest time one head showed", Unit::Ms),
    ("over_mask", "Background covered without need", Unit::Share),
    ("slate_share", "Frames covered whole (slates)", Unit::Share),
    ("vehicle_cover", "Area of vehicles covered", Unit::Share),
    ("leak_correlation", "What decoded video still shows under the cover", Unit::Plain),
    ("psnr_clear_db", "Quality of what is sent clear", Unit::Db),
    ("fps", "Frames a second", Unit::Plain),
    ("cpu_ms_per_frame", "CPU time per frame", Unit::Ms),
    ("peak_rss_mib", "Largest memory", Unit::Mib),
    ("latency_ms_p50", "Latency, median", Unit::Ms),
    ("latency_ms_p99", "Latency, 99th percentile", Unit::Ms),
    ("bitrate_kbps", "Bit rate", Unit::Kbps),
];

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// A share, shown in percent.
    Share,
    /// Milliseconds.
    Ms,
    /// A bare number.
    Plain,
    /// Decibels.
    Db,
    /// Mebibytes.
    Mib,
    /// Kilobits a second.
    Kbps,
}

impl Unit {
    /// A value as the page shows it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Share => format!("{} %", percent(value)),
            Self::Ms if value >= 100.0 => format!("{value:.0} ms"),
            Self::Ms => format!("{value:.1} ms"),
            Self::Plain if value >= 10.0 => format!("{value:.1}"),
            Self::Plain => format!("{value:.3}"),
            Self::Db => format!("{value:.1} dB"),
            Self::Mib => format!("{value:.0} MiB"),
            Self::Kbps => format!("{value:.0} kbit/s"),
        }
    }
}

/// A share in percent, with as many digits as a small one needs.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent == 100.0 {
        format!("{percent:.0}")
    } else if !(1.0..=99.9).contains(&percent) {
        format!("{percent:.2}")
    } else {
        format!("{percent:.1}")
    }
}

/// Name, words and unit of one figure.
pub fn words(name: &str) -> (&'static str, &'static str, Unit) {
    FIGURES.into_iter().find(|(known, ..)| *known == name).unwrap_or(("", "", Unit::Plain))
}

/// With a comma after every three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regress::Figures;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [thousands(0), thousands(999), thousands(1000), thousands(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [percent(0.0), percent(0.0042), percent(0.153), percent(0.9996), percent(1.0)],
            ["0", "0.42", "15.3", "99.96", "100"]
        );
    }

    #[test]
    fn every_figure_has_words() {
        for (name, _) in Figures::unmeasured("").table() {
            assert!(!words(name).1.is_empty(), "{name}");
        }
    }
}
