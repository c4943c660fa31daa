//! Performed steps: N-CREATE and N-SET of the Modality Performed Procedure Step (PS3.4 F.7), and what they mean for the scheduled steps.
//!
//! Neighbours: `linking` finds the steps, `transitions` says what becomes of them. Rules upheld: a final performed step never changes;
//! the scanner's truth wins over the RIS's wish; the standard's state machine, lenient about what scanners leave out (ihe-dicom 4).

use super::command::Record;
use super::deciding::{Deciding, without};
use super::event::{Happening, SectionChange};
use super::evolve::{self, FORM};
use super::exam::Exam;
use super::fields::{Field, FieldChange, Fields, Patch};
use super::ids::{ExamId, PerformedId, StepId};
use super::keys;
use super::linking::{find_step, is_patient};
use super::performed::{PerformedStep, PpsStatus, Series};
use super::policy::{DiscontinuedWithoutImages, DuplicateMpps, MppsConformance};
use super::reason::{Place, Reason, Refusal};
use super::record::PPS_STATUS;
use super::time::AsOf;
use super::transitions::{Act, effective};

/// Attributes that an N-SET may not change (PS3.4 Table F.7.2-1: "Not allowed"); scanners that repeat them are not refused.
const CREATED_ONCE: [&str; 9] = [
    "id",
    "start",
    "station_ae",
    "station_name",
    "location",
    "modality",
    "study_id",
    "patient_id",
    "patient_name",
];

