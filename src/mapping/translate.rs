//! From a message to commands: which file reads it, row by row, all or nothing.

use super::command::{self, Act};
use super::eval::{LinkView, Warning};
use super::hl7_source::{Layout, Row};
use super::inbound::{Input, Pass};
use super::model::{FileKind, Model};
use super::{MappingSet, apply};
use crate::dicom::dataset::DataSet;
use crate::domain::command::{Command, Record};
use crate::domain::ids::JournalId;
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use crate::domain::time::When;
use crate::domain::value::Value;
use crate::hl7::message::Message;
use std::cell::RefCell;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    pub commands: Vec<Command>,
    /// Sender's time of the statement (`command.at`); `None` = not said, the time of receipt counts.
    pub at: Option<When>,
    pub warnings: Vec<Warning>,
    /// The file that read it.
    pub file: String,
    /// Why the message has no effect, if a rule says so.
    pub ignored: Option<String>,
}

impl Translation {
    /// A message that asks for nothing.
    pub fn without_effect() -> Self {
        Self {
            commands: vec![],
            at: None,
            warnings: vec![],
            file: String::new(),
            ignored: None,
        }
    }
}

/// What a performed step message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MppsOp {
    Create,
    Set,
}

impl MppsOp {
    /// The operation as `[from] messages` names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "N-CREATE",
            Self::Set => "N-SET",
        }
    }
}

/// True if a pattern of `[from] messages` takes a message; a message without event is taken by its type.
fn takes(pattern: &str, type_: &str, event: &str) -> bool {
    let (wanted, wanted_event) = pattern.split_once('^').unwrap_or((pattern, "*"));
    wanted == type_ && (wanted_event == "*" || wanted_event == event || event.is_empty())
}

impl MappingSet {
    /// Commands of an HL7 message.
    pub fn translate_hl7(
        &self,
        message: &Message,
        link: &LinkView,
        journal: JournalId,
    ) -> Result<Translation, Refusal> {
        let input = Input::Hl7(Layout::of(message));
        let warnings = RefCell::default();
        let model = self.select(message, &input, link, journal, &warnings)?;
        let pass = Pass {
            library: &self.library,
            model,
            input: &input,
            link,
            journal,
            warnings: &warnings,
        };
        let mut translation = Translation {
            commands: vec![],
            at: None,
            warnings: vec![],
            file: model.name.clone(),
            ignored: None,
        };
        if let Some(guard) = &model.ignore
            && pass.holds(guard)?
        {
            translation.ignored = Some(format!("ignore rule {}", guard.label));
            return Ok(translation);
        }
        let rows = rows(&input, model)?;
        translate_rows(&pass, &rows, &mut translation)?;
        translation.warnings = warnings.into_inner();
        Ok(translation)
    }

    /// The name of the file that reads a message of a link.
    ///
    /// # Errors
    /// None does, or several, or a condition refuses.
    pub fn reader(&self, message: &Message, link: &LinkView) -> Result<&str, Refusal> {
        let input = Input::Hl7(Layout::of(message));
        let warnings = RefCell::default();
        let model = self.select(message, &input, link, JournalId(0), &warnings)?;
        Ok(&model.name)
    }

    /// The one file that reads a message.
    fn select<'s>(
        &'s self,
        message: &Message,
        input: &Input<'_>,
        link: &LinkView,
        journal: JournalId,
        warnings: &RefCell<Vec<Warning>>,
    ) -> Result<&'s Model, Refusal> {
        let header = message.header();
        let (type_, event) = (header.type_.as_ref(), header.event.as_ref());
        let enabled = |model: &&Model| {
            matches!(model.kind, FileKind::Hl7)
                && (link.inbound.is_empty() || link.inbound.iter().any(|n| n == model.stem()))
        };
        let mut found: Vec<&Model> = Vec::new();
        for model in self.models.values().filter(enabled) {
            if !model.messages.iter().any(|m| takes(m, type_, event)) {
                continue;
            }
            let pass = Pass {
                library: &self.library,
                model,
                input,
                link,
                journal,
                warnings,
            };
            let holds = match &model.when {
                Some(guard) => pass.holds(guard)?,
                None => true,
            };
            if holds {
                found.push(model);
            }
        }
        let bases: Vec<&String> = found.iter().flat_map(|m| &m.bases).collect();
        let mut open: Vec<&Model> = found
            .iter()
            .copied()
            .filter(|m| !bases.contains(&&m.name))
            .collect();
        // A file that says which messages it means goes before those that take any: shipped files of one national profile and a site's
        // own file do not clash.
        if open.iter().any(|m| m.when.is_some()) {
            open.retain(|m| m.when.is_some());
        }
        match open.as_slice() {
            [one] => Ok(one),
            [] => Err(self.unsupported(type_, &enabled)),
            several => {
                let names: Vec<&str> = several.iter().map(|m| m.name.as_str()).collect();
                let text = format!(
                    "{} mapping files claim this message: {}",
                    names.len(),
                    names.join(", ")
                );
                Err(Refusal::new(Reason::MessageEvent, text)
                    .at(msh9())
                    .allowed("one file per message and link")
                    .hint("give a file [from] when, or the link an inbound list"))
            }
        }
    }

    fn unsupported(&self, type_: &str, enabled: &dyn Fn(&&Model) -> bool) -> Refusal {
        let mut messages: Vec<&str> = Vec::new();
        for model in self.models.values().filter(enabled) {
            messages.extend(model.messages.iter().map(String::as_str));
        }
        messages.sort_unstable();
        messages.dedup();
        let known = messages.iter().any(|m| m.split('^').next() == Some(type_));
        let reason = if known {
            Reason::MessageEvent
        } else {
            Reason::MessageType
        };
        Refusal::new(reason, "no mapping file of this link takes the message")
            .at(msh9())
            .allowed(messages.join(", "))
            .hint("add it to [from] messages of a mapping file, or the file to the link's inbound list")
    }

    /// Commands of an N-CREATE or N-SET of a performed procedure step.
    pub fn translate_mpps(
        &self,
        op: MppsOp,
        uid: &str,
        ae: &str,
        set: &DataSet,
        link: &LinkView,
        journal: JournalId,
    ) -> Result<Translation, Refusal> {
        let enabled = |model: &&Model| {
            matches!(model.kind, FileKind::Mpps)
                && model.messages.iter().any(|m| m == op.word())
                && (link.inbound.is_empty() || link.inbound.iter().any(|n| n == model.stem()))
        };
        let found: Vec<&Model> = self.models.values().filter(enabled).collect();
        let bases: Vec<&String> = found.iter().flat_map(|m| &m.bases).collect();
        let mut open = found.iter().filter(|m| !bases.contains(&&m.name));
        let (Some(model), None) = (open.next(), open.next()) else {
            let text = format!(
                "{} mapping files take {} on this link",
                found.len(),
                op.word()
            );
            return Err(Refusal::new(Reason::MessageType, text).allowed("exactly one"));
        };
        let input = Input::Dicom(set);
        let warnings = RefCell::default();
        let pass = Pass {
            library: &self.library,
            model,
            input: &input,
            link,
            journal,
            warnings: &warnings,
        };
        let needs = ["performed_step", "link", "series", "instance"];
        let at = pass.command(None)?.first("at").cloned();
        let mut record = pass.record(None, &needs)?;
        record.lists.retain(|_, items| !items.is_empty());
        let uid = uid.to_owned();
        let command = match op {
            MppsOp::Create => Command::CreatePerformed {
                uid,
                ae: ae.to_owned(),
                record,
            },
            MppsOp::Set => Command::SetPerformed { uid, record },
        };
        Ok(Translation {
            commands: vec![command],
            at: when(at),
            warnings: warnings.into_inner(),
            file: model.name.clone(),
            ignored: None,
        })
    }
}

