//! Every target of every shape does something, and what is built is FHIR.

use super::build::{Context, Entry};
use super::*;
use crate::domain::ids::{ExamId, PatientId};
use crate::domain::time::When;
use crate::domain::value::{
    Address, Coding, Concept, Document, Identifier, Issuer, Location, Name, Organization, Person,
    Telecom, Thing,
};
use crate::fhir::check;
use crate::fhir::datatype::Systems;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn issuer() -> Issuer {
    Issuer {
        universal_id: Some("1.2.250.1.999".to_owned()),
        scheme: Some("ISO".to_owned()),
        ..Issuer::default()
    }
}

fn sample_name() -> Name {
    Name {
        family: Some("Bénard".to_owned()),
        given: vec!["Éloïse".to_owned()],
        ..Name::default()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A value of a sort that a target accepts.
fn sample(target: &Target, kind: KindName) -> Value {
    match kind {
        KindName::Text => Value::Text((*target.codes.last().unwrap_or(&"fr")).to_owned()),
        KindName::Number => Value::Number("7".to_owned()),
        KindName::Bool => Value::Bool(true),
        KindName::When => Value::When(When::parse("20260602083015").unwrap()),
        KindName::Uid => Value::Uid("1.2.3".to_owned()),
        KindName::Identifier => Value::Identifier(Identifier {
            value: "42".to_owned(),
            issuer: Some(issuer()),
            type_: None,
        }),
        KindName::Concept => Value::Concept(Concept {
            codings: vec![Coding {
                code: "18748-4".to_owned(),
                system: some("LN"),
                display: some("Compte rendu"),
            }],
            text: None,
        }),
        KindName::Name => Value::Name(sample_name()),
        KindName::Person => Value::Person(Person {
            identifiers: vec![],
            name: sample_name(),
        }),
        KindName::Organization => Value::Organization(Organization {
            identifiers: vec![],
            name: some("Service de radiologie"),
        }),
        KindName::Location => Value::Location(Location {
            room: some("Salle 2"),
            ..Location::default()
        }),
        KindName::Address => Value::Address(Address {
            city: some("Besançon"),
            ..Address::default()
        }),
        KindName::Telecom => Value::Telecom(Telecom {
            system: "phone".to_owned(),
            value: "0102030405".to_owned(),
            use_: None,
        }),
        KindName::Document => Value::Document(Document {
            sha256: "aa".to_owned(),
            media_type: "application/pdf".to_owned(),
            size: 4,
            bytes: None,
        }),
        KindName::Entry => Value::Entry(crate::domain::value::Entry::default()),
        KindName::Thing => Value::Thing(match target.name {
            "basedOn" => Thing::Exam(ExamId(2)),
            "imagingStudy" => Thing::Study(3),
            "encounter" => Thing::Visit(ExamId(2)),
            _ => Thing::Patient(PatientId(1)),
        }),
    }
}

fn build(shape: &Shape, values: &Values) -> Result<Json, Held> {
    let entry = |resource, url: &str| Entry::inside(resource, url);
    let entries = BTreeMap::from([
        (Thing::Patient(PatientId(1)), entry("Patient", "urn:uuid:p")),
        (
            Thing::Exam(ExamId(2)),
            entry("ServiceRequest", "urn:uuid:s"),
        ),
        (Thing::Study(3), entry("ImagingStudy", "urn:uuid:i")),
        (
            Thing::Visit(ExamId(2)),
            Entry {
                url: None,
                identity: Some(json!({"value": "V1"})),
                ..entry("Encounter", "")
            },
        ),
    ]);
    let documents = BTreeMap::from([("aa".to_owned(), Arc::from(&b"%PDF"[..]))]);
    let zone = TimeZone::get("Europe/Paris").unwrap();
    let systems = Systems::default();
    let cx = Context::new(&zone, &systems, &entries, &documents);
    shape.make(values, &cx)
}

/// Values for what must be there, and one element in each section.
fn least(targets: &'static [Target], sections: &'static [Section]) -> Values {
    let mut values = Values::default();
    for target in targets.iter().filter(|t| t.required) {
        let value = sample(target, target.kinds[0]);
        values.targets.insert(target.name, vec![value]);
    }
    for section in sections {
        let one = least(section.targets, section.sections);
        values.sections.insert(section.name, vec![one]);
    }
    values
}

/// Fills each target in turn, in the element of the section that `place` leads to.
fn each_target(
    shape: &Shape,
    targets: &'static [Target],
    sections: &'static [Section],
    place: &mut Vec<&'static str>,
) {
    let plain = build(shape, &least(shape.targets, shape.sections)).unwrap();
    let at = |values: &mut Values, place: &[&'static str], change: &dyn Fn(&mut Values)| {
        let mut here = values;
        for name in place {
            here = &mut here.sections.get_mut(name).unwrap()[0];
        }
        change(here);
    };
    for target in targets {
        let name = format!("{} {place:?} {}", shape.resource, target.name);
        for kind in target.kinds {
            let mut values = least(shape.targets, shape.sections);
            let value = sample(target, *kind);
            at(&mut values, place, &|v| {
                v.targets.insert(target.name, vec![value.clone()]);
                if target.name == "orderDetail" {
                    v.targets.insert("code", vec![value.clone()]);
                }
            });
            let built = build(shape, &values).unwrap();
            check::resource(&built).unwrap();
            // The first sort of a required target stands in the plain resource already; an intent of none is `order`.
            if !target.required {
                assert_ne!(built, plain, "{name} as {} does nothing", kind.name());
            }
        }
        let mut values = least(shape.targets, shape.sections);
        at(&mut values, place, &|v| {
            v.rules.insert(target.name, "x.toml:7".to_owned());
            v.targets.remove(target.name);
        });
        match build(shape, &values) {
            Ok(_) => assert!(!target.required, "{name} must be there"),
            Err(held) => assert!(target.required && held.rule == "x.toml:7", "{held}"),
        }
    }
    for section in sections {
        place.push(section.name);
        each_target(shape, section.targets, section.sections, place);
        place.pop();
    }
}

#[test]
fn every_target_of_every_kind_does_something_and_the_result_is_fhir() {
    for shape in SHAPES {
        each_target(shape, shape.targets, shape.sections, &mut vec![]);
    }
}

#[test]
fn a_code_that_fhir_does_not_allow_holds_the_resource() {
    for shape in SHAPES {
        for target in shape.targets.iter().filter(|t| !t.codes.is_empty()) {
            let mut values = least(shape.targets, shape.sections);
            values
                .targets
                .insert(target.name, vec![Value::Text("finale".to_owned())]);
            values.rules.insert(target.name, "x.toml:7".to_owned());
            let held = build(shape, &values).unwrap_err();
            assert_eq!(held.rule, "x.toml:7");
            assert!(held.why.contains(target.codes[0]), "{held}");
        }
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_held_not_printed() {
    let shape = shape("fhir.Patient").unwrap();
    let mut values = Values::default();
    values
        .targets
        .insert("name.official", vec![Value::Text("Lefèvre".to_owned())]);
    let held = build(shape, &values).unwrap_err();
    assert_eq!(held.target, "Patient.name.official");
    assert!(!held.to_string().contains("Lefèvre"));
}

#[test]
fn a_name_said_twice_is_printed_once() {
    let mut values = Values::default();
    for target in ["name.official", "name.usual", "name.other"] {
        values
            .targets
            .insert(target, vec![Value::Name(sample_name())]);
    }
    let built = build(shape("fhir.Patient").unwrap(), &values).unwrap();
    let name = |use_: &str| json!({"use": use_, "family": "Bénard", "given": ["Éloïse"]});
    assert_eq!(built["name"], json!([name("official"), name("usual")]));
}

fn declared(path: &str, targets: &[Target], sections: &[Section]) {
    for (i, t) in targets.iter().enumerate() {
        assert!(!t.doc.is_empty(), "{path}.{}", t.name);
        assert!(!t.kinds.is_empty(), "{path}.{}", t.name);
        assert!(
            targets[..i].iter().all(|o| o.name != t.name),
            "{path}.{} twice",
            t.name
        );
    }
    for s in sections {
        declared(&format!("{path}.{}", s.name), s.targets, s.sections);
    }
}

#[test]
fn every_target_stands_once_and_says_what_it_means() {
    for s in SHAPES {
        declared(s.resource, s.targets, s.sections);
        assert_eq!(shape(s.resource).map(|x| x.resource), Some(s.resource));
    }
}

/// A value that says nothing.
fn blank(kind: KindName) -> Value {
    match kind {
        KindName::Text => Value::Text(" ".to_owned()),
        KindName::Identifier => Value::Identifier(Identifier::default()),
        KindName::Concept => Value::Concept(Concept::default()),
        KindName::Name => Value::Name(Name::default()),
        KindName::Person => Value::Person(Person::default()),
        KindName::Organization => Value::Organization(Organization::default()),
        KindName::Location => Value::Location(Location::default()),
        KindName::Address => Value::Address(Address::default()),
        _ => Value::Uid(String::new()),
    }
}

fn empty_places(path: &str, json: &Json, found: &mut Vec<String>) {
    match json {
        Json::Null => found.push(path.to_owned()),
        Json::String(s) if s.trim().is_empty() => found.push(path.to_owned()),
        Json::Array(a) if a.is_empty() => found.push(path.to_owned()),
        Json::Object(o) if o.is_empty() => found.push(path.to_owned()),
        Json::Array(a) => a
            .iter()
            .for_each(|v| empty_places(&format!("{path}[]"), v, found)),
        Json::Object(o) => o
            .iter()
            .for_each(|(k, v)| empty_places(&format!("{path}.{k}"), v, found)),
        _ => {}
    }
}

/// An extension of every type and a thing for every container, each with a value or one that says nothing.
fn additions(choice: &dyn Fn(usize) -> u8) -> Vec<Addition> {
    let extensions = add::VALUE_TYPES
        .iter()
        .map(|t| (add::Container::Extension, Some(t)));
    let others = add::Container::WORDS.iter().map(|(_, c)| (*c, None));
    let all = extensions.chain(others).enumerate();
    all.map(|(i, (container, type_))| {
        let target = type_.map_or(container.target(), |t| &t.target);
        let kind = target.kinds[usize::from(choice(i)) % target.kinds.len()];
        let value = match choice(i + 1) % 2 {
            0 => sample(target, kind),
            _ => blank(kind),
        };
        Addition {
            container,
            url: "https://x.example/a".to_owned(),
            type_,
            values: vec![value],
            rule: "x.toml:7".to_owned(),
        }
    })
    .collect()
}

proptest::proptest! {
    #[test]
    fn nothing_empty_is_ever_in_a_resource(choices in proptest::collection::vec(0_u8..12, 64)) {
        let choice = |i: usize| choices[i % choices.len()];
        for shape in SHAPES {
            let mut values = least(shape.targets, shape.sections);
            for (i, target) in shape.targets.iter().enumerate().filter(|(_, t)| !t.required) {
                let kind = target.kinds[usize::from(choice(i)) % target.kinds.len()];
                match choice(i + 7) % 3 {
                    0 => values.targets.insert(target.name, vec![sample(target, kind)]),
                    1 if target.codes.is_empty() && kind == KindName::of_value(&blank(kind)) => {
                        values.targets.insert(target.name, vec![blank(kind)])
                    }
                    _ => None,
                };
            }
            values.additions = additions(&choice);
            let built = build(shape, &values).unwrap();
            let mut found = vec![];
            empty_places("", &built, &mut found);
            assert!(found.is_empty(), "{} {found:?}", shape.resource);
        }
    }
}
