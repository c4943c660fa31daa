//! The door: how many connections stand in the house, and who leaves when it is full. A connection that has not yet said who it is
//! makes room for a newcomer; an association at rest makes room for one that waits for its turn. Nothing here waits or does I/O.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Counts connections and knows which of them may be turned out.
#[derive(Debug)]
pub struct Door {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    next: u64,
    /// Connections without an A-ASSOCIATE-RQ, oldest first.
    silent: VecDeque<(u64, CancellationToken)>,
    /// Associations at rest, longest first.
    resting: VecDeque<(u64, CancellationToken)>,
}

/// A connection's place. Given back when dropped.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    id: u64,
    out: CancellationToken,
}

impl Door {
    /// A door for so many connections at a time.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection. When all are taken, the longest silent one has to leave; `None` if nobody is silent.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state();
        if state.open >= self.most {
            // Its place is the newcomer's at once: the count stays.
            state.silent.pop_front()?.1.cancel();
        } else {
            state.open += 1;
        }
        let id = state.next;
        state.next += 1;
        let out = CancellationToken::new();
        state.silent.push_back((id, out.clone()));
        Some(Place {
            door: Arc::clone(self),
            id,
            out,
        })
    }

    /// Asks the association that has been at rest longest to end; false if none is.
    pub fn make_room(&self) -> bool {
        let longest = self.state().resting.pop_front();
        longest.is_some_and(|(_, out)| {
            out.cancel();
            true
        })
    }
}

impl Place {
    /// The connection has said who it is. False if it was turned out a moment before.
    pub fn spoke(&self) -> bool {
        let mut state = self.door.state();
        state.silent.retain(|(id, _)| *id != self.id);
        !self.out.is_cancelled()
    }

    /// Waits to be turned out for being silent.
    pub async fn turned_out(&self) {
        self.out.cancelled().await;
    }

    /// From now on the association may be ended for another, until the guard is dropped.
    pub fn rest(&self) -> Rest<'_> {
        let out = CancellationToken::new();
        let resting = (self.id, out.clone());
        self.door.state().resting.push_back(resting);
        Rest { place: self, out }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.door.state();
        state.silent.retain(|(id, _)| *id != self.id);
        // One that was turned out left its place to the newcomer.
        if !self.out.is_cancelled() {
            state.open -= 1;
        }
    }
}

/// An association at rest.
#[derive(Debug)]
pub struct Rest<'a> {
    place: &'a Place,
    out: CancellationToken,
}

impl Rest<'_> {
    /// Waits until another association needs the room.
    pub async fn disturbed(&self) {
        self.out.cancelled().await;
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        let id = self.place.id;
        let mut state = self.place.door.state();
        state.resting.retain(|(other, _)| *other != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_turns_out_the_longest_silent_connection_and_no_other() {
        let door = Door::new(2);
        let first = door.enter().unwrap();
        let second = door.enter().unwrap();
        assert!(first.spoke());
        let third = door.enter().unwrap();
        assert!(second.out.is_cancelled() && !second.spoke());
        assert!(third.spoke());
        assert!(door.enter().is_none(), "nobody is silent");
        drop(second);
        assert!(door.enter().is_none(), "its place was taken over");
        drop(first);
        let fourth = door.enter().unwrap();
        assert_eq!(door.state().open, 2);
        drop((third, fourth));
        assert_eq!(door.state().open, 0);
    }

    #[test]
    fn the_association_longest_at_rest_makes_room() {
        let door = Door::new(2);
        let (a, b) = (door.enter().unwrap(), door.enter().unwrap());
        assert!(!door.make_room());
        let (rest_a, rest_b) = (a.rest(), b.rest());
        drop(rest_a);
        assert!(door.make_room() && rest_b.out.is_cancelled());
        assert!(!door.make_room());
    }
}
