//! `relais outbox list|retry|resend|discard|pause|resume`: what waits to be published, what is held and why, and the operator's decision on it.

use super::desk::{by, correct};
use super::{ConfigFile, FAILED, block_on, load_config};
use crate::corrections::{CorrectionError, Corrections};
use crate::store::{OutboxFilter, OutboxRow, Store, StoreError};
use clap::{Args, Subcommand};
use std::path::Path;
use std::process::ExitCode;

/// Most entries that are listed.
const LIST: u32 = 1000;

/// See and steer what waits to be published.
#[derive(Debug, Args)]
pub struct Outbox {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List what is queued, in flight or held, and the targets that are paused.
    List {
        /// Also what was delivered.
        #[arg(long)]
        all: bool,
    },
    /// Queue held, discarded or waiting entries again, due at once.
    Retry(Entries),
    /// Send delivered entries once more, as they are now; the receiver takes it as a repetition.
    Resend(Entries),
    /// Give entries up: they will not be sent, what comes after them may.
    Discard(Entries),
    /// Send nothing to a target until it is resumed, also after a restart.
    Pause {
        /// Its name in the configuration.
        target: String,
        /// Why; shown with the queue.
        #[arg(long)]
        because: String,
    },
    /// Send to a paused target again.
    Resume {
        /// Its name in the configuration.
        target: String,
        /// Why; kept with it.
        #[arg(long)]
        because: Option<String>,
    },
}

/// Which entries.
#[derive(Debug, Args)]
struct Entries {
    /// An entry's id, as `list` prints it.
    #[arg(required_unless_present = "target")]
    id: Option<i64>,
    /// All that fit, of one target.
    #[arg(long, conflicts_with = "id")]
    target: Option<String>,
    /// Why; kept with the entries. No patient data.
    #[arg(long)]
    because: Option<String>,
}

impl Entries {
    fn filter(&self) -> OutboxFilter {
        OutboxFilter {
            id: self.id,
            target: self.target.clone(),
            ..OutboxFilter::default()
        }
    }
}

/// Runs the command on the store of the configuration; the engine may be running.
pub fn run(command: Outbox) -> ExitCode {
    let config = command.config.path;
    match command.act {
        Act::List { all } => list(&config, all),
        act => correct(&config, async |corrections| steer(corrections, act).await),
    }
}

async fn steer(corrections: &Corrections, act: Act) -> Result<ExitCode, CorrectionError> {
    Ok(match act {
        Act::Retry(entries) => {
            let by = by(entries.because.clone());
            said(
                &corrections.retry(&entries.filter(), &by).await?,
                "queued again",
            )
        }
        Act::Resend(entries) => {
            let by = by(entries.because.clone());
            said(
                &corrections.resend(&entries.filter(), &by).await?,
                "sent once more",
            )
        }
        Act::Discard(entries) => {
            let by = by(entries.because.clone());
            said(
                &corrections.skip(&entries.filter(), &by).await?,
                "discarded",
            )
        }
        Act::Pause { target, because } => {
            let changed = corrections.pause(&target, &by(Some(because))).await?;
            println!(
                "{target}: {}",
                if changed { "paused" } else { "was paused" }
            );
            ExitCode::SUCCESS
        }
        Act::Resume { target, because } => {
            let changed = corrections.resume(&target, &by(because)).await?;
            println!(
                "{target}: {}",
                if changed { "resumed" } else { "was not paused" }
            );
            ExitCode::SUCCESS
        }
        Act::List { .. } => ExitCode::SUCCESS,
    })
}

fn list(config: &Path, all: bool) -> ExitCode {
    let config = match load_config(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let listed = block_on(async {
        let store = Store::open_existing(&config.store_url).await?;
        let filter = OutboxFilter {
            undelivered: !all,
            ..OutboxFilter::default()
        };
        let found = (store.outbox(&filter, LIST).await, store.pauses().await);
        store.close().await;
        Ok::<_, StoreError>((found.0?, found.1?))
    });
    let (rows, pauses) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(FAILED);
        }
    };
    println!(
        "{:<20} {:<12} {:<34} {:<10} {:<24} {:>8} reason",
        "id", "target", "subject", "state", "due", "attempts"
    );
    for row in &rows {
        println!("{}", line(row));
    }
    println!("{} entries, {LIST} at most", rows.len());
    for p in &pauses {
        println!(
            "{} is paused since {} by {}: {}",
            p.target,
            p.at.rfc3339(),
            p.who,
            p.because
        );
    }
    ExitCode::SUCCESS
}

/// `due` is when the next attempt is due; of a held row, when the last one was.
fn line(r: &OutboxRow) -> String {
    let why = [r.reason.as_deref(), r.detail.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    format!(
        "{:<20} {:<12} {:<34} {:<10} {:<24} {:>8} {why}",
        r.id,
        r.target,
        r.subject,
        r.state,
        r.due.rfc3339(),
        r.attempts
    )
}

fn said(changed: &[i64], what: &str) -> ExitCode {
    for id in changed {
        println!("{id}: {what}");
    }
    if changed.is_empty() {
        eprintln!("error: no such entry could be {what}; `relais outbox list --all` shows them");
        return ExitCode::from(FAILED);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Instant;

    #[test]
    fn a_line_says_when_it_was_due_and_why_it_is_held() {
        let row = OutboxRow {
            id: 7,
            target: "mes".to_owned(),
            subject: "exam/1".to_owned(),
            seq: 0,
            wanted: 1,
            done: 0,
            state: "held".to_owned(),
            due: Instant(1_780_387_200_000_000),
            attempts: 3,
            reason: Some("fhir.invalid".to_owned()),
            detail: Some("400".to_owned()),
            since: Instant(0),
        };
        let words: Vec<String> = line(&row).split_whitespace().map(str::to_owned).collect();
        let expected = "7 mes exam/1 held 2026-06-02T08:00:00.000Z 3 fhir.invalid: 400";
        assert_eq!(words.join(" "), expected);
    }
}
