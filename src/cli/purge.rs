//! `relais purge`: removes what is past its retention, or says what would go.

use super::{ConfigFile, FAILED, block_on, load_config};
use crate::clock::Clock;
use crate::retention::{expired, purge};
use crate::store::Store;
use clap::Args;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Remove what is past its retention; a running engine does so each hour.
#[derive(Debug, Args)]
pub struct Purge {
    /// Print how many rows would go, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs the command on the store of the configuration; the engine may be running.
pub fn run(command: &Purge) -> ExitCode {
    let config = match load_config(&command.config.path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let now = Clock::System.now();
    let outcome = block_on(async {
        let store = Store::open_existing(&config.store_url).await?;
        let found = if command.dry_run {
            expired(&store, &config.retention, now).await
        } else {
            purge(&store, &config.retention, now, &CancellationToken::new()).await
        };
        store.close().await;
        found
    });
    match outcome {
        Ok(rows) => {
            println!("{:<10} {:<25} rows", "what", "older than");
            for (kept, n) in rows {
                let cutoff = config.retention.cutoff(kept, now).rfc3339();
                println!("{:<10} {cutoff:<25} {n}", kept.word());
            }
            let done = if command.dry_run {
                "nothing removed: --dry-run"
            } else {
                "removed"
            };
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}
