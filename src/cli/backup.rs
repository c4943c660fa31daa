//! `relais backup` and `relais restore`: the SQLite database to a file and back.

use super::{ConfigFile, FAILED, WRONG, block_on, load_config};
use crate::clock::Clock;
use crate::store::{self, BackupError, Copied, Schema};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The file and the configuration.
#[derive(Debug, Args)]
pub struct Files {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
}

/// Writes a checked copy of the store; the engine may be running.
pub fn backup(files: &Files) -> ExitCode {
    let config = match load_config(&files.config.path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match block_on(store::backup(&config.store_url, &files.file)) {
        Ok(copied) => {
            println!("{}: {}", files.file.display(), said(&copied));
            ExitCode::SUCCESS
        }
        Err(error) => refused(&error, &config.store_url, &files.file),
    }
}

/// Puts a backup in the place of the store; the engine must be stopped.
pub fn restore(files: &Files) -> ExitCode {
    let config = match load_config(&files.config.path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let now = Clock::System.now();
    // As in a file's name: no colons.
    let stamp = now.rfc3339().replace([':', '.'], "");
    match block_on(store::restore(&config.store_url, &files.file, &stamp)) {
        Ok(restored) => {
            println!(
                "restored {}: {}",
                files.file.display(),
                said(&restored.copied)
            );
            if let Some(aside) = restored.aside {
                println!("the database of before is kept as {}", aside.display());
            }
            println!("what was received after the backup is not in it: senders may send it again");
            ExitCode::SUCCESS
        }
        Err(error) => refused(&error, &config.store_url, &files.file),
    }
}

fn said(copied: &Copied) -> String {
    let release = match copied.schema {
        Schema::Older(n) => format!(", of an earlier release ({n} migrations to apply)"),
        _ => String::new(),
    };
    format!(
        "whole, {} bytes, {} journal rows, {} exams{release}",
        copied.bytes, copied.journal_rows, copied.exams
    )
}

fn refused(error: &BackupError, url: &str, file: &Path) -> ExitCode {
    eprintln!("error: {error}");
    if matches!(error, BackupError::NotSqlite) {
        let (url, file) = (without_password(url), file.display());
        eprintln!("  back up:  pg_dump --format=custom --file={file} '{url}'");
        eprintln!(
            "  restore:  stop every node, then pg_restore --clean --if-exists --single-transaction --dbname='{url}' {file}"
        );
        return ExitCode::from(WRONG);
    }
    ExitCode::from(FAILED)
}

/// The URL as it may stand in a terminal's history: programs of PostgreSQL ask for the password, or read it from ~/.pgpass.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((who, host)) => {
            let user = who.split(':').next().unwrap_or(who);
            format!("{scheme}://{user}@{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn the_command_that_is_shown_carries_no_password() {
        for (url, shown) in [
            (
                "postgres://relais:s:e%40cr@et@db:5432/relais",
                "postgres://relais@db:5432/relais",
            ),
            (
                "postgres://relais:pw@db/x?a=b",
                "postgres://relais@db/x?a=b",
            ),
            ("postgres://db/relais", "postgres://db/relais"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
