//! Cases: what a mapping file makes of an example, written down beside it and compared.
//!
//! A case is a directory `NAME.cases/CASE/` with its input (`in.hl7`; `in.json` and `case.toml` for MPPS; `in.toml` for what leaves),
//! if needed `link.toml`, and `want.toml`, the whole result in stable words, with `[origins]` where the case is about them. `find.toml`
//! adds queries of devices: who sees the step is not known here, `mappings` asks the worklist with what [`input`] gives. This module is
//! pure: `mappings` finds the files.

mod difference;
mod form;
mod json;
mod origins;
mod print;
mod scope;
mod stale;

pub use stale::stale;

pub use print::word;

use super::model::{FileKind, Model};
use super::{LinkView, MappingSet, MppsOp, Translation};
use crate::diagnostic::did_you_mean;
use crate::domain::command::Command;
use crate::domain::ids::JournalId;
use crate::domain::node::Node;
use crate::domain::reason::Refusal;
use crate::domain::value::Issuer;
use crate::hl7::message::{Message, Reading};
use origins::Origins;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Files that a case of a kind of mapping file may have; any other is a mistake.
fn parts(kind: FileKind) -> &'static [&'static str] {
    match kind {
        FileKind::Hl7 => &["in.hl7", "find.toml", "link.toml", "want.toml"],
        FileKind::Mpps => &["in.json", "case.toml", "link.toml", "want.toml"],
        FileKind::Worklist | FileKind::Device => &["in.toml", "find.toml", "want.toml"],
        FileKind::Resource(_) => &["in.toml", "want.toml"],
    }
}

/// True for a name that only a file of a case has: it must not stand elsewhere.
pub fn is_part(name: &str) -> bool {
    [
        "in.hl7",
        "in.json",
        "case.toml",
        "find.toml",
        "link.toml",
        "want.toml",
    ]
    .contains(&name)
}

/// What a set makes of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The canonical text of `want.toml`.
    pub text: String,
    /// Where each value came from.
    pub origins: Origins,
}

/// A case held against its want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What differs; `None` if the case passes, or has no want.
    pub difference: Option<String>,
    /// The `want.toml` that would pass.
    pub blessed: String,
}

/// One case.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// The mapping file, `inbound/adt.toml`.
    pub file: String,
    /// Name of the case's directory.
    pub name: String,
    /// Its files by name.
    pub parts: BTreeMap<String, Vec<u8>>,
}

impl Case {
    /// The wanted result, if it has been written.
    pub fn want(&self) -> Option<&str> {
        std::str::from_utf8(self.parts.get("want.toml")?).ok()
    }

    fn text(&self, part: &str) -> Result<Option<&str>, String> {
        match self.parts.get(part) {
            None => Ok(None),
            Some(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|e| format!("{part} is not UTF-8: {e}")),
        }
    }

    fn required(&self, part: &str) -> Result<&str, String> {
        self.text(part)?.ok_or_else(|| format!("{part} is missing"))
    }
}

/// Holds what the set makes of a case against its want.
///
/// # Errors
/// A text naming the part of the case that cannot be read and why.
pub fn judge(set: &MappingSet, case: &Case) -> Result<Verdict, String> {
    judge_with(set, case, "")
}

/// As [`judge`]; `more` is what others add to the result.
///
/// # Errors
/// As [`judge`].
pub fn judge_with(set: &MappingSet, case: &Case, more: &str) -> Result<Verdict, String> {
    let model = model(set, case)?;
    let mut given = given(set, model, case)?;
    given.text.push_str(more);
    let (body, asked) = origins::split(case.text("want.toml")?.unwrap_or_default())?;
    let mut text = match case.want() {
        Some(_) => difference::difference(&body, &given, model).unwrap_or_default(),
        None => String::new(),
    };
    text.push_str(&origins::otherwise(&asked, &given.origins));
    Ok(Verdict {
        difference: (!text.is_empty()).then_some(text),
        blessed: given.text + &origins::blessed(&asked, &given.origins),
    })
}

