//! Rendered items, kept in bounded memory. Pure: no clock, no I/O; one lock, held for a look-up.
//!
//! Nothing in it goes stale, because nothing is taken out of it without its [`Stamp`]: the versions of the documents as the query has
//! just found them in the database, and the revision of the mapping files. A change of either is a miss and replaces the entry, on
//! whichever node it was made. Eviction is the clock algorithm: what was asked for since the hand last passed stays.

use super::gates::Facts;
use crate::dicom::dataset::DataSet;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an entry is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Id of the scheduled step.
    pub step: i64,
    /// The file that it was rendered by: the default one, or a device's own.
    pub file: Arc<str>,
    /// The AE title under which a step of a pool is shown; empty for a step that names its stations.
    pub ae: Arc<str>,
}

/// What an entry was rendered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp<S> {
    /// Documents and their versions.
    pub sources: S,
    /// Revision of the mapping files.
    pub revision: Arc<str>,
}

/// An item with what the gates before it need to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    pub facts: Facts,
    pub data: Arc<DataSet>,
}

/// What is known of a step.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Its item.
    Item(Arc<Item>),
    /// A required attribute has no value: it is on no list.
    Withheld,
    /// The device's file does not show it, whatever is asked.
    Hidden,
    /// No item yet: a gate before it was closed when it was last asked for, or it names no station and its item depends on who asks,
    /// see [`Key::ae`].
    Facts(Arc<Facts>),
}

impl Shown {
    fn bytes(&self) -> usize {
        match self {
            Self::Item(item) => {
                size_of::<Item>()
                    + size_of::<DataSet>()
                    + item.facts.heap_bytes()
                    + item.data.heap_bytes()
            }
            Self::Withheld | Self::Hidden => 0,
            Self::Facts(facts) => size_of::<Facts>() + facts.heap_bytes(),
        }
    }
}

#[derive(Debug)]
struct Slot<S> {
    key: Key,
    stamp: Stamp<S>,
    shown: Shown,
    bytes: usize,
    /// Asked for since the hand last passed.
    used: bool,
}

#[derive(Debug)]
struct Slots<S> {
    slots: Vec<Slot<S>>,
    places: HashMap<Key, usize>,
    bytes: usize,
    hand: usize,
}

/// The cache; a limit of 0 keeps nothing.
#[derive(Debug)]
pub struct ItemCache<S> {
    limit: usize,
    slots: Mutex<Slots<S>>,
}

impl<S: PartialEq> ItemCache<S> {
    /// Bytes that an entry takes beside its item.
    const ENTRY: usize = size_of::<Slot<S>>() + size_of::<(Key, usize)>() + 64;

