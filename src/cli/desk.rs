//! What the commands that look into or correct the record share: the engine's core beside a running engine, and who is at the keyboard.
//!
//! Such a command is a node of its own: it takes the database's lock for one short transaction like any message, so it may run while
//! `relais serve` does, and while nothing does. On SQLite it must run on the same machine, by a user who may write the file.

use super::{FAILED, WRONG, block_on, load_config};
use crate::app::{Core, For};
use crate::corrections::{By, CorrectionError, Corrections};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

/// Runs `work` on the core of a configuration's engine.
pub fn with_core(config: &Path, work: impl AsyncFnOnce(&Core) -> ExitCode) -> ExitCode {
    let config = match load_config(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    block_on(async {
        let core = match Core::open(config, For::Command).await {
            Ok(core) => core,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::from(FAILED);
            }
        };
        let code = work(&core).await;
        core.close().await;
        code
    })
}

/// Runs `work` on the corrections of a configuration's engine.
pub fn correct(
    config: &Path,
    work: impl AsyncFnOnce(&Corrections) -> Result<ExitCode, CorrectionError>,
) -> ExitCode {
    with_core(config, async |core| {
        let done = work(&core.corrections()).await;
        done.unwrap_or_else(|error| {
            eprintln!("error: {error}");
            ExitCode::from(match error {
                CorrectionError::Wrong(_) => WRONG,
                _ => FAILED,
            })
        })
    })
}

/// The user at the keyboard, as the system knows them.
pub fn by(because: Option<String>) -> By {
    let known = |name: &str| {
        std::env::vars()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value)
    };
    // Behind sudo the person is more telling than the account.
    let user = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(known)
        .unwrap_or_else(account);
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    By {
        port: "cli",
        who: format!("{user}@{}", host.trim()),
        because: because.unwrap_or_default(),
    }
}

/// The number of the account, where its name is not in the environment (containers, cron).
fn account() -> String {
    std::fs::metadata("/proc/self").map_or_else(
        |_| "unknown user".to_owned(),
        |process| format!("uid {}", process.uid()),
    )
}
