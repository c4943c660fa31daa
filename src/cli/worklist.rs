//! `relais worklist why-not`: why a scanner does not show a step, gate by gate; why it does, if it does.
//!
//! The gates are walked by the code that answers C-FIND, on the store and the mapping files of the configuration; the engine may be
//! running. Values of patients are shown on request only.

use super::desk::with_core;
use super::{ConfigFile, FAILED, WRONG};
use crate::app::Core;
use crate::store::StoreError;
use crate::worklist::device::Device;
use crate::worklist::keys::Query;
use crate::worklist::why_not::Answer;
use crate::worklist::words::identifier;
use clap::{Args, Subcommand};
use std::net::IpAddr;
use std::process::ExitCode;

/// See what scanners are shown.
#[derive(Debug, Args)]
pub struct Worklist {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Say of each gate whether it lets a step through to a scanner's list; exit code 1 if the step is not shown.
    WhyNot(WhyNot),
}

#[derive(Debug, Args)]
struct WhyNot {
    /// Accession number or Scheduled Procedure Step ID.
    number: String,
    /// AE title of the scanner.
    #[arg(long)]
    calling: String,
    /// Address of the scanner, where a device file goes by it.
    #[arg(long)]
    address: Option<IpAddr>,
    /// A key of the scanner's query, KEYWORD=VALUE; as often as it has keys.
    #[arg(long = "query", value_name = "KEYWORD=VALUE")]
    query: Vec<String>,
    /// The scanner's last query, as the journal has it, in place of `--query`.
    #[arg(long, conflicts_with = "query")]
    last: bool,
    /// Show what query and item hold where that may be patient data.
    #[arg(long)]
    show_phi: bool,
}

/// Runs the command.
pub fn run(command: Worklist) -> ExitCode {
    let Act::WhyNot(asked) = command.act;
    let query = match parse(&asked.query) {
        Ok(query) => query,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(WRONG);
        }
    };
    with_core(&command.config.path, async |core| {
        match tell(core, &asked, &query).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(FAILED),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(FAILED)
            }
        }
    })
}

fn parse(keys: &[String]) -> Result<Query, String> {
    let pairs: Option<Vec<(&str, &str)>> = keys.iter().map(|k| k.split_once('=')).collect();
    let pairs = pairs.ok_or("a key is written KEYWORD=VALUE: Modality=CT")?;
    Query::parse(identifier(pairs)?).map_err(|refusal| refusal.to_string())
}

/// Prints the gates of every step of the number; true if all are shown.
async fn tell(core: &Core, asked: &WhyNot, query: &Query) -> Result<bool, StoreError> {
    let set = core.mappings.current();
    let device = Device::of(&set, &asked.calling, asked.address);
    let last = match asked.last {
        true => core.worklist.last_query(&asked.calling).await?,
        false => None,
    };
    let query = last.as_ref().unwrap_or(query);
    let found = core
        .worklist
        .why_not(&set, &device, query, &asked.number)
        .await?;
    if asked.last && last.is_none() {
        println!("{} has asked nothing that could be read", asked.calling);
    }
    if found.is_empty() {
        println!(
            "{}: no step has this accession number or step id; if its order was sent, see `relais messages list`",
            asked.number
        );
    }
    for answer in &found {
        print!("{}", text(answer, &asked.calling, asked.show_phi));
    }
    Ok(!found.is_empty() && found.iter().all(|a| a.shown))
}

/// One gate a line, and what would open the closed ones.
fn text(answer: &Answer, calling: &str, show_phi: bool) -> String {
    let verdict = if answer.shown {
        "is shown to"
    } else {
        "is not shown to"
    };
    let mut text = format!(
        "step {} (exam {}) {verdict} {calling}\n",
        answer.sps_id, answer.exam
    );
    for line in &answer.lines {
        let mark = if line.open { "ok" } else { "NO" };
        let why = match &line.values {
            Some(values) if show_phi => values,
            Some(_) => &format!("{} (--show-phi shows it)", line.why),
            None => &line.why,
        };
        text.push_str(&format!("  {mark}  {:<32} {why}\n", line.gate));
    }
    for line in &answer.lines {
        if let Some(cure) = line.cure() {
            text.push_str(&format!("  to open {}: {cure}\n", line.gate));
        }
    }
    text
}
