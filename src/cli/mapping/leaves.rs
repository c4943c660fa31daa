//! What a message would make leave: the worklist items and resources of the documents that it alone gives, in a sandbox.

use super::run::{masked, origin};
use crate::dicom::dataset::{Content, DataSet};
use crate::domain::event::Subject;
use crate::domain::exam::Exam;
use crate::domain::fields::Origin;
use crate::domain::ids::{JournalId, Mint};
use crate::domain::policy::Policy;
use crate::domain::time::{AsOf, Instant, Role};
use crate::domain::world::{Cx, World};
use crate::fhir::shape::{Held, Values};
use crate::mapping::device::DEFAULT;
use crate::mapping::{MappingSet, Translation};
use crate::publish::scope::{Destination, Site, exam_scope, patient_scope, report_scope};
use crate::worklist::scope::scope;
use jiff::tz::TimeZone;
use std::io::{self, Write};

/// Attributes that tell nothing about a person.
const HARMLESS: &[&str] = &[
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledStationName",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledProcedureStepStatus",
    "RequestedProcedurePriority",
    "SpecificCharacterSet",
    "CodeValue",
    "CodingSchemeDesignator",
];

struct Count(i64);

impl Mint for Count {
    fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }
}

/// Prints the worklist items and the resources of what a translation says, each value with its origin.
pub fn show(
    set: &MappingSet,
    translation: &Translation,
    timezone: &str,
    phi: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    let as_of = AsOf {
        at: Instant(0),
        role: Role::Order,
        journal: JournalId(0),
    };
    let mut world = World::default();
    let mut cx = Cx {
        now: Instant(0),
        as_of,
        journal: JournalId(0),
        zone: &zone,
        oid_root: "2.25",
        policy: Policy::default(),
        ids: &mut Count(0),
    };
    let events = match world.apply(&translation.commands, &mut cx) {
        Ok(events) => events,
        Err(refusal) => {
            return writeln!(
                out,
                "\nrefused by the record: {}: {refusal}",
                refusal.reason
            );
        }
    };
    let site = Site {
        oid_root: "2.25".to_owned(),
        name: "sandbox".to_owned(),
        institution: None,
        language: None,
        timezone: timezone.to_owned(),
        zone,
    };
    let to = Destination {
        name: "sandbox".to_owned(),
        profiles: vec![],
    };
    let mut told = Vec::new();
    for event in &events {
        if !told.contains(&event.subject) {
            told.push(event.subject);
        }
    }
    for subject in told {
        match subject {
            Subject::Patient(id) => {
                if let Some(patient) = world.patients.get(&id) {
                    let scope = patient_scope(&patient.doc, &site, &to);
                    resource(
                        "fhir.Patient",
                        &set.outbound("fhir.Patient", &scope),
                        phi,
                        out,
                    )?;
                }
            }
            Subject::Exam(id) => {
                let Some(exam) = world.exams.get(&id).map(|d| &d.doc) else {
                    continue;
                };
                let Some(patient) = world.patients.get(&exam.patient).map(|d| &d.doc) else {
                    continue;
                };
                for step in exam.steps.iter().filter(|s| !s.status.value.is_final()) {
                    writeln!(out, "\nworklist item")?;
                    let node = scope(exam, patient, step, "sandbox", timezone, "ANY_SCANNER");
                    match set.worklist_item(DEFAULT, &node) {
                        Err(withheld) => {
                            writeln!(
                                out,
                                "  withheld: {} ({}): {}",
                                withheld.keyword, withheld.rule, withheld.why
                            )?;
                        }
                        Ok(item) => data_set(&item.data, "", &item.origins, phi, out)?,
                    }
                }
                let values = set.outbound(
                    "fhir.ServiceRequest",
                    &exam_scope(exam, patient, &site, &to),
                );
                resource("fhir.ServiceRequest", &values, phi, out)?;
            }
            Subject::Report(id) => {
                let Some(report) = world.reports.get(&id).map(|d| &d.doc) else {
                    continue;
                };
                let Some(patient) = world.patients.get(&report.patient).map(|d| &d.doc) else {
                    continue;
                };
                let exams = report.exams.iter().filter_map(|id| world.exams.get(id));
                let exams: Vec<&Exam> = exams.map(|d| &d.doc).collect();
                let scope = report_scope(report, &exams, &[], patient, &site, &to);
                let values = set.outbound("fhir.DiagnosticReport", &scope);
                resource("fhir.DiagnosticReport", &values, phi, out)?;
            }
            // Scanners tell them, not HL7 v2.
            Subject::Performed(_) => {}
        }
    }
    Ok(())
}

fn data_set(
    set: &DataSet,
    path: &str,
    origins: &[(String, Vec<Origin>)],
    phi: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    for element in set.iter() {
        let name = element.name().to_string();
        let at = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        let shown = match &element.content {
            Content::Sequence(items) => {
                for item in items {
                    data_set(item, &at, origins, phi, out)?;
                }
                if !items.is_empty() {
                    continue;
                }
                String::new()
            }
            Content::Text(texts) => texts.join("\\"),
            Content::Bytes(_) => element.numbers().join("\\"),
        };
        let shown = match phi || shown.is_empty() || HARMLESS.contains(&name.as_str()) {
            true => shown,
            false => format!("({} characters, masked)", shown.chars().count()),
        };
        let from = origins
            .iter()
            .filter(|(p, _)| at == *p || at.starts_with(&format!("{p}.")));
        let from: Vec<String> = from.flat_map(|(_, o)| o).map(origin).collect();
        let arrow = if from.is_empty() { "" } else { "  <- " };
        writeln!(out, "  {at} = {shown}{arrow}{}", from.join(", "))?;
    }
    Ok(())
}

fn resource(
    name: &str,
    values: &Result<Option<Values>, Held>,
    phi: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\n{name}")?;
    match values {
        Ok(Some(values)) => targets(values, "", phi, out),
        Ok(None) => writeln!(out, "  not sent: `when` does not hold"),
        Err(held) => writeln!(out, "  held: {} ({}): {}", held.target, held.rule, held.why),
    }
}

fn targets(values: &Values, path: &str, phi: bool, out: &mut dyn Write) -> io::Result<()> {
    for (target, found) in &values.targets {
        let text = |value: &crate::domain::value::Value| match phi {
            true => value.comparable().unwrap_or("a thing").to_owned(),
            false => format!("({})", masked(value)),
        };
        let shown: Vec<String> = found.iter().map(text).collect();
        let from = values
            .origins
            .get(*target)
            .into_iter()
            .flatten()
            .map(origin);
        let from: Vec<String> = from.collect();
        let arrow = if from.is_empty() { "" } else { "  <- " };
        writeln!(
            out,
            "  {path}{target} = {}{arrow}{}",
            shown.join(", "),
            from.join(", ")
        )?;
    }
    for (section, elements) in &values.sections {
        for (n, element) in elements.iter().enumerate() {
            targets(element, &format!("{path}{section}[{}].", n + 1), phi, out)?;
        }
    }
    Ok(())
}
