//! Orders: placing, changing, holding, cancelling an exam as a RIS or HIS says.
//!
//! Neighbours: `matching` finds the exam, `admission` the patient, `steps` acts on the steps. Rules upheld: fields merge one by one by
//! age; numbers are never erased; a cancel before its order leaves a tombstone; a late order never reopens a finished exam (C4).

use super::admission::Named;
use super::command::{OrderAct, Record};
use super::deciding::{Changes, Deciding, without};
use super::event::{Happening, SectionChange};
use super::evolve::{apply_exam, blank_exam};
use super::exam::{Exam, Stated, Step, StepStatus};
use super::fields::FieldChange;
use super::ids::{ExamId, Key, StepId, short_id};
use super::keys::{self, Numbers};
use super::matching::{Matched, match_exam, which_exam};
use super::policy::{MissingStudyUid, UnknownOrder};
use super::reason::{Reason, Refusal};
use super::steps::{is_finished, match_rows, refusal, stated_status, step_fields};
use super::study_uid;
use super::time::AsOf;
use super::transitions::{Act, Outcome, Source, outcome, wished};
use super::value::Value;

/// Sections of a message that an exam keeps.
const SECTIONS: [&str; 5] = ["order", "procedure", "visit", "schedule", "extra"];

/// Fields of which an empty value says nothing: numbers merge and are never erased by a message that carries a subset (C3).
const NUMBERS: [&str; 5] = [
    "placer_number",
    "filler_number",
    "accession_number",
    "id",
    "study_instance_uid",
];

