//! A bounded queue between two threads that never allocates: not when it is used, nor when a thread waits on it.
//!
//! The standard library's channels allocate the first time a thread blocks on one, which may be late in a flight.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heapless::Deque;

/// Most items that any queue here holds.
const CAPACITY: usize = 64;

/// What is in the queue, and who is still there.
struct State<T> {
    items: Deque<T, CAPACITY>,
    senders: usize,
    receiving: bool,
}

/// The queue itself; [`Queue::ends`] gives its two ends.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    limit: usize,
    arrived: Condvar,
    left: Condvar,
}

/// Why an item was not sent; it comes back.
pub enum Refused<T> {
    /// There is no room.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// What a receiver got.
pub enum Received<T> {
    Item(T),
    /// The time was up.
    Nothing,
    /// All senders are gone and everything they sent was received.
    Closed,
}

impl<T> Queue<T> {
    /// For `limit` items, 1 to 64.
    pub fn new(limit: usize) -> Self {
        let state = Mutex::new(State { items: Deque::new(), senders: 0, receiving: true });
        Self { state, limit: limit.clamp(1, CAPACITY), arrived: Condvar::new(), left: Condvar::new() }
    }

    /// The two ends. Each tells the other when it is dropped.
    pub fn ends(&self) -> (Sender<'_, T>, Receiver<'_, T>) {
        self.state().senders += 1;
        (Sender(self), Receiver(self))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing can panic while the lock is held, so a poisoned queue is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where items go in.
pub struct Sender<'a, T>(&'a Queue<T>);

impl<T> Sender<'_, T> {
    /// Sends, and waits for room.
    pub fn send(&self, item: T) -> Result<(), Refused<T>> {
        let mut state = self.0.state();
        while state.receiving && state.items.len() >= self.0.limit {
            state = self.0.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.push(state, item)
    }

    /// Sends if there is room.
    pub fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        let state = self.0.state();
        if state.receiving && state.items.len() >= self.0.limit {
            return Err(Refused::Full(item));
        }
        self.push(state, item)
    }

    /// Sends in place of the oldest item, if there is no room; gives that.
    pub fn replace(&self, item: T) -> Result<Option<T>, Refused<T>> {
        let mut state = self.0.state();
        let replaced = if state.items.len() >= self.0.limit { state.items.pop_front() } else { None };
        self.push(state, item).map(|()| replaced)
    }

    fn push(&self, mut state: MutexGuard<'_, State<T>>, item: T) -> Result<(), Refused<T>> {
        if !state.receiving {
            return Err(Refused::Closed(item));
        }
        let sent = state.items.push_back(item).map_err(Refused::Full);
        drop(state);
        self.0.arrived.notify_one();
        sent
    }
}

impl<T> Clone for Sender<'_, T> {
    fn clone(&self) -> Self {
        self.0.state().senders += 1;
        Self(self.0)
    }
}

impl<T> Drop for Sender<'_, T> {
    fn drop(&mut self) {
        self.0.state().senders -= 1;
        self.0.arrived.notify_one();
    }
}

/// Where items come out.
pub struct Receiver<'a, T>(&'a Queue<T>);

impl<T> Receiver<'_, T> {
    /// The next item; waits for one, for `longest` at most where that is given.
    pub fn receive(&self, longest: Option<Duration>) -> Received<T> {
        let mut state = self.0.state();
        loop {
            if let Some(item) = state.items.pop_front() {
                drop(state);
                self.0.left.notify_one();
                return Received::Item(item);
            }
            if state.senders == 0 {
                return Received::Closed;
            }
            let Some(longest) = longest else {
                state = self.0.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited =
                self.0.arrived.wait_timeout_while(state, longest, |state| state.items.is_empty() && state.senders > 0);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Received::Nothing;
            }
            state = woken;
        }
    }
}

impl<T> Iterator for Receiver<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self.receive(None) {
            Received::Item(item) => Some(item),
            Received::Nothing | Received::Closed => None,
        }
    }
}

impl<T> Drop for Receiver<'_, T> {
    fn drop(&mut self) {
        let items = {
            let mut state = self.0.state();
            state.receiving = false;
            std::mem::replace(&mut state.items, Deque::new())
        };
        self.0.left.notify_all();
        drop(items);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn items_come_out_in_order_and_the_end_is_told() {
        let queue = Queue::new(2);
        let (sender, receiver) = queue.ends();
        thread::scope(|scope| {
            scope.spawn(move || (0..100).for_each(|item| assert!(sender.send(item).is_ok())));
            assert_eq!(receiver.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_full_queue_refuses_or_gives_up_its_oldest() {
        let queue = Queue::new(1);
        let (sender, receiver) = queue.ends();
        assert!(sender.try_send(1).is_ok());
        assert!(matches!(sender.try_send(2), Err(Refused::Full(2))));
        assert!(matches!(sender.replace(3), Ok(Some(1))));
        assert!(matches!(receiver.receive(None), Received::Item(3)));
        assert!(matches!(receiver.receive(Some(Duration::from_millis(1))), Received::Nothing));
        drop(receiver);
        assert!(matches!(sender.send(4), Err(Refused::Closed(4))));
    }

    #[test]
    fn a_sender_that_waits_learns_that_the_receiver_is_gone() {
        let queue = Queue::new(1);
        let (sender, receiver) = queue.ends();
        assert!(sender.try_send(1).is_ok());
        thread::scope(|scope| {
            let waiting = scope.spawn(move || matches!(sender.send(2), Err(Refused::Closed(2))));
            drop(receiver);
            assert!(waiting.join().unwrap());
        });
    }
}
