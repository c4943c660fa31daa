//! Natural keys of records and documents: by which numbers a message finds what it is about.
//!
//! Neighbours: `world` indexes by keys, `matching` compares them, the store keeps them as rows. Rule upheld: a key is never a bare value;
//! a national identifier (INS) is kept as a field and never used as a key, so that it never merges two patients.

use super::command::Record;
use super::exam::Exam;
use super::fields::{Fields, Patch};
use super::ids::{Key, KeyKind};
use super::performed::PerformedStep;
use super::value::{Identifier, Value};

/// Types of HL7 table 0203 that name a patient within one authority. Others (insurance, passport, visit) may be shared by a family
/// or by several stays and never find a patient.
const LOCAL_TYPES: &[&str] = &["", "PI", "MR", "PT", "PN"];

/// Root under which the INS is issued (ANS: production, test and demonstration OIDs).
const INS_ROOT: &str = "1.2.250.1.213.1.4.";

/// True for the French national health identifier, by type or by OID.
pub fn is_national(id: &Identifier) -> bool {
    let by_type = id.type_.as_deref().is_some_and(|t| t.starts_with("INS"));
    let issuer = id.issuer.as_ref();
    by_type || issuer.is_some_and(|i| i.key().starts_with(INS_ROOT))
}

/// The key of an identifier; `None` if it has no value.
pub fn of_identifier(kind: KeyKind, id: &Identifier) -> Option<Key> {
    let value = id.value.trim();
    let issuer = id.issuer.as_ref().map_or("", |i| i.key());
    (!value.is_empty()).then(|| key(kind, issuer, value))
}

/// A key of its parts.
pub fn key(kind: KeyKind, issuer: &str, value: &str) -> Key {
    Key {
        kind,
        issuer: issuer.to_owned(),
        value: value.to_owned(),
    }
}

fn of_value(kind: KeyKind, value: &Value) -> Option<Key> {
    match value {
        Value::Identifier(id) => of_identifier(kind, id),
        Value::Text(text) | Value::Uid(text) if !text.trim().is_empty() => {
            Some(key(kind, "", text.trim()))
        }
        _ => None,
    }
}

/// The key of the patient that a section `patient` speaks for: `patient.id`, unless it is a national identifier.
pub fn patient_main(patch: &Patch) -> Option<Key> {
    match patch.first("id") {
        Some(Value::Identifier(id)) if !is_national(id) => of_identifier(KeyKind::Patient, id),
        _ => None,
    }
}

/// All keys of a section `patient`, the main one first, without repetition.
pub fn patient_all(patch: &Patch) -> Vec<Key> {
    let mut keys: Vec<Key> = patient_main(patch).into_iter().collect();
    for id in local_identifiers(patch.values("identifiers")) {
        push_new(&mut keys, of_identifier(KeyKind::Patient, id));
    }
    keys
}

/// The keys that a merge retires: `patient.merged_ids` (MRG-1).
pub fn patient_merged(patch: &Patch) -> Vec<Key> {
    let mut keys = Vec::new();
    for key in patient_named(patch.values("merged_ids")) {
        push_new(&mut keys, Some(key));
    }
    keys
}

/// The patients' keys among identifiers; a national one is none.
pub fn patient_named(identifiers: &[Value]) -> impl Iterator<Item = Key> {
    identifiers.iter().filter_map(|value| match value {
        Value::Identifier(id) if !is_national(id) => of_identifier(KeyKind::Patient, id),
        _ => None,
    })
}

fn local_identifiers(values: &[Value]) -> impl Iterator<Item = &Identifier> {
    values.iter().filter_map(|value| match value {
        Value::Identifier(id)
            if !is_national(id) && LOCAL_TYPES.contains(&id.type_.as_deref().unwrap_or("")) =>
        {
            Some(id)
        }
        _ => None,
    })
}

