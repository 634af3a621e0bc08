//! Devices on paper: honest ones, poor ones and liars.

use super::*;

/// A format that a device on paper offers, with its sizes and rates.
#[derive(Clone)]
struct Paper {
    letters: [u8; 4],
    modes: Vec<(Size, Vec<Rate>)>,
    /// Bytes that the driver claims for a row more than there are.
    padding: usize,
}

/// A device that gives the nearest of what it has, as drivers do.
#[derive(Clone)]
struct Device {
    offers: Vec<Paper>,
    set: Option<([u8; 4], Size)>,
    progressive: bool,
    full_range: bool,
    /// Does what is asked for in its own way.
    lie: Option<fn(&mut Given)>,
    busy: bool,
    lists: bool,
    rates: bool,
}

const HD: Size = Size::new(1280, 720);
const VGA: Size = Size::new(640, 480);

const fn rate(frames: u32) -> Rate {
    Rate { frames, seconds: 1 }
}

fn paper(letters: &[u8; 4], modes: &[(Size, &[u32])]) -> Paper {
    let modes = modes.iter().map(|(size, rates)| (*size, rates.iter().map(|&frames| rate(frames)).collect())).collect();
    Paper { letters: *letters, modes, padding: 0 }
}

fn device(offers: impl Into<Vec<Paper>>) -> Device {
    Device {
        offers: offers.into(),
        set: None,
        progressive: true,
        full_range: false,
        lie: None,
        busy: false,
        lists: true,
        rates: true,
    }
}

impl Device {
    fn offer(&self, letters: [u8; 4]) -> Option<&Paper> {
        self.offers.iter().find(|offer| offer.letters == letters)
    }
}

