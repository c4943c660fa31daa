//! What a profile and a file's additions put on a resource that its shape has built.
//!
//! In this order: the claim in `meta.profile`, the profile's value sets and required targets, its fixed codes, identifiers and own
//! targets, then additions, then the resources that references need inside. Rule upheld: what a profile demands and the record lacks
//! holds the resource, with profile and rule.

use super::add::{Addition, Container};
use super::build::Context;
use super::{Held, OwnValues, Section, Shape, Values};
use crate::domain::value::Value;
use crate::fhir::datatype;
use crate::fhir::profile::{BasedOn, Code, Own, Profile, Structure};
use serde_json::{Map, Value as Json, json};

/// Dresses a built resource.
pub fn dress(shape: &Shape, built: Json, values: &Values, cx: &Context<'_>) -> Result<Json, Held> {
    let Json::Object(mut resource) = built else {
        return Ok(built);
    };
    let mut held = Dress {
        type_: shape.type_name(),
        values,
        cx,
    };
    for profile in &values.profiles {
        held.profile(&mut resource, profile)?;
    }
    add(&mut resource, &values.additions, cx);
    sections(&mut resource, shape.sections, values, cx);
    let contained = cx.contained.take();
    if !contained.is_empty() {
        resource.insert("contained".to_owned(), Json::Array(contained));
    }
    Ok(Json::Object(resource))
}

struct Dress<'d> {
    type_: &'static str,
    values: &'d Values,
    cx: &'d Context<'d>,
}

