//! Cases: what a mapping file makes of an example, written down beside it and compared.
//!
//! A case is a directory `NAME.cases/CASE/` with its input (`in.hl7`; `in.json` and `case.toml` for MPPS; `in.toml` for what leaves),
//! if needed `link.toml`, and `want.toml`, the whole result in stable words. This module is pure: `mappings` finds the files.

mod form;
mod json;
mod print;
mod scope;

use super::model::{FileKind, Model};
use super::{LinkView, MappingSet, MppsOp};
use crate::domain::ids::JournalId;
use crate::domain::value::Issuer;
use crate::hl7::message::{Message, Reading};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Files that a case may have; any other is a mistake.
pub const PARTS: &[&str] = &[
    "in.hl7",
    "in.json",
    "in.toml",
    "case.toml",
    "link.toml",
    "want.toml",
];

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

/// What the set makes of a case, as the canonical text of `want.toml`.
///
/// # Errors
/// A text naming the part of the case that cannot be read and why. A refused message is a result, not an error.
pub fn run(set: &MappingSet, case: &Case) -> Result<String, String> {
    if let Some(part) = case.parts.keys().find(|p| !PARTS.contains(&p.as_str())) {
        return Err(format!(
            "{part} is no part of a case; allowed: {}",
            PARTS.join(", ")
        ));
    }
    let model = set
        .models()
        .find(|m| m.name == case.file)
        .ok_or_else(|| format!("there is no {}", case.file))?;
    match model.kind {
        FileKind::Hl7 => hl7(set, model, case),
        FileKind::Mpps => mpps(set, model, case),
        FileKind::Worklist => {
            let node = scope::tree(super::scope::WORKLIST, case.required("in.toml")?)?;
            Ok(match set.worklist_item(&node, None) {
                Ok(item) => print::item(&item),
                Err(withheld) => print::withheld(&withheld),
            })
        }
        FileKind::Resource(shape) => {
            let node = scope::tree(super::scope::OUTBOUND, case.required("in.toml")?)?;
            Ok(match set.outbound(shape.resource, &node) {
                Ok(Some(values)) => print::resource(&values),
                Ok(None) => "# not sent: `when` does not hold\n".to_owned(),
                Err(held) => print::held(&held),
            })
        }
    }
}

fn hl7(set: &MappingSet, model: &Model, case: &Case) -> Result<String, String> {
    let raw = case.parts.get("in.hl7").ok_or("in.hl7 is missing")?;
    let link = link(case, model)?;
    let message = match Message::parse(raw.as_slice().into(), &Reading::default()) {
        Ok(message) => message,
        Err(refusal) => return Ok(print::refusal(&refusal)),
    };
    Ok(match set.translate_hl7(&message, &link, JournalId(0)) {
        Ok(translation) => print::translation(&translation),
        Err(refusal) => print::refusal(&refusal),
    })
}

/// `case.toml` of an MPPS case: what the association would say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    operation: String,
    uid: String,
    ae: String,
}

fn mpps(set: &MappingSet, model: &Model, case: &Case) -> Result<String, String> {
    let said: Operation =
        toml::from_str(case.required("case.toml")?).map_err(|e| format!("case.toml: {e}"))?;
    let op = [MppsOp::Create, MppsOp::Set]
        .into_iter()
        .find(|op| op.word() == said.operation)
        .ok_or("case.toml: operation is N-CREATE or N-SET")?;
    let data = json::data_set(case.required("in.json")?).map_err(|e| format!("in.json: {e}"))?;
    let link = link(case, model)?;
    let result = set.translate_mpps(op, &said.uid, &said.ae, &data, &link, JournalId(0));
    Ok(match result {
        Ok(translation) => print::translation(&translation),
        Err(refusal) => print::refusal(&refusal),
    })
}

/// `link.toml`: what the sender's link in `relais.toml` would say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LinkPart {
    name: Option<String>,
    role: Option<String>,
    default_issuer: Option<Issuer>,
    patient_authorities: Vec<String>,
    ins_authorities: Vec<String>,
    settings: BTreeMap<String, String>,
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

/// What differs between the wanted and the given result, line by line; `None` if they are equal.
pub fn difference(want: &str, given: &str) -> Option<String> {
    if want == given {
        return None;
    }
    let (want, given): (Vec<&str>, Vec<&str>) = (want.lines().collect(), given.lines().collect());
    let mut text = String::new();
    for step in steps(&want, &given) {
        let (sign, line) = match step {
            Step::Same(_) => continue,
            Step::Wanted(line) => ('-', line),
            Step::Given(line) => ('+', line),
        };
        let _ = writeln!(text, "{sign} {line}");
    }
    if text.is_empty() {
        text.push_str("only line ends differ\n");
    }
    Some(text)
}

#[derive(Debug, Clone, Copy)]
enum Step<'t> {
    Same(#[allow(dead_code, reason = "kept for readers of the debug form")] &'t str),
    Wanted(&'t str),
    Given(&'t str),
}

/// Longest common subsequence; a case has some hundred lines.
fn steps<'t>(want: &[&'t str], given: &[&'t str]) -> Vec<Step<'t>> {
    let (n, m) = (want.len(), given.len());
    let mut common = vec![vec![0_u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = match want[i] == given[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < n || j < m {
        if i < n && j < m && want[i] == given[j] {
            found.push(Step::Same(want[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= m || i < n && common[i + 1][j] >= common[i][j + 1] {
            found.push(Step::Wanted(want[i]));
            i += 1;
        } else {
            found.push(Step::Given(given[j]));
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests;
