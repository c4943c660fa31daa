//! Logs and metrics; no patient data in either.
