//! Names that outbound and worklist rules see, with their kinds: what the static checks hold against a path, and what `worklist` and
//! `publish` must put into the tree they hand over.

use crate::domain::record::fields_of;
use crate::domain::value::Kind;

/// What stands under a name.
#[derive(Debug, Clone, Copy)]
pub enum Name {
    /// A section of the catalogue.
    Section(&'static str),
    /// A value that is derived, one or many.
    Value(Kind, bool),
    /// Named parts; `true` if the whole is a record thing that can be referred to.
    Parts(bool, &'static [(&'static str, Name)]),
    /// A list of things.
    List(&'static Name),
    /// A section of the catalogue with further names.
    With(&'static str, bool, &'static [(&'static str, Name)]),
}

use Name::{List, Parts, Section, Value as Val, With};

const TEXT: Kind = Kind::Text(0);

const SITE: Name = Parts(
    false,
    &[
        ("name", Val(TEXT, false)),
        ("institution", Val(Kind::Organization, false)),
        ("language", Val(TEXT, false)),
        ("timezone", Val(TEXT, false)),
        ("local_system", Val(TEXT, false)),
    ],
);
const PATIENT: Name = With(
    "patient",
    true,
    &[("ins_qualified", Val(Kind::Bool, false))],
);
const VISIT: Name = With("visit", true, &[]);
const TARGET: Name = Parts(
    false,
    &[("name", Val(TEXT, false)), ("profiles", Val(TEXT, true))],
);
const EXAM: Name = Parts(
    true,
    &[
        ("id", Val(Kind::Identifier(0), false)),
        ("status", Val(TEXT, false)),
        ("started_at", Val(Kind::When, false)),
        ("order", Section("order")),
        ("procedure", Section("procedure")),
        ("visit", VISIT),
        ("steps", List(&Section("step"))),
        (
            "exam",
            Parts(
                true,
                &[
                    ("id", Val(Kind::Identifier(0), false)),
                    ("status", Val(TEXT, false)),
                ],
            ),
        ),
        ("extra", Section("extra")),
    ],
);
const INSTANCE: Name = With(
    "instance",
    false,
    &[
        ("number", Val(Kind::Number, false)),
        ("title", Val(TEXT, false)),
    ],
);
const SERIES: Name = With(
    "series",
    false,
    &[
        ("modality", Val(TEXT, false)),
        ("started_at", Val(Kind::When, false)),
        ("number", Val(Kind::Number, false)),
        ("body_site", Val(Kind::Concept, false)),
        ("step", Section("performed_step")),
        ("instances", List(&INSTANCE)),
    ],
);
const STUDY: Name = Parts(
    true,
    &[
        ("instance_uid", Val(Kind::Uid, false)),
        ("status", Val(TEXT, false)),
        ("modalities", Val(TEXT, true)),
        ("started_at", Val(Kind::When, false)),
        ("series", List(&SERIES)),
        ("performed_steps", List(&Section("performed_step"))),
        ("performed_codes", Val(Kind::Concept, true)),
        ("performed_description", Val(TEXT, true)),
        ("retrieve_aes", Val(TEXT, true)),
        ("discontinuation", Val(Kind::Concept, false)),
    ],
);
const DOCUMENT: Name = Section("document");
const REPORT: Name = With("report", true, &[("documents", List(&DOCUMENT))]);

/// What a worklist file sees.
pub const WORKLIST: &[(&str, Name)] = &[
    ("patient", With("patient", true, &[])),
    ("visit", Section("visit")),
    ("order", Section("order")),
    ("procedure", Section("procedure")),
    ("step", Section("step")),
    ("exam", EXAM),
    ("extra", Section("extra")),
    ("site", SITE),
];

/// Every name that an outbound file may see; which of them a shape offers, it says itself.
pub const OUTBOUND: &[(&str, Name)] = &[
    ("patient", PATIENT),
    ("visit", VISIT),
    ("order", Section("order")),
    ("procedure", Section("procedure")),
    ("steps", List(&Section("step"))),
    ("exam", EXAM),
    ("exams", List(&EXAM)),
    ("orders", List(&Section("order"))),
    ("study", STUDY),
    ("studies", List(&STUDY)),
    ("report", REPORT),
    ("series", SERIES),
    ("instance", INSTANCE),
    ("step", Section("performed_step")),
    ("document", DOCUMENT),
    ("extra", Section("extra")),
    ("site", SITE),
    ("target", TARGET),
];

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub list: bool,
}

/// Follows names from a scope; the error is the index of the name that is not there, with those that are.
pub fn follow(
    roots: &[(&'static str, Name)],
    names: &[&str],
) -> Result<Option<Found>, (usize, Vec<&'static str>)> {
    let Some(root) = names.first() else {
        return Ok(None);
    };
    let Some((_, start)) = roots.iter().find(|(n, _)| n == root) else {
        return Err((0, roots.iter().map(|(n, _)| *n).collect()));
    };
    step(start, names, 1, false)
}

fn step(
    name: &Name,
    names: &[&str],
    at: usize,
    list: bool,
) -> Result<Option<Found>, (usize, Vec<&'static str>)> {
    match name {
        List(item) => step(item, names, at, true),
        Val(kind, many) => part(*kind, names, at, list || *many),
        Section(section) => section_field(section, false, &[], names, at, list),
        With(section, thing, more) => section_field(section, *thing, more, names, at, list),
        Parts(thing, parts) => {
            let Some(next) = names.get(at) else {
                let kind = Kind::Thing;
                return Ok(thing.then_some(Found { kind, list }));
            };
            match parts.iter().find(|(n, _)| n == next) {
                Some((_, inner)) => step(inner, names, at + 1, list),
                None => Err((at, parts.iter().map(|(n, _)| *n).collect())),
            }
        }
    }
}

fn section_field(
    section: &'static str,
    thing: bool,
    more: &'static [(&'static str, Name)],
    names: &[&str],
    at: usize,
    list: bool,
) -> Result<Option<Found>, (usize, Vec<&'static str>)> {
    let Some(next) = names.get(at) else {
        let kind = Kind::Thing;
        return Ok(thing.then_some(Found { kind, list }));
    };
    if section == "extra" {
        return Ok(Some(Found { kind: TEXT, list }));
    }
    if let Some((_, inner)) = more.iter().find(|(n, _)| n == next) {
        return step(inner, names, at + 1, list);
    }
    let in_section = || fields_of(section);
    for length in [2, 1] {
        let Some(joined) = names.get(at..at + length).map(|n| n.join(".")) else {
            continue;
        };
        if let Some(field) = in_section().find(|f| f.name == joined) {
            return part(field.kind, names, at + length, list || field.list);
        }
    }
    let known = in_section()
        .map(|f| f.name)
        .chain(more.iter().map(|(n, _)| *n));
    Err((at, known.collect()))
}

fn part(
    kind: Kind,
    names: &[&str],
    at: usize,
    list: bool,
) -> Result<Option<Found>, (usize, Vec<&'static str>)> {
    if at >= names.len() {
        return Ok(Some(Found { kind, list }));
    }
    if let Kind::Entry(section) = kind {
        return section_field(section, false, &[], names, at, list);
    }
    let rest = names[at..].join(".");
    if let Some((_, inner)) = kind.parts().iter().find(|(n, _)| *n == rest) {
        let many = matches!(rest.as_str(), "given" | "lines" | "identifiers");
        return Ok(Some(Found {
            kind: *inner,
            list: list || many,
        }));
    }
    if let Some((_, inner)) = kind.parts().iter().find(|(n, _)| *n == names[at]) {
        return part(*inner, names, at + 1, list);
    }
    Err((at, kind.parts().iter().map(|(n, _)| *n).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_followed_to_its_kind() {
        let check = |path: &str, expected: Option<(&str, bool)>| {
            let names: Vec<&str> = path.split('.').collect();
            let found = follow(OUTBOUND, &names).expect(path);
            assert_eq!(found.map(|f| (f.kind.name(), f.list)), expected, "{path}");
        };
        check("patient", Some(("thing", false)));
        check("patient.id.issuer.namespace", Some(("text", false)));
        check("order.clinical.weight_kg", Some(("number", false)));
        check("exams.order.requester.name.family", Some(("text", true)));
        check("study.series.instances.uid", Some(("uid", true)));
        check("visit", Some(("thing", false)));
        let wrong = follow(OUTBOUND, &["order", "acession_number"]).map_err(|(at, _)| at);
        assert_eq!(wrong, Err(1));
    }
}
