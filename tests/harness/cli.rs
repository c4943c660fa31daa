//! The product's commands beside `serve`, run on the configuration of a test.

use super::{database::Database, evidence, process::program};

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output, then standard error.
    pub text: String,
}

/// Runs `relais ARGUMENTS --config <the configuration that `Process` wrote>`.
pub fn relais(database: &Database, arguments: &[&str]) -> Ran {
    let output = program()
        .args(arguments)
        .arg("--config")
        .arg(database.dir.join("relais.toml"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    evidence::told("commands", &text);
    Ran {
        code: output.status.code().unwrap_or(-1),
        text,
    }
}
