//! How much a test does: small in every `make test`, large in `make soak`.

/// `large` when the environment has `SOAK=1` (what `make soak` sets), else `small`.
pub fn pick<T>(small: T, large: T) -> T {
    if std::env::var_os("SOAK").is_some_and(|v| v == "1") {
        large
    } else {
        small
    }
}
