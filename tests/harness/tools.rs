//! Foreign programs. A missing one is a failure that says how to install it, never a skipped test.

use super::database::root;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// DCMTK's programs by their full path: a Python environment may put others of the same names in front.
pub fn dcmtk(name: &str) -> Command {
    Command::new(present(Path::new("/usr/bin").join(name)))
}

/// A program of the Python environment.
pub fn peer(name: &str) -> Command {
    Command::new(present(root().join("target/peers/bin").join(name)))
}

/// A script of `tests/interop/peers`, run with the environment's Python.
pub fn script(name: &str) -> Command {
    let mut command = peer("python");
    command.arg(root().join("tests/interop/peers").join(name));
    command
}

/// A script of `tests/interop/peers/fhir`, run by Node.js with the packages of its lock file.
pub fn node(name: &str) -> Command {
    let packages = present(root().join("target/peers/node/node_modules"));
    let mut command = Command::new("node");
    command
        .arg(root().join("tests/interop/peers/fhir").join(name))
        .env("NODE_PATH", packages);
    command
}

fn present(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: run make test-deps",
        path.display()
    );
    path
}

/// Runs a program to its end; its whole output as text.
///
/// # Panics
/// If it fails, with what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = all(&output);
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

fn all(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// Programs print a peer's bytes as they are: UTF-8, or else ISO 8859-1.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}
