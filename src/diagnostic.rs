//! Coded diagnostics with source spans, rendered with the text underlined.
