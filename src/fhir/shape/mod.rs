//! Shapes: what a mapping file may fill in a resource, declared as data, and how the resource is then built.
//!
//! One file per resource, each with its `SHAPE` (targets and sections) and its `build`. A target stands at the level of a datatype
//! (`code`, `subject`, `series.bodySite`): the leaves of an Identifier, CodeableConcept or Reference, the indices, the loops and the
//! counters belong to the code. `mapping` reads [`SHAPES`] to check files at load and hands over [`Values`].

use crate::domain::fields::Origin;
use crate::domain::value::{Kind, Value};
use crate::fhir::profile::Profile;
use add::Addition;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub mod add;
pub mod build;
pub mod diagnostic_report;
mod dress;
pub mod imaging_study;
pub mod patient;
pub mod service_request;

/// The sort of a value, without its limits: what a target accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindName {
    Text,
    Number,
    Bool,
    When,
    Uid,
    Identifier,
    Concept,
    Name,
    Person,
    Organization,
    Location,
    Address,
    Telecom,
    Document,
    /// A row of named values: no target takes it whole.
    Entry,
    /// A record thing (`patient`, `exams`, `study`): becomes a Reference.
    Thing,
}

impl KindName {
    /// The sort of an expression's kind: words and AE titles are texts.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text(_) | Kind::Word(_) | Kind::Ae => Self::Text,
            Kind::Number => Self::Number,
            Kind::Bool => Self::Bool,
            Kind::When => Self::When,
            Kind::Uid => Self::Uid,
            Kind::Identifier(_) => Self::Identifier,
            Kind::Concept => Self::Concept,
            Kind::Name => Self::Name,
            Kind::Person => Self::Person,
            Kind::Organization => Self::Organization,
            Kind::Location => Self::Location,
            Kind::Address => Self::Address,
            Kind::Telecom => Self::Telecom,
            Kind::Document => Self::Document,
            Kind::Entry(_) => Self::Entry,
            Kind::Thing => Self::Thing,
        }
    }

    /// The sort of a value.
    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::Text(_) => Self::Text,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Bool,
            Value::When(_) => Self::When,
            Value::Uid(_) => Self::Uid,
            Value::Identifier(_) => Self::Identifier,
            Value::Concept(_) => Self::Concept,
            Value::Name(_) => Self::Name,
            Value::Person(_) => Self::Person,
            Value::Organization(_) => Self::Organization,
            Value::Location(_) => Self::Location,
            Value::Address(_) => Self::Address,
            Value::Telecom(_) => Self::Telecom,
            Value::Document(_) => Self::Document,
            Value::Entry(_) => Self::Entry,
            Value::Thing(_) => Self::Thing,
        }
    }

    /// The name used in diagnostics and in the reference page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::When => "when",
            Self::Uid => "uid",
            Self::Identifier => "identifier",
            Self::Concept => "concept",
            Self::Name => "name",
            Self::Person => "person",
            Self::Organization => "organization",
            Self::Location => "location",
            Self::Address => "address",
            Self::Telecom => "telecom",
            Self::Document => "document",
            Self::Entry => "entry",
            Self::Thing => "thing",
        }
    }
}

/// One element that a mapping file may fill.
#[derive(Debug)]
pub struct Target {
    /// Element name inside its section; a slice has a dot (`name.official`).
    pub name: &'static str,
    /// Sorts of value that it accepts.
    pub kinds: &'static [KindName],
    /// True if it takes several values.
    pub list: bool,
    /// True if the element must be there (FHIR min 1): without a value the resource is held.
    pub required: bool,
    /// Codes of its required binding (FHIR "required"); empty = no such binding.
    pub codes: &'static [&'static str],
    /// Meaning, for the reference page.
    pub doc: &'static str,
}

/// A part that repeats: one run per element of a list of the scope, with the section's name in scope.
#[derive(Debug)]
pub struct Section {
    /// Name of the table in the file and of the element in scope: `series`, `instance`, `document`.
    pub name: &'static str,
    /// The list that it runs over, a path of the scope: `study.series`, `series.instances`.
    pub over: &'static str,
    /// The element that its elements become: `series`, `presentedForm`.
    pub element: &'static str,
    pub targets: &'static [Target],
    /// Sections inside this one.
    pub sections: &'static [Section],
}

