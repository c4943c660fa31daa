//! Schema of the Relais store.
