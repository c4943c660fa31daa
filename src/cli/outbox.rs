//! `relais outbox list|retry|discard`: what waits to be published, what is held and why, and the operator's decision on it.

use super::{FAILED, block_on, load_config};
use crate::clock::Clock;
use crate::store::{OutboxFilter, OutboxRow, Store};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Most entries that are listed.
const LIST: u32 = 1000;

/// See and steer what waits to be published.
#[derive(Debug, Args)]
pub struct Outbox {
    #[command(subcommand)]
    act: Act,
    /// The configuration file.
    #[arg(long, global = true, default_value = "relais.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List what is queued, in flight or held.
    List {
        /// Also what was delivered.
        #[arg(long)]
        all: bool,
    },
    /// Queue an entry again at once.
    Retry {
        /// Its id, as `list` prints it.
        id: i64,
    },
    /// Give an entry up: it will not be sent, what comes after it may.
    Discard {
        /// Its id, as `list` prints it.
        id: i64,
    },
}

/// Runs the command on the store of the configuration; the engine may be running.
pub fn run(command: Outbox) -> ExitCode {
    let config = match load_config(&command.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let outcome = block_on(async {
        let store = Store::open(&config.store_url).await?;
        let done = act(&store, command.act).await;
        store.close().await;
        done
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn act(store: &Store, act: Act) -> anyhow::Result<ExitCode> {
    let now = Clock::System.now();
    match act {
        Act::List { all } => {
            let filter = OutboxFilter {
                undelivered: !all,
                ..OutboxFilter::default()
            };
            let rows = store.outbox(&filter, LIST).await?;
            println!(
                "{:<20} {:<12} {:<34} {:<10} {:<24} {:>8} reason",
                "id", "target", "subject", "state", "due", "attempts"
            );
            for row in &rows {
                println!("{}", line(row));
            }
            println!("{} entries, {LIST} at most", rows.len());
            Ok(ExitCode::SUCCESS)
        }
        Act::Retry { id } => Ok(said(
            store.retry_outbox(&one(id), now).await?,
            id,
            "queued again",
        )),
        Act::Discard { id } => Ok(said(
            store.discard_outbox(&one(id), now).await?,
            id,
            "discarded",
        )),
    }
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

fn one(id: i64) -> OutboxFilter {
    OutboxFilter {
        id: Some(id),
        ..OutboxFilter::default()
    }
}

fn said(rows: u64, id: i64, what: &str) -> ExitCode {
    if rows > 0 {
        println!("{id}: {what}");
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "error: no entry {id} that could be {what}; `relais outbox list --all` shows them"
        );
        ExitCode::from(FAILED)
    }
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
        };
        let words: Vec<String> = line(&row).split_whitespace().map(str::to_owned).collect();
        let expected = "7 mes exam/1 held 2026-06-02T08:00:00.000Z 3 fhir.invalid: 400";
        assert_eq!(words.join(" "), expected);
    }
}
