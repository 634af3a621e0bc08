//! A permit cannot be made outside the interlock.
use voile::base::Micros;
use voile::interlock::Permit;

fn main() {
    let _ = Permit { from: Micros(0), until: Micros(u64::MAX) };
}