/// Turns mapped values into a resource.
pub type BuildFn = fn(&Values, &build::Context<'_>) -> Result<serde_json::Value, Held>;

/// What a mapping file may fill in one resource, and how the resource is built.
#[derive(Debug)]
pub struct Shape {
    /// As `[to]` names it: `fhir.ImagingStudy`.
    pub resource: &'static str,
    /// As `[from]` names it: `patient`, `exam`, `study` or `report`.
    pub from: &'static str,
    /// Names that expressions see.
    pub scope: &'static [&'static str],
    pub targets: &'static [Target],
    pub sections: &'static [Section],
    pub build: BuildFn,
}

/// Every shape.
pub const SHAPES: &[&Shape] = &[
    &patient::SHAPE,
    &service_request::SHAPE,
    &imaging_study::SHAPE,
    &diagnostic_report::SHAPE,
];

/// The shape of a resource, by its `[to]` name.
pub fn shape(resource: &str) -> Option<&'static Shape> {
    SHAPES.iter().copied().find(|s| s.resource == resource)
}

impl Shape {
    /// `Patient` of `fhir.Patient`.
    pub fn type_name(&self) -> &'static str {
        self.resource.trim_start_matches("fhir.")
    }

    /// Builds the resource, then puts on it what profiles ask for and the file adds.
    ///
    /// # Errors
    /// A value that must be there is missing, or one cannot stand where it is put.
    pub fn make(
        &self,
        values: &Values,
        cx: &build::Context<'_>,
    ) -> Result<serde_json::Value, Held> {
        let built = (self.build)(values, cx)?;
        dress::dress(self, built, values, cx)
    }

    /// The target of a name at the top of the resource.
    pub fn target(&self, name: &str) -> Option<&'static Target> {
        self.targets.iter().find(|t| t.name == name)
    }
}

/// What a mapping file yields for one resource, or for one element of a section.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// Values by target; a target without values is absent.
    pub targets: BTreeMap<&'static str, Vec<Value>>,
    /// Elements by section, in the order of the scope's list.
    pub sections: BTreeMap<&'static str, Vec<Values>>,
    /// The rule that filled a target: `outbound/fhir/imaging_study.toml:12`.
    pub rules: BTreeMap<&'static str, String>,
    /// Where the values came from, by target name.
    pub origins: BTreeMap<String, Vec<Origin>>,
    /// The profiles that the resource claims, at most one of each pack.
    pub profiles: Vec<Arc<Profile>>,
    /// Values of the targets that these profiles open.
    pub own: Vec<OwnValues>,
    /// What the file adds.
    pub additions: Vec<Addition>,
}

/// Values of a target that a pack opens.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnValues {
    /// `fr-core@2.2.0`.
    pub pack: String,
    pub target: String,
    pub values: Vec<Value>,
    /// `file:line`.
    pub rule: String,
}

impl Values {
    /// All values of a target.
    pub fn all(&self, target: &str) -> &[Value] {
        self.targets.get(target).map_or(&[], Vec::as_slice)
    }

    /// The first value of a target.
    pub fn first(&self, target: &str) -> Option<&Value> {
        self.all(target).first()
    }

    /// The elements of a section.
    pub fn section(&self, section: &str) -> &[Values] {
        self.sections.get(section).map_or(&[], Vec::as_slice)
    }

    /// The rule that filled a target, `""` if none did.
    pub fn rule(&self, target: &str) -> &str {
        self.rules.get(target).map_or("", String::as_str)
    }
}

/// A resource that must not leave: which element, which rule, and why. Carries no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The element: `ImagingStudy.series[1].uid`.
    pub target: String,
    /// The mapping rule, as `file:line`; empty when none is to blame.
    pub rule: String,
    /// What is wrong and what would be right.
    pub why: String,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.why)?;
        if !self.rule.is_empty() {
            write!(f, " (rule {})", self.rule)?;
        }
        Ok(())
    }
}

impl std::error::Error for Held {}

/// A target that takes one value.
const fn one(name: &'static str, kinds: &'static [KindName], doc: &'static str) -> Target {
    Target {
        name,
        kinds,
        list: false,
        required: false,
        codes: &[],
        doc,
    }
}

/// A target that takes several values.
const fn many(name: &'static str, kinds: &'static [KindName], doc: &'static str) -> Target {
    Target {
        list: true,
        ..one(name, kinds, doc)
    }
}

/// A target that must have a value.
const fn required(target: Target) -> Target {
    Target {
        required: true,
        ..target
    }
}

/// A target with a required binding.
const fn coded(target: Target, codes: &'static [&'static str]) -> Target {
    Target { codes, ..target }
}

#[cfg(test)]
mod tests;