    /// An empty cache of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            slots: Mutex::new(Slots {
                slots: Vec::new(),
                places: HashMap::new(),
                bytes: 0,
                hand: 0,
            }),
        }
    }

    /// The entry of a key, if it was rendered from just this.
    pub fn get(&self, key: &Key, stamp: &Stamp<S>) -> Option<Shown> {
        let slots = &mut *self.lock();
        let slot = slots.slots.get_mut(*slots.places.get(key)?)?;
        if slot.stamp != *stamp {
            return None;
        }
        slot.used = true;
        Some(slot.shown.clone())
    }

    /// Keeps an entry, in the place of an older one of its key.
    pub fn put(&self, key: Key, stamp: Stamp<S>, shown: Shown) {
        let bytes = shown.bytes() + key.file.len() + key.ae.len() + Self::ENTRY;
        let slots = &mut *self.lock();
        if let Some(place) = slots.places.get(&key).copied() {
            slots.remove(place);
        }
        if bytes > self.limit {
            return;
        }
        while slots.bytes + bytes > self.limit {
            slots.evict();
        }
        slots.bytes += bytes;
        slots.places.insert(key.clone(), slots.slots.len());
        slots.slots.push(Slot {
            key,
            stamp,
            shown,
            bytes,
            used: false,
        });
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Slots<S>> {
        // Nothing that can panic runs under the lock.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Slots<S> {
    /// Drops the next entry that was not asked for since the hand last passed.
    fn evict(&mut self) {
        while let Some(slot) = {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            self.slots.get_mut(self.hand)
        } {
            if !std::mem::take(&mut slot.used) {
                return self.remove(self.hand);
            }
            self.hand += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        let gone = self.slots.swap_remove(place);
        self.places.remove(&gone.key);
        self.bytes -= gone.bytes;
        // The last slot stands here now.
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.key.clone(), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dataset::Content;
    use proptest::prelude::*;

    fn key(step: i64) -> Key {
        Key {
            step,
            file: "worklist/default.toml".into(),
            ae: "".into(),
        }
    }

    fn stamp(version: i64) -> Stamp<i64> {
        Stamp {
            sources: version,
            revision: "r1".into(),
        }
    }

    fn item(bytes: usize) -> Shown {
        let mut item = DataSet::new();
        item.put("PatientComments", Content::Text(vec!["x".repeat(bytes)]));
        Shown::Item(Arc::new(Item {
            facts: Facts {
                status: "scheduled",
                held: false,
                lacks: vec![],
                stations: vec!["CT1".to_owned()],
                modality: "CT".to_owned(),
                start: None,
            },
            data: Arc::new(item),
        }))
    }

    fn is_there(cache: &ItemCache<i64>, step: i64, version: i64) -> bool {
        cache.get(&key(step), &stamp(version)).is_some()
    }

    #[test]
    fn only_what_was_rendered_from_the_same_versions_is_found() {
        let cache = ItemCache::new(1 << 20);
        cache.put(key(1), stamp(1), item(10));
        assert!(is_there(&cache, 1, 1));
        assert!(!is_there(&cache, 1, 2) && !is_there(&cache, 2, 1));
        let other = Stamp {
            revision: "r2".into(),
            ..stamp(1)
        };
        assert!(cache.get(&key(1), &other).is_none());
        let asker = Key {
            ae: "CT9".into(),
            ..key(1)
        };
        assert!(cache.get(&asker, &stamp(1)).is_none());
        let device = Key {
            file: "devices/ct2.toml".into(),
            ..key(1)
        };
        assert!(cache.get(&device, &stamp(1)).is_none());
        cache.put(key(1), stamp(2), Shown::Withheld);
        assert!(is_there(&cache, 1, 2) && !is_there(&cache, 1, 1));
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = ItemCache::new(20_000);
        for step in 0..50 {
            cache.put(key(step), stamp(1), item(1_000));
            is_there(&cache, 0, 1);
        }
        assert!(is_there(&cache, 0, 1) && is_there(&cache, 49, 1));
        assert!(!is_there(&cache, 1, 1));
        cache.put(key(99), stamp(1), item(30_000));
        assert!(!is_there(&cache, 99, 1), "longer than the cache");
        let none = ItemCache::new(0);
        none.put(key(1), stamp(1), Shown::Withheld);
        assert!(!is_there(&none, 1, 1) && none.bytes() == 0);
    }

    /// Resident memory of this process in bytes.
    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    fn memory_stays_within_the_limit() {
        const LIMIT: usize = 8 << 20;
        let cache = ItemCache::new(LIMIT);
        let before = resident();
        // 400 MB of items if all were kept; other tests run beside this one, so the bound is wide.
        for step in 0..40_000 {
            cache.put(key(step), stamp(1), item(10_000));
        }
        let grown = resident().saturating_sub(before);
        assert!(cache.bytes() <= LIMIT && cache.bytes() > LIMIT / 2);
        assert!(grown < 150 << 20, "{grown} bytes more");
    }

    proptest! {
        #[test]
        fn the_newest_is_found_or_nothing_and_bytes_are_counted_right(
            acts in proptest::collection::vec((0_i64..20, 0_i64..3, 0_usize..600), 1..200)
        ) {
            let cache = ItemCache::new(4_000);
            let mut newest = HashMap::new();
            for (step, version, size) in acts {
                if size % 2 == 0 {
                    cache.put(key(step), stamp(version), item(size));
                    newest.insert(step, version);
                } else if is_there(&cache, step, version) {
                    prop_assert_eq!(newest.get(&step), Some(&version));
                }
                let slots = cache.lock();
                prop_assert!(slots.bytes <= 4_000);
                prop_assert_eq!(slots.bytes, slots.slots.iter().map(|s| s.bytes).sum::<usize>());
                prop_assert_eq!(slots.places.len(), slots.slots.len());
                for (at, slot) in slots.slots.iter().enumerate() {
                    prop_assert_eq!(slots.places.get(&slot.key), Some(&at));
                }
            }
        }
    }
}
