//! What the fuzz targets (`fuzz_*`, each beside the parser that it feeds) tell the fuzzer of the crate `fuzz/`: the shape of an
//! outcome.
//!
//! An input whose outcome has a shape that was not seen before went a new way through the parser and is worth mutating further. A
//! shape holds kinds, places and orders of magnitude, never texts: it must not differ for every input.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A number that stands for the kind of an outcome.
pub fn shape(outcome: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    outcome.hash(&mut hasher);
    hasher.finish()
}

/// The order of magnitude of a count.
pub fn size(count: usize) -> u32 {
    count.checked_ilog2().map_or(0, |n| n + 1)
}
