//! A mapping file after reading, merged with its base: what the evaluation runs.

use super::ast::{Cond, Dialect, Expr};
use super::definitions::Segments;
use super::device::DeviceRules;
use super::pack::Pack;
use super::table::Table;
use crate::domain::record::FieldDef;
use crate::domain::value::Value;
use crate::fhir::shape::add::{Container, ValueType};
use crate::fhir::shape::{Shape, Target};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One file as it was found in a directory of mappings.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path below the directory: `inbound/ihe_order.toml`, `tables/sex.csv`.
    pub name: String,
    /// 0 = shipped; a later layer's file hides the earlier one of the same name.
    pub layer: usize,
    pub text: Arc<str>,
}

/// What a file maps.
#[derive(Debug, Clone, Copy)]
pub enum FileKind {
    /// HL7 v2 message to record.
    Hl7,
    /// MPPS data set to record.
    Mpps,
    /// Step to worklist item, for every device that has no file of its own.
    Worklist,
    /// Step to worklist item, for one device (`devices/`).
    Device,
    /// Record to a resource.
    Resource(&'static Shape),
}

impl FileKind {
    /// What its paths read.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Hl7 => Dialect::Hl7,
            Self::Mpps => Dialect::Dicom,
            Self::Worklist | Self::Device | Self::Resource(_) => Dialect::Record,
        }
    }
}

/// Where a rule's value goes.
#[derive(Debug, Clone)]
pub enum Goal {
    /// A field of the record.
    Field(&'static FieldDef),
    /// A field that the file declares under `extra`.
    Extra(String),
    /// A DICOM attribute, by its path of keywords.
    Attribute(String),
    /// An element of a shape.
    Element(&'static Target),
}

/// One line of a file.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name of the target inside its section.
    pub name: String,
    pub goal: Goal,
    /// Attempts for a single-valued target, entries of a union for a list.
    pub exprs: Vec<Expr>,
    /// `inbound/ihe_order.toml:27`.
    pub label: Arc<str>,
}

/// What an empty loop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfNone {
    #[default]
    Skip,
    Once,
    Refuse,
}

/// One `[section]` or `[[section]]`.
#[derive(Debug, Clone)]
pub struct Section {
    pub name: String,
    pub each: Option<Expr>,
    pub group_by: Option<Expr>,
    pub if_none: IfNone,
    pub when: Option<Cond>,
    pub rules: Vec<Rule>,
    /// `file:line` of its header.
    pub label: Arc<str>,
}

/// An `[[add.x]]` block.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The section to whose elements it is added; empty = the resource.
    pub section: String,
    pub container: Container,
    /// Of an extension.
    pub url: String,
    /// Of an extension's value.
    pub type_: Option<&'static ValueType>,
    /// The pack that a target must use, by name or by name and version.
    pub profile: Option<String>,
    pub when: Option<Cond>,
    pub rule: Rule,
}

/// A condition of a file, with its place.
#[derive(Debug, Clone)]
pub struct Guard {
    pub cond: Cond,
    pub label: Arc<str>,
}

/// A compiled file.
#[derive(Debug, Clone)]
pub struct Model {
    /// `inbound/ihe_order.toml`.
    pub name: String,
    pub kind: FileKind,
    /// Names of its ancestors, nearest first.
    pub bases: Vec<String>,
    /// `ORM^O01`, `ADT^*`; operations for MPPS.
    pub messages: Vec<String>,
    /// Where its own file says which messages it takes: `messages`, else `base`.
    pub claims_at: std::ops::Range<usize>,
    pub when: Option<Guard>,
    pub ignore: Option<Guard>,
    /// Group word, and the segment that makes rows inside each group.
    pub each: (super::ast::Group, Option<String>),
    pub sections: Vec<Section>,
    /// What an outbound file adds to its resource.
    pub additions: Vec<Addition>,
    pub consts: BTreeMap<String, Value>,
    /// Whom a worklist file is for, how it talks, what it shows.
    pub device: DeviceRules,
}

impl Model {
    /// A model without a line.
    pub fn empty(kind: FileKind) -> Self {
        Self {
            name: String::new(),
            kind,
            bases: vec![],
            messages: vec![],
            claims_at: 0..0,
            when: None,
            ignore: None,
            each: (super::ast::Group::Message, None),
            sections: vec![],
            additions: vec![],
            consts: BTreeMap::new(),
            device: DeviceRules::default(),
        }
    }

    /// `ihe_order`: how links and bases name it.
    pub fn stem(&self) -> &str {
        stem(&self.name)
    }

    /// The sections of a name: several for `[[x]]` blocks.
    pub fn sections<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Section> {
        self.sections.iter().filter(move |s| s.name == name)
    }

    /// The rule of a single section's field.
    pub fn rule(&self, section: &str, name: &str) -> Option<&Rule> {
        let mut blocks = self.sections.iter().filter(|s| s.name == section);
        blocks.find_map(|s| s.rules.iter().find(|r| r.name == name))
    }
}

/// File name without directory and extension.
pub fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split_once('.').map_or(file, |(stem, _)| stem)
}

/// What rules look things up in.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// By name without `.csv`.
    pub tables: BTreeMap<String, Table>,
    /// HL7 segments, `segments/*.toml` included.
    pub segments: Segments,
    /// Profile packs by name and version: `fr-core@2.2.0`.
    pub packs: BTreeMap<String, Pack>,
}
