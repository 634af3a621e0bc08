//! The packets that wait for their moment: a ring whose memory is fixed.
//!
//! A unit's packets lie behind each other and are thrown away together; only a unit of which some packets have left can
//! be cut, and whoever cuts it is told.

use crate::base::Micros;

/// Memory for packets, in bytes: half a second, which is the longest wait, of the encoder's highest rate, 25 Mb/s, is
/// 1.6 MB.
const MEMORY: usize = 2 << 20;

/// What the ring knows of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Length of the datagram.
    pub bytes: usize,
    /// First of its unit.
    pub first: bool,
    /// Last of its unit.
    pub last: bool,
    /// Its unit is one that decoding can start at.
    pub key: bool,
    /// When it was laid in.
    pub queued: Micros,
}

/// How many units were thrown away, and how many of them had begun to leave (0 or 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Thrown {
    pub units: u64,
    pub cut: u64,
}

impl Thrown {
    const fn plus(self, other: Self) -> Self {
        Self { units: self.units + other.units, cut: self.cut + other.cut }
    }
}

/// The ring.
pub(super) struct Queue {
    memory: Box<[u8]>,
    slots: Box<[Slot]>,
    mtu: usize,
    head: usize,
    count: usize,
}

impl Queue {
    /// For datagrams of up to `mtu` bytes, at least 1.
    pub(super) fn new(mtu: usize) -> Self {
        let count = MEMORY / mtu;
        let slots = vec![Slot::default(); count].into_boxed_slice();
        Self { memory: vec![0; count * mtu].into_boxed_slice(), slots, mtu, head: 0, count: 0 }
    }

    fn index(&self, nth: usize) -> usize {
        (self.head + nth) % self.slots.len()
    }

    /// Packets that wait.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        (0..self.count).map(|nth| self.slots[self.index(nth)].bytes).sum()
    }

    /// Memory for one more packet, unless the ring is full. [`Queue::push`] makes it one.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        if self.count == self.slots.len() {
            return None;
        }
        let at = self.index(self.count) * self.mtu;
        Some(&mut self.memory[at..at + self.mtu])
    }

    /// What was written to [`Queue::room`] is a packet.
    pub(super) fn push(&mut self, slot: Slot) {
        debug_assert!(self.count < self.slots.len() && slot.bytes <= self.mtu);
        let at = self.index(self.count);
        self.slots[at] = slot;
        self.count += 1;
    }

    /// The packet that is next.
    pub(super) fn front(&self) -> Option<(Slot, &[u8])> {
        if self.count == 0 {
            return None;
        }
        let slot = self.slots[self.head];
        Some((slot, &self.memory[self.head * self.mtu..][..slot.bytes]))
    }

    /// Forgets the packet that was next.
    pub(super) fn pop(&mut self) {
        if self.count > 0 {
            self.head = self.index(1);
            self.count -= 1;
        }
    }

    /// Takes back the packets behind the first `len`: those of a unit that does not fit whole.
    pub(super) fn take_back(&mut self, len: usize) {
        self.count = self.count.min(len);
    }

    /// Throws away the units of which nothing has left.
    pub(super) fn throw_unbegun(&mut self) -> Thrown {
        let waiting = (0..self.count).map(|nth| self.slots[self.index(nth)]);
        let kept = waiting.clone().take_while(|slot| !slot.first).count();
        let units = waiting.skip(kept).filter(|slot| slot.first).count();
        self.take_back(kept);
        Thrown { units: u64::try_from(units).unwrap_or(u64::MAX), cut: 0 }
    }

    /// Throws away everything.
    pub(super) fn clear(&mut self) -> Thrown {
        self.throw_until(|_| false)
    }

    /// Throws away whole units from the front, up to the first whose first packet `is_wanted`.
    pub(super) fn throw_until(&mut self, is_wanted: impl Fn(Slot) -> bool) -> Thrown {
        let mut thrown = Thrown::default();
        while let Some((slot, _)) = self.front() {
            if slot.first && is_wanted(slot) {
                break;
            }
            thrown = thrown.plus(Thrown { units: 1, cut: u64::from(!slot.first) });
            while let Some((slot, _)) = self.front() {
                self.pop();
                if slot.last {
                    break;
                }
            }
        }
        thrown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring with one letter a packet: upper case begins a unit, `k` and `K` belong to a key frame's, a dot ends one.
    fn laid(letters: &str) -> Queue {
        let mut queue = Queue::new(1400);
        let letters: Vec<char> = letters.chars().collect();
        for (at, &letter) in letters.iter().enumerate().filter(|(_, letter)| **letter != '.') {
            let memory = queue.room().expect("room");
            memory[0] = u8::try_from(letter).expect("a letter");
            queue.push(Slot {
                bytes: 1,
                first: letter.is_uppercase(),
                last: letters.get(at + 1) == Some(&'.'),
                key: letter.eq_ignore_ascii_case(&'k'),
                queued: Micros(0),
            });
        }
        queue
    }

    fn left(mut queue: Queue) -> String {
        let mut letters = String::new();
        while let Some((slot, bytes)) = queue.front() {
            letters.push(char::from(bytes[0]));
            if slot.last {
                letters.push('.');
            }
            queue.pop();
        }
        letters
    }

    #[test]
    fn what_has_begun_to_leave_stays_when_the_rest_is_thrown() {
        let mut queue = laid("Aa.Bb.Kk.");
        queue.pop();
        assert_eq!(queue.throw_unbegun(), Thrown { units: 2, cut: 0 });
        assert_eq!(left(queue), "a.");
        let mut whole = laid("Aa.Bb.");
        assert_eq!(whole.throw_unbegun(), Thrown { units: 2, cut: 0 });
        assert_eq!(left(whole), "");
    }

    #[test]
    fn units_are_thrown_whole_up_to_the_wanted_one() {
        let mut queue = laid("Aaa.Bb.Kk.Cc.");
        queue.pop();
        assert_eq!(queue.throw_until(|slot| slot.key), Thrown { units: 2, cut: 1 }, "the first one had begun");
        assert_eq!(left(queue), "Kk.Cc.");
        let mut begun = laid("Kkk.Bb.");
        begun.pop();
        assert_eq!(begun.throw_until(|slot| slot.key), Thrown { units: 2, cut: 1 }, "half a key frame is no start");
    }

    #[test]
    fn the_ring_goes_round_and_ends_where_it_is_full() {
        let mut queue = Queue::new(MEMORY / 3);
        for round in 0..10_u8 {
            for _ in 0..3 {
                queue.room().expect("room")[0] = round;
                queue.push(Slot { bytes: 2, first: true, last: true, ..Slot::default() });
            }
            assert!(queue.room().is_none());
            assert_eq!(queue.bytes(), 6);
            assert_eq!(queue.front().map(|(_, bytes)| bytes[0]), Some(round));
            queue.take_back(1);
            queue.pop();
            assert_eq!(queue.len(), 0);
        }
    }
}