impl Deciding<'_, '_, '_> {
    /// N-CREATE.
    pub fn create_performed(
        &mut self,
        uid: &str,
        ae: &str,
        record: &Record,
    ) -> Result<(), Refusal> {
        let patch = record.section("performed_step");
        let as_of = self.cx.as_of;
        let of_section = |section: &'static str| {
            let rows = record.list(section).iter();
            rows.map(move |row| Fields::of_patch(row.section(section), as_of))
        };
        let scheduled: Vec<Fields> = of_section("link").collect();
        let stored = self.world.performed_uids.get(uid).copied();
        let early = stored.and_then(|id| self.performed(id));
        let early = early.filter(|doc| doc.orphan).cloned();
        if let (Some(stored), None) = (stored, &early) {
            return self.duplicate(stored, patch, &scheduled);
        }
        let id = match &early {
            Some(early) => early.id,
            None => PerformedId(self.cx.ids.next()),
        };
        let patient = keys::performed_patient(patch).and_then(|k| self.world.patient_of(&k));
        let study_uid = scheduled.first().and_then(|l| l.text("study_instance_uid"));
        let step = PerformedStep {
            v: FORM,
            id,
            uid: uid.to_owned(),
            patient,
            study_uid: study_uid.map(str::to_owned),
            status: stated_status(patch)?.unwrap_or(PpsStatus::InProgress),
            ae: ae.to_owned(),
            fields: Fields::of_patch(patch, as_of),
            scheduled,
            links: vec![],
            series: series_of(record, as_of),
            mismatch: false,
            orphan: false,
            as_of,
        };
        self.happen_to_performed(
            id,
            Happening::PpsCreated {
                step: Box::new(step.clone()),
            },
        );
        if let Some(early) = early {
            self.adopt(&step, early);
        }
        self.link(id);
        self.follow(id);
        Ok(())
    }

    /// N-SETs that came before their N-CREATE take effect, as if they had come after it.
    fn adopt(&mut self, created: &PerformedStep, early: PerformedStep) {
        let once = |name: &str| created_once(name) && created.fields.first(name).is_some();
        let said = early.fields.0.into_iter();
        let changes: Vec<FieldChange> = said
            .filter(|(name, _)| !once(name))
            .map(|(name, field)| FieldChange { name, field })
            .filter(|change| created.fields.differs(change))
            .collect();
        let set = Happening::PpsSet {
            status: early.status,
            sections: sections_of(changes),
            series: (!early.series.is_empty()).then_some(early.series),
            as_of: self.cx.as_of,
        };
        self.happen_to_performed(created.id, set);
    }

    /// A second N-CREATE of a UID: refused, or by policy taken as a repetition after a lost response.
    fn duplicate(
        &self,
        stored: PerformedId,
        patch: &Patch,
        scheduled: &[Fields],
    ) -> Result<(), Refusal> {
        let same = self.performed(stored).is_some_and(|stored| {
            let said = CREATED_ONCE
                .iter()
                .all(|n| stored.fields.values(n) == patch.values(n));
            let links = stored.scheduled.iter().zip(scheduled);
            said && stored.scheduled.len() == scheduled.len() && { links }
                .all(|(a, b)| same_values(a, b))
        });
        if same && self.cx.policy.duplicate_mpps == DuplicateMpps::Accept {
            return Ok(());
        }
        let found = if same {
            "repeated"
        } else {
            "with other content"
        };
        Err(Refusal::new(Reason::MppsDuplicate, found).allowed("a SOP Instance UID of its own"))
    }

    /// N-SET. What it says replaces what was said before, whatever its time: a scanner has one voice and the state machine its order.
    pub fn set_performed(&mut self, uid: &str, record: &Record) -> Result<(), Refusal> {
        let strict = self.cx.policy.mpps == MppsConformance::Strict;
        let known = self.world.performed_uids.get(uid).copied();
        let stored = known.and_then(|id| self.performed(id));
        let Some(stored) = stored.filter(|doc| !doc.orphan).cloned() else {
            if strict {
                return Err(Refusal::new(
                    Reason::MppsUnknown,
                    "no N-CREATE of that UID was received",
                )
                .allowed("the SOP Instance UID of an N-CREATE"));
            }
            let early = stored.cloned();
            return self.keep_orphan(uid, early, record);
        };
        if stored.status.is_final() {
            return Err(Refusal::new(
                Reason::MppsFinal,
                format!("the status is {}", stored.status.word()),
            )
            .allowed("an N-SET while in progress"));
        }
        if let Some(set) = changes_of(&stored, record, self.cx.as_of)? {
            self.happen_to_performed(stored.id, set);
            self.follow(stored.id);
        }
        Ok(())
    }

    /// An N-SET without N-CREATE (E2): kept, so that it takes effect when its N-CREATE comes. The scanner is told 0112 all the same.
    fn keep_orphan(
        &mut self,
        uid: &str,
        early: Option<PerformedStep>,
        record: &Record,
    ) -> Result<(), Refusal> {
        let blank = |id| PerformedStep {
            v: FORM,
            id,
            uid: uid.to_owned(),
            patient: None,
            study_uid: None,
            status: PpsStatus::InProgress,
            ae: String::new(),
            fields: Fields::default(),
            scheduled: vec![],
            links: vec![],
            series: vec![],
            mismatch: false,
            orphan: true,
            as_of: self.cx.as_of,
        };
        let mut step = match early {
            Some(early) => early,
            None => blank(PerformedId(self.cx.ids.next())),
        };
        // After a final one nothing may change any more, as if the N-CREATE had come first.
        let set = if step.status.is_final() {
            None
        } else {
            changes_of(&step, record, self.cx.as_of)?
        };
        if let Some(set) = set {
            step = evolve::performed(Some(step.clone()), step.id, &set).unwrap_or(step);
        }
        let (id, step) = (step.id, Box::new(step));
        self.happen_to_performed(id, Happening::PpsOrphaned { step });
        Ok(())
    }

    /// Links performed steps that came before their order, now that an order or a merge may have brought what their items name.
    pub(super) fn link_waiting(&mut self) {
        let waiting = self.world.performed.values().filter(|d| d.doc.is_waiting());
        let waiting: Vec<PerformedId> = waiting.map(|d| d.doc.id).collect();
        for id in waiting {
            if self.link(id) {
                self.follow(id);
            }
        }
    }

    /// Links a performed step to the scheduled steps that its items name, as far as they are not linked yet; one item that names another
    /// patient's step stops it all. True if something was linked.
    fn link(&mut self, id: PerformedId) -> bool {
        let Some(step) = self.performed(id).filter(|p| p.is_waiting()).cloned() else {
            return false;
        };
        let modality = step.fields.text("modality");
        let linked = step.links.iter().map(|l| (l.exam, l.step));
        let mut taken: Vec<(ExamId, StepId)> = linked.collect();
        let mut hits = Vec::new();
        for (item, said) in step.scheduled.iter().enumerate() {
            if step.is_open(item)
                && let Some((exam, scheduled, how)) = find_step(self.world, said, modality)
                && !taken.contains(&(exam, scheduled))
            {
                taken.push((exam, scheduled));
                hits.push((exam, scheduled, how, item));
            }
        }
        let stated = step.fields.first("patient_id");
        let patients = hits.iter().filter_map(|(exam, ..)| self.exam(*exam));
        let patients: Vec<_> = patients.map(|e| self.world.survivor(e.patient)).collect();
        let agrees = |id| self.patient_doc(id).is_none_or(|p| is_patient(p, stated));
        if !patients.iter().all(|id| agrees(*id)) {
            if !step.mismatch {
                self.happen_to_performed(id, Happening::PpsMismatch {});
            }
            return false;
        }
        let any = !hits.is_empty();
        for ((exam, scheduled, how, item), patient) in hits.into_iter().zip(patients) {
            let linked = Happening::PpsLinked {
                patient,
                exam,
                step: scheduled,
                how,
                item,
            };
            self.happen_to_performed(id, linked);
        }
        any
    }

    /// Brings the scheduled steps of a performed step where its status says; undoes the links if the wrong entry was selected.
    fn follow(&mut self, id: PerformedId) {
        let Some(performed) = self.performed(id) else {
            return;
        };
        let (status, has_images) = (performed.status, performed.has_images());
        let as_of = performed.as_of;
        let wrong = performed.is_withdrawn();
        let links = performed.links.clone();
        for link in &links {
            let (exam, step) = (link.exam, link.step);
            if wrong {
                self.happen_to_performed(id, Happening::PpsUnlinked { exam, step });
                let mut refs = self.exam(exam).into_iter().flat_map(|e| &e.performed);
                if refs.any(|r| r.id == id) {
                    self.happen_to_exam(exam, Happening::ExamUnlinked { performed: id });
                }
            } else {
                let news = Happening::ExamPerformed {
                    performed: id,
                    step,
                    status,
                    has_images,
                    as_of,
                };
                self.happen_to_exam(exam, news);
            }
        }
        for link in links {
            self.follow_step(link.exam, link.step, None);
        }
    }

    /// The status that a scheduled step has by all its performed steps, and by what RIS and HIS wish (`by`: their act, if one moves it).
    pub(super) fn follow_step(&mut self, exam: ExamId, step: StepId, by: Option<Act>) {
        let policy = self.cx.policy.discontinued_without_images;
        let Some(doc) = self.exam(exam) else {
            return;
        };
        let Some(step) = doc.step(step).cloned() else {
            return;
        };
        let act = course(doc, step.id, policy);
        let to = match doc.last_word(&step) {
            Some(scanner) => effective(step.wish(), act, scanner),
            None => step.wish(),
        };
        if to.value != step.status.value {
            self.set_status(exam, &step, to, by.unwrap_or(act));
        }
    }
}