/// What the set makes of a case.
///
/// # Errors
/// A text naming the part of the case that cannot be read and why. A refused message is a result, not an error.
pub fn run(set: &MappingSet, case: &Case) -> Result<Given, String> {
    given(set, model(set, case)?, case)
}

fn model<'s>(set: &'s MappingSet, case: &Case) -> Result<&'s Model, String> {
    let found = set.models().find(|m| m.name == case.file);
    found.ok_or_else(|| {
        let names = set.models().map(|m| m.name.as_str());
        let hint = did_you_mean(&case.file, names).map_or(String::new(), |h| format!("; {h}"));
        format!("there is no {}{hint}", case.file)
    })
}

fn given(set: &MappingSet, model: &Model, case: &Case) -> Result<Given, String> {
    let allowed = parts(model.kind);
    if let Some(part) = case.parts.keys().find(|p| !allowed.contains(&p.as_str())) {
        let hint =
            did_you_mean(part, allowed.iter().copied()).map_or(String::new(), |h| format!("; {h}"));
        return Err(format!(
            "{part} is no part of a case of {}; allowed: {}{hint}",
            case.file,
            allowed.join(", ")
        ));
    }
    let plain = |text: String| Given {
        text,
        origins: Origins::new(),
    };
    match model.kind {
        FileKind::Hl7 => hl7(set, model, case),
        FileKind::Mpps => mpps(set, model, case),
        FileKind::Worklist | FileKind::Device => {
            let node = scope::tree(super::scope::WORKLIST, case.required("in.toml")?)?;
            Ok(match set.worklist_item(&model.name, &node) {
                Ok(item) => Given {
                    text: print::item(&item),
                    origins: origins::of_item(&item.origins),
                },
                Err(withheld) => plain(print::withheld(&withheld)),
            })
        }
        FileKind::Resource(shape) => {
            let node = scope::tree(super::scope::OUTBOUND, case.required("in.toml")?)?;
            Ok(match set.outbound(shape.resource, &node) {
                Ok(Some(values)) => Given {
                    text: print::resource(&values),
                    origins: origins::of_values(&values),
                },
                Ok(None) => plain("# not sent: `when` does not hold\n".to_owned()),
                Err(held) => plain(print::held(&held)),
            })
        }
    }
}

fn of_translation(result: Result<Translation, Refusal>) -> Given {
    match result {
        Ok(translation) => Given {
            text: print::translation(&translation),
            origins: origins::of_commands(&translation.commands),
        },
        Err(refusal) => Given {
            text: print::refusal(&refusal),
            origins: Origins::new(),
        },
    }
}

/// The message of a case and the link that it comes over; `None` if the case is about something else.
///
/// # Errors
/// The message or the link cannot be read.
pub fn message(set: &MappingSet, case: &Case) -> Result<Option<(Message, LinkView)>, String> {
    let model = model(set, case)?;
    if !matches!(model.kind, FileKind::Hl7) {
        return Ok(None);
    }
    let (message, link) = received(model, case)?;
    let message = message.map_err(|refusal| refusal.to_string())?;
    Ok(Some((message, link)))
}

fn received(model: &Model, case: &Case) -> Result<(Result<Message, Refusal>, LinkView), String> {
    let raw = case.parts.get("in.hl7").ok_or("in.hl7 is missing")?;
    let message = Message::parse(raw.as_slice().into(), &Reading::default());
    Ok((message, link(case, model)?))
}

fn hl7(set: &MappingSet, model: &Model, case: &Case) -> Result<Given, String> {
    let (message, link) = received(model, case)?;
    Ok(of_translation(message.and_then(|message| {
        set.translate_hl7(&message, &link, JournalId(0))
    })))
}