/// Adds a key unless it is there.
pub fn push_new(keys: &mut Vec<Key>, key: Option<Key>) {
    if let Some(key) = key
        && !keys.contains(&key)
    {
        keys.push(key);
    }
}

/// The numbers by which an order, or an exam inside it, is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    pub placer: Option<Key>,
    pub filler: Option<Key>,
    pub accession: Option<Key>,
    pub study: Option<Key>,
    /// Requested Procedure ID: tells exams of one order apart, names no order by itself.
    pub procedure: Option<Key>,
}

impl Numbers {
    /// What the sections `order` and `procedure` of a message say.
    pub fn said(record: &Record) -> Self {
        let (order, procedure) = (record.section("order"), record.section("procedure"));
        Self::read(|section, name| {
            if section == "order" {
                order.first(name)
            } else {
                procedure.first(name)
            }
        })
    }

    /// What an exam holds, generated values included.
    pub fn held(exam: &Exam) -> Self {
        Self::read(|section, name| Self::fields(exam, section).first(name))
    }

    /// What senders stated about an exam: generated values left out.
    pub fn stated(exam: &Exam) -> Self {
        Self::read(|section, name| {
            let field = Self::fields(exam, section).get(name);
            field
                .filter(|f| !f.as_of.is_weakest())
                .and_then(|f| f.values.first())
        })
    }

    fn fields<'e>(exam: &'e Exam, section: &str) -> &'e Fields {
        if section == "order" {
            &exam.order
        } else {
            &exam.procedure
        }
    }

    fn read<'v>(first: impl Fn(&str, &str) -> Option<&'v Value>) -> Self {
        let get = |kind, section, name| first(section, name).and_then(|v| of_value(kind, v));
        Self {
            placer: get(KeyKind::Placer, "order", "placer_number"),
            filler: get(KeyKind::Filler, "order", "filler_number"),
            accession: get(KeyKind::Accession, "order", "accession_number"),
            study: get(KeyKind::Study, "procedure", "study_instance_uid"),
            procedure: get(KeyKind::Procedure, "procedure", "id"),
        }
    }

    /// The numbers that name an order: placer, filler, accession.
    pub fn request(&self) -> impl Iterator<Item = &Key> {
        [&self.placer, &self.filler, &self.accession]
            .into_iter()
            .flatten()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Key> {
        self.request()
            .chain([&self.study, &self.procedure].into_iter().flatten())
    }

    /// True if nothing names an order.
    pub fn is_empty(&self) -> bool {
        self.request().next().is_none() && self.study.is_none()
    }
}

/// All keys of an exam: its numbers and its steps' ids.
pub fn of_exam(exam: &Exam) -> Vec<Key> {
    let mut keys: Vec<Key> = Numbers::held(exam).all().cloned().collect();
    for step in &exam.steps {
        push_new(&mut keys, Some(key(KeyKind::Step, "", &step.sps_id)));
    }
    keys
}

/// The key of the patient as a scanner states it (`performed_step.patient_id`).
pub fn performed_patient(patch: &Patch) -> Option<Key> {
    match patch.first("patient_id") {
        Some(Value::Identifier(id)) if !is_national(id) => of_identifier(KeyKind::Patient, id),
        _ => None,
    }
}

/// What names an exam in an item of the Scheduled Step Attributes Sequence.
const LINK_KEYS: [(KeyKind, &str); 3] = [
    (KeyKind::Study, "study_instance_uid"),
    (KeyKind::Accession, "accession_number"),
    (KeyKind::Procedure, "procedure_id"),
];

/// The keys by which an item of the Scheduled Step Attributes Sequence (section `link`) may find its exam.
pub fn of_link(patch: &Patch) -> impl Iterator<Item = Key> {
    LINK_KEYS
        .into_iter()
        .filter_map(|(kind, name)| patch.first(name).and_then(|v| of_value(kind, v)))
}

