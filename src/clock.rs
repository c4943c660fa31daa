//! The only place that reads time or mints ids.