fn when(value: Option<Value>) -> Option<When> {
    match value {
        Some(Value::When(when)) => Some(when),
        _ => None,
    }
}

fn msh9() -> Place {
    Place::Hl7(Hl7Place {
        segment: "MSH".to_owned(),
        occurrence: 1,
        field: 9,
        repetition: 1,
        ..Hl7Place::default()
    })
}

fn rows(input: &Input<'_>, model: &Model) -> Result<Vec<Row>, Refusal> {
    let Input::Hl7(layout) = input else {
        return Ok(vec![]);
    };
    let (group, inner) = &model.each;
    let segment = |id: &str, occurrence| {
        Place::Hl7(Hl7Place {
            segment: id.to_owned(),
            occurrence,
            ..Hl7Place::default()
        })
    };
    if *group == super::ast::Group::Message && layout.count(super::ast::Group::Patient) > 1 {
        return Err(
            Refusal::new(Reason::FieldConflict, "several patients in one message")
                .at(segment("PID", 2))
                .allowed("one PID")
                .hint("a file that reads several says each = \"patient\" or \"order\""),
        );
    }
    let rows = layout.rows(*group, inner.as_deref());
    if rows.is_empty() {
        let id = match group {
            super::ast::Group::Order => "ORC",
            super::ast::Group::Resource => "RGS",
            super::ast::Group::Specimen => "SPM",
            _ => "PID",
        };
        let text = format!("the message has no {} group", group.word());
        return Err(Refusal::new(Reason::FieldMissing, text).at(segment(id, 1)));
    }
    Ok(rows)
}

fn translate_rows(
    pass: &Pass<'_, '_>,
    rows: &[Row],
    translation: &mut Translation,
) -> Result<(), Refusal> {
    let mut read: Vec<(Act, Record)> = Vec::new();
    for row in rows {
        let command = pass.command(Some(row))?;
        let act = Act::of(pass.model, &command)?;
        if let Some(at) = when(command.first("at").cloned()) {
            let before = translation.at.take();
            translation.at = Some(before.map_or(at.clone(), |b| apply::later(b, at)));
        }
        if let Act::Nothing(word) = act {
            translation.ignored = Some(format!("{word}: kept without effect"));
            continue;
        }
        let mut record = pass.record(Some(row), act.needs())?;
        command::require(act, &record, pass.model)?;
        command::suspect(act, &record, pass.model, pass.warnings);
        finish(act, &mut record, command);
        read.push((act, record));
    }
    let folded = command::fold(read, pass.model, pass.warnings)?;
    translation.commands = folded
        .into_iter()
        .filter_map(|(act, record)| act.command(record))
        .collect();
    if !translation.commands.is_empty() {
        translation.ignored = None;
    }
    Ok(())
}

/// An order that is placed or changed has a step even if nothing is said of it; the reason of a cancel travels along.
fn finish(act: Act, record: &mut Record, command: crate::domain::fields::Patch) {
    use crate::domain::command::OrderAct::{Change, Schedule};
    let steps = record.lists.entry("step").or_default();
    if steps.is_empty() && act == Act::Order(Schedule) {
        steps.push(Record::default());
    }
    if act != Act::Order(Schedule) && act != Act::Order(Change) || steps.is_empty() {
        record.lists.remove("step");
    }
    record.lists.retain(|_, items| !items.is_empty());
    if let Some(why) = command.0.get("why") {
        let why = why.clone();
        record.section_mut("command").0.insert("why".into(), why);
    }
}

#[cfg(test)]
mod tests;
