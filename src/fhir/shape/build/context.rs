//! What building a resource depends on beside its mapped values: the entries of the Bundle, and how things of the record are referred to.

use crate::domain::value::{Identifier, Organization, Person, Thing, Value};
use crate::fhir::datatype::{self, Element, Systems};
use crate::fhir::reference::{Mode, References};
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Where a record thing stands in the Bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Resource type: `Patient` ...
    pub resource: &'static str,
    /// `urn:uuid:...`, the entry's fullUrl; `None` if it is not in the Bundle.
    pub url: Option<String>,
    /// The identifier by which a server finds it.
    pub identity: Option<Json>,
    /// Its accession number, for profiles that want it beside the reference.
    pub number: Option<Json>,
    /// A readable text.
    pub display: Option<String>,
}

impl Entry {
    /// An entry of the Bundle.
    pub fn inside(resource: &'static str, url: impl Into<String>) -> Self {
        Self {
            resource,
            url: Some(url.into()),
            identity: None,
            number: None,
            display: None,
        }
    }
}

/// Everything that building a resource depends on, beside the mapped values.
#[derive(Debug)]
pub struct Context<'a> {
    /// Zone of the site: gives zone-less times of day their offset.
    pub zone: &'a TimeZone,
    /// Names of coding systems and authorities.
    pub systems: &'a Systems,
    /// Identifiers that the code adds, first of all the one by which the server finds the resource.
    pub identity: Vec<Json>,
    /// How things outside the Bundle are referred to.
    pub references: &'a References,
    /// The Bundle's entries, and what else can be referred to, by record thing.
    pub entries: &'a BTreeMap<Thing, Entry>,
    /// Bytes of documents by SHA-256.
    pub documents: &'a BTreeMap<String, Arc<[u8]>>,
    /// The national identifier of the patient is qualified: only then may it leave.
    pub ins_qualified: bool,
    /// fullUrl of the survivor, when the patient was merged into another.
    pub replaced_by: Option<String>,
    /// What was left out or supplied: (element, text), without patient data.
    pub notes: RefCell<Vec<(String, String)>>,
    /// Resources that references of this one need inside it.
    pub contained: RefCell<Vec<Json>>,
}

impl<'a> Context<'a> {
    /// A context without identity, entries for references or documents beyond those given.
    pub fn new(
        zone: &'a TimeZone,
        systems: &'a Systems,
        entries: &'a BTreeMap<Thing, Entry>,
        documents: &'a BTreeMap<String, Arc<[u8]>>,
    ) -> Self {
        Self {
            zone,
            systems,
            identity: vec![],
            references: &LOGICAL,
            entries,
            documents,
            ins_qualified: false,
            replaced_by: None,
            notes: RefCell::new(vec![]),
            contained: RefCell::new(vec![]),
        }
    }

    /// A reference to a thing of the record, a person, an organization or a place.
    ///
    /// # Errors
    /// Why there is none, without patient data.
    pub fn refer(&self, value: &Value) -> Result<Json, String> {
        let found = match value {
            Value::Thing(thing) => {
                let entry = self.entries.get(thing);
                let entry = entry.ok_or("left out: the thing referred to is not published here")?;
                match &entry.url {
                    Some(url) => Some(json!({"reference": url})),
                    None => self.references.outside(
                        entry.resource,
                        entry.identity.clone(),
                        entry.display.as_deref(),
                    ),
                }
            }
            Value::Person(person) => self.person(person),
            Value::Organization(organization) => self.organization(organization),
            Value::Location(place) => {
                let words = datatype::location(place);
                self.references.outside("Location", None, words.as_deref())
            }
            _ => return Err("left out: nothing that can be referred to".to_owned()),
        };
        found.ok_or_else(|| "left out: nothing identifies it, or it is switched off".to_owned())
    }

    fn person(&self, person: &Person) -> Option<Json> {
        const TYPE: &str = "Practitioner";
        let display = datatype::display(&person.name);
        if self.references.mode(TYPE) != Mode::Contained {
            let identifier = datatype::known(&person.identifiers, self.systems);
            return self
                .references
                .outside(TYPE, identifier, display.as_deref());
        }
        let mut whole = Element::new();
        whole
            .list("identifier", self.identifiers_of(&person.identifiers))
            .list(
                "name",
                datatype::name(&person.name, None).into_iter().collect(),
            );
        self.contain(TYPE, whole, display)
    }

    fn organization(&self, organization: &Organization) -> Option<Json> {
        const TYPE: &str = "Organization";
        let name = organization.name.clone();
        if self.references.mode(TYPE) != Mode::Contained {
            let identifier = datatype::known(&organization.identifiers, self.systems);
            return self.references.outside(TYPE, identifier, name.as_deref());
        }
        let mut whole = Element::new();
        whole
            .list("identifier", self.identifiers_of(&organization.identifiers))
            .text("name", name.as_deref());
        self.contain(TYPE, whole, name)
    }

    fn identifiers_of(&self, all: &[Identifier]) -> Vec<Json> {
        let printed = all
            .iter()
            .filter_map(|i| datatype::identifier(i, None, self.systems));
        printed.collect()
    }

    /// Puts a resource into the one that is built, once, and refers to it.
    fn contain(&self, type_: &str, whole: Element, display: Option<String>) -> Option<Json> {
        let Json::Object(parts) = whole.done()? else {
            return None;
        };
        let mut contained = self.contained.borrow_mut();
        let is_it =
            |o: &Json| o["resourceType"] == type_ && parts.iter().all(|(k, v)| o.get(k) == Some(v));
        let id = match contained.iter().find(|o| is_it(o)) {
            Some(known) => known["id"].clone(),
            None => {
                let number = contained
                    .iter()
                    .filter(|o| o["resourceType"] == type_)
                    .count()
                    + 1;
                let id = json!(format!("{}-{number}", type_.to_lowercase()));
                let mut resource = json!({"resourceType": type_, "id": id});
                for (key, value) in parts {
                    resource[key.as_str()] = value;
                }
                contained.push(resource);
                id
            }
        };
        let mut out = Element::new();
        out.text(
            "reference",
            id.as_str().map(|id| format!("#{id}")).as_deref(),
        )
        .text("display", display.as_deref());
        out.done()
    }
}

static LOGICAL: LazyLock<References> = LazyLock::new(References::default);
