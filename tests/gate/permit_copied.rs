//! A permit cannot be copied.
use voile::base::Micros;
use voile::interlock::Interlock;

fn main() {
    let permit = Interlock::default().permit(Micros(0)).unwrap();
    let _ = permit.clone();
}
