//! `relais mapping replay`: journalled traffic through changed mapping files, beside the running engine. Nothing is stored or sent.

use super::super::ConfigFile;
use super::journal::{each_message, period};
use super::run::masked;
use super::{FAILED, OK, UNREADABLE, load_config};
use crate::clock::Clock;
use crate::diagnostic::Severity;
use crate::domain::reason::Reason;
use crate::domain::value::Value;
use crate::mapping::compare::{Change, compare};
use crate::mappings::{compile, render_all, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

/// Most examples of a change that are shown.
const EXAMPLES: usize = 3;

/// Arguments of `relais mapping replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Received HL7 messages of the last days or hours: `7d` or `12h`.
    #[arg(long, default_value = "7d")]
    since: String,
    /// The changed directory: it stands in the place of the configuration's last one.
    #[arg(long)]
    with: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Show values.
    #[arg(long)]
    show_phi: bool,
}

/// Changes of one rule.
#[derive(Default)]
struct Group {
    /// Orders, else messages, that are concerned.
    exams: BTreeSet<String>,
    messages: usize,
    examples: Vec<(Vec<Value>, Vec<Value>)>,
}

/// Prints what the changed files would say otherwise, by rule; exit code 1 if anything.
///
/// # Errors
/// The output cannot be written.
pub fn replay(args: &ReplayArgs, out: &mut dyn Write) -> io::Result<u8> {
    let Ok(config) = load_config(&args.config.path) else {
        return Ok(UNREADABLE);
    };
    let Some(micros) = period(&args.since) else {
        writeln!(out, "error: `{}` is no period: 7d or 12h", args.since)?;
        return Ok(UNREADABLE);
    };
    let mut dirs = config.mapping_dirs.clone();
    dirs.pop();
    dirs.push(args.with.clone());
    let (before, _) = compile(sources(&config.mapping_dirs));
    let (after, problems) = compile(sources(&dirs));
    write!(out, "{}", render_all(&problems, after.files()))?;
    if problems.iter().any(|p| p.severity == Severity::Error) {
        return Ok(FAILED);
    }
    let from = Clock::default().now().0.saturating_sub(micros);
    let (mut messages, mut differ, mut unread) = (0_usize, 0_usize, 0_usize);
    let mut fields: BTreeMap<(String, String), Group> = BTreeMap::new();
    let mut others: BTreeMap<String, Group> = BTreeMap::new();
    let done = each_message(&config, from, &mut |id, found| {
        let Some((message, link)) = found else {
            unread += 1;
            return;
        };
        messages += 1;
        let changes = compare(&before, &after, &message, &link);
        differ += usize::from(!changes.is_empty());
        let number = |segment: &str, field| {
            let found = message.segment(segment)?.field(field).first().text();
            (!found.is_empty()).then(|| found.into_owned())
        };
        let exam = number("ORC", 3)
            .or_else(|| number("OBR", 3))
            .or_else(|| number("ORC", 2))
            .unwrap_or_else(|| id.to_string());
        for change in changes {
            let reason = |r: Option<Reason>| r.map_or("taken", Reason::code);
            let (group, example) = match change {
                Change::Field {
                    field,
                    rule,
                    before,
                    after,
                } => (
                    fields.entry((rule, field)).or_default(),
                    Some((before, after)),
                ),
                Change::Refusal { before, after } => {
                    let what = format!("{} before, {} now", reason(before), reason(after));
                    (others.entry(what).or_default(), None)
                }
                Change::Commands { before, after } => {
                    let none = |t: String| {
                        if t.is_empty() {
                            "nothing".to_owned()
                        } else {
                            t
                        }
                    };
                    let what = format!("asked for {} before, {} now", none(before), none(after));
                    (others.entry(what).or_default(), None)
                }
            };
            group.messages += 1;
            group.exams.insert(exam.clone());
            if group.examples.len() < EXAMPLES {
                group.examples.extend(example);
            }
        }
    });
    if let Err(why) = done {
        writeln!(out, "error: {why}")?;
        return Ok(FAILED);
    }
    for ((rule, field), group) in &fields {
        writeln!(out, "{rule} {field}: {}", concerned(group))?;
        for (before, after) in &group.examples {
            writeln!(
                out,
                "  - {}\n  + {}",
                shown(before, args.show_phi),
                shown(after, args.show_phi)
            )?;
        }
    }
    for (what, group) in &others {
        writeln!(out, "{what}: {}", concerned(group))?;
    }
    writeln!(
        out,
        "{messages} messages, {differ} read otherwise; {unread} could not be read again"
    )?;
    Ok(if differ == 0 { OK } else { FAILED })
}

fn concerned(group: &Group) -> String {
    format!("{} exam(s), {} time(s)", group.exams.len(), group.messages)
}

fn shown(values: &[Value], phi: bool) -> String {
    let text = |value: &Value| match phi {
        true => value.comparable().unwrap_or("a thing").to_owned(),
        false => format!("({})", masked(value)),
    };
    match values {
        [] => "nothing".to_owned(),
        values => values.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}
