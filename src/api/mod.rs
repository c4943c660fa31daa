//! HTTP: health, readiness and metrics. Thin handlers over the same functions as the command line.