impl Deciding<'_, '_, '_> {
    /// One order of a message.
    pub fn order(&mut self, act: OrderAct, record: &Record) -> Result<(), Refusal> {
        let said = Numbers::said(record);
        if said.is_empty() {
            return Err(Refusal::new(Reason::FieldMissing, "no order number")
                .allowed("a placer, filler or accession number, or a Study Instance UID"));
        }
        let exams = match match_exam(self.world, &said)? {
            Matched::New => return self.unknown_order(act, record),
            Matched::One(id) => vec![id],
            Matched::Request(ids) if matches!(act, OrderAct::Schedule | OrderAct::Change) => {
                return Err(which_exam(ids.len()));
            }
            Matched::Request(ids) => ids,
        };
        self.check_patient(&exams, record)?;
        for id in exams {
            self.known_order(id, act, record)?;
        }
        self.link_waiting();
        Ok(())
    }

    /// Refuses another patient's order; a message that names no patient is believed.
    fn check_patient(&mut self, exams: &[ExamId], record: &Record) -> Result<(), Refusal> {
        let named = self.named_patient(record.section("patient"))?;
        let owners = exams
            .iter()
            .filter_map(|id| self.exam(*id))
            .map(|e| e.patient);
        let other = match named {
            Named::Nobody => false,
            Named::Unknown => true,
            Named::Known(id) => owners.map(|o| self.world.survivor(o)).any(|o| o != id),
        };
        if other {
            return Err(Refusal::new(
                Reason::PatientConflict,
                "the numbers belong to an order of another patient",
            )
            .allowed("the patient of the order")
            .hint("if both are one patient, merge them first (ADT^A40)"));
        }
        if named != Named::Nobody {
            self.ensure_patient(record)?;
        }
        Ok(())
    }

    /// An order that nobody announced: placed, kept as a tombstone, or refused by policy.
    fn unknown_order(&mut self, act: OrderAct, record: &Record) -> Result<(), Refusal> {
        let unknown = || {
            Refusal::new(
                Reason::OrderUnknown,
                format!("{} for an unknown order", act.word()),
            )
            .allowed("schedule, or the numbers of a known order")
        };
        let refuse = self.cx.policy.unknown_order == UnknownOrder::Refuse;
        if refuse && act != OrderAct::Schedule {
            return Err(unknown());
        }
        let nobody = self.named_patient(record.section("patient"))? == Named::Nobody;
        if nobody && !matches!(act, OrderAct::Schedule | OrderAct::Change) {
            return Err(unknown().hint("an order can only be remembered under its patient"));
        }
        let patient = self.ensure_patient(record)?;
        let exam = blank_exam(ExamId(self.cx.ids.next()), patient);
        self.first_word(&exam, act, record)?;
        self.link_waiting();
        Ok(())
    }

    fn known_order(&mut self, id: ExamId, act: OrderAct, record: &Record) -> Result<(), Refusal> {
        let Some(exam) = self.exam(id).cloned() else {
            return Ok(());
        };
        if exam.steps.is_empty() {
            return self.first_word(&exam, act, record);
        }
        let rows = record.list("step");
        let matched = match_rows(&exam.steps, rows);
        if matches!(act, OrderAct::Schedule | OrderAct::Change) {
            return self.revise(&exam, act, rows, &matched, record).map(drop);
        }
        // A message that names its steps by id speaks of these only, and may be the first to name one.
        if names_steps(rows) {
            let steps = self.revise(&exam, act, rows, &matched, record)?;
            return self.act(id, &steps, Act::Order(act));
        }
        let changes = self.exam_changes(&exam, record);
        self.change_exam(&exam, changes, vec![]);
        let steps: Vec<StepId> = exam.steps.iter().map(|s| s.id).collect();
        self.act(id, &steps, Act::Order(act))?;
        self.remember(&exam, Act::Order(act));
        Ok(())
    }

    /// What is said of the order as a whole is kept for steps that come later.
    fn remember(&mut self, exam: &Exam, act: Act) {
        if let Some(status) = self.whole(exam, act) {
            self.happen_to_exam(exam.id, Happening::OrderStated { status });
        }
    }

    /// What is said of the order as a whole after an act on it; `None` if that changes nothing.
    fn whole(&self, exam: &Exam, act: Act) -> Option<Stated<StepStatus>> {
        let as_of = self.cx.as_of;
        let source = Source::of_role(as_of.role);
        let status = match (exam.tombstone, outcome(StepStatus::Scheduled, act, source)) {
            (Some(known), _) => wished(known, act, as_of),
            (None, Outcome::To(value)) => Stated::new(value, as_of),
            _ => return None,
        };
        (exam.tombstone != Some(status)).then_some(status)
    }

    /// An exam without steps (new, or known from a cancel or report): placed, or a tombstone for what is over already.
    fn first_word(&mut self, exam: &Exam, act: OrderAct, record: &Record) -> Result<(), Refusal> {
        let bare_start = act == OrderAct::Start && record.list("step").is_empty();
        // An end of some steps says nothing of the others: these steps are placed, and over, if the site lets them be placed.
        let placeable = self.cx.policy.missing_study_uid == MissingStudyUid::Generate
            || record.first("procedure", "study_instance_uid").is_some()
            || exam.study_uid().is_some();
        let whole = !names_steps(record.list("step")) || !placeable;
        if (ends(act) && whole) || bare_start {
            return self.tombstone(exam, act, record);
        }
        self.place(exam, act, record)?;
        let ids = self
            .exam(exam.id)
            .map(|e| e.steps.iter().map(|s| s.id).collect());
        let ids: Vec<StepId> = ids.unwrap_or_default();
        if !matches!(act, OrderAct::Schedule | OrderAct::Change) {
            self.act(exam.id, &ids, Act::Order(act))?;
            if !names_steps(record.list("step")) {
                self.remember(exam, Act::Order(act));
            }
        }
        self.row_acts(exam.id, record.list("step"), &ids)
    }

    /// Keeps keys and state of an order that is over before it was placed.
    fn tombstone(&mut self, exam: &Exam, act: OrderAct, record: &Record) -> Result<(), Refusal> {
        let changes = self.exam_changes(exam, record);
        let from = exam.tombstone.map_or(StepStatus::Scheduled, |t| t.value);
        let as_of = self.cx.as_of;
        let is_late = exam.tombstone.is_some_and(|t| as_of < t.last_said());
        let act = Act::Order(act);
        // Late is not wrong: only who speaks last can be refused.
        match outcome(from, act, Source::of_role(as_of.role)) {
            Outcome::Refuse(reason) if !is_late => return Err(refusal(reason, from, act)),
            Outcome::Flag if !is_late => return self.too_late(exam.id, from, act, false),
            _ => {}
        }
        let status = self.whole(exam, act);
        match status.filter(|s| exam.tombstone.is_none() || s.value != from) {
            Some(status) => {
                let keys = new_keys(exam, &changes.sections, &[]);
                let tombstoned = Happening::OrderTombstoned {
                    patient: exam.patient,
                    keys,
                    sections: changes.sections,
                    status: status.value,
                    as_of: status.as_of,
                };
                self.happen_to_exam(exam.id, tombstoned);
            }
            None => self.change_exam(exam, changes, vec![]),
        }
        // The same end, earlier or again.
        if let Some(status) = status
            && self.exam(exam.id).and_then(|e| e.tombstone) != Some(status)
        {
            self.happen_to_exam(exam.id, Happening::OrderStated { status });
        }
        Ok(())
    }

    /// The first message that gives an exam its steps.
    fn place(&mut self, exam: &Exam, act: OrderAct, record: &Record) -> Result<(), Refusal> {
        let mut changes = self.exam_changes(exam, record);
        let mut preview = exam.clone();
        apply_exam(&mut preview, &changes.sections);
        let generated = self.identities(&preview)?;
        changes.merge("procedure", None, &exam.procedure, generated);
        let status = exam.tombstone.unwrap_or_else(|| self.scheduled(act));
        let blank = [Record::default()];
        let rows = match record.list("step") {
            [] => &blank[..],
            rows => rows,
        };
        let steps: Vec<Step> = rows.iter().map(|row| self.new_step(row, status)).collect();
        let keys = new_keys(exam, &changes.sections, &steps);
        self.happen_to_exam(
            exam.id,
            Happening::OrderPlaced {
                patient: exam.patient,
                keys,
                sections: changes.sections,
                steps,
            },
        );
        Ok(())
    }

    /// A further message about a placed exam: fields by age, steps by row. Returns the step of each row.
    fn revise(
        &mut self,
        exam: &Exam,
        act: OrderAct,
        rows: &[Record],
        matched: &[Option<StepId>],
        record: &Record,
    ) -> Result<Vec<StepId>, Refusal> {
        let mut changes = self.exam_changes(exam, record);
        let mut steps = Vec::new();
        for (row, step) in rows.iter().zip(matched) {
            match step.and_then(|id| exam.step(id)) {
                Some(step) => {
                    let said = step.fields.changes(&step_fields(row), self.cx.as_of);
                    changes.merge("step", Some(step.id), &step.fields, said);
                }
                None => {
                    let status = self.status_of_new_step(exam, act)?;
                    steps.push(self.new_step(row, status));
                }
            }
        }
        let new: Vec<StepId> = steps.iter().map(|s| s.id).collect();
        self.change_exam(exam, changes, steps);
        let mut new = new.into_iter();
        let ids: Vec<StepId> = matched
            .iter()
            .filter_map(|m| m.or_else(|| new.next()))
            .collect();
        self.row_acts(exam.id, rows, &ids)?;
        Ok(ids)
    }

    /// A step that joins later: what was said of the whole order since holds for it too. A finished exam is not reopened by a new wish.
    fn status_of_new_step(
        &self,
        exam: &Exam,
        act: OrderAct,
    ) -> Result<Stated<StepStatus>, Refusal> {
        let (finished, as_of) = (is_finished(exam), self.cx.as_of);
        let holds = |whole: &Stated<StepStatus>| {
            as_of < whole.last_said() || ends(act) || (whole.value.is_final() && !finished)
        };
        if let Some(whole) = exam.tombstone.filter(holds) {
            // Of a start that was said twice, only what came after the step concerns it.
            let is_between = as_of > whole.as_of && !whole.value.is_final();
            return Ok(match is_between {
                true => Stated::new(whole.value, whole.last_said()),
                false => whole,
            });
        }
        let newest = exam.steps.iter().map(|s| s.status).max_by_key(|s| s.as_of);
        match newest {
            Some(last) if finished && !ends(act) && as_of > last.as_of => {
                Err(refusal(Reason::OrderFinal, last.value, Act::Order(act))
                    .allowed("a step that is known")
                    .hint("place a new order for a further step"))
            }
            _ => Ok(self.scheduled(act)),
        }
    }

    /// The initial status: stated by an order, only implied by a change.
    fn scheduled(&self, act: OrderAct) -> Stated<StepStatus> {
        let as_of = self.cx.as_of;
        let is_stated = act == OrderAct::Schedule;
        let as_of = if is_stated { as_of } else { as_of.weakest() };
        Stated::new(StepStatus::Scheduled, as_of)
    }

    /// Statuses that the rows state (`step.status`) are acts.
    fn row_acts(&mut self, exam: ExamId, rows: &[Record], ids: &[StepId]) -> Result<(), Refusal> {
        for (row, id) in rows.iter().zip(ids) {
            if let Some(act) = stated_status(row).and_then(Act::of_status) {
                self.act(exam, &[*id], act)?;
            }
        }
        Ok(())
    }

    /// What a message changes in the sections of an exam.
    fn exam_changes(&self, exam: &Exam, record: &Record) -> Changes {
        let mut changes = Changes::default();
        for section in SECTIONS {
            let stored = match section {
                "order" => &exam.order,
                "procedure" => &exam.procedure,
                "visit" => &exam.visit,
                "schedule" => &exam.schedule,
                _ => &exam.extra,
            };
            let patch = without(record.section(section), |name, empty| {
                empty && NUMBERS.contains(&name)
            });
            changes.merge(section, None, stored, stored.changes(&patch, self.cx.as_of));
        }
        changes
    }

    /// Records changes of an exam; if only ages advance, quietly.
    fn change_exam(&mut self, exam: &Exam, changes: Changes, steps: Vec<Step>) {
        let sections = changes.sections;
        if changes.differs || !steps.is_empty() {
            let keys = new_keys(exam, &sections, &steps);
            let changed = Happening::OrderChanged {
                keys,
                sections,
                steps,
            };
            self.happen_to_exam(exam.id, changed);
        } else if !sections.is_empty() {
            self.happen_to_exam(exam.id, Happening::Confirmed { sections });
        }
    }

    /// The identifiers that an exam with steps always has: Requested Procedure ID and Study Instance UID, generated where the sender
    /// gives none.
    fn identities(&mut self, exam: &Exam) -> Result<Vec<FieldChange>, Refusal> {
        let as_of = self.cx.as_of;
        let mut generated = Vec::new();
        if exam.procedure.first("id").is_none() {
            let id = Value::Text(short_id(self.cx.ids.next()));
            generated.push(FieldChange::generated("id", id, as_of, "generated"));
        }
        if exam.study_uid().is_none() {
            if self.cx.policy.missing_study_uid == MissingStudyUid::Reject {
                return Err(Refusal::new(Reason::FieldMissing, "no Study Instance UID")
                    .allowed("ZDS-1 or IPC-3")
                    .hint("or set the policy missing_study_uid to generate"));
            }
            generated.push(self.study_uid(exam, as_of));
        }
        Ok(generated)
    }

    /// Derived from the filler number, else the placer number; if a sibling of the same request has that UID already, from the exam.
    fn study_uid(&self, exam: &Exam, as_of: AsOf) -> FieldChange {
        let held = Numbers::held(exam);
        let root = self.cx.oid_root;
        let own = || study_uid::derive(root, "exam", "", &exam.id.to_string());
        let derived = match held.filler.or(held.placer) {
            Some(key) => study_uid::derive(root, key.kind.word(), &key.issuer, &key.value),
            None => own(),
        };
        let taken = keys::key(super::ids::KeyKind::Study, "", &derived);
        let taken = self.world.exams_of(&taken).any(|e| e.id != exam.id);
        let uid = if taken { own() } else { derived };
        FieldChange::generated("study_instance_uid", Value::Uid(uid), as_of, "generated")
    }
}

/// True if the act ends what it concerns.
fn ends(act: OrderAct) -> bool {
    matches!(
        act,
        OrderAct::Cancel | OrderAct::CancelRequest | OrderAct::Discontinue | OrderAct::Complete
    )
}

/// True if every row names its step.
fn names_steps(rows: &[Record]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.first("step", "id").is_some())
}

/// The keys that an exam gains by changes and new steps.
pub(super) fn new_keys(exam: &Exam, sections: &[SectionChange], steps: &[Step]) -> Vec<Key> {
    let mut preview = exam.clone();
    apply_exam(&mut preview, sections);
    preview.steps.extend_from_slice(steps);
    let mut keys = keys::of_exam(&preview);
    keys.retain(|key| !exam.keys.contains(key));
    keys
}
