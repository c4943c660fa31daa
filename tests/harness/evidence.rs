//! What the product said during a test run, kept in target/test-logs/<test binary>/: `make test` ends with a search for patients in it
//! (tests/patient_data.rs).

use super::database::root;
use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The directory of this test binary, empty at its start.
fn directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let program = std::env::current_exe().unwrap_or_default();
        let stem = program.file_stem().unwrap_or_default().to_string_lossy();
        // Cargo adds a hash to the name of a test binary.
        let name = stem.rsplit_once('-').map_or(&*stem, |(name, _)| name);
        let directory = root().join("target/test-logs").join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    })
}

/// Keeps a file of a process: its log, its last metrics.
pub fn keep(kind: &str, content: &[u8]) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    fs::write(directory().join(format!("{n:04}.{kind}")), content).unwrap();
}

/// Keeps a text that the product answered: a refusal, the output of a command.
pub fn told(kind: &str, text: &str) {
    let file = directory().join(format!("{kind}.told"));
    let opened = File::options().create(true).append(true).open(file);
    // One write for one text: tests of a binary run side by side.
    opened
        .unwrap()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}
