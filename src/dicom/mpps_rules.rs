//! Which attributes an N-CREATE and an N-SET of a performed procedure step must have, may have and may not have: PS3.4 Table F.7.2-1
//! as a table, and what a data set lacks by it.
//!
//! Here is only what one data set shows; the state machine, and what must be there when a step ends, are [`crate::domain`]'s. Whether
//! a defect is refused or only noted is a policy: [`super::mpps_scp`] asks.

use super::dataset::{DataSet, Element, Tag};
use super::dictionary::tag_of;
use super::dimse::status;
use Need::{No, One, Three, Two};
use std::fmt;

/// Which message a data set belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Create,
    Set,
}

/// The type of an attribute (PS3.5 7.4) in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Must be there with a value.
    One,
    /// Must be there.
    Two,
    /// May be there.
    Three,
    /// Not allowed.
    No,
}

/// What the items of a sequence hold.
#[derive(Debug, Clone, Copy)]
enum Items {
    None,
    Rules(&'static [Rule]),
    /// Code sequence macro (PS3.3 Table 8.8-1).
    Code,
    /// HL7v2 hierarchic designator macro (PS3.3 Table 10-17).
    Designator,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
struct Rule {
    keyword: &'static str,
    create: Need,
    set: Need,
    items: Items,
}

const fn one(keyword: &'static str, create: Need, set: Need) -> Rule {
    many(keyword, create, set, Items::None)
}

const fn many(keyword: &'static str, create: Need, set: Need, items: Items) -> Rule {
    Rule {
        keyword,
        create,
        set,
        items,
    }
}

const REFERENCE: &[Rule] = &[
    one("ReferencedSOPClassUID", One, One),
    one("ReferencedSOPInstanceUID", One, One),
];

const SCHEDULED: &[Rule] = &[
    one("StudyInstanceUID", One, No),
    many("ReferencedStudySequence", Two, No, Items::Rules(REFERENCE)),
    one("AccessionNumber", Two, No),
    many(
        "IssuerOfAccessionNumberSequence",
        Three,
        No,
        Items::Designator,
    ),
    many(
        "OrderPlacerIdentifierSequence",
        Three,
        No,
        Items::Designator,
    ),
    many(
        "OrderFillerIdentifierSequence",
        Three,
        No,
        Items::Designator,
    ),
    one("RequestedProcedureID", Two, No),
    many("RequestedProcedureCodeSequence", Three, No, Items::Code),
    one("RequestedProcedureDescription", Two, No),
    one("ScheduledProcedureStepID", Two, No),
    one("ScheduledProcedureStepDescription", Two, No),
    many("ScheduledProtocolCodeSequence", Two, No, Items::Code),
];

const SERIES: &[Rule] = &[
    one("PerformingPhysicianName", Two, Two),
    one("ProtocolName", One, One),
    one("OperatorsName", Two, Two),
    one("SeriesInstanceUID", One, One),
    one("SeriesDescription", Two, Two),
    one("RetrieveAETitle", Two, Two),
    many("ReferencedImageSequence", Two, Two, Items::Rules(REFERENCE)),
    many(
        "ReferencedNonImageCompositeSOPInstanceSequence",
        Two,
        Two,
        Items::Rules(REFERENCE),
    ),
];

/// PS3.4 Table F.7.2-1. Attributes that are not in it are nobody's business here.
const TABLE: &[Rule] = &[
    many(
        "ScheduledStepAttributesSequence",
        One,
        No,
        Items::Rules(SCHEDULED),
    ),
    one("PatientName", Two, No),
    one("PatientID", Two, No),
    one("IssuerOfPatientID", Three, No),
    many(
        "IssuerOfPatientIDQualifiersSequence",
        Three,
        No,
        Items::None,
    ),
    many("OtherPatientIDsSequence", Three, No, Items::None),
    one("PatientBirthDate", Two, No),
    one("PatientSex", Two, No),
    many(
        "ReferencedPatientSequence",
        Two,
        No,
        Items::Rules(REFERENCE),
    ),
    one("AdmissionID", Three, No),
    many("IssuerOfAdmissionIDSequence", Three, No, Items::Designator),
    one("ServiceEpisodeID", Three, No),
    many(
        "IssuerOfServiceEpisodeIDSequence",
        Three,
        No,
        Items::Designator,
    ),
    one("ServiceEpisodeDescription", Three, No),
    one("PerformedProcedureStepID", One, No),
    one("PerformedStationAETitle", One, No),
    one("PerformedStationName", Two, No),
    one("PerformedLocation", Two, No),
    one("PerformedProcedureStepStartDate", One, No),
    one("PerformedProcedureStepStartTime", One, No),
    one(STATUS, One, Three),
    one("PerformedProcedureStepDescription", Two, Three),
    one("PerformedProcedureTypeDescription", Two, Three),
    many("ProcedureCodeSequence", Two, Three, Items::Code),
    many(
        "ReasonForPerformedProcedureCodeSequence",
        Three,
        Three,
        Items::Code,
    ),
    one("PerformedProcedureStepEndDate", Two, Three),
    one("PerformedProcedureStepEndTime", Two, Three),
    one("CommentsOnThePerformedProcedureStep", Three, Three),
    many(
        "PerformedProcedureStepDiscontinuationReasonCodeSequence",
        Three,
        Three,
        Items::Code,
    ),
    one("Modality", One, No),
    one("StudyID", Two, No),
    many("PerformedProtocolCodeSequence", Two, Three, Items::Code),
    many("PerformedSeriesSequence", Two, Three, Items::Rules(SERIES)),
];

const STATUS: &str = "PerformedProcedureStepStatus";

/// What is wrong with an attribute; the order is the one in which a response names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Type 1 or 2, and not there.
    Missing,
    /// Type 1 without a value.
    Empty,
    /// A value that this message may not have.
    Value,
    /// Not allowed in this message.
    NotAllowed,
}

impl Fault {
    /// The DIMSE status that says so (PS3.7 annex C).
    pub fn status(self) -> u16 {
        match self {
            Self::Missing => status::MISSING_ATTRIBUTE,
            Self::Empty => status::MISSING_ATTRIBUTE_VALUE,
            Self::Value => status::INVALID_ATTRIBUTE_VALUE,
            Self::NotAllowed => status::NO_SUCH_ATTRIBUTE,
        }
    }

