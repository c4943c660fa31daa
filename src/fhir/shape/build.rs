//! What all shapes share when they turn mapped values into a resource: reading targets as datatypes
//! and the refusals that name target and rule.

mod context;

pub use context::{Context, Entry};

use super::{Held, KindName, Target, Values};
use crate::domain::value::{Concept, Value};
use crate::fhir::datatype::{self, Element, Time};
use crate::fhir::reference::Mode;
use serde_json::{Value as Json, json};

/// One element under construction: the resource itself or an element of a section.
pub(super) struct Build<'a> {
    /// FHIR path: `ImagingStudy.series[0]`.
    path: String,
    targets: &'static [Target],
    pub values: &'a Values,
    pub cx: &'a Context<'a>,
    pub out: Element,
}

impl<'a> Build<'a> {
    /// Starts an element; what a target must have is checked here, once for all.
    pub fn new(
        path: impl Into<String>,
        targets: &'static [Target],
        values: &'a Values,
        cx: &'a Context<'a>,
    ) -> Result<Self, Held> {
        let build = Self {
            path: path.into(),
            targets,
            values,
            cx,
            out: Element::new(),
        };
        for target in targets {
            let values = build.values.all(target.name);
            if target.required && values.is_empty() {
                return Err(build.held(target.name, "FHIR demands a value and the record has none"));
            }
            if let Some(wrong) = values
                .iter()
                .map(KindName::of_value)
                .find(|k| !target.kinds.contains(k))
            {
                let takes: Vec<&str> = target.kinds.iter().map(|k| k.name()).collect();
                return Err(build.held(
                    target.name,
                    &format!(
                        "a {} cannot stand here; allowed: {}",
                        wrong.name(),
                        takes.join(", ")
                    ),
                ));
            }
        }
        Ok(build)
    }

    /// A resource: its type comes first.
    pub fn resource(
        type_: &'static str,
        targets: &'static [Target],
        values: &'a Values,
        cx: &'a Context<'a>,
    ) -> Result<Self, Held> {
        let mut build = Self::new(type_, targets, values, cx)?;
        build.out.text("resourceType", Some(type_));
        Ok(build)
    }

    /// A refusal that names the target and the rule that filled it.
    pub fn held(&self, target: &str, why: &str) -> Held {
        Held {
            target: format!("{}.{target}", self.path),
            rule: self.values.rule(target).to_owned(),
            why: why.to_owned(),
        }
    }

    fn note(&self, target: &str, text: &str) {
        self.cx
            .notes
            .borrow_mut()
            .push((format!("{}.{target}", self.path), text.to_owned()));
    }

    /// A path below this element, for a section's elements.
    pub fn below(&self, element: &str, index: usize) -> String {
        format!("{}.{element}[{index}]", self.path)
    }

