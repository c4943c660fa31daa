//! Walks a TOML document with spans and reports every problem, for configuration and mapping files alike.
