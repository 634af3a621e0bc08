//! A snapshot as Prometheus text (exposition format 0.0.4).
//!
//! Names begin with `voile_`, counters end in `_total`, units are the base ones (seconds). A figure that the newest
//! frame did not have is left out, as that format asks.

use std::fmt::{self, Write};

use super::{Snapshot, State};

/// Appends the page to `out`. An error only if `out` gives one; a string gives none.
pub(super) fn write(out: &mut impl Write, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { build, .. } = snapshot;
    head(out, "voile_build_info", "gauge", "What runs; always 1.")?;
    out.write_str("voile_build_info{")?;
    for (index, (name, value)) in [
        ("version", build.version.as_str()),
        ("policy_sha256", &build.policy_sha256),
        ("model_sha256", &build.model_sha256),
        ("sandbox_lit", &build.sandbox_lit),
        ("encoder", snapshot.encoder),
    ]
    .into_iter()
    .enumerate()
    {
        write!(out, "{}{name}=\"", if index > 0 { "," } else { "" })?;
        escaped(out, value)?;
        out.write_char('"')?;
    }
    out.write_str("} 1\n")?;
    head(out, "voile_state", "gauge", "1 for the state that holds, 0 for the others.")?;
    for state in State::ALL {
        writeln!(out, "voile_state{{state=\"{}\"}} {}", state.word(), u8::from(state == snapshot.state))?;
    }
    head(out, "voile_trip", "gauge", "1 for the cause, absent while nothing tripped.")?;
    if let Some(fault) = snapshot.trip {
        writeln!(out, "voile_trip{{cause=\"{fault}\"}} 1")?;
    }
    head(out, "voile_slates_total", "counter", "Frames covered whole, by cause.")?;
    for (fault, count) in snapshot.slates.counted() {
        writeln!(out, "voile_slates_total{{cause=\"{fault}\"}} {count}")?;
    }
    for (name, what, value) in [
        ("voile_frames_total", "Frames redacted, slates among them.", snapshot.frames),
        ("voile_dropped_total", "Frames dropped before they were encoded.", snapshot.dropped),
        ("voile_units_total", "Access units sent.", snapshot.units),
        ("voile_bytes_total", "Bytes of the access units sent.", snapshot.bytes),
        ("voile_encoder_falls_total", "Encoders that failed in flight.", snapshot.encoder_falls),
    ] {
        head(out, name, "counter", what)?;
        writeln!(out, "{name} {value}")?;
    }
    head(out, "voile_restarts_total", "counter", "Starts of a side after a death.")?;
    writeln!(out, "voile_restarts_total{{side=\"dark\"}} {}", snapshot.restarts_dark)?;
    writeln!(out, "voile_restarts_total{{side=\"lit\"}} {}", snapshot.restarts_lit)?;
    let seconds = |ms: f64| ms / 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "2^53 ms are 285,000 years")]
    let (uptime, age) = (snapshot.uptime_ms as f64, snapshot.evidence_age_ms.map(|ms| ms as f64));
    for (name, what, value) in [
        ("voile_uptime_seconds", "Since the service started.", Some(seconds(uptime))),
        ("voile_evidence_age_seconds", "Age of the oldest evidence used in the newest frame.", age.map(seconds)),
        (
            "voile_clear_ratio",
            "Cells sent clear over all cells in the newest frame.",
            snapshot.clear_share.map(f64::from),
        ),
        (
            "voile_density_px_per_m",
            "Highest pixel density sent clear in the newest frame.",
            snapshot.px_per_m.map(f64::from),
        ),
        (
            "voile_latency_seconds",
            "From capture to the news that the frame is redacted.",
            snapshot.latency_ms.map(|ms| seconds(f64::from(ms))),
        ),
    ] {
        head(out, name, "gauge", what)?;
        if let Some(value) = value.filter(|value| value.is_finite()) {
            writeln!(out, "{name} {value}")?;
        }
    }
    Ok(())
}

fn head(out: &mut impl Write, name: &str, kind: &str, what: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {what}\n# TYPE {name} {kind}")
}

fn escaped(out: &mut impl Write, value: &str) -> fmt::Result {
    for letter in value.chars() {
        match letter {
            '\\' => out.write_str("\\\\")?,
            '"' => out.write_str("\\\"")?,
            '\n' => out.write_str("\\n")?,
            letter => out.write_char(letter)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::Fault;
    use crate::health::Build;

    fn page(snapshot: &Snapshot) -> String {
        let mut page = String::new();
        write(&mut page, snapshot).expect("a string takes it");
        page
    }

    #[test]
    fn counts_causes_and_figures_are_on_the_page() {
        let mut snapshot = Snapshot::starting(Build { version: "1\"\\\n".to_owned(), ..Build::default() });
        snapshot.state = State::Tripped;
        snapshot.trip = Some(Fault::Latched);
        snapshot.slates.0[4] = 12;
        (snapshot.evidence_age_ms, snapshot.clear_share, snapshot.px_per_m) = (Some(250), Some(0.5), Some(f32::NAN));
        let page = page(&snapshot);
        for line in [
            "voile_build_info{version=\"1\\\"\\\\\\n\",policy_sha256=\"\",",
            "voile_state{state=\"tripped\"} 1\n",
            "voile_state{state=\"redacting\"} 0\n",
            "voile_trip{cause=\"tripped before\"} 1\n",
            "voile_slates_total{cause=\"no evidence\"} 12\n",
            "voile_evidence_age_seconds 0.25\n",
            "voile_clear_ratio 0.5\n",
            "voile_frames_total 0\n",
        ] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
        assert!(!page.contains("\nvoile_density_px_per_m") && !page.contains("NaN"), "no figure is no line");
    }

    #[test]
    fn the_page_keeps_to_the_format() {
        let mut snapshot = Snapshot::starting(Build::default());
        snapshot.trip = Some(Fault::Latched);
        snapshot.slates.0 = [1; Fault::ALL.len()];
        let (mut typed, mut samples) = (BTreeSet::new(), BTreeSet::new());
        for line in page(&snapshot).lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(typed.insert(rest.split(' ').next().expect("a name").to_owned()), "typed once: {line}");
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                value.parse::<f64>().expect("a number");
                assert!(typed.contains(series.split('{').next().expect("a name")), "typed before: {line}");
                assert!(samples.insert(series.to_owned()), "given once: {line}");
            }
        }
        assert!(samples.len() > Fault::ALL.len());
    }
}
