//! Which exam a message is about: the request first (placer, filler, accession, each with its issuer), then the exam inside it (study
//! UID, Requested Procedure ID, the sole one). Nothing is guessed (C3).
//!
//! Neighbours: `order` acts on what is found here.

use super::exam::Exam;
use super::ids::{ExamId, Key};
use super::keys::Numbers;
use super::reason::{Reason, Refusal};
use super::world::World;
use std::collections::BTreeSet;

/// What a message's numbers found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matched {
    /// No exam yet: a new request, or another exam inside a known one.
    New,
    /// The exam.
    One(ExamId),
    /// All exams of a request, when the message does not say which.
    Request(Vec<ExamId>),
}

/// Finds the exam of `said` in the working set.
///
/// # Errors
/// `order.conflict` if two numbers find different exams, or a number contradicts the stored one.
pub fn match_exam(world: &World, said: &Numbers) -> Result<Matched, Refusal> {
    let mut found: Option<BTreeSet<ExamId>> = None;
    let mut by: Vec<&'static str> = Vec::new();
    for key in said.request().chain(&said.study) {
        let hits: BTreeSet<ExamId> = world.exams_of(key).map(|e| e.id).collect();
        if hits.is_empty() {
            continue;
        }
        found = Some(match found {
            None => hits,
            Some(found) => {
                let both: BTreeSet<ExamId> = found.intersection(&hits).copied().collect();
                if both.is_empty() {
                    return Err(two_hits(&by, key));
                }
                both
            }
        });
        by.push(key.kind.word());
    }
    let Some(found) = found else {
        return Ok(Matched::New);
    };
    let exams = found
        .iter()
        .filter_map(|id| world.exams.get(id))
        .map(|d| &d.doc);
    let inside: Vec<&Exam> = exams.filter(|exam| may_be(exam, said)).collect();
    match inside.as_slice() {
        [] => Ok(Matched::New),
        [exam] => {
            check_numbers(world, exam, said)?;
            Ok(Matched::One(exam.id))
        }
        several => {
            let same = |exam: &&&Exam| is_exactly(exam, said);
            match several.iter().find(same) {
                Some(exam) => check_numbers(world, exam, said).map(|()| Matched::One(exam.id)),
                None => Ok(Matched::Request(several.iter().map(|e| e.id).collect())),
            }
        }
    }
}

fn differs(said: &Option<Key>, stored: &Option<Key>) -> bool {
    matches!((said, stored), (Some(a), Some(b)) if a.value != b.value)
}

/// False if the message states another study UID or Requested Procedure ID than the exam's sender did: it is about another exam of
/// the request.
fn may_be(exam: &Exam, said: &Numbers) -> bool {
    let stated = Numbers::stated(exam);
    if said.procedure.is_some() && stated.procedure.is_some() {
        return !differs(&said.procedure, &stated.procedure);
    }
    !differs(&said.study, &stated.study)
}

/// True if the message names this exam among several of a request.
fn is_exactly(exam: &Exam, said: &Numbers) -> bool {
    let held = Numbers::held(exam);
    let equal = |a: &Option<Key>, b: &Option<Key>| a.is_some() && a == b;
    equal(&said.procedure, &held.procedure)
        || (equal(&said.study, &held.study) && said.procedure.is_none())
}

/// Refuses a number that contradicts the one that a sender stated; what Relais generated, or a report only mentioned, gives way. A
/// study UID of ours gives way until images bear it.
fn check_numbers(world: &World, exam: &Exam, said: &Numbers) -> Result<(), Refusal> {
    let (held, stated) = (Numbers::held(exam), Numbers::stated(exam));
    let mut performed = exam
        .performed
        .iter()
        .filter_map(|r| world.performed.get(&r.id));
    let borne = performed.any(|p| p.doc.study_uid.as_deref() == exam.study_uid());
    let study = if borne { &held.study } else { &stated.study };
    let pairs = [
        ("placer order number", &said.placer, &stated.placer),
        ("filler order number", &said.filler, &stated.filler),
        ("accession number", &said.accession, &stated.accession),
        ("Study Instance UID", &said.study, study),
    ];
    match pairs.into_iter().find(|(_, said, stored)| differs(said, stored)) {
        None => Ok(()),
        Some((what, ..)) => Err(Refusal::new(
            Reason::OrderConflict,
            format!("the order is known under another {what}"),
        )
        .allowed("the stored number, or none")
        .hint("another exam of the same order needs its own Requested Procedure ID or Study Instance UID")),
    }
}

fn two_hits(by: &[&str], key: &Key) -> Refusal {
    Refusal::new(
        Reason::OrderConflict,
        format!(
            "{} and {} name different exams",
            by.join(", "),
            key.kind.word()
        ),
    )
    .allowed("numbers of one exam")
    .hint("look both numbers up in Relais and correct the sender")
}

/// Several exams where one is needed.
pub fn which_exam(n: usize) -> Refusal {
    Refusal::new(
        Reason::OrderConflict,
        format!("the numbers name {n} exams of one request"),
    )
    .allowed("the Requested Procedure ID or the Study Instance UID of one of them")
}