/// What the performed steps of a scheduled step amount to.
fn course(exam: &Exam, step: StepId, policy: DiscontinuedWithoutImages) -> Act {
    let refs = || exam.performed.iter().filter(|r| r.step == step);
    let any = |status| refs().any(|r| r.status == status);
    if any(PpsStatus::InProgress) {
        Act::PerformedStarted
    } else if any(PpsStatus::Completed) {
        Act::PerformedCompleted
    } else if refs().next().is_none() {
        Act::PerformedUndone
    } else if refs().any(|r| r.has_images) || policy == DiscontinuedWithoutImages::Discontinue {
        Act::PerformedDiscontinued
    } else {
        Act::PerformedUndone
    }
}

fn created_once(name: &str) -> bool {
    CREATED_ONCE.contains(&name)
}

fn sections_of(changes: Vec<FieldChange>) -> Vec<SectionChange> {
    if changes.is_empty() {
        return vec![];
    }
    vec![SectionChange {
        section: "performed_step".into(),
        step: None,
        changes,
    }]
}

/// What an N-SET changes; `None` if nothing.
fn changes_of(
    stored: &PerformedStep,
    record: &Record,
    as_of: AsOf,
) -> Result<Option<Happening>, Refusal> {
    let patch = record.section("performed_step");
    let status = stated_status(patch)?.unwrap_or(stored.status);
    let patch = without(patch, |name, _| {
        created_once(name) && stored.fields.first(name).is_some()
    });
    let said = patch.0.into_iter().map(|(name, said)| FieldChange {
        name,
        field: Field {
            values: said.values,
            as_of,
            origins: said.origins,
        },
    });
    let changes: Vec<FieldChange> = said.filter(|c| stored.fields.differs(c)).collect();
    let series = record.lists.contains_key("series");
    let series = series.then(|| series_of(record, as_of));
    let series = series.filter(|new| !same_series(new, &stored.series));
    if status == stored.status && changes.is_empty() && series.is_none() {
        return Ok(None);
    }
    let sections = sections_of(changes);
    Ok(Some(Happening::PpsSet {
        status,
        sections,
        series,
        as_of,
    }))
}

/// The status that a data set states.
fn stated_status(patch: &Patch) -> Result<Option<PpsStatus>, Refusal> {
    let Some(word) = patch.text("status") else {
        return Ok(None);
    };
    let all = [
        PpsStatus::InProgress,
        PpsStatus::Completed,
        PpsStatus::Discontinued,
    ];
    match all.into_iter().find(|s| s.word() == word) {
        Some(status) => Ok(Some(status)),
        None => Err(Refusal::new(Reason::FieldType, "an unknown status")
            .at(Place::Dicom("PerformedProcedureStepStatus".to_owned()))
            .allowed(PPS_STATUS.join(", "))),
    }
}

fn series_of(record: &Record, as_of: AsOf) -> Vec<Series> {
    let instances = |row: &Record| {
        let rows = row.list("instance").iter();
        rows.map(|i| Fields::of_patch(i.section("instance"), as_of))
            .collect()
    };
    let rows = record.list("series").iter();
    rows.map(|row| Series {
        fields: Fields::of_patch(row.section("series"), as_of),
        instances: instances(row),
    })
    .collect()
}

/// True if two sets of fields hold the same values, whatever their age and origin.
fn same_values(a: &Fields, b: &Fields) -> bool {
    let values = |f: &Fields| -> Vec<_> {
        let filled = f.0.iter().filter(|(_, field)| !field.values.is_empty());
        filled
            .map(|(n, field)| (n.clone(), field.values.clone()))
            .collect()
    };
    values(a) == values(b)
}

fn same_series(a: &[Series], b: &[Series]) -> bool {
    let all_same = |a: &[Fields], b: &[Fields]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_values(a, b))
    };
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| same_values(&a.fields, &b.fields) && all_same(&a.instances, &b.instances))
}
