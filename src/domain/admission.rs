//! Patients: who a message speaks of, demographics, visits, merges.
//!
//! Neighbours: `order`, `reports` and `mpps` ask here for their patient. Rules upheld: only the patient administration overwrites
//! demographics, an order or report creates the patient if absent (B2); a merged patient is not brought back (B3); a national
//! identifier never merges.

use super::command::{PatientAct, Record};
use super::deciding::{Changes, Deciding, without};
use super::event::{Happening, Subject};
use super::exam::StepStatus;
use super::fields::{FieldChange, Fields, Patch, Said};
use super::ids::{ExamId, Key, PatientId, StepId};
use super::keys;
use super::patient::Patient;
use super::reason::{Hl7Place, Place, Reason, Refusal};
use super::record::fields_of;
use super::transitions::Act;

/// Whom the section `patient` of a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// No usable identifier.
    Nobody,
    /// Identifiers that no document has.
    Unknown,
    Known(PatientId),
}

/// Why an identifier is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retired {
    /// A40: it was taken for another person's.
    Merged,
    /// A47: the same person has another one.
    Renamed,
}

impl Deciding<'_, '_, '_> {
    /// A message of the patient administration.
    pub fn patient(&mut self, act: PatientAct, record: &Record) -> Result<(), Refusal> {
        match act {
            PatientAct::Merge => self.merge_patients(record, Retired::Merged),
            PatientAct::ChangeId => self.change_patient_id(record),
            PatientAct::Admit | PatientAct::Update | PatientAct::Leave => {
                self.put_patient(record).map(drop)
            }
            PatientAct::Arrive => {
                if let Some(id) = self.put_patient(record)? {
                    self.patient_arrives(id)?;
                }
                Ok(())
            }
            PatientAct::CancelVisit => self.cancel_visit(record),
        }
    }

    /// Whom a message names: by `patient.id`, else by any other local identifier.
    pub fn named_patient(&self, patch: &Patch) -> Result<Named, Refusal> {
        let all = keys::patient_all(patch);
        if all.is_empty() {
            return Ok(Named::Nobody);
        }
        let main = keys::patient_main(patch);
        if let Some(id) = main.and_then(|key| self.world.patient_of(&key)) {
            return Ok(Named::Known(id));
        }
        let mut hits: Vec<PatientId> = all
            .iter()
            .filter_map(|k| self.world.patient_of(k))
            .collect();
        hits.sort_unstable();
        hits.dedup();
        match hits.as_slice() {
            [] => Ok(Named::Unknown),
            [id] => Ok(Named::Known(*id)),
            _ => Err(Refusal::new(
                Reason::PatientConflict,
                format!("the identifiers name {} different patients", hits.len()),
            )
            .allowed("identifiers of one patient")
            .hint("merge the patients first (ADT^A40)")),
        }
    }

    /// The patient of an order or report: created from it if absent; one that is there only gains fields nobody spoke of yet.
    pub fn ensure_patient(&mut self, record: &Record) -> Result<PatientId, Refusal> {
        let patch = record.section("patient");
        match self.named_patient(patch)? {
            Named::Nobody => Err(no_identifier()),
            Named::Unknown => {
                let changes = Fields::default().additions(&demographics(patch), self.cx.as_of);
                Ok(self.create_patient(patch, changes, vec![]))
            }
            Named::Known(id) => {
                if !self.speaks_of_another(id, patch)
                    && let Some(doc) = self.patient_doc(id)
                {
                    let mut changes = Changes::default();
                    let added = doc.fields.additions(&demographics(patch), self.cx.as_of);
                    changes.merge("patient", None, &doc.fields, added);
                    let sections = changes.sections;
                    if changes.differs {
                        let keys = vec![];
                        self.happen_to_patient(id, Happening::PatientUpdated { keys, sections });
                    } else if !sections.is_empty() {
                        self.happen_to_patient(id, Happening::Confirmed { sections });
                    }
                }
                Ok(id)
            }
        }
    }

    pub(super) fn patient_doc(&self, id: PatientId) -> Option<&Patient> {
        self.world.patients.get(&id).map(|d| &d.doc)
    }

    /// True if the message names a patient by an identifier that a merge or change of id retired.
    fn speaks_as_alias(&self, id: PatientId, patch: &Patch) -> bool {
        let main = keys::patient_main(patch);
        let doc = self.patient_doc(id);
        main.zip(doc)
            .is_some_and(|(key, doc)| doc.aliases.contains(&key))
    }

    /// True if the message names a patient by an identifier that was another person's before a merge. One that a change of id retired
    /// was always this person's.
    fn speaks_of_another(&self, id: PatientId, patch: &Patch) -> bool {
        let main = keys::patient_main(patch);
        let renamed = self.patient_doc(id).map_or(&[][..], |d| &d.renamed);
        self.speaks_as_alias(id, patch) && main.is_some_and(|key| !renamed.contains(&key))
    }

    /// Keys that no patient has yet.
    fn free_keys(&self, keys: Vec<Key>) -> Vec<Key> {
        let free = keys.into_iter();
        free.filter(|key| !self.world.patient_keys.contains_key(key))
            .collect()
    }

    fn create_patient(
        &mut self,
        patch: &Patch,
        fields: Vec<FieldChange>,
        visit: Vec<FieldChange>,
    ) -> PatientId {
        let id = PatientId(self.cx.ids.next());
        let keys = self.free_keys(keys::patient_all(patch));
        let mut changes = Changes::default();
        changes.merge("patient", None, &Fields::default(), fields);
        changes.merge("visit", None, &Fields::default(), visit);
        let sections = changes.sections;
        self.happen_to_patient(id, Happening::PatientCreated { keys, sections });
        id
    }

    /// Creates or updates a patient as the patient administration says. `None` if the message speaks under a retired identifier: it
    /// says nothing of the survivor.
    fn put_patient(&mut self, record: &Record) -> Result<Option<PatientId>, Refusal> {
        let patch = record.section("patient");
        match self.named_patient(patch)? {
            Named::Nobody => Err(no_identifier()),
            Named::Unknown => {
                let fields = Fields::default().changes(&demographics(patch), self.cx.as_of);
                let visit = Fields::default().changes(record.section("visit"), self.cx.as_of);
                Ok(Some(self.create_patient(patch, fields, visit)))
            }
            Named::Known(id) if self.speaks_as_alias(id, patch) => {
                // What was said of the retired patient is not the survivor's, but its other identifiers lead there too.
                for key in self.free_keys(keys::patient_all(patch)) {
                    self.retire_key(id, key, Retired::Merged);
                }
                Ok(None)
            }
            Named::Known(id) => {
                self.update_patient(id, record, vec![]);
                Ok(Some(id))
            }
        }
    }

    /// Merges demographics and visit into a known patient; `revived` are retired keys that speak for it again.
    fn update_patient(&mut self, id: PatientId, record: &Record, revived: Vec<Key>) {
        let patch = record.section("patient");
        let Some(doc) = self.patient_doc(id) else {
            return;
        };
        let mut changes = Changes::default();
        // Whoever speaks for the patient names it anew once its name is retired, however old the message is.
        let retired = retired_names(doc, patch, &revived);
        let said = demographics(patch);
        let by_age = without(&said, |name, _| retired.contains(&name));
        let anew = without(&said, |name, _| !retired.contains(&name));
        let mut fields = doc.fields.changes(&by_age, self.cx.as_of);
        fields.extend(Fields::default().changes(&anew, self.cx.as_of));
        changes.merge("patient", None, &doc.fields, fields);
        let visit = doc.visit.changes(record.section("visit"), self.cx.as_of);
        changes.merge("visit", None, &doc.visit, visit);
        let mut keys = self.free_keys(keys::patient_all(patch));
        keys.extend(revived);
        let sections = changes.sections;
        if changes.differs || !keys.is_empty() {
            self.happen_to_patient(id, Happening::PatientUpdated { keys, sections });
        } else if !sections.is_empty() {
            self.happen_to_patient(id, Happening::Confirmed { sections });
        }
    }

    /// A11, A38: the visit is dropped field by field, those that an older message brings later too; orders stay.
    fn cancel_visit(&mut self, record: &Record) -> Result<(), Refusal> {
        let visit = fields_of("visit");
        let cleared = Said::default();
        let nothing = visit.map(|field| (field.name.into(), cleared.clone()));
        let mut record = record.clone();
        *record.section_mut("visit") = Patch(nothing.collect());
        self.put_patient(&record).map(drop)
    }

    /// A10: the steps of that day are arrived.
    fn patient_arrives(&mut self, patient: PatientId) -> Result<(), Refusal> {
        let day = |local: i64| local / 1_000_000;
        let today = day(self.cx.as_of.at.local(self.cx.zone).0);
        let mut arrived: Vec<(ExamId, Vec<StepId>)> = Vec::new();
        for exam in self.world.exams.values().map(|d| &d.doc) {
            let due = exam.steps.iter().filter(|step| {
                let start = match step.fields.first("start") {
                    Some(super::value::Value::When(when)) => when.local(self.cx.zone),
                    _ => None,
                };
                step.status.value == StepStatus::Scheduled
                    && start.is_some_and(|start| day(start.0) == today)
            });
            let due: Vec<StepId> = due.map(|step| step.id).collect();
            if exam.patient == patient && !due.is_empty() {
                arrived.push((exam.id, due));
            }
        }
        for (exam, steps) in arrived {
            self.act(exam, &steps, Act::Arrive)?;
        }
        Ok(())
    }

    /// A40: PID-3 survives, MRG-1 becomes an alias, exams and the rest move at once.
    fn merge_patients(&mut self, record: &Record, why: Retired) -> Result<(), Refusal> {
        let (main, prior) = survivor_and_prior(record)?;
        let patch = record.section("patient");
        let survivor = match self.world.patient_of(&main) {
            Some(id) => {
                if self.turns_round(id, &prior) {
                    // Named as survivor of its own survivor, a retired identifier speaks again.
                    self.update_patient(id, record, vec![main]);
                } else if !self.speaks_as_alias(id, patch) {
                    self.update_patient(id, record, vec![]);
                }
                // Else the survivor was merged further by a message that overtook this one: it stays retired.
                id
            }
            None => {
                let mut own = patch.clone();
                // Identifiers that the message lists beside may be those of the patient to be merged.
                own.0.remove("identifiers");
                let fields = Fields::default().changes(&demographics(patch), self.cx.as_of);
                let visit = Fields::default().changes(record.section("visit"), self.cx.as_of);
                self.create_patient(&own, fields, visit)
            }
        };
        for key in prior {
            match self.world.patient_of(&key) {
                Some(other) if other != survivor => self.move_patient(other, survivor, why),
                owner => {
                    let aliases = self.patient_doc(survivor).map_or(&[][..], |d| &d.aliases);
                    if owner.is_none() || !aliases.contains(&key) {
                        self.retire_key(survivor, key, why);
                    }
                }
            }
        }
        // A scanner that named the retired patient may have meant an order of the survivor.
        self.link_waiting();
        Ok(())
    }

    /// True if one of these identifiers speaks for the patient itself: it is to be retired in favour of one that was retired for it.
    fn turns_round(&self, id: PatientId, prior: &[Key]) -> bool {
        let doc = self.patient_doc(id);
        doc.is_some_and(|doc| {
            let speaks = |key: &Key| doc.keys.contains(key) && !doc.aliases.contains(key);
            prior.iter().any(speaks)
        })
    }

    fn retire_key(&mut self, patient: PatientId, key: Key, why: Retired) {
        let (from, keys) = (patient, vec![key]);
        let renamed = match why {
            Retired::Merged => vec![],
            Retired::Renamed => keys.clone(),
        };
        let taken = Happening::PatientKeysTaken {
            from,
            keys,
            renamed,
        };
        self.happen_to_patient(patient, taken);
    }

    /// Moves keys, exams, performed steps and reports of a patient, and those merged into it before, to the survivor.
    fn move_patient(&mut self, from: PatientId, to: PatientId, why: Retired) {
        let doc = self.patient_doc(from);
        let taken = doc.map(|doc| Happening::PatientKeysTaken {
            from,
            keys: doc.keys.clone(),
            renamed: match why {
                Retired::Merged => vec![],
                Retired::Renamed => own_keys(doc),
            },
        });
        let merged = self.world.patients.values();
        let merged: Vec<PatientId> = merged
            .filter(|d| d.doc.id == from || d.doc.merged_into == Some(from))
            .map(|d| d.doc.id)
            .collect();
        for id in merged {
            self.happen_to_patient(id, Happening::PatientMerged { into: to });
        }
        if let Some(taken) = taken {
            self.happen_to_patient(to, taken);
        }
        let world = &*self.world;
        let exams = world.exams.values().filter(|d| d.doc.patient == from);
        let exams = exams.map(|d| Subject::Exam(d.doc.id));
        let performed = world.performed.values();
        let performed = performed.filter(|d| d.doc.patient == Some(from));
        let performed = performed.map(|d| Subject::Performed(d.doc.id));
        let reports = world.reports.values().filter(|d| d.doc.patient == from);
        let reports = reports.map(|d| Subject::Report(d.doc.id));
        let moved: Vec<Subject> = exams.chain(performed).chain(reports).collect();
        for subject in moved {
            match subject {
                Subject::Exam(id) => self.happen_to_exam(id, Happening::ExamMoved { from, to }),
                Subject::Performed(id) => {
                    self.happen_to_performed(id, Happening::PpsMoved { from, to });
                }
                Subject::Report(id) => {
                    self.happen_to_report(id, Happening::ReportMoved { from, to });
                }
                Subject::Patient(_) => {}
            }
        }
    }

    /// A47: the same patient under a new identifier; if both are known, they were two and are merged.
    fn change_patient_id(&mut self, record: &Record) -> Result<(), Refusal> {
        let (main, prior) = survivor_and_prior(record)?;
        let mut owners = prior.iter().filter_map(|key| self.world.patient_of(key));
        match (self.world.patient_of(&main), owners.next()) {
            (None, Some(id)) => {
                self.update_patient(id, record, vec![]);
                for key in prior {
                    self.retire_key(id, key, Retired::Renamed);
                }
                self.link_waiting();
                Ok(())
            }
            (Some(main), Some(prior)) => {
                self.take_over(prior, main);
                self.merge_patients(record, Retired::Renamed)
            }
            _ => self.merge_patients(record, Retired::Renamed),
        }
    }

    /// One person under two identifiers (A47): what was said under the old one counts by its age.
    fn take_over(&mut self, from: PatientId, to: PatientId) {
        let (Some(old), Some(doc)) = (self.patient_doc(from), self.patient_doc(to)) else {
            return;
        };
        let newer = |old: &Fields, stored: &Fields| -> Vec<FieldChange> {
            let said = old.0.iter().filter(|(name, field)| {
                let stored = stored.get(name);
                !matches!(name.as_ref(), "id" | "identifiers")
                    && stored.is_none_or(|stored| field.as_of > stored.as_of)
            });
            said.map(|(name, field)| FieldChange {
                name: name.clone(),
                field: field.clone(),
            })
            .collect()
        };
        let mut changes = Changes::default();
        changes.merge(
            "patient",
            None,
            &doc.fields,
            newer(&old.fields, &doc.fields),
        );
        changes.merge("visit", None, &doc.visit, newer(&old.visit, &doc.visit));
        let (keys, sections) = (vec![], changes.sections);
        if from != to && !sections.is_empty() {
            self.happen_to_patient(to, Happening::PatientUpdated { keys, sections });
        }
    }
}

