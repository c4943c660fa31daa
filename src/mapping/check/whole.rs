//! The merged file: values that need each other in a circle, required targets that no line fills.

use crate::mapping::ast::*;
use crate::mapping::definitions::{ReturnType, worklist};
use crate::mapping::load::Loaded;
use crate::mapping::model::{FileKind, Model};
use crate::mapping::parser::Problem;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Checks a merged file: circles of names, required targets without a rule.
pub fn whole(model: &Model, loaded: &mut Loaded) {
    circles(model, loaded);
    if matches!(model.kind, FileKind::Worklist | FileKind::Device) {
        required_attributes(model, loaded);
    }
    let FileKind::Resource(shape) = model.kind else {
        return;
    };
    for target in shape.targets.iter().filter(|t| t.required) {
        if model.rule("set", target.name).is_none() {
            let file: Arc<str> = model.name.as_str().into();
            let message = format!(
                "{} requires `{}`, which no line fills",
                shape.resource, target.name
            );
            loaded
                .problems
                .push(Problem::new("M063", 0..0, message).in_file(&file));
        }
    }
}

/// Type 1 attributes that no line fills, at the levels that every item has.
fn required_attributes(model: &Model, loaded: &mut Loaded) {
    for (path, kind) in worklist() {
        let level = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        let always = matches!(level, "" | "ScheduledProcedureStepSequence");
        let is_sequence = *path == "ScheduledProcedureStepSequence";
        if *kind == ReturnType::Required
            && always
            && !is_sequence
            && model.rule("set", path).is_none()
        {
            let file: Arc<str> = model.name.as_str().into();
            let message = format!("the worklist requires `{path}`, which no line fills");
            let problem = Problem::new("M120", 0..0, message);
            loaded.problems.push(problem.in_file(&file));
        }
    }
}

fn circles(model: &Model, loaded: &mut Loaded) {
    if !matches!(model.kind, FileKind::Hl7 | FileKind::Mpps) {
        return;
    }
    let mut done = BTreeSet::new();
    for section in &model.sections {
        for rule in &section.rules {
            let found = needs(model, &section.name, &rule.name, &mut vec![], &mut done);
            if let Some(circle) = found {
                let file: Arc<str> = model.name.as_str().into();
                let message = format!("values need each other: {circle}");
                let place = rule.exprs.first().map_or(0..0, |e| e.span.clone());
                loaded
                    .problems
                    .push(Problem::new("M043", place, message).in_file(&file));
                return;
            }
        }
    }
}

/// Follows the names of a rule; gives the circle it finds.
fn needs(
    model: &Model,
    section: &str,
    name: &str,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<String> {
    let here = format!("{section}.{name}");
    if done.contains(&here) {
        return None;
    }
    if path.contains(&here) {
        return Some(format!("{} -> {here}", path.join(" -> ")));
    }
    let rule = model.rule(section, name)?;
    path.push(here);
    let mut next = Vec::new();
    for expr in &rule.exprs {
        walk(expr, &mut |seen| {
            if let Seen::Expr(Expr {
                kind: ExprKind::Name(p),
                ..
            }) = seen
                && let [head, rest @ ..] = p.steps.as_slice()
            {
                let names: Vec<&str> = rest.iter().map(|s| s.name.as_str()).collect();
                for length in (1..=names.len().min(2)).rev() {
                    next.push((head.name.clone(), names[..length].join(".")));
                }
            }
        });
    }
    let found = next
        .iter()
        .find_map(|(s, n)| needs(model, s, n, path, done));
    done.extend(path.pop());
    found
}
