//! What giving up rights has reached, as parts and as one figure that can be compared.
//!
//! The figure counts steps of a ladder, each of which holds only on top of the one before, so that a minimum means the
//! same on every kernel. What every step needs anyway (system call list, no capabilities, no dump, no new privileges)
//! is not optional: without it [`super::enter`] fails and there is no level at all.

use std::fmt;

use super::{Locked, Side};

/// The namespaces that a side has of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Users and their capabilities.
    pub user: bool,
    /// Network interfaces, addresses and abstract sockets.
    pub net: bool,
    /// System V and POSIX shared memory and queues.
    pub ipc: bool,
}

/// What a side has given up. Made only by [`super::enter`], after the kernel has agreed to each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub(super) side: Side,
    pub(super) landlock: u8,
    pub(super) namespaces: Namespaces,
    pub(super) bounding_empty: bool,
    pub(super) locked: Locked,
}

impl Level {
    /// The highest step.
    pub const MAX: u8 = 4;
    /// The lowest step at which a side runs.
    pub const MIN: u8 = 1;

    /// The step reached, 1 to 4:
    ///
    /// 1. **listed**: only listed system calls, no capabilities, no new privileges, no dump, no stray descriptor;
    /// 2. **fenced**: and Landlock denies every file that is not named (ABI 2 or newer);
    /// 3. **apart**: and the network is refused a second time: the dark side has an empty one of its own, the lit side
    ///    may neither bind nor connect TCP (ABI 4 or newer);
    /// 4. **sealed**: and no signal or abstract socket reaches outside (ABI 6 or newer), no exec could bring a
    ///    capability back (empty bounding set), and all memory of the dark side stays out of swap.
    pub fn figure(&self) -> u8 {
        let fenced = self.landlock >= 2;
        let apart = match self.side {
            Side::Dark => self.namespaces.net,
            Side::Lit => self.landlock >= 4,
        };
        let in_ram = match self.side {
            Side::Dark => self.locked == Locked::All,
            Side::Lit => true,
        };
        let sealed = self.landlock >= 6 && self.bounding_empty && in_ram;
        match (fenced, apart, sealed) {
            (false, _, _) => 1,
            (true, false, _) => 2,
            (true, true, false) => 3,
            (true, true, true) => 4,
        }
    }

    /// Which side this is.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Landlock's ABI as far as it is used, 0 to 7; 0 where the kernel has none.
    pub const fn landlock(&self) -> u8 {
        self.landlock
    }

    /// Namespaces of its own.
    pub const fn namespaces(&self) -> Namespaces {
        self.namespaces
    }

    /// Whether the capability bounding set is empty too; the other four sets always are.
    pub const fn bounding_empty(&self) -> bool {
        self.bounding_empty
    }

    /// How much memory is kept from swap.
    pub const fn locked(&self) -> Locked {
        self.locked
    }

    /// What would lift the figure by one step, or `None` at the top.
    pub fn mend(&self) -> Option<&'static str> {
        match (self.figure(), self.side) {
            (0 | 1, _) => Some("boot a kernel with Landlock (CONFIG_SECURITY_LANDLOCK, and `landlock` in lsm=)"),
            (2, Side::Dark) => {
                Some("allow user namespaces (user.max_user_namespaces, RestrictNamespaces= of the unit)")
            }
            (2, Side::Lit) => Some("boot Linux 6.7 or newer, whose Landlock knows TCP"),
            (3, _) if self.landlock < 6 => Some("boot Linux 6.12 or newer, whose Landlock knows signals"),
            (3, _) if !self.bounding_empty => Some("set CapabilityBoundingSet= in the unit"),
            (3, _) => Some("set LimitMEMLOCK=infinity in the unit"),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = ["open", "listed", "fenced", "apart", "sealed"][usize::from(self.figure())];
        write!(out, "{} side {} of {} ({word}): system calls listed, ", self.side, self.figure(), Self::MAX)?;
        match self.landlock {
            0 => write!(out, "no Landlock, ")?,
            abi => write!(out, "Landlock ABI {abi}, ")?,
        }
        let Namespaces { user, net, ipc } = self.namespaces;
        let mut own = [(user, "user"), (net, "net"), (ipc, "ipc")].into_iter().filter(|(has, _)| *has).peekable();
        if own.peek().is_none() {
            write!(out, "no own namespace, ")?;
        } else {
            write!(out, "own namespaces")?;
            own.try_for_each(|(_, name)| write!(out, " {name}"))?;
            write!(out, ", ")?;
        }
        let bounding = if self.bounding_empty { "empty" } else { "kept" };
        write!(out, "no capabilities (bounding set {bounding}), no dumps, ")?;
        match (self.side, self.locked) {
            (Side::Lit, _) => write!(out, "no raw pixels to lock"),
            (Side::Dark, Locked::All) => write!(out, "memory locked"),
            (Side::Dark, Locked::UpTo(bytes)) => write!(out, "memory locked up to {} KiB", bytes / 1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: Level = Level {
        side: Side::Dark,
        landlock: 7,
        namespaces: Namespaces { user: true, net: true, ipc: true },
        bounding_empty: true,
        locked: Locked::All,
    };

    #[test]
    fn each_step_needs_the_one_before() {
        let alone = Namespaces { net: false, ..SEALED.namespaces };
        for (level, figure) in [
            (SEALED, 4),
            (Level { locked: Locked::UpTo(8 << 20), ..SEALED }, 3),
            (Level { bounding_empty: false, ..SEALED }, 3),
            (Level { landlock: 2, ..SEALED }, 3),
            (Level { namespaces: alone, ..SEALED }, 2),
            (Level { landlock: 1, ..SEALED }, 1),
            (Level { landlock: 0, ..SEALED }, 1),
            (Level { side: Side::Lit, landlock: 3, ..SEALED }, 2),
            (Level { side: Side::Lit, landlock: 4, namespaces: Namespaces::default(), ..SEALED }, 3),
            (Level { side: Side::Lit, locked: Locked::UpTo(0), namespaces: Namespaces::default(), ..SEALED }, 4),
        ] {
            assert_eq!(level.figure(), figure, "{level}");
            assert_eq!(level.mend().is_none(), figure == Level::MAX, "{level}");
        }
    }

    #[test]
    fn it_reads_as_one_line() {
        let line = Level { landlock: 2, locked: Locked::UpTo(8 << 20), ..SEALED }.to_string();
        assert_eq!(
            line,
            "dark side 3 of 4 (apart): system calls listed, Landlock ABI 2, own namespaces user net ipc, no \
             capabilities (bounding set empty), no dumps, memory locked up to 8192 KiB"
        );
        let bare =
            Level { side: Side::Lit, landlock: 0, namespaces: Namespaces::default(), bounding_empty: false, ..SEALED };
        assert!(bare.to_string().contains("no Landlock, no own namespace"), "{bare}");
    }
}
