//! Reports: one report with its versions, for the exams that it answers.
//!
//! Neighbours: `matching` is for orders; a report names exams by numbers of its own section (`keys::report_links`). Rules upheld: a
//! lower status or an older time never overwrites; a report before its order creates the exam, which the late order fills in and does
//! not reopen (C5, F1).

use super::admission::Named;
use super::command::Record;
use super::deciding::{Changes, Deciding};
use super::event::Happening;
use super::evolve::blank_exam;
use super::fields::{Fields, Patch};
use super::ids::{ExamId, Key, KeyKind, PatientId, ReportId};
use super::keys::{self, Numbers};
use super::order::new_keys;
use super::reason::{Hl7Place, Place, Reason, Refusal};
use super::report::{Report, ReportStatus, ReportVersion};
use super::value::{Identifier, Issuer, Value};

impl Deciding<'_, '_, '_> {
    /// A version of a report.
    pub fn report(&mut self, record: &Record) -> Result<(), Refusal> {
        let patch = record.section("report");
        let key = keys::of_report(patch).ok_or_else(|| {
            Refusal::new(Reason::FieldMissing, "no number names the report")
                .at(Place::Hl7(Hl7Place::field("OBR", 3)))
                .allowed("a report id, a filler number or an accession number")
        })?;
        let status = patch.text("status").and_then(ReportStatus::of_word);
        let status = status.ok_or_else(|| {
            Refusal::new(Reason::FieldMissing, "no report status")
                .at(Place::Hl7(Hl7Place::field("OBR", 25)))
                .allowed("OBR-25 or TXA-17")
        })?;
        let (found, unknown) = self.exams_of_report(record);
        let known = self.world.report_keys.get(&key).copied();
        let stored = known.and_then(|id| self.world.reports.get(&id));
        let owner = stored.map(|d| d.doc.patient);
        let patient = self.patient_of_report(record, owner, &found)?;
        let as_of = self.cx.as_of;
        let documents = record.list("document").iter();
        let version = ReportVersion {
            status,
            as_of,
            fields: Fields::of_patch(patch, as_of),
            documents: documents
                .map(|d| Fields::of_patch(d.section("document"), as_of))
                .collect(),
        };
        let stored = known.and_then(|id| self.world.reports.get(&id));
        let verdict = stored.map_or(Verdict::Newer, |d| judge(&d.doc, &version));
        let version = Box::new(version);
        match (verdict, known) {
            (Verdict::Newer, _) | (_, None) => {}
            (Verdict::Repeated, Some(id)) => {
                let known = self.world.reports.get(&id);
                let known = known.and_then(|d| d.doc.same(&version));
                if known.is_some_and(|known| known.as_of < version.as_of) {
                    self.happen_to_report(id, Happening::ReportConfirmed { version });
                }
                return Ok(());
            }
            (Verdict::Superseded, Some(id)) => {
                self.happen_to_report(id, Happening::ReportSuperseded { version });
                return Ok(());
            }
        }
        for id in &found {
            self.performed_after_all(*id, status);
        }
        let mut exams = found;
        let placer = placer_of(record);
        // One exam and one placer number: they belong together. Of several exams nobody knows whose it is.
        let placer = placer.filter(|_| unknown.len() == 1 && exams.is_empty());
        for mention in unknown {
            exams.push(self.mention(patient, mention, placer.clone(), status));
        }
        let id = known.unwrap_or_else(|| ReportId(self.cx.ids.next()));
        self.happen_to_report(
            id,
            Happening::ReportReceived {
                key,
                patient,
                exams,
                version,
            },
        );
        Ok(())
    }

    /// The exams that a report answers, and the numbers that no exam has: each will be an exam of its own, known from the report only.
    /// Accession numbers speak first; if they find nothing, the study, the filler and the placer number are asked in turn.
    fn exams_of_report(&self, record: &Record) -> (Vec<ExamId>, Vec<Key>) {
        let [mut accessions, mut studies, mut fillers, mut placers] =
            keys::report_links(record.section("report"));
        let order = Numbers::said(record);
        keys::push_new(&mut accessions, order.accession);
        keys::push_new(&mut studies, order.study);
        keys::push_new(&mut fillers, order.filler);
        keys::push_new(&mut placers, order.placer);
        let hits = |keys: &[Key]| {
            let mut ids: Vec<ExamId> = Vec::new();
            for exam in keys.iter().flat_map(|key| self.world.exams_of(key)) {
                if !ids.contains(&exam.id) {
                    ids.push(exam.id);
                }
            }
            ids
        };
        let by_study = hits(&studies);
        let mut found = hits(&accessions);
        if !found.is_empty() {
            // One accession number may own several exams: the study says which.
            if found.iter().any(|id| by_study.contains(id)) {
                found.retain(|id| by_study.contains(id));
            }
            let missed = accessions.into_iter();
            let missed = missed.filter(|key| self.world.exams_of(key).next().is_none());
            return (found, missed.collect());
        }
        let later = [by_study, hits(&fillers), hits(&placers)];
        if let Some(found) = later.into_iter().find(|ids| !ids.is_empty()) {
            return (found, vec![]);
        }
        // Only the strongest sort of number: the others may be the reporting system's own.
        let strongest = [accessions, studies, fillers, placers];
        let strongest = strongest.into_iter().find(|keys| !keys.is_empty());
        (vec![], strongest.unwrap_or_default())
    }

    /// The report's patient: named by the message, else the one of the stored report or of its exams; all of them must agree.
    fn patient_of_report(
        &mut self,
        record: &Record,
        stored: Option<PatientId>,
        found: &[ExamId],
    ) -> Result<PatientId, Refusal> {
        let owners = found
            .iter()
            .filter_map(|id| self.exam(*id))
            .map(|e| e.patient);
        let owners = owners.chain(stored).map(|id| self.world.survivor(id));
        let mut owners: Vec<PatientId> = owners.collect();
        owners.dedup();
        let named = self.named_patient(record.section("patient"))?;
        let agree = match (named, owners.as_slice()) {
            (_, []) => return self.ensure_patient(record),
            (Named::Nobody, [one]) => return Ok(*one),
            (Named::Known(id), owners) => owners.iter().all(|o| *o == id),
            _ => false,
        };
        if !agree {
            return Err(Refusal::new(
                Reason::PatientConflict,
                "the report, or an exam that it answers, belongs to another patient",
            )
            .allowed("the patient of the exams")
            .hint("if both are one patient, merge them first (ADT^A40)"));
        }
        self.ensure_patient(record)
    }

    /// An exam that is only known from a report.
    fn mention(
        &mut self,
        patient: PatientId,
        key: Key,
        placer: Option<Key>,
        status: ReportStatus,
    ) -> ExamId {
        let id = ExamId(self.cx.ids.next());
        let exam = blank_exam(id, patient);
        let as_of = self.cx.as_of.weakest();
        let mut changes = Changes::default();
        for key in [Some(key), placer].into_iter().flatten() {
            let (section, name, value) = number(key);
            let mut patch = Patch::default();
            patch.say(name, value);
            let said = Fields::default().changes(&patch, as_of);
            changes.merge(section, None, &Fields::default(), said);
        }
        let keys = new_keys(&exam, &changes.sections, &[]);
        self.happen_to_exam(
            id,
            Happening::OrderMentioned {
                patient,
                keys,
                sections: changes.sections,
                performed: implies_performed(status),
                as_of: self.cx.as_of,
            },
        );
        id
    }

    /// An exam that was only mentioned as planned, and now is reported on.
    fn performed_after_all(&mut self, id: ExamId, status: ReportStatus) {
        let exam = self.exam(id);
        let Some(exam) = exam.filter(|e| e.steps.is_empty() && e.tombstone.is_none()) else {
            return;
        };
        if implies_performed(status) {
            let (patient, as_of) = (exam.patient, self.cx.as_of);
            let mentioned = Happening::OrderMentioned {
                patient,
                keys: vec![],
                sections: vec![],
                performed: true,
                as_of,
            };
            self.happen_to_exam(id, mentioned);
        }
    }
}

