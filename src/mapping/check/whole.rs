//! The merged file: values that need each other in a circle, required targets that no line fills.

use crate::mapping::ast::*;
use crate::mapping::load::Loaded;
use crate::mapping::model::{FileKind, Model};
use crate::mapping::parser::Problem;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Checks a merged file: circles of names, required targets without a rule.
pub fn whole(model: &Model, loaded: &mut Loaded) {
    circles(model, loaded);
    super::places::places(model, loaded);
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
            loaded.problems.push(
                Problem::new("M063", 0..0, message)
                    .hint("the standard requires it: give it a rule under [set]")
                    .in_file(&file),
            );
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
                // The rule may be one of the base.
                let named = rule.label.rsplit_once(':').map(|(name, _)| name);
                let file: Arc<str> = named.unwrap_or(&model.name).into();
                let message = format!("values need each other: {circle}");
                let place = rule.exprs.first().map_or(0..0, |e| e.span.clone());
                loaded.problems.push(
                    Problem::new("M043", place, message)
                        .hint("let one of them read the message instead")
                        .in_file(&file),
                );
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
