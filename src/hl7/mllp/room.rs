//! How much all connections together may hold of messages that are not yet answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that many readers share.
#[derive(Debug)]
pub struct Room {
    limit: usize,
    used: AtomicUsize,
}

impl Room {
    /// A room of so many bytes.
    pub fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
        })
    }

    /// How many bytes are held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .is_ok()
    }
}

/// One message's share of a room, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Held {
    /// No share yet.
    pub fn nothing(room: &Arc<Room>) -> Self {
        Self {
            room: Arc::clone(room),
            bytes: 0,
        }
    }

    /// Takes more; false, and nothing is taken, if the room is full.
    pub fn more(&mut self, bytes: usize) -> bool {
        let taken = self.room.reserve(bytes);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    /// Gives all of it back.
    pub fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.room.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Hands the share over; nothing is left here.
    pub fn take(&mut self) -> Self {
        Self {
            room: Arc::clone(&self.room),
            bytes: std::mem::take(&mut self.bytes),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Shares are equal if they are as large, whatever the room.
impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Held {}
