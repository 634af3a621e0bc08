//! The status LED: what a pilot can tell from it before take-off and in flight.
//!
//! Ten letters a second, `#` lit and `.` dark, twenty letters a round:
//!
//! | The LED | Letters | voile is | Do |
//! |---|---|---|---|
//! | one second on, one second off | `##########..........` | redacting | fly |
//! | two short flashes | `#.#.................` | sending slates: it sees too little to clear | fly slower, wait |
//! | three short flashes | `#.#.#...............` | sending slates: the cover switch is closed | open the cover |
//! | one short flash | `#...................` | starting, nothing is sent yet | wait |
//! | dark | | starting a side again (seconds), tripped, refused, or without power | dark for ten seconds: land |
//! | steadily on | | hung | land |
//!
//! A service that has tripped has ended, and nobody is left to show it. Steady light means nothing good, because a hung
//! side leaves the line as it was. Something worse shows at once; something better when a whole round has shown what was
//! worse, so that a single slate can be seen.

use embedded_hal::digital::OutputPin;

use crate::base::Micros;

/// Time of one letter.
pub const LETTER: Micros = Micros::from_ms(100);
/// Letters in a round.
const ROUND: u64 = 20;

/// What the LED shows; later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Frames are redacted and sent.
    Redacting,
    /// Slates are sent, or pictures in which nothing is clear.
    Slate,
    /// Slates are sent because the cover is closed.
    CoverClosed,
    /// Nothing is sent yet.
    Starting,
}

impl Shown {
    /// The round as letters.
    pub const fn letters(self) -> &'static [u8; 20] {
        match self {
            Self::Redacting => b"##########..........",
            Self::Slate => b"#.#.................",
            Self::CoverClosed => b"#.#.#...............",
            Self::Starting => b"#...................",
        }
    }
}

/// The LED on its line. High is lit. When dropped, it is dark.
pub struct Led<P: OutputPin> {
    pin: P,
    lit: Option<bool>,
    shown: Shown,
    since: Micros,
}

impl<P: OutputPin> Led<P> {
    /// An LED that shows the start.
    pub fn new(pin: P, now: Micros) -> Self {
        Self { pin, lit: None, shown: Shown::Starting, since: now }
    }

    /// Shows what there is to show; to be called at least every [`LETTER`]. Touches the pin only when it changes.
    ///
    /// # Errors
    /// The pin's, if it could not be driven; it is tried again at the next call. No fault: an LED redacts nothing.
    pub fn tick(&mut self, now: Micros, wanted: Shown) -> Result<(), P::Error> {
        let letter = now.since(self.since).0 / LETTER.0;
        if wanted > self.shown || letter >= ROUND || now < self.since {
            self.shown = wanted;
            self.since = now;
        }
        let letter = now.since(self.since).0 / LETTER.0;
        let lit = usize::try_from(letter).is_ok_and(|letter| self.shown.letters().get(letter) == Some(&b'#'));
        if self.lit == Some(lit) {
            return Ok(());
        }
        self.lit = None;
        if lit { self.pin.set_high() } else { self.pin.set_low() }?;
        self.lit = Some(lit);
        Ok(())
    }
}

impl<P: OutputPin> Drop for Led<P> {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure.
        let _ = self.pin.set_low();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    /// A pin whose level can be looked at.
    struct Seen(Rc<Cell<char>>);

    impl embedded_hal::digital::ErrorType for Seen {
        type Error = std::convert::Infallible;
    }

    impl OutputPin for Seen {
        fn set_low(&mut self) -> Result<(), Self::Error> {
            self.0.set('.');
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Self::Error> {
            self.0.set('#');
            Ok(())
        }
    }

    /// Asks for a state a letter (`R`edacting, `S`late, `C`over, `B`eginning); what is seen.
    fn seen(wanted: &str) -> String {
        let level = Rc::new(Cell::new('?'));
        let mut led = Led::new(Seen(Rc::clone(&level)), Micros(0));
        let letters = (0..).zip(wanted.chars()).map(|(index, letter)| {
            let wanted = match letter {
                'R' => Shown::Redacting,
                'S' => Shown::Slate,
                'C' => Shown::CoverClosed,
                _ => Shown::Starting,
            };
            led.tick(Micros(LETTER.0 * index), wanted).expect("driven");
            level.get()
        });
        let seen = letters.collect();
        drop(led);
        assert_eq!(level.get(), '.', "dark when dropped");
        seen
    }

    #[test]
    fn every_state_shows_its_letters() {
        for (letter, shown) in
            [('R', Shown::Redacting), ('S', Shown::Slate), ('C', Shown::CoverClosed), ('B', Shown::Starting)]
        {
            let text = seen(&letter.to_string().repeat(60));
            assert_eq!(text.as_bytes()[20..40], *shown.letters(), "{shown:?}");
            assert_eq!(text.as_bytes()[40..], *shown.letters(), "{shown:?} repeats");
        }
    }

    #[test]
    fn worse_shows_at_once_and_a_single_slate_for_a_round() {
        let text = seen(&format!("{}{}S{}", "B".repeat(20), "R".repeat(5), "R".repeat(40)));
        assert_eq!(&text[20..25], "#####");
        assert_eq!(text.as_bytes()[25..45], *Shown::Slate.letters());
        assert_eq!(text.as_bytes()[45..65], *Shown::Redacting.letters());
    }

    #[test]
    fn no_two_states_look_alike_or_steady() {
        let all = [Shown::Redacting, Shown::Slate, Shown::CoverClosed, Shown::Starting];
        for (index, one) in all.iter().enumerate() {
            assert!(one.letters().contains(&b'#') && one.letters().contains(&b'.'));
            assert!(all[index + 1..].iter().all(|other| one.letters() != other.letters()));
        }
    }

    #[test]
    fn a_pin_that_failed_is_tried_again() {
        let broken = MockError::Io(std::io::ErrorKind::BrokenPipe);
        let mut pin = Mock::new(&[
            Transaction::set(State::High).with_error(broken),
            Transaction::set(State::High),
            Transaction::set(State::Low),
        ]);
        let mut led = Led::new(pin.clone(), Micros(0));
        led.tick(Micros(0), Shown::Starting).expect_err("broken");
        led.tick(Micros(1), Shown::Starting).expect("driven");
        led.tick(Micros(2), Shown::Starting).expect("nothing to do");
        drop(led);
        pin.done();
    }
}
