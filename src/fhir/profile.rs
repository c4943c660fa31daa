//! What a profile asks of a resource, as data: the part of a pack (`mappings/profiles/*.toml`) that the building of resources needs.
//!
//! `mapping` reads the packs and chooses, by the record, which profile of a pack a resource claims; `shape::dress` puts on the built
//! resource what the profile asks for. Which *structures* a pack may ask for is the closed list [`Structure`]: a new one is code.

use super::shape::add::{VALUE_TYPES, ValueType};
use super::shape::{KindName, Target};
use std::collections::BTreeMap;

/// One code of one system, with what it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    pub system: String,
    pub code: String,
    pub display: Option<String>,
}

/// What identifiers of one type (HL7 table 0203) must look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentifierRule {
    /// `Identifier.use`, unless the identifier has one.
    pub use_: Option<String>,
    /// A further coding of its type.
    pub type_: Option<Code>,
}

/// What `basedOn` holds beside the reference to the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BasedOn {
    /// The reference alone.
    #[default]
    Reference,
    /// The reference and the accession number; an order without one keeps the reference alone.
    ReferenceAndIdentifier,
    /// The accession number alone; an order without one is left out.
    Identifier,
}

impl BasedOn {
    /// Every form with its word.
    pub const WORDS: &[(&str, Self)] = &[
        ("reference", Self::Reference),
        ("reference+identifier", Self::ReferenceAndIdentifier),
        ("identifier-only", Self::Identifier),
    ];
}

/// The structures that an own target of a pack can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// An extension of the resource with one value; several values make several.
    Extension,
    /// One part of an extension that has parts; all targets of one `url` make one extension.
    ExtensionComplex,
    /// An extension of the resource whose value is an Address with the code of the place in an extension of its own.
    AddressWithCode,
    /// On the official name: an extension with all given names as one text, and the first given name alone in `given`.
    GivenNamesList,
}

impl Structure {
    /// Every structure with its word and the keys that it needs beside `url`.
    pub const WORDS: &[(&str, Self, &[&str])] = &[
        ("extension", Self::Extension, &["type"]),
        (
            "extension-complex",
            Self::ExtensionComplex,
            &["part", "type"],
        ),
        (
            "address-with-code",
            Self::AddressWithCode,
            &["code_url", "code_system"],
        ),
        ("given-names-list", Self::GivenNamesList, &[]),
    ];
}

/// A target that a pack opens.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    pub name: String,
    pub structure: Structure,
    /// Of the extension.
    pub url: String,
    /// Of the part, for [`Structure::ExtensionComplex`].
    pub part: String,
    /// Type of the value.
    pub type_: &'static ValueType,
    /// Coding system of a bare code.
    pub system: Option<String>,
    /// Its value set; empty = open.
    pub codes: Vec<String>,
    /// For [`Structure::AddressWithCode`]: url and system of the code of a place.
    pub code_url: String,
    pub code_system: String,
}

impl Own {
    /// What it takes, for the static checks.
    pub fn target(&self) -> &'static Target {
        match self.structure {
            Structure::AddressWithCode => &PLACE,
            Structure::GivenNamesList => &GIVEN,
            Structure::Extension | Structure::ExtensionComplex => &self.type_.target,
        }
    }
}

const PLACE: Target = Target {
    name: "a place",
    kinds: &[KindName::Text, KindName::Address],
    list: false,
    required: false,
    codes: &[],
    doc: "a code of a place, else its name",
};

const GIVEN: Target = Target {
    name: "given names",
    kinds: &[KindName::Text],
    list: false,
    required: false,
    codes: &[],
    doc: "all given names as one text",
};

/// What one profile of a pack asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `fr-core@2.2.0`.
    pub pack: String,
    /// Claimed in `meta.profile`.
    pub url: String,
    /// Targets, the shape's or the pack's own, that must have a value.
    pub required: Vec<String>,
    /// Value sets narrower than FHIR's, by target.
    pub codes: BTreeMap<String, Vec<String>>,
    /// Concepts that must be there, by target.
    pub fixed: BTreeMap<String, Vec<Code>>,
    /// By type of the identifier.
    pub identifiers: BTreeMap<String, IdentifierRule>,
    /// Type of the identifier by which the server finds the resource.
    pub identity: Option<Code>,
    pub based_on: BasedOn,
    pub own: Vec<Own>,
}

impl Profile {
    /// Its own target of a name.
    pub fn own(&self, name: &str) -> Option<&Own> {
        self.own.iter().find(|o| o.name == name)
    }
}

/// The type of a value by its FHIR name: `string`, `Coding` ...
pub fn value_type(name: &str) -> Option<&'static ValueType> {
    VALUE_TYPES.iter().find(|t| t.fhir() == name)
}