/// The numbers by which a performed step waits for its order; none once it is linked.
pub fn awaited(performed: &PerformedStep) -> Vec<Key> {
    let mut keys = Vec::new();
    if performed.is_waiting() {
        for (_, item) in performed
            .scheduled
            .iter()
            .enumerate()
            .filter(|(i, _)| performed.is_open(*i))
        {
            let said = |name| item.first(name);
            for (kind, name) in LINK_KEYS {
                push_new(&mut keys, said(name).and_then(|v| of_value(kind, v)));
            }
        }
    }
    keys
}

/// True if a performed step may wait for a key of this kind.
pub fn is_awaited(kind: KeyKind) -> bool {
    LINK_KEYS.iter().any(|(k, _)| *k == kind)
}

/// The keys that a report names exams by, strongest first: accession numbers, studies, filler, placer.
pub fn report_links(patch: &Patch) -> [Vec<Key>; 4] {
    let all = |kind, name: &str| -> Vec<Key> {
        let values = patch.values(name).iter();
        values.filter_map(|v| of_value(kind, v)).collect()
    };
    [
        all(KeyKind::Accession, "accession_numbers"),
        all(KeyKind::Study, "study_uids"),
        all(KeyKind::Filler, "filler_number"),
        all(KeyKind::Placer, "placer_number"),
    ]
}

/// The key of the report itself: `report.id`, its issuer lent by the filler or accession number if it has none; without an id, the
/// filler number, else the first accession number.
pub fn of_report(patch: &Patch) -> Option<Key> {
    let [accessions, _, fillers, _] = report_links(patch);
    let number = fillers.into_iter().chain(accessions).next();
    match patch.first("id") {
        Some(value) => {
            let mut found = of_value(KeyKind::Report, value)?;
            if found.issuer.is_empty() {
                found.issuer = number.map(|n| n.issuer).unwrap_or_default();
            }
            Some(found)
        }
        None => number.map(|n| key(KeyKind::Report, &n.issuer, &n.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Issuer;

    fn id(value: &str, issuer: &str, type_: &str) -> Identifier {
        Identifier {
            value: value.into(),
            issuer: Some(Issuer {
                universal_id: Some(issuer.into()),
                ..Issuer::default()
            }),
            type_: (!type_.is_empty()).then(|| type_.into()),
        }
    }

    #[test]
    fn b01_a_national_identifier_is_never_a_key() {
        for ins in [
            id("279035121518989", "1.2.250.1.213.1.4.10", "INS"),
            id("279035121518989", "1.2.250.1.213.1.4.8", ""),
            id("279035121518989", "1.2.3", "INS-NIR"),
        ] {
            let mut patch = Patch::default();
            patch.say("id", Value::Identifier(ins.clone()));
            patch.say("identifiers", Value::Identifier(ins));
            assert_eq!(patient_all(&patch), vec![]);
        }
    }

    #[test]
    fn only_identifiers_that_name_one_patient_are_keys() {
        for (type_, counts) in [
            ("PI", true),
            ("", true),
            ("MR", true),
            ("AN", false),
            ("NH", false),
            ("SS", false),
        ] {
            let mut patch = Patch::default();
            patch.say("identifiers", Value::Identifier(id("1", "1.2.3", type_)));
            assert_eq!(!patient_all(&patch).is_empty(), counts, "{type_}");
        }
    }

    #[test]
    fn a_report_without_issuer_borrows_the_one_of_its_order() {
        let mut patch = Patch::default();
        let bare = Identifier {
            value: "R1".into(),
            ..Identifier::default()
        };
        patch.say("id", Value::Identifier(bare));
        patch.say("accession_numbers", Value::Identifier(id("A1", "1.9", "")));
        assert_eq!(of_report(&patch), Some(key(KeyKind::Report, "1.9", "R1")));
        patch.0.remove("id");
        assert_eq!(of_report(&patch), Some(key(KeyKind::Report, "1.9", "A1")));
    }
}
