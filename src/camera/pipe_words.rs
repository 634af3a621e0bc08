//! What a camera's command line says: its words, and how the program that it names writes frames.
//!
//! Words are split as a shell would split them, and nothing is expanded. Whatever is known to go wrong with a program
//! by its arguments is refused before it is started: a picture read at the wrong width is sheared beyond recognition,
//! for the detector as well.

use crate::base::Size;

/// What a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habit {
    /// Luma rows are padded to a multiple of so many bytes, chroma rows to half of that.
    pub align: usize,
    /// Luma uses 0 to 255 instead of 16 to 235.
    pub full_range: bool,
}

/// Plain I420: what ffmpeg and most programs write.
const PLAIN: Habit = Habit { align: 1, full_range: false };
/// Raspberry Pi's programs write the buffer of the image processor as it is. Its driver pads luma rows to 64 bytes
/// (raspberrypi/linux#4419; 780x360 comes as 832x360, raspberrypi/rpicam-apps#188): nothing at 1920 or 1280, 1344 at
/// 1296. They ask for JPEG's colours with `--codec yuv420`, which is the full range (`get_colourspace_flags` in
/// rpicam_vid.cpp).
const RASPBERRY: Habit = Habit { align: 64, full_range: true };
/// The names of those programs, before and after they were renamed.
const RASPBERRY_NAMES: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

/// Splits a command line into a program and its arguments.
///
/// # Errors
/// Why not, and the mend.
pub(super) fn split(written: &str) -> Result<(String, Vec<String>), (&'static str, &'static str)> {
    let quotes = "give each quote its partner; a backslash or a # that is meant needs quotes";
    let mut words = shlex::split(written).ok_or(("a quote or a backslash has no end", quotes))?.into_iter();
    match words.next() {
        Some(program) if !program.is_empty() => Ok((program, words.collect())),
        _ => Err(("no program is named", "set camera.source to \"pipe:PROGRAM ARG …\"")),
    }
}

/// How `program` writes frames when it is given `arguments`, if those ask for frames of `size` at `fps`.
///
/// # Errors
/// Why not, and the mend.
pub(super) fn habit(
    program: &str,
    arguments: &[String],
    size: Size,
    fps: u32,
) -> Result<Habit, (String, &'static str)> {
    if !RASPBERRY_NAMES.contains(&program.rsplit('/').next().unwrap_or(program)) {
        return Ok(PLAIN);
    }
    let number = |given: Option<&str>| given.and_then(|given| given.parse::<f64>().ok());
    for (name, set, mend) in [
        ("--width", size.width, "ask the program for the same as camera.width"),
        ("--height", size.height, "ask the program for the same as camera.height"),
    ] {
        let given = option(arguments, &[name]);
        if given.and_then(|given| given.parse().ok()) != Some(set) {
            return Err((format!("{name} is {} and not {set}", given.unwrap_or("missing")), mend));
        }
    }
    let given = option(arguments, &["--framerate"]);
    if given.is_some() && number(given) != Some(f64::from(fps)) {
        let reason = format!("--framerate is {} and not {fps}", given.unwrap_or_default());
        return Err((reason, "ask the program for the same as camera.fps"));
    }
    if option(arguments, &["--codec"]) != Some("yuv420") {
        return Err(("it would write coded video".to_owned(), "add --codec yuv420"));
    }
    if option(arguments, &["--output", "-o"]) != Some("-") {
        return Err(("it would not write to its standard output".to_owned(), "add -o -"));
    }
    let time = option(arguments, &["--timeout", "-t"]);
    if number(time.map(|time| time.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()))) != Some(0.0) {
        return Err(("it would end by itself, after 5 s if nothing is said".to_owned(), "add -t 0"));
    }
    Ok(RASPBERRY)
}

/// The value of an option that goes by these names: the next word, or what follows `=`, or the letter's own word.
fn option<'a>(arguments: &'a [String], names: &[&str]) -> Option<&'a str> {
    let at = |(place, word): (usize, &'a String)| {
        names.iter().find_map(|name| match word.strip_prefix(name)? {
            "" => arguments.get(place + 1).map(String::as_str),
            rest if name.starts_with("--") => rest.strip_prefix('='),
            rest => Some(rest),
        })
    };
    arguments.iter().enumerate().rev().find_map(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_and_nothing_is_expanded() {
        let words = |written| split(written).map(|(program, rest)| [vec![program], rest].concat().join("|"));
        assert_eq!(words("  rpicam-vid  -o\t-  ").unwrap(), "rpicam-vid|-o|-");
        assert_eq!(
            words("sh -c 'echo \"a  b\" $HOME; exit 1' \"it's\"").unwrap(),
            "sh|-c|echo \"a  b\" $HOME; exit 1|it's"
        );
        assert_eq!(words("cam *.y4m ~ $(reboot) `reboot` | tee x").unwrap(), "cam|*.y4m|~|$(reboot)|`reboot`|||tee|x");
        for bad in ["", " ", "'", "cam \"x", "cam x\\", "''", "# cam"] {
            assert!(split(bad).is_err(), "{bad:?}");
        }
    }

    fn refusal(line: &str) -> Option<String> {
        let (program, arguments) = split(line).unwrap();
        habit(&program, &arguments, Size::new(1296, 972), 30).err().map(|(reason, mend)| format!("{reason}: {mend}"))
    }

    #[test]
    fn the_pi_program_is_known_by_its_name_and_held_to_its_arguments() {
        let good = "/usr/bin/rpicam-vid -t 0 --width 1296 --height=972 --framerate 30 --codec yuv420 -o -";
        let (program, arguments) = split(good).unwrap();
        assert_eq!(habit(&program, &arguments, Size::new(1296, 972), 30), Ok(RASPBERRY));
        assert_eq!(habit("cat", &[], Size::new(1296, 972), 30), Ok(PLAIN));
        assert_eq!(refusal(&good.replace("-t 0", "--timeout 0s").replace("-o -", "-o-")), None);
        assert_eq!(refusal(&good.replace("--framerate 30 ", "")), None, "its own default is 30");
        for (from, to, expected) in [
            ("--width 1296", "", "--width is missing and not 1296: ask the program for the same as camera.width"),
            ("=972", "=720", "--height is 720 and not 972: ask the program for the same as camera.height"),
            ("rate 30", "rate 15", "--framerate is 15 and not 30: ask the program for the same as camera.fps"),
            ("yuv420", "h264", "it would write coded video: add --codec yuv420"),
            ("-o -", "-o x.yuv", "it would not write to its standard output: add -o -"),
            ("-t 0", "", "it would end by itself, after 5 s if nothing is said: add -t 0"),
            ("-t 0", "-t 10s", "it would end by itself, after 5 s if nothing is said: add -t 0"),
        ] {
            assert_eq!(refusal(&good.replace(from, to)).as_deref(), Some(expected));
        }
    }
}
