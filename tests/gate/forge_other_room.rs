//! A redacted frame cannot be made by another room.
#![allow(warnings)]

#[path = "../../src/base/mod.rs"]
mod base;
#[path = "../../src/detect/mod.rs"]
mod detect;
#[path = "../../src/track/mod.rs"]
mod track;
#[path = "../../src/mask/mod.rs"]
mod mask;

mod link {
    use crate::mask::{Account, RedactedFrame};

    fn forge(frame: crate::base::RawFrame, account: Account) -> RedactedFrame {
        RedactedFrame { frame, account }
    }
}

fn main() {}