/// The identifiers that were always this person's: those of people who were merged into it left out.
fn own_keys(doc: &Patient) -> Vec<Key> {
    let own = |key: &&Key| !doc.aliases.contains(key) || doc.renamed.contains(key);
    doc.keys.iter().filter(own).cloned().collect()
}

/// The fields that name the patient by an identifier which is retired: as an alias, unless it is revived, or by this message.
fn retired_names(doc: &Patient, patch: &Patch, revived: &[Key]) -> Vec<&'static str> {
    let prior = keys::patient_merged(patch);
    let is_retired =
        |key: &Key| prior.contains(key) || (doc.aliases.contains(key) && !revived.contains(key));
    let is_stale = |name: &&str| {
        let mut named = keys::patient_named(doc.fields.values(name));
        named.any(|key| is_retired(&key))
    };
    ["id", "identifiers"].into_iter().filter(is_stale).collect()
}

/// The section `patient` without what is no property of the patient.
fn demographics(patch: &Patch) -> Patch {
    without(patch, |name, _| name == "merged_ids")
}

fn no_identifier() -> Refusal {
    Refusal::new(Reason::FieldMissing, "no local patient identifier")
        .at(Place::Hl7(Hl7Place::field("PID", 3)))
        .allowed("an identifier under its authority; a national identifier (INS) does not count")
        .hint("say which authority is local in the link's patient_authorities")
}

/// The surviving key and the retired ones of an A40 or A47.
fn survivor_and_prior(record: &Record) -> Result<(Key, Vec<Key>), Refusal> {
    let patch = record.section("patient");
    let main = keys::patient_main(patch).ok_or_else(no_identifier)?;
    let prior = keys::patient_merged(patch);
    if prior.is_empty() {
        return Err(
            Refusal::new(Reason::FieldMissing, "no prior patient identifier")
                .at(Place::Hl7(Hl7Place::field("MRG", 1)))
                .allowed("the identifier that is replaced (MRG-1)"),
        );
    }
    if prior.contains(&main) {
        return Err(Refusal::new(
            Reason::PatientMergeSelf,
            "the prior patient identifier is the surviving one",
        )
        .allowed("two different identifiers"));
    }
    Ok((main, prior))
}
