//! `relais mapping capture` and `coverage`: messages of the journal, read by today's mapping files beside the running engine.

use super::super::{ConfigFile, block_on, load_config};
use super::{FAILED, OK, UNREADABLE};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::JournalId;
use crate::hl7::message::{Message, Reading};
use crate::mapping::capture::capture as capture_message;
use crate::mapping::cases::{self, Case};
use crate::mapping::coverage::{Coverage, Report};
use crate::mapping::model::FileKind;
use crate::mapping::{LinkView, MappingSet};
use crate::mappings::case_files::cases_of;
use crate::mappings::{compile, sources};
use crate::store::{JournalView, MessageFilter, Page, Store, StoreError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Messages that are read at a time.
const PAGE: u32 = 200;

/// Arguments of `relais mapping capture`.
#[derive(Debug, clap::Args)]
pub struct CaptureArgs {
    /// Id of a received HL7 message, as `relais messages list` and the HTTP interface show it.
    id: i64,
    #[command(flatten)]
    config: ConfigFile,
    /// Directory of mappings that gets the case; the last one of the configuration if not said.
    #[arg(long)]
    to: Option<PathBuf>,
    /// Name of the case. No patient data.
    #[arg(long)]
    name: Option<String>,
}

/// Makes a case of a journalled message.
///
/// # Errors
/// The case or the output cannot be written.
pub fn capture(args: &CaptureArgs, out: &mut dyn Write) -> io::Result<u8> {
    let Ok(config) = load_config(&args.config.path) else {
        return Ok(UNREADABLE);
    };
    let Some(dir) = args
        .to
        .clone()
        .or_else(|| config.mapping_dirs.last().cloned())
    else {
        writeln!(
            out,
            "error: the configuration names no mapping directory: say one with --to"
        )?;
        return Ok(UNREADABLE);
    };
    let made = block_on(async {
        let store = open(&config).await?;
        let found = store.journal(JournalId(args.id)).await;
        store.close().await;
        let view = found
            .map_err(|e| e.to_string())?
            .ok_or_else(|| format!("there is no message {}", args.id))?;
        let (set, _) = compile(sources(&config.mapping_dirs));
        let (message, link) = message(&config, &view)?;
        capture_message(
            &set,
            &message,
            &link,
            RandomState::new().build_hasher().finish(),
        )
    });
    let captured = match made {
        Ok(captured) => captured,
        Err(why) => {
            writeln!(out, "no case was made: {why}")?;
            return Ok(FAILED);
        }
    };
    let stem = captured.case.file.trim_end_matches(".toml");
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| format!("captured_{}", args.id));
    let case = dir.join(format!("{stem}.cases")).join(&name);
    if case.exists() {
        writeln!(out, "error: {} exists", case.display())?;
        return Ok(FAILED);
    }
    std::fs::create_dir_all(&case)?;
    for (part, bytes) in &captured.case.parts {
        std::fs::write(case.join(part), bytes)?;
    }
    writeln!(out, "{}", case.display())?;
    for note in &captured.notes {
        writeln!(out, "note: {note}")?;
    }
    writeln!(
        out,
        "read it before you share it: the form of values stays, and who knows a person by the rarity of an exam still does"
    )?;
    Ok(OK)
}

async fn open(config: &Config) -> Result<Store, String> {
    let store = Store::open_existing(&config.store_url).await;
    store.map_err(|e| format!("the store cannot be opened: {e}"))
}

/// A journalled message as its link reads it.
fn message(config: &Config, view: &JournalView) -> Result<(Message, LinkView), String> {
    if view.direction != "in" || view.entry.port != "mllp" {
        return Err("it is not a received HL7 message".to_owned());
    }
    let Some(body) = &view.body else {
        return Err("its bytes are not kept: erased, or it repeats another message".to_owned());
    };
    let link = config
        .links
        .iter()
        .find(|l| l.name == view.entry.link)
        .ok_or_else(|| format!("there is no link {} any more", view.entry.link))?;
    let reading = Reading {
        charset: link.charset,
        contradiction: link.contradiction,
    };
    let message = Message::parse(Arc::from(body.as_slice()), &reading);
    let message = message.map_err(|refusal| format!("it cannot be read: {}", refusal.reason))?;
    Ok((message, link.view()))
}

/// Arguments of `relais mapping coverage`.
#[derive(Debug, clap::Args)]
pub struct CoverageArgs {
    /// Directories of mappings over the shipped ones, whose cases are run; those of the configuration if none is given.
    dirs: Vec<PathBuf>,
    /// Messages of the journal instead of cases: of the last days or hours, `7d` or `12h`.
    #[arg(long)]
    since: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Show the unknown codes as they were sent.
    #[arg(long)]
    show_phi: bool,
}