/// The placer number that a report states, if it states one.
fn placer_of(record: &Record) -> Option<Key> {
    let [.., mut placers] = keys::report_links(record.section("report"));
    keys::push_new(&mut placers, Numbers::said(record).placer);
    match placers.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// What becomes of a version beside the stored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It takes over.
    Newer,
    /// The same status and content were said before: at most its age advances.
    Repeated,
    /// Of lower status, or older.
    Superseded,
}

fn judge(report: &Report, version: &ReportVersion) -> Verdict {
    let Some(current) = report.current() else {
        return Verdict::Newer;
    };
    let newer = version.age() > current.age();
    match report.same(version) {
        // Said again, after another version: it takes over again.
        Some(known) if newer && known.age() < current.age() => Verdict::Newer,
        Some(_) => Verdict::Repeated,
        None if newer => Verdict::Newer,
        None => Verdict::Superseded,
    }
}

/// True if there is something to report on: the exam took place.
fn implies_performed(status: ReportStatus) -> bool {
    !matches!(
        status,
        ReportStatus::Registered | ReportStatus::Cancelled | ReportStatus::EnteredInError
    )
}

/// The field that holds a number, and its value.
fn number(key: Key) -> (&'static str, &'static str, Value) {
    let issuer = (!key.issuer.is_empty()).then(|| issuer_of(&key.issuer));
    let name = match key.kind {
        KeyKind::Study => {
            return ("procedure", "study_instance_uid", Value::Uid(key.value));
        }
        KeyKind::Filler => "filler_number",
        KeyKind::Placer => "placer_number",
        _ => "accession_number",
    };
    let value = Value::Identifier(Identifier {
        value: key.value,
        issuer,
        type_: None,
    });
    ("order", name, value)
}

/// An issuer by its key: an OID, else a namespace.
fn issuer_of(key: &str) -> Issuer {
    let as_oid = Issuer {
        universal_id: Some(key.to_owned()),
        scheme: Some("ISO".to_owned()),
        namespace: None,
    };
    if as_oid.oid().is_some() {
        as_oid
    } else {
        Issuer {
            namespace: Some(key.to_owned()),
            ..Issuer::default()
        }
    }
}
