//! `relais mapping capture`: a journalled message as a case without its patient.
//!
//! It fails closed. Every value is replaced unless its place is on a list of codes and structure AND the value is a word that a mapping
//! file, a table or the list knows ([`kept`]); what replaces it has its form, the same for equal values ([`synthetic`]); dates are shifted by
//! one number of days, dates of birth are made up. Then nothing that was replaced may occur in what comes out, or there is no case.
//! Comments, results, notes, names, addresses and unknown Z segments are on no list.

mod kept;
mod rewrite;
mod synthetic;

use super::cases::{Case, judge, link_text};
use super::{LinkView, MappingSet};
use crate::domain::ids::JournalId;
use crate::domain::value::Issuer;
use crate::hl7::message::{Message, Reading};
use kept::Words;
use std::collections::BTreeMap;
use std::sync::Arc;
use synthetic::Synthetic;

/// How often another seed is tried when a made-up value happens to be one of the real ones.
const TRIES: u64 = 16;
/// How often the same place may fail in a row.
const MOST_SAME: usize = 3;
/// Shortest real value that must not occur in the outcome; and shortest word of one.
const SHORTEST: usize = 3;
const SHORTEST_WORD: usize = 5;
/// Most different values of a message: a case is an example.
const MOST_VALUES: usize = 1000;

/// A case without its patient.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Its mapping file and its parts.
    pub case: Case,
    /// What the case no longer shows: for whoever asked.
    pub notes: Vec<String>,
}

/// Makes a case of a message; `seed` decides what is made up and should be different each time.
///
/// # Errors
/// Why there is none: no mapping file reads the message, or a real value would be left. Without values of the message.
pub fn capture(
    set: &MappingSet,
    message: &Message,
    link: &LinkView,
    seed: u64,
) -> Result<Captured, String> {
    let file = set
        .reader(message, link)
        .map_err(|refusal| format!("no mapping file reads it: {refusal}"))?
        .to_owned();
    let words = Words::of(set);
    let (mut why, mut same) = (String::new(), 0);
    for seed in (0..TRIES).map(|n| seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15))) {
        match attempt(set, message, link, &file, seed, &words) {
            Ok(case) => {
                let notes = notes(set, message, link, &case);
                return Ok(Captured { case, notes });
            }
            Err(left) if left.starts_with("it has more") => return Err(left),
            // Not by chance: the value itself stands where it is kept.
            Err(left) if left == why && same == MOST_SAME => return Err(why),
            Err(left) => {
                same = if left == why { same + 1 } else { 0 };
                why = left;
            }
        }
    }
    Err(why)
}

fn attempt(
    set: &MappingSet,
    message: &Message,
    link: &LinkView,
    file: &str,
    seed: u64,
    words: &Words<'_>,
) -> Result<Case, String> {
    let mut synthetic = Synthetic::new(seed);
    let text = rewrite::message(message, words, &mut synthetic);
    if synthetic.count() > MOST_VALUES {
        return Err(format!(
            "it has more than {MOST_VALUES} different values: too many for a case"
        ));
    }
    let left = |part: &str, place: &str| {
        format!("the value at {place} is left in {part}: it also stands where it is read as a code")
    };
    if let Some(place) = synthetic.left_in(&text.to_lowercase(), words, true) {
        return Err(left("in.hl7", place));
    }
    let link = link_without_site(link, words, &mut synthetic);
    let mut case = Case {
        file: file.to_owned(),
        name: String::new(),
        parts: BTreeMap::new(),
    };
    case.parts.insert("in.hl7".to_owned(), text.into_bytes());
    case.parts
        .insert("link.toml".to_owned(), link_text(&link).into_bytes());
    let verdict = judge(set, &case)?;
    case.parts
        .insert("want.toml".to_owned(), verdict.blessed.into_bytes());
    // Words of a note may be names of fields: in these only whole values are looked for, and where values stand.
    for part in ["link.toml", "want.toml"] {
        let text = String::from_utf8_lossy(&case.parts[part]).to_lowercase();
        if let Some(place) = synthetic.left_in(&quoted(&text), words, false) {
            return Err(left(part, place));
        }
    }
    Ok(case)
}

/// What stands in quotes, one a line.
fn quoted(text: &str) -> String {
    let parts = text.split('"').skip(1).step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// The issuers of a link in the words of the message.
fn link_without_site(link: &LinkView, words: &Words<'_>, synthetic: &mut Synthetic) -> LinkView {
    let mut text = |text: &String| match words.knows(text) {
        true => text.clone(),
        false => synthetic.of_setting(text),
    };
    let mut issuer = |issuer: &Issuer| Issuer {
        namespace: issuer.namespace.as_ref().map(&mut text),
        universal_id: issuer.universal_id.as_ref().map(&mut text),
        scheme: issuer.scheme.clone(),
    };
    LinkView {
        name: "case".to_owned(),
        role: link.role.clone(),
        default_issuer: link.default_issuer.as_ref().map(&mut issuer),
        patient_authorities: link.patient_authorities.iter().map(&mut issuer).collect(),
        ins_authorities: link.ins_authorities.iter().map(&mut issuer).collect(),
        inbound: vec![],
        settings: link.settings.clone(),
    }
}

/// In what the case differs from the message, beyond its values.
fn notes(set: &MappingSet, message: &Message, link: &LinkView, case: &Case) -> Vec<String> {
    let outcome =
        |message: &Message, link: &LinkView| match set.translate_hl7(message, link, JournalId(0)) {
            Ok(translation) => format!("{} command(s)", translation.commands.len()),
            Err(refusal) => format!("refused: {}", refusal.reason),
        };
    let mut notes = Vec::new();
    let raw: Arc<[u8]> = case.parts["in.hl7"].as_slice().into();
    let own = LinkView {
        inbound: vec![super::model::stem(&case.file).to_owned()],
        ..link.clone()
    };
    let before = outcome(message, link);
    let after = Message::parse(raw, &Reading::default()).map_or_else(
        |refusal| format!("refused: {}", refusal.reason),
        |message| outcome(&message, &own),
    );
    if before != after {
        notes.push(format!(
            "the message gave {before}, the case gives {after}: a value that decides was replaced; put one that means the same into in.hl7 and bless"
        ));
    }
    notes.push("the case is written in UTF-8, whatever the message was".to_owned());
    notes
}

/// Fuzz target: any bytes as a message to be captured; what comes out holds nothing of what it had to replace.
pub fn fuzz_capture(set: &MappingSet, data: &[u8]) -> u64 {
    let Ok(message) = Message::parse(Arc::from(data), &Reading::default()) else {
        return 0;
    };
    match capture(set, &message, &LinkView::default(), 1) {
        Ok(captured) => crate::fuzzing::shape((
            1,
            captured.notes.len(),
            crate::fuzzing::size(captured.case.parts["in.hl7"].len()),
        )),
        Err(why) => crate::fuzzing::shape((2, why.split(' ').next().map(str::to_owned))),
    }
}

#[cfg(test)]
mod tests;
