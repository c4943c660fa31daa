//! What a key under a section is: a field of the record, an attribute of the worklist item, an element of a resource; or why it is none.

use super::{HEADER, outbound};
use crate::diagnostic::did_you_mean;
use crate::dicom::dictionary;
use crate::domain::record::{field, fields_of};
use crate::fhir::shape;
use crate::mapping::definitions;
use crate::mapping::load::FileReader;
use crate::mapping::model::{FileKind, Goal};
use crate::mapping::parser::Problem;

/// The goal of a key; `None` has been reported.
pub(super) fn goal(
    reader: &FileReader<'_, '_>,
    section: &str,
    target: &str,
    span: std::ops::Range<usize>,
) -> Option<Goal> {
    match reader.model.kind {
        FileKind::Hl7 | FileKind::Mpps if section == "extra" => {
            if let Some(problem) = wrong_table(section, target, &span) {
                reader.report(problem);
                return None;
            }
            Some(Goal::Extra(target.to_owned()))
        }
        FileKind::Hl7 | FileKind::Mpps => match field(section, target) {
            Some(def) => Some(Goal::Field(def)),
            None => {
                reader.report(unknown_field(section, target, span));
                None
            }
        },
        FileKind::Worklist | FileKind::Device => attribute(reader, target, span),
        FileKind::Resource(shape) if section.starts_with("profile.") => {
            let pack = section.trim_start_matches("profile.");
            outbound::own_target(reader, shape, pack, target, span)
        }
        FileKind::Resource(shape) => {
            let targets = match section {
                "set" => shape.targets,
                _ => section_targets(shape.sections, section).unwrap_or(&[]),
            };
            let found = targets.iter().find(|t| t.name == target);
            if found.is_none() {
                let message = format!("{} has no target `{target}` here", shape.resource);
                let names = targets.iter().map(|t| t.name);
                reader.report(
                    Problem::new("M062", span, message).maybe_hint(did_you_mean(target, names)),
                );
            }
            found.map(Goal::Element)
        }
    }
}

/// The targets of a section of a shape.
pub(super) fn section_targets(
    sections: &'static [shape::Section],
    name: &str,
) -> Option<&'static [shape::Target]> {
    sections.iter().find_map(|s| match s.name == name {
        true => Some(s.targets),
        false => section_targets(s.sections, name),
    })
}

fn unknown_field(section: &str, target: &str, span: std::ops::Range<usize>) -> Problem {
    if let Some(problem) = wrong_table(section, target, &span) {
        return problem;
    }
    let problem = Problem::new(
        "M040",
        span,
        format!("`{section}.{target}` is no field of the record"),
    );
    let names = fields_of(section);
    problem.maybe_hint(did_you_mean(target, names.map(|f| f.name)))
}

/// A line that was meant for another table: after a `[header]` there is no way back to the root.
pub fn wrong_table(section: &str, target: &str, span: &std::ops::Range<usize>) -> Option<Problem> {
    let (head, rest) = target.split_once('.').unwrap_or(("", target));
    let place = match head {
        "" if HEADER.contains(&rest) => format!(
            "it stands at the root: move it above the first [table] (now it is {section}.{rest})"
        ),
        "extra" => "move it to [extra]".to_owned(),
        _ if field(head, rest).is_some() => {
            format!("move the line above the first [table], or write `{rest} = ` under [{head}]")
        }
        _ => return None,
    };
    let message = format!("`{target}` stands under [{section}] and belongs to it");
    Some(Problem::new("M016", span.clone(), message).hint(place))
}

/// A worklist target: a keyword at the level where the standard has it.
fn attribute(
    reader: &FileReader<'_, '_>,
    target: &str,
    span: std::ops::Range<usize>,
) -> Option<Goal> {
    let keyword = target.rsplit('.').next().unwrap_or(target);
    if dictionary::tag_of(keyword).is_none() {
        let known = definitions::worklist().iter();
        let names = known.map(|(path, _)| path.rsplit('.').next().unwrap_or(path));
        let message = format!("`{keyword}` is no DICOM keyword");
        reader.report(Problem::new("M060", span, message).maybe_hint(did_you_mean(keyword, names)));
        return None;
    }
    let places = definitions::worklist();
    let here = places.iter().any(|(path, _)| *path == target);
    let home = places
        .iter()
        .find(|(path, _)| path.rsplit('.').next() == Some(keyword));
    if let (false, Some((path, _))) = (here, home) {
        let table = path
            .rsplit_once('.')
            .map_or("[set]".to_owned(), |(t, _)| format!("[set.{t}]"));
        let message = format!("`{keyword}` does not stand at this level");
        reader.report(Problem::new("M061", span, message).hint(format!("it belongs to {table}")));
        return None;
    }
    if !here {
        let message = format!("the worklist does not define `{keyword}`");
        reader.report(
            Problem::warning("M110", span, message)
                .label("PS3.4 Table K.6-1; a scanner must ask for it to see it")
                .hint("take it out unless this scanner asks for it"),
        );
    }
    Some(Goal::Attribute(target.to_owned()))
}
