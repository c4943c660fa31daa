//! The merged file: values that need each other in a circle, required targets that no line fills.

use crate::fhir::shape::{self, Shape, Target};
use crate::mapping::ast::*;
use crate::mapping::definitions::{ReturnType, worklist};
use crate::mapping::load::Loaded;
use crate::mapping::model::{FileKind, Model, Rule, Section};
use crate::mapping::parser::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Checks a merged file: circles of names, required targets without a rule.
pub fn whole(model: &Model, loaded: &mut Loaded) {
    circles(model, loaded);
    super::places::places(model, loaded);
    if matches!(model.kind, FileKind::Worklist | FileKind::Device) {
        required_attributes(model, loaded);
    }
    let FileKind::Resource(shape) = model.kind else {
        return;
    };
    required(model, shape, "set", shape.targets, loaded);
    sections(model, shape, shape.sections, loaded);
}

/// Required targets that no line fills any more: a base's line that was removed, or a section that was begun and not ended.
fn required(model: &Model, shape: &Shape, section: &str, targets: &[Target], loaded: &mut Loaded) {
    for target in targets.iter().filter(|t| t.required) {
        if model.rule(section, target.name).is_none() {
            let file: Arc<str> = model.name.as_str().into();
            let message = format!(
                "{} requires `{}` in [{section}], which no line fills",
                shape.resource, target.name
            );
            let problem = Problem::new("M063", 0..0, message).hint(format!(
                "the standard requires it: give it a rule under [{section}]"
            ));
            loaded.problems.push(problem.in_file(&file));
        }
    }
}

/// A section that is switched off needs nothing.
fn sections(model: &Model, shape: &Shape, all: &'static [shape::Section], loaded: &mut Loaded) {
    for section in all {
        let off = |s: &Section| s.when == Some(Cond::Or(vec![]));
        if !model.sections(section.name).any(off) {
            required(model, shape, section.name, section.targets, loaded);
            sections(model, shape, section.sections, loaded);
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
            let problem = Problem::new("M120", 0..0, message)
                .hint("give it a rule: without it no item goes out");
            loaded.problems.push(problem.in_file(&file));
        }
    }
}

fn circles(model: &Model, loaded: &mut Loaded) {
    if !matches!(model.kind, FileKind::Hl7 | FileKind::Mpps) {
        return;
    }
    let mut rules: BTreeMap<String, &Rule> = BTreeMap::new();
    let mut names = Vec::new();
    for section in &model.sections {
        for rule in &section.rules {
            let name = format!("{}.{}", section.name, rule.name);
            rules.entry(name.clone()).or_insert(rule);
            names.push((name, rule));
        }
    }
    let mut done = BTreeSet::new();
    for (name, rule) in &names {
        let Some(circle) = needs(&rules, name, &mut vec![], &mut done) else {
            continue;
        };
        // The rule may be one of the base.
        let named = rule.label.rsplit_once(':').map(|(name, _)| name);
        let file: Arc<str> = named.unwrap_or(&model.name).into();
        let place = rule.exprs.first().map_or(0..0, |e| e.span.clone());
        loaded.problems.push(
            Problem::new("M043", place, circle)
                .hint("let one of them read the message instead")
                .in_file(&file),
        );
        return;
    }
}

/// Longest chain of values of which each needs the next.
const MAX_CHAIN: usize = 32;

/// Follows the names of a rule; says what is wrong with the circle or the chain that it finds.
fn needs(
    rules: &BTreeMap<String, &Rule>,
    here: &str,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<String> {
    if done.contains(here) {
        return None;
    }
    if path.iter().any(|p| p == here) {
        return Some(format!(
            "values need each other: {} -> {here}",
            path.join(" -> ")
        ));
    }
    let rule = rules.get(here)?;
    if path.len() >= MAX_CHAIN {
        return Some(format!(
            "more than {MAX_CHAIN} values need one another, up to {here}"
        ));
    }
    path.push(here.to_owned());
    let mut next = Vec::new();
    for expr in &rule.exprs {
        walk(expr, &mut |seen| {
            if let Seen::Expr(Expr {
                kind: ExprKind::Name(p),
                ..
            }) = seen
            {
                let names: Vec<&str> = p.steps.iter().map(|s| s.name.as_str()).collect();
                let lengths = (2..=names.len().min(3)).rev();
                next.extend(lengths.map(|n| names[..n].join(".")));
            }
        });
    }
    let found = next.iter().find_map(|name| needs(rules, name, path, done));
    done.extend(path.pop());
    found
}
