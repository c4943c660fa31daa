//! Why a device is shown a step, or why not: every gate of [`super::gates`], one line each, on the step's documents as they are now.
//!
//! The gates are those that C-FIND walks, not a description of them. When all are open, the search itself is run: only it knows
//! whether other items filled the answer first.

use super::device::Device;
use super::gates::{Facts, judge};
use super::keys::Query;
use super::scope::scope;
use super::seen::Worklist;
use super::walk::{Line, Walk};
use super::words::of_text;
use crate::domain::exam::{Exam, Step};
use crate::domain::ids::{ExamId, PatientId, StepId};
use crate::domain::patient::Patient;
use crate::mapping::MappingSet;
use crate::store::{ExamFilter, Page, QueryFilter, StoreError};

/// Exams that one number is asked about, at most.
const MOST: u32 = 50;

/// What keeps one step off a device's list, or that nothing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub exam: ExamId,
    pub patient: PatientId,
    pub step: StepId,
    /// Scheduled Procedure Step ID.
    pub sps_id: String,
    pub shown: bool,
    /// Every gate, in order.
    pub lines: Vec<Line>,
}

impl Worklist {
    /// Why a device is shown each step of an exam, or why not. `number` is an accession number or a Scheduled Procedure Step ID; with
    /// the latter only that step is meant. Nobody's number: no answer.
    ///
    /// # Errors
    /// As the database says.
    pub async fn why_not(
        &self,
        set: &MappingSet,
        device: &Device,
        query: &Query,
        number: &str,
    ) -> Result<Vec<Answer>, StoreError> {
        let filter = ExamFilter {
            number: Some(number.to_owned()),
            ..ExamFilter::default()
        };
        let page = Page {
            after: None,
            limit: MOST,
        };
        let exams = self.store.list_exams(&filter, page).await?;
        let mut answers = vec![];
        for listed in &exams {
            let one = listed.exam.steps.iter().any(|s| s.sps_id == number);
            for step in &listed.exam.steps {
                if !one || step.sps_id == number {
                    answers.push(self.walk(
                        set,
                        device,
                        query,
                        &listed.exam,
                        &listed.patient,
                        step,
                    ));
                }
            }
        }
        if answers.iter().any(|a| a.shown) {
            let seen = self.seen(set, device, query).await?;
            for answer in answers.iter_mut().filter(|a| a.shown) {
                let found = seen.matches.iter().any(|m| m.step == answer.step);
                if !found {
                    answer.shown = false;
                    let why = seen
                        .truncated
                        .clone()
                        .unwrap_or_else(|| "it changed while this was asked: ask again".to_owned());
                    answer.lines.push(Line {
                        gate: "limit",
                        open: false,
                        why,
                        values: None,
                    });
                }
            }
        }
        Ok(answers)
    }

    /// What a device asked last, as the journal of queries keeps it; `None` if it never did, or its last query was refused.
    ///
    /// # Errors
    /// As the database says.
    pub async fn last_query(&self, device: &str) -> Result<Option<Query>, StoreError> {
        let filter = QueryFilter {
            device: Some(device.to_owned()),
            ..QueryFilter::default()
        };
        let page = Page {
            after: None,
            limit: 1,
        };
        let rows = self.store.list_queries(&filter, page).await?;
        Ok(rows.first().and_then(|row| of_text(&row.keys).ok()))
    }

    fn walk(
        &self,
        set: &MappingSet,
        device: &Device,
        query: &Query,
        exam: &Exam,
        patient: &Patient,
        step: &Step,
    ) -> Answer {
        let asked = self.asked(set, device, query);
        let site = &self.config.site;
        let facts = Facts::of(exam, patient, step, &site.zone);
        let scope = scope(exam, patient, step, &site.name, &site.timezone, &asked.ae);
        let mut walk = Walk::telling();
        let item = judge(set, &asked, &facts, &scope, &mut walk);
        Answer {
            exam: exam.id,
            patient: patient.id,
            step: step.id,
            sps_id: step.sps_id.clone(),
            shown: item.is_some(),
            lines: walk.lines(),
        }
    }
}
