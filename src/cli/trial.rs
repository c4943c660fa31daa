//! `relais trial DIR`: what would Relais say to these messages? Each file meets a fresh store through the real intake; one line each.
//!
//! For a first contact with a sender: run it over a day of its messages and read the reasons. Nothing outside a temporary directory
//! is written, and no value of a message is printed.

use super::{FAILED, block_on, load_config};
use crate::app::App;
use crate::config::{Config, read};
use crate::hl7::batch;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Send every HL7 file below a directory to a fresh engine and print what it answers.
#[derive(Debug, Args)]
pub struct Trial {
    /// Directory or file.
    path: PathBuf,
    /// A configuration whose site, links and mappings are used; by default one that accepts processing ids P, D and T and takes
    /// UTF-8 for what it is.
    #[arg(long)]
    config: Option<PathBuf>,
}

const TRIAL: &str = r#"
[site]
name = "Trial"
oid_root = "1.2.250.1.999.9"
[store]
url = "sqlite://trial.db"
[mllp]
listen = "127.0.0.1:0"
[dicom]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[[link]]
name = "default"
processing = ["P", "D", "T"]
charset_contradiction = "utf8"
default_issuer = { name = "TRIAL", oid = "1.2.250.1.999.9.1" }
ins_authorities = ["1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"]
"#;

/// Runs the trial.
pub fn run(trial: &Trial) -> ExitCode {
    let config = match &trial.config {
        Some(path) => match load_config(path) {
            Ok(config) => config,
            Err(code) => return code,
        },
        None => match read::read("trial", TRIAL, Path::new("."), &[]) {
            Ok(config) => config,
            Err(_) => return ExitCode::from(FAILED),
        },
    };
    let mut files = Vec::new();
    collect(&trial.path, 0, &mut files);
    files.sort();
    match block_on(table(&config, &files)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path.extension().is_some_and(|e| e == "hl7" || e == "er7") || depth == 0 {
            files.push(path.to_owned());
        }
    } else if depth < 16
        && let Ok(entries) = std::fs::read_dir(path)
    {
        for entry in entries.flatten() {
            collect(&entry.path(), depth + 1, files);
        }
    }
}

async fn table(config: &Config, files: &[PathBuf]) -> anyhow::Result<()> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    println!("file\ttype\tack\treason\twhere\tchanged");
    for (n, file) in files.iter().enumerate() {
        let dir = std::env::temp_dir().join(format!("relais-trial-{}-{n}", std::process::id()));
        let mut config = config.clone();
        config.store_url = format!("sqlite://{}", dir.join("trial.db").display());
        config.targets.clear();
        // Ports of its own: an engine may be running beside it.
        for listen in [
            &mut config.mllp.listen,
            &mut config.dicom.listen,
            &mut config.http.listen,
        ] {
            *listen = ([127, 0, 0, 1], 0).into();
        }
        let app = App::start(config).await?;
        let bytes = std::fs::read(file)?;
        for range in batch::messages(&bytes) {
            let message = bytes.get(range).unwrap_or_default();
            let report = app
                .core
                .intake
                .take(message, None, ([127, 0, 0, 1], 0).into())
                .await;
            let reason = report
                .refusal
                .as_ref()
                .map(|r| r.reason.code())
                .unwrap_or("");
            let place = report
                .refusal
                .as_ref()
                .and_then(|r| r.at.as_ref())
                .map(ToString::to_string)
                .unwrap_or_default();
            println!(
                "{}\t{}\t{:?}\t{reason}\t{place}\t{}",
                file.display(),
                report.kind,
                report.code,
                report.changed.join(" ")
            );
            let order = if report.kind.starts_with("ORM") {
                "ORM"
            } else {
                "other"
            };
            *counts
                .entry(format!("{order} {:?} {reason}", report.code))
                .or_default() += 1;
        }
        app.stop().await;
        let _ = std::fs::remove_dir_all(&dir);
    }
    println!();
    for (what, n) in counts {
        println!("{n:>6}  {what}");
    }
    Ok(())
}