    /// The first value as text.
    pub fn text(&self, target: &str) -> Option<&'a str> {
        self.values
            .first(target)
            .and_then(Value::comparable)
            .map(str::trim)
            .filter(|t| !t.is_empty())
    }

    /// Puts a string.
    pub fn put_text(&mut self, element: &str, target: &str) {
        let text = self.text(target);
        self.out.text(element, text);
    }

    /// A code of a required binding, held if it is none of its codes.
    pub fn code(&self, target: &str) -> Result<Option<&'a str>, Held> {
        let Some(code) = self.text(target) else {
            return Ok(None);
        };
        let codes = self
            .targets
            .iter()
            .find(|t| t.name == target)
            .map_or(&[][..], |t| t.codes);
        if codes.is_empty() || codes.contains(&code) {
            return Ok(Some(code));
        }
        Err(self.held(
            target,
            &format!("not a code that FHIR allows; allowed: {}", codes.join(", ")),
        ))
    }

    /// Puts a code of a required binding.
    pub fn put_code(&mut self, element: &str, target: &str) -> Result<(), Held> {
        let code = self.code(target)?;
        self.out.text(element, code);
        Ok(())
    }

    /// Identifiers of a target, with the type that those without one get.
    pub fn identifiers(&self, target: &str, type_: Option<&str>) -> Vec<Json> {
        self.values
            .all(target)
            .iter()
            .filter_map(|v| match v {
                Value::Identifier(id) => datatype::identifier(id, type_, self.cx.systems),
                _ => None,
            })
            .collect()
    }

    /// Puts the identifiers of ours and the mapped ones, each system and value once.
    pub fn put_identifiers(&mut self, mapped: Vec<Json>) {
        let mut all: Vec<Json> = Vec::new();
        for id in self.cx.identity.iter().cloned().chain(mapped) {
            let same = |o: &Json| o["system"] == id["system"] && o["value"] == id["value"];
            match all.iter_mut().find(|o| same(o)) {
                // The same number twice: keep the one that says more.
                Some(known)
                    if known.as_object().map(|o| o.len()) < id.as_object().map(|o| o.len()) =>
                {
                    *known = id;
                }
                Some(_) => {}
                None => all.push(id),
            }
        }
        self.out.list("identifier", all);
    }

    /// CodeableConcepts of a target; a text becomes a concept's text.
    pub fn concepts(&self, target: &str) -> Vec<Json> {
        self.values
            .all(target)
            .iter()
            .filter_map(|v| match v {
                Value::Concept(c) => datatype::concept(c, self.cx.systems),
                Value::Text(t) => datatype::concept(
                    &Concept {
                        codings: vec![],
                        text: Some(t.clone()),
                    },
                    self.cx.systems,
                ),
                _ => None,
            })
            .collect()
    }

    /// Codings of DICOM modalities: a bare code is DICOM's.
    pub fn modalities(&self, target: &str) -> Vec<Json> {
        let mut all = Vec::new();
        for value in self.values.all(target) {
            let coding = match value {
                Value::Text(code) if datatype::is_code(code.trim()) => {
                    Some(json!({"system": datatype::DCM, "code": code.trim()}))
                }
                Value::Concept(c) => c
                    .codings
                    .iter()
                    .find_map(|x| datatype::coding(x, self.cx.systems)),
                _ => None,
            };
            if let Some(coding) = coding.filter(|c| !all.contains(c)) {
                all.push(coding);
            }
        }
        all
    }

    /// References to people and organizations, by identifier and name; each once.
    pub fn actors(&self, target: &str) -> Vec<Json> {
        let mut all = Vec::new();
        for value in self.values.all(target) {
            match self.cx.refer(value) {
                Ok(actor) if !all.contains(&actor) => all.push(actor),
                Ok(_) => {}
                Err(why) => self.note(target, &why),
            }
        }
        all
    }

    /// References to places, by their words.
    pub fn places(&self, target: &str) -> Vec<Json> {
        let place = |v: &Value| match v {
            Value::Text(words) => self.cx.references.outside("Location", None, Some(words)),
            other => self.cx.refer(other).ok(),
        };
        self.values.all(target).iter().filter_map(place).collect()
    }

    /// References to Endpoints: an address or literal reference, else an AE title as its display.
    pub fn endpoints(&self, target: &str) -> Vec<Json> {
        let texts = self.values.all(target).iter();
        texts
            .filter_map(|v| v.comparable().map(str::trim).filter(|t| !t.is_empty()))
            .filter_map(|text| {
                let literal = text.starts_with("Endpoint/")
                    || text.starts_with("Endpoint?")
                    || (text.starts_with("http") && text.contains("/Endpoint/"));
                match literal && self.cx.references.mode("Endpoint") != Mode::Off {
                    true => Some(json!({"reference": text})),
                    false => self.cx.references.outside("Endpoint", None, Some(text)),
                }
            })
            .collect()
    }

    /// References to record things of one resource type, each once; what cannot be referred to is left out with a note.
    pub fn references(&self, target: &str, resource: &str) -> Vec<Json> {
        let mut all = Vec::new();
        for value in self.values.all(target) {
            let Value::Thing(thing) = value else { continue };
            let entry = self.cx.entries.get(thing);
            if let Some(other) = entry.filter(|e| e.resource != resource) {
                let why = format!("left out: a {} cannot stand here", other.resource);
                self.note(target, &why);
                continue;
            }
            match self.cx.refer(value) {
                Ok(reference) if !all.contains(&reference) => all.push(reference),
                Ok(_) => {}
                Err(why) => self.note(target, &why),
            }
        }
        all
    }

    /// The patient as a reference, held without one.
    pub fn subject(&self, target: &str) -> Result<Json, Held> {
        self.references(target, "Patient")
            .into_iter()
            .next()
            .ok_or_else(|| self.held(target, "FHIR demands a patient here; write 'patient'"))
    }

    /// A dateTime, with a note when the site's zone was supplied or the time of day was left out.
    pub fn time(&self, target: &str) -> Option<String> {
        let Some(Value::When(when)) = self.values.first(target) else {
            return None;
        };
        let time = datatype::date_time(when, self.cx.zone);
        self.time_note(target, time.as_ref());
        time.map(|t| t.text)
    }

    /// Puts a dateTime.
    pub fn put_time(&mut self, element: &str, target: &str) {
        let time = self.time(target);
        self.out.text(element, time.as_deref());
    }

    /// Puts an instant; a time that is none is left out with a note.
    pub fn put_instant(&mut self, element: &str, target: &str) {
        if let Some(Value::When(when)) = self.values.first(target) {
            let time = datatype::instant(when, self.cx.zone);
            match &time {
                Some(_) => self.time_note(target, time.as_ref()),
                None => self.note(
                    target,
                    "left out: FHIR wants a time to the second with a known offset",
                ),
            }
            self.out
                .text(element, time.as_ref().map(|t| t.text.as_str()));
        }
    }

    fn time_note(&self, target: &str, time: Option<&Time>) {
        match time {
            Some(t) if t.zone_supplied => self.note(target, "offset by site.timezone"),
            Some(t) if t.shortened => self.note(
                target,
                "time of day left out: without minutes, or in an hour that the clocks repeat or skip",
            ),
            _ => {}
        }
    }

    /// Annotations of a target's texts.
    pub fn annotations(&self, target: &str) -> Vec<Json> {
        self.values
            .all(target)
            .iter()
            .filter_map(|v| v.comparable().and_then(datatype::text))
            .map(|t| json!({"text": t}))
            .collect()
    }

    /// An unsigned integer; anything else is left out with a note.
    pub fn put_number(&mut self, element: &str, target: &str) {
        if let Some(text) = self.text(target) {
            match text.parse::<u32>().ok().filter(|n| *n <= i32::MAX as u32) {
                Some(n) => {
                    self.out.put(element, Some(json!(n)));
                }
                None => self.note(target, "left out: not an unsigned integer"),
            }
        }
    }

    /// The finished element.
    pub fn done(self) -> Json {
        self.out.done().unwrap_or_else(|| json!({}))
    }
}
