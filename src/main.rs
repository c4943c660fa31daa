//! The `relais` command.

/// What a message costs is for a third asking for memory: [decision 5](../docs/decisions/0005-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    relais::cli::run()
}
