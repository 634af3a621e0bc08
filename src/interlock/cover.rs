//! The operator's cover switch: closed covers the whole picture.
//!
//! The dark side owns this pin and nobody else reads it, because the dark side makes the slate: were the lit side to
//! tell it, the side with the network could leave the switch without effect. What the lit side learns is the frame's
//! state, as of any slate. Read it for each frame as it is captured, and mark a raw frame with `Fault::CoverClosed`;
//! a frame that was captured while the cover was closed stays covered, however long it waits in the look-ahead.
//!
//! Wiring: the switch makes the line active while the cover is **open**, against the pull of the input. A broken
//! wire, a lost plug and an unreadable pin all read as closed.

use embedded_hal::digital::InputPin;

use crate::base::Micros;

/// So long the line must read open, at every reading, until it is believed: longer than contacts bounce.
pub const STEADY: Micros = Micros::from_ms(200);

/// The switch on its line.
pub struct Cover<P: InputPin> {
    pin: P,
    open: Option<Micros>,
}

impl<P: InputPin> Cover<P> {
    /// A switch that counts as closed until it has read open for [`STEADY`].
    pub fn new(pin: P) -> Self {
        Self { pin, open: None }
    }

    /// Reads the switch. Closed takes effect at once, open after [`STEADY`]; what cannot be read is closed.
    pub fn closed(&mut self, now: Micros) -> bool {
        if !self.pin.is_high().unwrap_or(false) {
            self.open = None;
            return true;
        }
        let since = *self.open.get_or_insert(now);
        if now < since {
            self.open = Some(now);
            return true;
        }
        now.since(since) < STEADY
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    /// Reads the letters 50 ms apart (`O` open, `C` closed, `X` unreadable) and says what is covered (`C`) and what
    /// not.
    fn read(letters: &str) -> String {
        let unreadable = MockError::Io(std::io::ErrorKind::Other);
        let script: Vec<_> = letters
            .chars()
            .map(|letter| match letter {
                'O' => Transaction::get(State::High),
                'C' => Transaction::get(State::Low),
                _ => Transaction::get(State::High).with_error(unreadable.clone()),
            })
            .collect();
        let mut pin = Mock::new(&script);
        let mut cover = Cover::new(pin.clone());
        let seen = (0..script.len() as u64)
            .map(|index| if cover.closed(Micros::from_ms(index * 50)) { 'C' } else { 'O' })
            .collect();
        pin.done();
        seen
    }

    #[test]
    fn closed_at_once_open_when_steady_unreadable_closed() {
        assert_eq!(read("OOOOOOOCOOOOOOXOOOOO"), "CCCCOOOCCCCCOOCCCCCO");
        assert_eq!(read("OCOCOCOCOCOC"), "CCCCCCCCCCCC", "bouncing");
        assert_eq!(read("XXXXXX"), "CCCCCC");
    }

    #[test]
    fn a_clock_that_goes_back_starts_the_wait_again() {
        let mut pin = Mock::new(&vec![Transaction::get(State::High); 4]);
        let mut cover = Cover::new(pin.clone());
        let at = |cover: &mut Cover<Mock>, ms| cover.closed(Micros::from_ms(ms));
        assert!(at(&mut cover, 900) && at(&mut cover, 100) && at(&mut cover, 250));
        assert!(!at(&mut cover, 300));
        pin.done();
    }
}
