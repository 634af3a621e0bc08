//! The lit half: what comes through the seam goes to an outlet, as far as the interlock permits.

use std::time::Duration;

use super::crossing::{Crossing, Health, Heard, Inward};
use crate::base::{Clock, Fault, Micros};
use crate::encode::AccessUnit;
use crate::interlock::{Interlock, Permit, Response};
use crate::mask::State;

/// What the lit half hands things to.
pub trait Outlet {
    /// Takes an access unit, if `permit` still holds at the moment of sending.
    ///
    /// # Errors
    /// [`Fault::OutputFailed`]; the reason is the outlet's to tell.
    fn send(&mut self, unit: AccessUnit, permit: &Permit) -> Result<(), Fault>;

    /// Takes note of a frame's health. Comes before the frame's access unit.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn note(&mut self, health: Health) -> Result<(), Fault>;

    /// The camera has nothing yet, and the dark half lives.
    ///
    /// # Errors
    /// What a missing sign of life would be.
    fn pause(&mut self, _permit: Permit) -> Result<(), Fault> {
        Ok(())
    }

    /// All has come: sends what is still under way, in short time; `interlock` gives permits.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn drain(&mut self, _interlock: &Interlock) -> Result<(), Fault> {
        Ok(())
    }

    /// Goes on with what takes its time, before each look at the seam; `interlock` gives permits. When to come back at
    /// the latest, if anything waits.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn tend(&mut self, _interlock: &Interlock) -> Result<Option<Micros>, Fault> {
        Ok(None)
    }
}

/// An outlet that keeps nothing, for runs that only score.
pub struct Nowhere;

impl Outlet for Nowhere {
    fn send(&mut self, _unit: AccessUnit, _permit: &Permit) -> Result<(), Fault> {
        Ok(())
    }

    fn note(&mut self, _health: Health) -> Result<(), Fault> {
        Ok(())
    }
}

/// Slates by cause, in the order of [`Fault::ALL`].
pub type Slates = [u64; Fault::ALL.len()];

/// The lit half: nothing leaves without a permit, and nothing after a trip. Gives what ended it before the dark half had
/// sent all it had.
pub fn lit_half(
    seam: &mut dyn Inward,
    outlet: &mut dyn Outlet,
    clock: &dyn Clock,
    slates: &mut Slates,
) -> Option<Fault> {
    let mut interlock = Interlock::default();
    let (mut ended, mut gone) = (false, None);
    while !ended && interlock.tripped().is_none() {
        // Of a dark half that died nothing more is sent, however long the lit half itself was kept from looking: what it
        // left in the seam is only read, since it may say why.
        let abandoned = seam.abandoned();
        let tended = if abandoned { Ok(None) } else { outlet.tend(&interlock) };
        let result = match tended {
            Err(fault) => Err(fault),
            Ok(back) => match seam.next(back.map(|back| Duration::from_micros(back.since(clock.now()).0))) {
                Heard::Crossing(Crossing::Health(health)) => {
                    if let State::Slate(fault) = health.account.state {
                        count(slates, fault);
                        interlock.report(fault);
                    }
                    outlet.note(health)
                }
                Heard::Crossing(Crossing::Unit(_) | Crossing::Pause) if abandoned => Ok(()),
                Heard::Crossing(Crossing::Unit(unit)) => match interlock.permit(clock.now()) {
                    Some(permit) => outlet.send(unit, &permit),
                    None => break,
                },
                Heard::Crossing(Crossing::End) => {
                    ended = true;
                    if abandoned { Ok(()) } else { outlet.drain(&interlock) }
                }
                Heard::Crossing(Crossing::Pause) => match interlock.permit(clock.now()) {
                    Some(permit) => outlet.pause(permit),
                    None => break,
                },
                Heard::Nothing => Ok(()),
                Heard::Crossing(Crossing::Fault(fault)) => Err(fault),
                Heard::Fault(fault) => {
                    (ended, gone) = (true, Some(fault));
                    Err(fault)
                }
            },
        };
        if let Err(fault) = result
            && interlock.report(fault) == Response::Slate
        {
            count(slates, fault);
        }
    }
    interlock.tripped().or(gone)
}

fn count(slates: &mut Slates, fault: Fault) {
    slates[usize::from(fault.number())] += 1;
}
