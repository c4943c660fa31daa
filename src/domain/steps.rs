//! Steps of an exam: which row of a message is which stored step, and what an act does to them.
//!
//! Neighbours: `order` brings rows and acts, `mpps` the scanner's acts, `transitions` is the table. Rules upheld: an older act never
//! undoes what a newer one did; what the scanner says stands beside the wishes of RIS and HIS and wins.

use super::command::{OrderAct, Record};
use super::deciding::{Deciding, without};
use super::event::Happening;
use super::exam::{Exam, Stated, Step, StepStatus};
use super::fields::{Fields, Patch};
use super::ids::{ExamId, StepId, short_id};
use super::policy::CancelAfterStart;
use super::reason::{Reason, Refusal};
use super::record;
use super::transitions::{Act, Outcome, Source, outcome, wished};

/// The row's own fields; the status is an act, not a field, and an id is never cleared.
pub(super) fn step_fields(row: &Record) -> Patch {
    without(row.section("step"), |name, empty| {
        name == "status" || (name == "id" && empty)
    })
}

/// The status that a row states.
pub(super) fn stated_status(row: &Record) -> Option<StepStatus> {
    let word = row.section("step").text("status")?;
    let at = record::STEP_STATUS.iter().position(|w| *w == word)?;
    StepStatus::ALL.get(at).copied()
}

/// Which stored step each row is: by Scheduled Procedure Step ID, else by position among the rest when the counts agree and at most one
/// side states an id; `None` = a new step.
pub fn match_rows(stored: &[Step], rows: &[Record]) -> Vec<Option<StepId>> {
    let id_of = |row: &Record| row.section("step").text("id").map(str::to_owned);
    let mut matched: Vec<Option<StepId>> = Vec::with_capacity(rows.len());
    for row in rows {
        let by_id = id_of(row).and_then(|id| stored.iter().find(|s| s.sps_id == id));
        matched.push(
            by_id
                .map(|s| s.id)
                .filter(|id| !matched.contains(&Some(*id))),
        );
    }
    let left: Vec<&Step> = stored
        .iter()
        .filter(|s| !matched.contains(&Some(s.id)))
        .collect();
    let open: Vec<usize> = (0..rows.len()).filter(|i| matched[*i].is_none()).collect();
    if left.len() == open.len() {
        for (step, i) in left.into_iter().zip(open) {
            if step.stated_id().is_none() || id_of(&rows[i]).is_none() {
                matched[i] = Some(step.id);
            }
        }
    }
    matched
}