impl Ask for Device {
    fn set_format(&mut self, letters: [u8; 4], size: Size) -> io::Result<Given> {
        if self.busy {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let offer = self.offer(letters).or(self.offers.first()).ok_or(io::ErrorKind::InvalidInput)?.clone();
        let near = offer.modes.iter().min_by_key(|(has, _)| has.width.abs_diff(size.width)).unwrap();
        let size = near.0;
        self.set = Some((offer.letters, size));
        let coding = Coding::ALL.into_iter().find(|coding| coding.letters() == offer.letters);
        let widths = match coding {
            Some(Coding::Yuyv) => vec![2 * size.width],
            Some(Coding::Nv12Split) => vec![size.width; 2],
            Some(Coding::I420Split) => vec![size.width, size.width / 2, size.width / 2],
            Some(Coding::Mjpeg) | None => vec![0],
            Some(Coding::Nv12 | Coding::I420) => vec![size.width],
        };
        let strides = widths.into_iter().map(|width| width + offer.padding).collect();
        let mut given = Given {
            letters: offer.letters,
            size: (size.width as u64, size.height as u64),
            strides,
            progressive: self.progressive,
            full_range: self.full_range,
        };
        if let Some(lie) = self.lie {
            lie(&mut given);
        }
        Ok(given)
    }

    fn set_rate(&mut self, fps: u32) -> io::Result<Option<Rate>> {
        let (letters, size) = self.set.expect("a format first");
        let rates = self.rates(letters, size);
        Ok(rates.into_iter().min_by_key(|rate| (rate.frames / rate.seconds).abs_diff(fps)).filter(|_| self.rates))
    }

    fn formats(&mut self) -> Vec<[u8; 4]> {
        self.offers.iter().map(|offer| offer.letters).collect()
    }

    fn sizes(&mut self, letters: [u8; 4]) -> Vec<(u64, u64)> {
        let modes = self.offer(letters).filter(|_| self.lists).map(|offer| offer.modes.clone()).unwrap_or_default();
        modes.iter().map(|(size, _)| (size.width as u64, size.height as u64)).collect()
    }

    fn rates(&mut self, letters: [u8; 4], size: Size) -> Vec<Rate> {
        let modes = self.offer(letters).map(|offer| offer.modes.clone()).unwrap_or_default();
        modes.into_iter().filter(|mode| mode.0 == size).flat_map(|mode| mode.1).collect()
    }
}

fn agreed(device: &mut Device, size: Size, fps: u32) -> Agreed {
    negotiate(device, Wish { size, fps, format: None }).unwrap()
}

fn refused(device: &mut Device, size: Size, fps: u32) -> String {
    let Refusal { reason, mend } = negotiate(device, Wish { size, fps, format: None }).unwrap_err();
    assert!(!reason.contains('\n') && !mend.is_empty());
    format!("{reason}: {mend}")
}

#[test]
fn the_cheapest_format_wins_wherever_it_stands_in_the_list() {
    let all = [b"MJPG", b"YUYV", b"YM12", b"YU12", b"NM12", b"NV12"].map(|letters| paper(letters, &[(HD, &[30])]));
    for kept in 1..=all.len() {
        let got = agreed(&mut device(&all[..kept]), HD, 30);
        assert_eq!(got.coding.letters(), all[kept - 1].letters);
        assert_eq!((got.size, got.rate), (HD, rate(30)));
    }
}

#[test]
fn a_usb_camera_is_taken_in_the_format_that_has_size_and_rate() {
    let usb = [
        paper(b"YUYV", &[(HD, &[10, 5]), (VGA, &[30, 15])]),
        paper(b"MJPG", &[(HD, &[30, 15]), (VGA, &[30]), (Size::new(1920, 1080), &[30])]),
    ];
    let mut usb = device(usb);
    assert_eq!(agreed(&mut usb, VGA, 30).coding, Coding::Yuyv);
    assert_eq!(agreed(&mut usb, HD, 10).coding, Coding::Yuyv);
    assert_eq!(agreed(&mut usb, HD, 30).coding, Coding::Mjpeg);
    assert_eq!(
        refused(&mut usb, HD, 60),
        "at 1280x720 it offers 10 (YUYV), 5 (YUYV), 30 (MJPG), 15 (MJPG) frames a second, not 60: set camera.fps to \
         one of them, or choose another size"
    );
    assert_eq!(
        refused(&mut usb, Size::new(1000, 700), 30),
        "it offers 640x480, 1280x720, 1920x1080, not 1000x700: set camera.width and camera.height to one of them"
    );
    usb.lists = false;
    assert!(refused(&mut usb, Size::new(1000, 700), 30).starts_with("it offers 1280x720, not 1000x700"));
}

#[test]
fn what_is_understood_nowhere_is_named() {
    let mut odd = device([paper(b"RGB3", &[(HD, &[30])]), paper(b"pBAA", &[(HD, &[30])])]);
    assert!(refused(&mut odd, HD, 30).starts_with("it offers RGB3, pBAA only: name a camera that gives NV12, I420"));
    assert!(refused(&mut device([]), HD, 30).starts_with("it offers  only"));
}

#[test]
fn a_format_that_is_asked_for_is_the_only_one() {
    let mut both = device([paper(b"NV12", &[(HD, &[30])]), paper(b"YUYV", &[(HD, &[30])])]);
    let wish = Wish { size: HD, fps: 30, format: Some(Coding::Yuyv) };
    assert_eq!(negotiate(&mut both, wish).unwrap().coding, Coding::Yuyv);
    let refusal = negotiate(&mut both, Wish { format: Some(Coding::Mjpeg), ..wish }).unwrap_err();
    assert_eq!(refusal, Refusal::new("it offers NV12, YUYV, not MJPG", ANY));
}

#[test]
fn what_was_settled_is_set_again_without_a_look_at_lists() {
    let offers = [paper(b"NV12", &[(HD, &[30])]), paper(b"YUYV", &[(HD, &[30])])];
    let mut back = device(offers);
    let wish = Wish { size: HD, fps: 30, format: None };
    assert_eq!(settle_again(&mut back, wish, Coding::Yuyv).unwrap().coding, Coding::Yuyv);
    let other = settle_again(&mut back, wish, Coding::Mjpeg).unwrap_err();
    assert_eq!(other, Refusal::new("it came back without the format, size or rate it had", OTHER));
    assert!(settle_again(&mut back, Wish { fps: 60, ..wish }, Coding::Yuyv).is_err());
    back.busy = true;
    assert_eq!(settle_again(&mut back, wish, Coding::Yuyv).unwrap_err().mend, BUSY);
}

#[test]
fn sizes_and_rates_outside_the_house_are_not_even_asked_for() {
    let mut any = device([paper(b"NV12", &[(HD, &[30])])]);
    for (size, fps, start) in [
        (Size::new(15, 720), 30, "15x720 is smaller than a cell of 16 x 16: set camera.width and camera.height to 16"),
        (Size::new(1280, 8), 30, "1280x8 is smaller than a cell"),
        (Size::new(9000, 720), 30, "the picture is 9000x720, more than 8192 on a side"),
        (HD, 0, "0 frames a second: set camera.fps to 1 to 120"),
        (HD, 121, "121 frames a second: set camera.fps to 1 to 120"),
    ] {
        let line = refused(&mut any, size, fps);
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(any.set, None);
}

#[test]
fn one_and_a_hundred_and_twenty_frames_a_second_are_met() {
    let mut range = device([paper(b"NV12", &[(HD, &[1, 120])])]);
    for fps in [1, 120] {
        assert_eq!(agreed(&mut range, HD, fps).rate, rate(fps));
    }
}

#[test]
fn a_rate_is_met_within_a_hundredth_and_kept_as_it_is() {
    let ntsc = Rate { frames: 30_000, seconds: 1001 };
    let uvc = Rate { frames: 10_000_000, seconds: 333_333 };
    assert_eq!((close(ntsc, 30), close(uvc, 30), close(rate(30), 30)), (Some(ntsc), Some(rate(30)), Some(rate(30))));
    assert_eq!((close(rate(25), 24), close(rate(24), 25), close(rate(0), 1)), (None, None, None));
    assert_eq!(close(Rate { frames: u32::MAX, seconds: u32::MAX }, 1), Some(rate(1)));
    assert_eq!(close(Rate { frames: 5, seconds: 0 }, 5), None);
    assert_eq!(
        (shown(ntsc), shown(rate(25)), shown(Rate { frames: 1, seconds: 2 })),
        ("29.97".into(), "25".into(), "0.50".into())
    );
}

#[test]
fn a_driver_that_does_not_tell_its_rate_is_believed() {
    let mut silent = device([paper(b"NV12", &[(HD, &[25])])]);
    silent.rates = false;
    assert_eq!(agreed(&mut silent, HD, 30).rate, rate(30));
}

#[test]
fn a_busy_camera_says_so() {
    let mut busy = device([paper(b"NV12", &[(HD, &[30])])]);
    busy.busy = true;
    assert!(refused(&mut busy, HD, 30).starts_with("another program is capturing from it: stop the other program"));
}

#[test]
fn fields_are_refused() {
    let mut fields = device([paper(b"NV12", &[(HD, &[30])])]);
    fields.progressive = false;
    assert!(refused(&mut fields, HD, 30).starts_with("it gives half pictures (interlaced)"));
}

#[test]
fn claims_that_cannot_be_true_are_refused_or_another_format_is_taken() {
    let offers = [paper(b"NV12", &[(HD, &[30])]), paper(b"YUYV", &[(HD, &[30])])];
    let mut liar = device(offers);
    liar.lie = Some(|given| given.strides.iter_mut().for_each(|stride| *stride = 1279));
    assert!(refused(&mut liar, HD, 30).contains("its driver claims 1279 bytes a row where a row has "));
    liar.lie = Some(|given| {
        if given.letters == *b"NV12" {
            given.strides.clear();
        }
    });
    assert_eq!(agreed(&mut liar, HD, 30).coding, Coding::Yuyv);
    liar.lie = Some(|given| given.letters = *b"XXXX");
    assert!(refused(&mut liar, HD, 30).starts_with("its driver claims to offer "));
}

#[test]
fn rows_may_be_padded_and_jpeg_is_full_range() {
    let mut offer = paper(b"NV12", &[(HD, &[30])]);
    offer.padding = 64;
    let got = agreed(&mut device([offer]), HD, 30);
    assert_eq!((got.plan.slots()[0].stride, got.full_range), (1344, false));
    assert!(agreed(&mut device([paper(b"MJPG", &[(HD, &[30])])]), HD, 30).full_range);
    let mut full = device([paper(b"YUYV", &[(HD, &[30])])]);
    full.full_range = true;
    assert!(agreed(&mut full, HD, 30).full_range);
}

#[test]
fn long_lists_are_cut() {
    assert_eq!(list(1..=12), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12");
    assert!(list(1..=20).ends_with("12 and 8 more"));
}