    /// A word or two, for comments and journals.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "without value",
            Self::Value => "wrong value",
            Self::NotAllowed => "not allowed",
        }
    }
}

/// An attribute that is not as the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defect {
    pub keyword: &'static str,
    pub fault: Fault,
}

impl Defect {
    /// Its tag.
    pub fn tag(&self) -> Option<Tag> {
        tag_of(self.keyword)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.keyword, self.fault.word())
    }
}

/// What is wrong with a data set, each attribute and fault once; empty if it is as Table F.7.2-1 says.
pub fn check(service: Service, data: &DataSet) -> Vec<Defect> {
    let mut check = Check {
        service,
        defects: vec![],
    };
    check.rules(TABLE, data);
    let stated = data.text(STATUS);
    let allowed = match service {
        Service::Create => stated.is_none_or(|s| s == "IN PROGRESS"),
        Service::Set => {
            stated.is_none_or(|s| matches!(s, "IN PROGRESS" | "COMPLETED" | "DISCONTINUED"))
        }
    };
    if !allowed {
        check.report(STATUS, Fault::Value);
    }
    check.defects.sort_by_key(|d| d.fault);
    check.defects
}

struct Check {
    service: Service,
    defects: Vec<Defect>,
}

impl Check {
    fn report(&mut self, keyword: &'static str, fault: Fault) {
        let defect = Defect { keyword, fault };
        if !self.defects.contains(&defect) {
            self.defects.push(defect);
        }
    }

    fn rules(&mut self, rules: &[Rule], data: &DataSet) {
        for rule in rules {
            let need = match self.service {
                Service::Create => rule.create,
                Service::Set => rule.set,
            };
            self.rule(rule, need, data.by_keyword(rule.keyword));
        }
    }

    fn rule(&mut self, rule: &Rule, need: Need, element: Option<&Element>) {
        let keyword = rule.keyword;
        match (need, element) {
            (No, Some(_)) => return self.report(keyword, Fault::NotAllowed),
            (One | Two, None) => return self.report(keyword, Fault::Missing),
            (One, Some(element)) if element.is_empty() => self.report(keyword, Fault::Empty),
            _ => {}
        }
        for item in element.map(Element::items).unwrap_or_default() {
            match rule.items {
                Items::None => {}
                Items::Rules(rules) => self.rules(rules, item),
                Items::Code => self.code(item),
                Items::Designator => self.designator(item),
            }
        }
    }

    /// One of the three values, its scheme where it is no URN, and a meaning.
    fn code(&mut self, item: &DataSet) {
        let plain = item.text("CodeValue").or(item.text("LongCodeValue"));
        if plain.is_none() && item.text("URNCodeValue").is_none() {
            self.required("CodeValue", item);
        }
        if plain.is_some() {
            self.required("CodingSchemeDesignator", item);
        }
        self.required("CodeMeaning", item);
    }

    /// A local name or a universal identifier with its type.
    fn designator(&mut self, item: &DataSet) {
        if item.text("UniversalEntityID").is_some() {
            self.required("UniversalEntityIDType", item);
        } else {
            self.required("LocalNamespaceEntityID", item);
        }
    }

    fn required(&mut self, keyword: &'static str, item: &DataSet) {
        match item.by_keyword(keyword) {
            None => self.report(keyword, Fault::Missing),
            Some(element) if element.is_empty() => self.report(keyword, Fault::Empty),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
