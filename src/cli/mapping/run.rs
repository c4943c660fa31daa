//! `relais mapping run`: what a message becomes, each value with its origins.

use super::{FAILED, OK, UNREADABLE, leaves};
use crate::domain::command::{Command, Record};
use crate::domain::fields::{Origin, Said};
use crate::domain::ids::JournalId;
use crate::domain::value::{Issuer, Value};
use crate::hl7::message::{Message, Reading};
use crate::mapping::{LinkView, Translation};
use crate::mappings::{compile, render_all, sources};
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `relais mapping run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// File with one HL7 v2 message.
    file: PathBuf,
    /// Directories of mappings over the shipped ones.
    #[arg(long = "dir")]
    dirs: Vec<PathBuf>,
    /// Role of the link: order, scheduled, adt or report.
    #[arg(long, default_value = "order")]
    role: String,
    /// Default issuer of the link: an OID or a name.
    #[arg(long)]
    issuer: Option<String>,
    /// Files that read the link, by name; all if not given.
    #[arg(long)]
    inbound: Vec<String>,
    /// Time zone of the site, for times without an offset.
    #[arg(long, default_value = "Europe/Paris")]
    timezone: String,
    /// Show patient data.
    #[arg(long)]
    show_phi: bool,
}

/// Shows what a message becomes.
///
/// # Errors
/// The output cannot be written.
pub fn message(args: &RunArgs, out: &mut dyn Write) -> io::Result<u8> {
    let (set, problems) = compile(sources(&args.dirs));
    write!(out, "{}", render_all(&problems, set.files()))?;
    let raw = match std::fs::read(&args.file) {
        Ok(raw) => raw,
        Err(error) => {
            writeln!(out, "{} cannot be read: {error}", args.file.display())?;
            return Ok(UNREADABLE);
        }
    };
    let issuer = args.issuer.clone().map(|text| {
        let is_oid = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match is_oid {
            true => Issuer {
                universal_id: Some(text),
                scheme: Some("ISO".to_owned()),
                namespace: None,
            },
            false => Issuer {
                namespace: Some(text),
                ..Issuer::default()
            },
        }
    });
    let link = LinkView {
        name: "mapping-run".to_owned(),
        role: args.role.clone(),
        default_issuer: issuer,
        inbound: args.inbound.clone(),
        ..LinkView::default()
    };
    let result = Message::parse(raw.into(), &Reading::default())
        .and_then(|message| set.translate_hl7(&message, &link, JournalId(0)));
    match result {
        Ok(translation) => {
            show(&translation, args.show_phi, out)?;
            leaves::show(&set, &translation, &args.timezone, args.show_phi, out)?;
            Ok(OK)
        }
        Err(refusal) => {
            writeln!(out, "refused: {}: {refusal}", refusal.reason)?;
            Ok(FAILED)
        }
    }
}

fn show(translation: &Translation, phi: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "read by {}", translation.file)?;
    if let Some(why) = &translation.ignored {
        writeln!(out, "no effect: {why}")?;
    }
    for command in &translation.commands {
        writeln!(out, "\n{}", name(command))?;
        record(command.record(), "", phi, out)?;
    }
    for warning in &translation.warnings {
        let place = warning
            .place
            .as_ref()
            .map_or(String::new(), |p| format!(" at {p}"));
        writeln!(
            out,
            "warning{place}: {} (rule {})",
            warning.message, warning.rule
        )?;
    }
    Ok(())
}

fn name(command: &Command) -> String {
    match command {
        Command::Order(act, _) => format!("order: {}", act.word()),
        Command::Patient(act, _) => format!("patient: {act:?}").to_lowercase(),
        Command::Report(_) => "report".to_owned(),
        Command::CreatePerformed { .. } => "performed step: create".to_owned(),
        Command::SetPerformed { .. } => "performed step: set".to_owned(),
    }
}

fn record(record: &Record, indent: &str, phi: bool, out: &mut dyn Write) -> io::Result<()> {
    for (section, patch) in &record.sections {
        for (field, said) in &patch.0 {
            field_line(section, field, said, indent, phi, out)?;
        }
    }
    for (list, items) in &record.lists {
        for (n, item) in items.iter().enumerate() {
            writeln!(out, "{indent}  {list} {}", n + 1)?;
            self::record(item, &format!("{indent}  "), phi, out)?;
        }
    }
    Ok(())
}

fn field_line(
    section: &str,
    field: &str,
    said: &Said,
    indent: &str,
    phi: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = |value: &Value| match phi || is_harmless(section, field, value) {
        true => plain(value),
        false => format!("({})", masked(value)),
    };
    let values: Vec<String> = said.values.iter().map(text).collect();
    let shown = match values.is_empty() {
        true => "cleared".to_owned(),
        false => values.join(", "),
    };
    let origins: Vec<String> = said.origins.iter().map(origin).collect();
    writeln!(
        out,
        "{indent}  {section}.{field} = {shown}  <- {}",
        origins.join(", ")
    )
}

/// Codes, times and words of the procedure tell nothing about a person; free text and everything else may.
fn is_harmless(section: &str, field: &str, value: &Value) -> bool {
    let coded = matches!(value, Value::Concept(_) | Value::When(_) | Value::Number(_));
    let word = matches!(field, "modality" | "status" | "station_aes");
    matches!(section, "procedure" | "step") && (coded || word)
}

/// A value as text; a row of a list by the names of its parts.
fn plain(value: &Value) -> String {
    let Value::Entry(entry) = value else {
        return value.comparable().unwrap_or("a thing").to_owned();
    };
    let part = |(name, values): (&String, &Vec<Value>)| {
        let values: Vec<String> = values.iter().map(plain).collect();
        format!("{name} {}", values.join(", "))
    };
    let parts: Vec<String> = entry.0.iter().map(part).collect();
    parts.join("; ")
}

/// How long a value is, instead of the value.
pub fn masked(value: &Value) -> String {
    format!("{} characters, masked", plain(value).chars().count())
}

/// `PID-8.1, bytes 131-132 (inbound/ihe_order.toml:33, table sex.csv:4)`; bytes count from 0 in the message as it is in the file.
pub fn origin(origin: &Origin) -> String {
    let path = match origin.path.as_str() {
        "" => "constant",
        path => path,
    };
    let bytes = match origin.span {
        (_, 0) => String::new(),
        (start, length) => format!(", bytes {start}-{}", start.saturating_add(length)),
    };
    let via: String = origin.via.iter().map(|v| format!(", {v}")).collect();
    format!("{path}{bytes} ({}{via})", origin.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_with_origins_and_without_the_person() {
        let file =
            std::env::temp_dir().join(format!("relais-mapping-run-{}.hl7", std::process::id()));
        let text = "MSH|^~\\&|RISX|CHU|RELAIS|CHU|20260602080000||ORM^O01|1|P|2.3.1|||||FRA|UNICODE UTF-8\r\
                    PID|||12345^^^HOPA^PI||DUPRÉ^Zoé||19790328|F\rORC|NW|P1|F1\rOBR||P1|F1|MRTETE^IRM tête^99LOCAL||||||||||||||||||||MR||||||||||||20260603101500\rNTE|1||claustrophobe\r";
        std::fs::write(&file, text).unwrap();
        let args = |show_phi| RunArgs {
            file: file.clone(),
            dirs: vec![],
            role: "order".to_owned(),
            issuer: Some("1.2.250.1.999.1".to_owned()),
            inbound: vec![],
            timezone: "Europe/Paris".to_owned(),
            show_phi,
        };
        let shown = |show_phi| {
            let mut out = Vec::new();
            assert_eq!(message(&args(show_phi), &mut out).unwrap(), OK);
            String::from_utf8(out).unwrap()
        };
        let masked = shown(false);
        assert!(
            masked.contains("order: schedule") && masked.contains("<- PID-5, bytes "),
            "{masked}"
        );
        assert!(
            !masked.contains("DUPR")
                && !masked.contains("12345")
                && !masked.contains("19790328")
                && !masked.contains("claustro"),
            "{masked}"
        );
        assert!(
            masked.contains("link.default_issuer") && masked.contains("MRTETE"),
            "{masked}"
        );
        for leaves in [
            "worklist item",
            "fhir.Patient",
            "fhir.ServiceRequest",
            "ScheduledProcedureStepSequence.Modality = MR",
        ] {
            assert!(masked.contains(leaves), "{leaves}: {masked}");
        }
        assert!(shown(true).contains("DUPRÉ"));
        std::fs::remove_file(&file).unwrap();
    }
}
