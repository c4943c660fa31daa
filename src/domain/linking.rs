//! Which scheduled step a performed step performs, item by item of its Scheduled Step Attributes Sequence (0040,0270).
//!
//! Neighbours: `mpps` links what is found here. Rule upheld: a patient who does not agree is never linked silently.

use super::exam::{Exam, Step};
use super::fields::Fields;
use super::ids::{ExamId, Key, KeyKind, StepId};
use super::keys::{is_national, key, of_identifier};
use super::patient::Patient;
use super::performed::LinkedBy;
use super::value::{Identifier, Value};
use super::world::World;

/// Finds the step of one item: by study UID, accession number or Requested Procedure ID, each with the Scheduled Procedure Step ID; else
/// the sole step of the study, or of the accession number in that modality. `None` = unscheduled. An ambiguous hit is no hit.
pub fn find_step(
    world: &World,
    link: &Fields,
    modality: Option<&str>,
) -> Option<(ExamId, StepId, LinkedBy)> {
    let by = |kind, name| {
        let text = link.text(name).map(str::trim).filter(|t| !t.is_empty());
        text.map_or(vec![], |t| exams(world, &key(kind, "", t)))
    };
    let study = by(KeyKind::Study, "study_instance_uid");
    let procedure = by(KeyKind::Procedure, "procedure_id");
    let accession = match link.first("accession_number") {
        Some(Value::Identifier(id)) => by_accession(world, id),
        _ => vec![],
    };
    let id = link
        .text("step_id")
        .map(str::trim)
        .filter(|t| !t.is_empty());
    let named = |step: &Step| id == Some(step.sps_id.as_str());
    let same_modality = |step: &Step| match modality {
        Some(modality) => step.fields.text("modality") == Some(modality),
        None => true,
    };
    let attempts = [
        sole(&study, named).map(|hit| (hit, LinkedBy::StudyAndStep)),
        sole(&accession, named).map(|hit| (hit, LinkedBy::AccessionAndStep)),
        sole(&procedure, named).map(|hit| (hit, LinkedBy::ProcedureAndStep)),
        sole(&study, |_| true).map(|hit| (hit, LinkedBy::Study)),
        sole(&accession, same_modality).map(|hit| (hit, LinkedBy::Accession)),
    ];
    let hit = attempts.into_iter().flatten().next();
    hit.map(|((exam, step), how)| (exam, step, how))
}

fn exams<'w>(world: &'w World, key: &Key) -> Vec<&'w Exam> {
    world.exams_of(key).collect()
}

/// An accession number comes back from a worklist without its issuer, as a rule: then any issuer does.
fn by_accession<'w>(world: &'w World, id: &Identifier) -> Vec<&'w Exam> {
    let Some(stated) = of_identifier(KeyKind::Accession, id) else {
        return vec![];
    };
    if !stated.issuer.is_empty() {
        return exams(world, &stated);
    }
    let same = |k: &Key| k.kind == KeyKind::Accession && k.value == stated.value;
    let all = world.exams.values().map(|d| &d.doc);
    all.filter(|exam| exam.keys.iter().any(same)).collect()
}

/// The one step of these exams that fits; `None` if none or several do.
fn sole(exams: &[&Exam], fits: impl Fn(&Step) -> bool) -> Option<(ExamId, StepId)> {
    let steps = exams
        .iter()
        .flat_map(|e| e.steps.iter().map(move |s| (e.id, s)));
    let mut hits = steps.filter(|(_, step)| fits(step));
    match (hits.next(), hits.next()) {
        (Some((exam, step)), None) => Some((exam, step.id)),
        _ => None,
    }
}

/// True if the scanner's patient may be this one: any of the patient's identifiers, retired ones included, has that value. A scanner
/// rarely states an issuer and got the value from our worklist; a scanner that states no patient contradicts nobody.
pub fn is_patient(patient: &Patient, stated: Option<&Value>) -> bool {
    let Some(Value::Identifier(stated)) = stated else {
        return true;
    };
    let value = stated.value.trim();
    if value.is_empty() {
        return true;
    }
    let known = ["id", "identifiers"].into_iter();
    let mut known = known.flat_map(|name| patient.fields.values(name));
    patient.keys.iter().any(|key| key.value == value)
        || known
            .any(|v| matches!(v, Value::Identifier(id) if id.value == value && !is_national(id)))
}
