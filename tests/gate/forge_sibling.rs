//! A redacted frame cannot be made by another file of the same room.
#![allow(warnings)]

#[path = "../../src/base/mod.rs"]
mod base;
#[path = "../../src/detect/mod.rs"]
mod detect;
#[path = "../../src/track/mod.rs"]
mod track;

#[path = "../../src/mask"]
mod mask {
    #[path = "caption.rs"]
    mod caption;
    #[path = "paint.rs"]
    mod paint;
    #[path = "redacted.rs"]
    pub mod redacted;

    pub struct Mask;

    impl Mask {
        fn cover(
            &mut self,
            _: &mut crate::base::RawFrame,
            _: Result<crate::track::Ground, crate::base::Fault>,
            _: Option<crate::base::Pose>,
        ) -> redacted::Account {
            loop {}
        }
    }

    mod sibling {
        use super::redacted::{Account, RedactedFrame};

        fn forge(frame: crate::base::RawFrame, account: Account) -> RedactedFrame {
            RedactedFrame { frame, account }
        }
    }
}

fn main() {}