impl Deciding<'_, '_, '_> {
    /// A step as a row states it; without Scheduled Procedure Step ID it gets one of ours.
    pub fn new_step(&mut self, row: &Record, status: Stated<StepStatus>) -> Step {
        let id = StepId(self.cx.ids.next());
        let fields = Fields::of_patch(&step_fields(row), self.cx.as_of);
        let sps_id = fields
            .text("id")
            .map_or_else(|| short_id(id.0), str::to_owned);
        Step {
            id,
            sps_id,
            status,
            wish: None,
            held: Stated::new(false, self.cx.as_of.weakest()),
            fields,
        }
    }

    /// An act on some steps of an exam: it does what is still possible, and is refused only if it can do nothing at all.
    pub fn act(&mut self, exam: ExamId, steps: &[StepId], act: Act) -> Result<(), Refusal> {
        let (as_of, source) = (self.cx.as_of, Source::of_role(self.cx.as_of.role));
        let Some(doc) = self.exam(exam) else {
            return Ok(());
        };
        let concerned: Vec<Step> = steps
            .iter()
            .filter_map(|id| doc.step(*id))
            .cloned()
            .collect();
        let mut possible = false;
        let mut refused: Option<(StepStatus, Reason)> = None;
        let mut too_late: Option<StepStatus> = None;
        let mut allowed: Vec<Step> = Vec::new();
        let mut moves: Vec<(Step, Stated<StepStatus>)> = Vec::new();
        let mut left: Vec<StepId> = Vec::new();
        for step in concerned {
            let (from, wish) = (step.status.value, step.wish());
            let is_late = as_of < wish.last_said();
            let said_since = doc.last_word(&step).is_some_and(|scanner| as_of < scanner);
            // Late is not wrong: only who speaks last can be refused.
            let verdict = if is_late || said_since {
                Outcome::Stay
            } else {
                outcome(from, act, source)
            };
            let to = match verdict {
                Outcome::Refuse(reason) => {
                    refused = Some((from, reason));
                    left.push(step.id);
                    continue;
                }
                Outcome::Flag => {
                    too_late = Some(from);
                    left.push(step.id);
                    continue;
                }
                Outcome::To(to) if source == Source::Operator => Stated::new(to, as_of),
                _ => wished(wish, act, as_of),
            };
            possible = true;
            if to != wish {
                moves.push((step.clone(), to));
            }
            allowed.push(step);
        }
        for (step, to) in moves {
            self.wish(exam, &step, to, act);
        }
        match act {
            Act::Order(OrderAct::Hold) => self.hold(exam, &allowed, true),
            Act::Order(OrderAct::Release) => self.hold(exam, &allowed, false),
            _ => {}
        }
        if possible && !left.is_empty() {
            let (steps, why) = (left, act.word().to_owned());
            self.happen_to_exam(exam, Happening::PartlyRefused { steps, why });
        }
        match (too_late, refused) {
            (Some(from), _) => self.too_late(exam, from, act, possible),
            (_, Some((from, reason))) if !possible => Err(refusal(reason, from, act)),
            _ => Ok(()),
        }
    }

    /// RIS, HIS or an operator wants a step in a status: it is, unless performed steps say otherwise.
    fn wish(&mut self, exam: ExamId, step: &Step, wish: Stated<StepStatus>, act: Act) {
        let doc = self.exam(exam);
        let scanned = doc.is_some_and(|e| e.last_word(step).is_some()) || step.wish.is_some();
        // Two ages, or one that a status does not show, are kept beside the status.
        if scanned || wish.again.is_some() || wish.value == step.status.value {
            let step = step.id;
            self.happen_to_exam(exam, Happening::StepWish { step, wish });
            self.follow_step(exam, step, Some(act));
        } else {
            self.set_status(exam, step, wish, act);
        }
    }

    /// Changes a step's status.
    pub(super) fn set_status(
        &mut self,
        exam: ExamId,
        step: &Step,
        to: Stated<StepStatus>,
        act: Act,
    ) {
        self.happen_to_exam(
            exam,
            Happening::StepStatus {
                step: step.id,
                from: step.status.value,
                to: to.value,
                as_of: to.as_of,
                why: act.word().to_owned(),
            },
        );
    }

    /// Sets the flag of the steps; where it stands already, only its age advances, so that an older word on it stays late.
    fn hold(&mut self, exam: ExamId, steps: &[Step], held: bool) {
        let as_of = self.cx.as_of;
        let newer = steps.iter().filter(|s| s.held.as_of < as_of);
        let (same, other): (Vec<&Step>, Vec<&Step>) = newer.partition(|s| s.held.value == held);
        let ids = |steps: Vec<&Step>| -> Vec<StepId> { steps.iter().map(|s| s.id).collect() };
        let (same, other) = (ids(same), ids(other));
        if !other.is_empty() {
            let steps = other;
            self.happen_to_exam(exam, Happening::OrderHeld { steps, held, as_of });
        }
        if !same.is_empty() {
            let steps = same;
            self.happen_to_exam(exam, Happening::HoldConfirmed { steps, held, as_of });
        }
    }

    /// A cancel after the start (C8): by policy refused, or kept as an event that operators see.
    pub(super) fn too_late(
        &mut self,
        exam: ExamId,
        from: StepStatus,
        act: Act,
        partly_done: bool,
    ) -> Result<(), Refusal> {
        match self.cx.policy.cancel_after_start {
            CancelAfterStart::Flag => {
                self.happen_to_exam(exam, Happening::CancelTooLate {});
                Ok(())
            }
            CancelAfterStart::Refuse if partly_done => Ok(()),
            CancelAfterStart::Refuse => {
                let reason = if from.is_final() {
                    Reason::OrderFinal
                } else {
                    Reason::OrderStarted
                };
                Err(refusal(reason, from, act))
            }
        }
    }
}

/// An act that the step's status does not allow.
pub(super) fn refusal(reason: Reason, from: StepStatus, act: Act) -> Refusal {
    let allowed: Vec<&str> = StepStatus::ALL
        .into_iter()
        .filter(|s| {
            matches!(
                outcome(*s, act, Source::Ris),
                Outcome::To(_) | Outcome::Stay
            )
        })
        .map(StepStatus::word)
        .collect();
    let found = format!("{} while the step is {}", act.word(), from.word());
    let refusal = Refusal::new(reason, found);
    if allowed.is_empty() {
        refusal
    } else {
        refusal.allowed(format!("status {}", allowed.join(", ")))
    }
}

/// True if every step of the exam is final.
pub(super) fn is_finished(exam: &Exam) -> bool {
    !exam.steps.is_empty() && exam.steps.iter().all(|s| s.status.value.is_final())
}