impl Dress<'_> {
    fn held(&self, target: &str, rule: &str, why: String) -> Held {
        Held {
            target: format!("{}.{target}", self.type_),
            rule: rule.to_owned(),
            why,
        }
    }

    fn profile(&mut self, resource: &mut Map<String, Json>, profile: &Profile) -> Result<(), Held> {
        push(meta(resource), "profile", json!(profile.url));
        let own = |name: &str| {
            let mut all = self.values.own.iter();
            all.find(|o| o.pack == profile.pack && o.target == name)
        };
        for name in &profile.required {
            if self.values.first(name).is_none() && own(name).is_none() {
                let why = format!("{} demands a value and the record has none", profile.pack);
                return Err(self.held(name, self.values.rule(name), why));
            }
        }
        for (target, codes) in &profile.codes {
            let outside = |v: &&Value| {
                let code = v.comparable().unwrap_or_default();
                !codes.iter().any(|c| c == code)
            };
            if self.values.all(target).iter().any(|v| outside(&v)) {
                let allowed = codes.join(", ");
                let why = format!("not a code of {}; allowed: {allowed}", profile.pack);
                return Err(self.held(target, self.values.rule(target), why));
            }
        }
        for (target, codes) in &profile.fixed {
            for code in codes {
                fix(resource, target, code);
            }
        }
        self.identifiers(resource, profile);
        self.based_on(resource, profile.based_on);
        for values in self.values.own.iter().filter(|o| o.pack == profile.pack) {
            if let Some(own) = profile.own(&values.target) {
                self.own(resource, own, values, profile)?;
            }
        }
        Ok(())
    }

    fn identifiers(&self, resource: &mut Map<String, Json>, profile: &Profile) {
        let Some(Json::Array(all)) = resource.get_mut("identifier") else {
            return;
        };
        let ours = self.cx.identity.first();
        for id in all {
            let same = |o: &Json| o["system"] == id["system"] && o["value"] == id["value"];
            let is_ours = ours.is_some_and(same);
            if let Some(code) = profile.identity.as_ref().filter(|_| is_ours) {
                type_code(id, code);
            }
            let type_ = id["type"]["coding"][0]["code"].as_str().map(str::to_owned);
            let Some(rule) = type_.and_then(|t| profile.identifiers.get(&t)) else {
                continue;
            };
            if let Some(code) = &rule.type_ {
                type_code(id, code);
            }
            if let (Some(use_), Json::Object(id)) = (&rule.use_, id) {
                id.entry("use").or_insert_with(|| json!(use_));
            }
        }
    }

    fn based_on(&self, resource: &mut Map<String, Json>, form: BasedOn) {
        let Some(Json::Array(all)) = resource.get_mut("basedOn") else {
            return;
        };
        if form == BasedOn::Reference {
            return;
        }
        let accession = |reference: &Json| {
            let url = reference["reference"].as_str();
            let mut entries = self.cx.entries.values();
            let entry = entries.find(|e| e.url.is_some() && e.url.as_deref() == url)?;
            entry.number.clone()
        };
        all.retain_mut(|reference| match (accession(reference), form) {
            (Some(number), BasedOn::Identifier) => {
                *reference = json!({"type": "ServiceRequest", "identifier": number});
                true
            }
            (Some(number), _) => {
                reference["identifier"] = number;
                true
            }
            (None, form) => form != BasedOn::Identifier,
        });
        if all.is_empty() {
            resource.remove("basedOn");
        }
    }

    fn own(
        &self,
        resource: &mut Map<String, Json>,
        own: &Own,
        values: &OwnValues,
        profile: &Profile,
    ) -> Result<(), Held> {
        for value in &values.values {
            let code = value.comparable().unwrap_or_default();
            if !own.codes.is_empty() && !own.codes.iter().any(|c| c == code) {
                let allowed = own.codes.join(", ");
                let why = format!("not a code of {}; allowed: {allowed}", profile.pack);
                return Err(self.held(&own.name, &values.rule, why));
            }
            match own.structure {
                Structure::Extension => {
                    let printed = own.type_.print(value, own.system.as_deref(), self.cx);
                    extension(resource, &own.url, own.type_.target.name, printed);
                }
                Structure::ExtensionComplex => self.part(resource, own, value),
                Structure::AddressWithCode => {
                    extension(resource, &own.url, "valueAddress", place(own, value));
                }
                Structure::GivenNamesList => given_names(resource, own, value),
            }
        }
        Ok(())
    }

    /// A part of an extension with parts; the first one makes the extension.
    fn part(&self, resource: &mut Map<String, Json>, own: &Own, value: &Value) {
        let printed = own.type_.print(value, own.system.as_deref(), self.cx);
        let Some(printed) = printed else { return };
        let all = list(resource, "extension");
        let at = all.iter().position(|e| e["url"] == own.url);
        let at = at.unwrap_or_else(|| {
            all.push(json!({"url": own.url, "extension": []}));
            all.len() - 1
        });
        if let Some(Json::Array(parts)) = all.get_mut(at).and_then(|e| e.get_mut("extension")) {
            parts.push(json!({"url": own.part, own.type_.target.name: printed}));
        }
    }
}

/// An Address whose code stands in an extension; a text without a digit is no code but the name of a place.
fn place(own: &Own, value: &Value) -> Option<Json> {
    match value {
        Value::Address(address) => datatype::address_of(address),
        Value::Text(text) => {
            let text = text.trim();
            let is_code = text.bytes().all(|b| b.is_ascii_alphanumeric())
                && text.bytes().any(|b| b.is_ascii_digit());
            match is_code {
                true => {
                    let coding = json!({"system": own.code_system, "code": text});
                    Some(json!({"extension": [{"url": own.code_url, "valueCoding": coding}]}))
                }
                false => datatype::text(text).map(|city| json!({"city": city})),
            }
        }
        _ => None,
    }
}

/// On the official name: all given names in an extension, the first one alone in `given`.
fn given_names(resource: &mut Map<String, Json>, own: &Own, value: &Value) {
    let Some(names) = value.comparable().and_then(datatype::text) else {
        return;
    };
    let Some(Json::Array(all)) = resource.get_mut("name") else {
        return;
    };
    let official = all.iter_mut().find(|n| n["use"] == "official");
    if let Some(Json::Object(name)) = official {
        if let Some(Json::Array(given)) = name.get_mut("given") {
            given.truncate(1);
        }
        extension(name, &own.url, "valueString", Some(names));
    }
}