/// What a case gives to those who look at the result from outside the mapping.
#[derive(Debug)]
pub enum Input {
    /// The record that a worklist file sees, with its step.
    Step(Node<'static>),
    /// What the message asks for; nothing if it is refused.
    Commands(Vec<Command>),
    /// Nothing that a worklist shows.
    Other,
}

/// The input of a case that has run.
///
/// # Errors
/// As [`run`].
pub fn input(set: &MappingSet, case: &Case) -> Result<Input, String> {
    let model = model(set, case)?;
    Ok(match model.kind {
        FileKind::Worklist | FileKind::Device => Input::Step(scope::tree(
            super::scope::WORKLIST,
            case.required("in.toml")?,
        )?),
        FileKind::Hl7 => {
            let (message, link) = received(model, case)?;
            let translation = message.and_then(|m| set.translate_hl7(&m, &link, JournalId(0)));
            Input::Commands(translation.map_or(vec![], |t| t.commands))
        }
        _ => Input::Other,
    })
}

/// A text as TOML.
pub fn quoted(text: &str) -> String {
    form::inline(&serde_json::Value::String(text.to_owned()))
}

/// `case.toml` of an MPPS case: what the association would say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    operation: String,
    uid: String,
    ae: String,
}

fn mpps(set: &MappingSet, model: &Model, case: &Case) -> Result<Given, String> {
    let said: Operation =
        toml::from_str(case.required("case.toml")?).map_err(|e| format!("case.toml: {e}"))?;
    let op = [MppsOp::Create, MppsOp::Set]
        .into_iter()
        .find(|op| op.word() == said.operation)
        .ok_or("case.toml: operation is N-CREATE or N-SET")?;
    let data = json::data_set(case.required("in.json")?).map_err(|e| format!("in.json: {e}"))?;
    let link = link(case, model)?;
    let result = set.translate_mpps(op, &said.uid, &said.ae, &data, &link, JournalId(0));
    Ok(of_translation(result))
}

/// `link.toml`: what the sender's link in `relais.toml` would say.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct LinkPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_issuer: Option<Issuer>,
    patient_authorities: Vec<String>,
    ins_authorities: Vec<String>,
    settings: BTreeMap<String, String>,
}

/// The `link.toml` of a link. Authorities are named by their OID, else by their name.
pub fn link_text(link: &LinkView) -> String {
    let names = |issuers: &[Issuer]| issuers.iter().map(|i| i.key().to_owned()).collect();
    let part = LinkPart {
        name: None,
        role: Some(link.role.clone()),
        default_issuer: link.default_issuer.clone(),
        patient_authorities: names(&link.patient_authorities),
        ins_authorities: names(&link.ins_authorities),
        settings: link.settings.clone(),
    };
    let Ok(serde_json::Value::Object(parts)) = serde_json::to_value(part) else {
        return String::new();
    };
    let said = parts.iter().filter(|(_, v)| {
        !v.as_array().is_some_and(Vec::is_empty)
            && !v.as_object().is_some_and(serde_json::Map::is_empty)
    });
    said.map(|(key, value)| format!("{} = {}\n", form::key_of(key), form::inline(value)))
        .collect()
}

/// The link of a case reads this file (and what it hides) only, so that a case tests its own file.
fn link(case: &Case, model: &Model) -> Result<LinkView, String> {
    let said: LinkPart = match case.text("link.toml")? {
        Some(text) => toml::from_str(text).map_err(|e| format!("link.toml: {e}"))?,
        None => LinkPart::default(),
    };
    let issuers = |names: Vec<String>| {
        let issuer = |n: String| super::section::issuer_of(n);
        names.into_iter().map(issuer).collect()
    };
    Ok(LinkView {
        name: said.name.unwrap_or_else(|| "case".to_owned()),
        role: said.role.unwrap_or_else(|| "order".to_owned()),
        default_issuer: said.default_issuer,
        patient_authorities: issuers(said.patient_authorities),
        ins_authorities: issuers(said.ins_authorities),
        inbound: vec![model.stem().to_owned()],
        settings: said.settings,
    })
}

#[cfg(test)]
mod tests;
