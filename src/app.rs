//! Composition root: builds everything, starts listeners and workers, drains on shutdown.