fn fix(resource: &mut Map<String, Json>, target: &str, code: &Code) {
    let all = list(resource, target);
    let is_it = |c: &Json| c["system"] == code.system && c["code"] == code.code;
    let there = |concept: &Json| {
        let codings = concept["coding"].as_array();
        codings.is_some_and(|all| all.iter().any(is_it))
    };
    if !all.iter().any(there) {
        all.push(json!({"coding": [coding(code)]}));
    }
}

fn type_code(identifier: &mut Json, code: &Code) {
    let Json::Object(id) = identifier else { return };
    let type_ = id.entry("type").or_insert_with(|| json!({}));
    let Json::Object(type_) = type_ else { return };
    let all = list(type_, "coding");
    if !all
        .iter()
        .any(|c| c["system"] == code.system && c["code"] == code.code)
    {
        all.push(coding(code));
    }
}

fn coding(code: &Code) -> Json {
    let mut out = json!({"system": code.system, "code": code.code});
    if let Some(display) = &code.display {
        out["display"] = json!(display);
    }
    out
}

/// Additions of a resource or of an element of a section; an extension without a value is none.
fn add(element: &mut Map<String, Json>, additions: &[Addition], cx: &Context<'_>) {
    for addition in additions {
        for value in &addition.values {
            let concept = || match value {
                Value::Concept(c) => Some(c),
                _ => None,
            };
            match addition.container {
                Container::Extension => {
                    let Some(type_) = addition.type_ else {
                        continue;
                    };
                    let printed = type_.print(value, None, cx);
                    extension(element, &addition.url, type_.target.name, printed);
                }
                Container::MetaTag | Container::MetaSecurity => {
                    let name = match addition.container {
                        Container::MetaTag => "tag",
                        _ => "security",
                    };
                    let codings = concept().map_or(&[][..], |c| &c.codings);
                    for coding in codings
                        .iter()
                        .filter_map(|c| datatype::coding(c, cx.systems))
                    {
                        push(meta(element), name, coding);
                    }
                }
                Container::Identifier => {
                    if let Value::Identifier(id) = value
                        && let Some(id) = datatype::identifier(id, None, cx.systems)
                    {
                        push(element, "identifier", id);
                    }
                }
                Container::Category => {
                    if let Some(c) = concept().and_then(|c| datatype::concept(c, cx.systems)) {
                        push(element, "category", c);
                    }
                }
                Container::Note => {
                    if let Some(text) = value.comparable().and_then(datatype::text) {
                        push(element, "note", json!({"text": text}));
                    }
                }
            }
        }
    }
}

/// Additions of the elements of sections, by their place in the lists that the shape has built.
fn sections(
    element: &mut Map<String, Json>,
    sections: &'static [Section],
    values: &Values,
    cx: &Context<'_>,
) {
    for section in sections {
        let Some(Json::Array(built)) = element.get_mut(section.element) else {
            continue;
        };
        for (built, values) in built.iter_mut().zip(values.section(section.name)) {
            if let Json::Object(built) = built {
                add(built, &values.additions, cx);
                self::sections(built, section.sections, values, cx);
            }
        }
    }
}

fn extension(element: &mut Map<String, Json>, url: &str, name: &str, value: Option<Json>) {
    if let Some(value) = value {
        push(element, "extension", json!({"url": url, name: value}));
    }
}

fn meta(resource: &mut Map<String, Json>) -> &mut Map<String, Json> {
    let meta = resource.entry("meta").or_insert_with(|| json!({}));
    if !meta.is_object() {
        *meta = json!({});
    }
    match meta {
        Json::Object(meta) => meta,
        _ => unreachable!("made an object above"),
    }
}

/// A list of an element, made if it is not there. Callers add to it: an empty one is never left.
fn list<'e>(element: &'e mut Map<String, Json>, name: &str) -> &'e mut Vec<Json> {
    let list = element.entry(name).or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    match list {
        Json::Array(list) => list,
        _ => unreachable!("made a list above"),
    }
}

/// Appends unless it is there.
fn push(element: &mut Map<String, Json>, name: &str, value: Json) {
    let all = list(element, name);
    if !all.contains(&value) {
        all.push(value);
    }
}