/// Prints which rules never fired, and what no rule or table reads.
///
/// # Errors
/// A directory cannot be read, or the output not be written.
pub fn coverage(args: &CoverageArgs, out: &mut dyn Write) -> io::Result<u8> {
    let needs_config = args.since.is_some() || args.dirs.is_empty();
    let config = match needs_config
        .then(|| load_config(&args.config.path))
        .transpose()
    {
        Ok(config) => config,
        Err(_) => return Ok(UNREADABLE),
    };
    let dirs = match &config {
        Some(config) if args.dirs.is_empty() => config.mapping_dirs.clone(),
        _ => args.dirs.clone(),
    };
    let (set, _) = compile(sources(&dirs));
    let mut coverage = Coverage::default();
    let only_hl7 = |kind: FileKind| matches!(kind, FileKind::Hl7);
    let reports = match (&args.since, &config) {
        (Some(since), Some(config)) => {
            let Some(micros) = period(since) else {
                writeln!(out, "error: `{since}` is no period: 7d or 12h")?;
                return Ok(UNREADABLE);
            };
            let from = Clock::default().now().0.saturating_sub(micros);
            let read = each_message(config, from, &mut |_, found| match found {
                Some((message, link)) => coverage.message(&set, &message, &link),
                None => coverage.unread_messages += 1,
            });
            if let Err(why) = read {
                writeln!(out, "error: {why}")?;
                return Ok(FAILED);
            }
            coverage.report(&set, &only_hl7)
        }
        _ => {
            for dir in &dirs {
                for case in cases_of(dir)? {
                    of_case(&set, &case, &mut coverage);
                }
            }
            coverage.report(&set, &|_| true)
        }
    };
    for report in &reports {
        tell(report, args.show_phi, out)?;
    }
    if coverage.unread_messages > 0 {
        writeln!(
            out,
            "{} message(s) that no file reads",
            coverage.unread_messages
        )?;
    }
    Ok(OK)
}

/// `7d` or `12h` in microseconds.
pub fn period(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours = match unit {
        "d" => 24,
        "h" => 1,
        _ => return None,
    };
    let number: i64 = number.parse().ok().filter(|n| (1..=36_500).contains(n))?;
    Some(number * hours * 3_600_000_000)
}

/// Shows every received HL7 message since a moment, latest first; `None` for one that cannot be read again.
pub fn each_message(
    config: &Config,
    from: i64,
    see: &mut dyn FnMut(i64, Option<(Message, LinkView)>),
) -> Result<(), String> {
    block_on(async {
        let store = open(config).await?;
        let shown = pages(config, &store, from, see).await;
        store.close().await;
        shown.map_err(|e| e.to_string())
    })
}

async fn pages(
    config: &Config,
    store: &Store,
    from: i64,
    see: &mut dyn FnMut(i64, Option<(Message, LinkView)>),
) -> Result<(), StoreError> {
    let filter = MessageFilter {
        direction: Some("in".to_owned()),
        from: Some(from),
        ..MessageFilter::default()
    };
    let mut after = None;
    loop {
        let page = Page { after, limit: PAGE };
        let rows = store.list_messages(&filter, page).await?;
        for row in &rows {
            after = Some((row.at.0, row.id.0));
            if row.port == "mllp" && row.outcome != "repeated" {
                let view = store.journal(row.id).await?;
                see(row.id.0, view.and_then(|view| message(config, &view).ok()));
            }
        }
        if rows.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// A case of a message counts as a message; what leaves, by where its values come from.
fn of_case(set: &MappingSet, case: &Case, coverage: &mut Coverage) {
    match cases::message(set, case) {
        Ok(Some((message, link))) => coverage.message(set, &message, &link),
        _ => {
            if let Ok(given) = cases::run(set, case) {
                coverage.origins(given.origins.values().flatten());
            }
        }
    }
}

fn tell(report: &Report, phi: bool, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", report.file)?;
    if report.messages > 0 {
        write!(
            out,
            ": {} message(s), {} refused",
            report.messages, report.refused
        )?;
    }
    writeln!(out)?;
    for (target, rule) in &report.never {
        writeln!(out, "  never fired  {target} ({rule})")?;
    }
    for (field, n) in &report.unread {
        writeln!(out, "  not read     {field}, in {n} message(s)")?;
    }
    for (place, table, found) in &report.unknown {
        let codes = match phi {
            true => {
                let all: Vec<&str> = found.codes.iter().map(String::as_str).collect();
                format!(": {}", all.join(", "))
            }
            false => String::new(),
        };
        writeln!(
            out,
            "  not in table {table}: {} code(s) at {place}, {} time(s){codes}",
            found.codes.len(),
            found.times
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_days_or_hours() {
        assert_eq!(period("7d"), Some(7 * 86_400_000_000));
        assert_eq!(period("12h"), Some(12 * 3_600_000_000));
        for wrong in ["", "d", "7", "0d", "-1d", "7w", "é"] {
            assert_eq!(period(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn coverage_of_cases_shows_no_code_unless_asked_for() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let shown = |show_phi| {
            let args = CoverageArgs {
                dirs: vec![root.clone()],
                since: None,
                config: ConfigFile {
                    path: PathBuf::new(),
                },
                show_phi,
            };
            let mut out = Vec::new();
            assert_eq!(coverage(&args, &mut out).unwrap(), OK);
            String::from_utf8(out).unwrap()
        };
        let text = shown(false);
        assert!(
            text.contains("worklist/default.toml") && text.contains("never fired"),
            "{text}"
        );
        let line = |text: &str| {
            let found = text.lines().find(|l| l.contains("not in table"));
            found.map(str::to_owned).unwrap_or_default()
        };
        assert!(line(&text).ends_with("time(s)"), "{text}");
        assert!(line(&shown(true)).contains("time(s): "));
    }
}
