//! DICOM keywords of a file of performed steps, held against the level of the data set at which the standard has them (PS3.4 F.7.2-1).
//!
//! Inside a section with `each` a keyword is an attribute of the current item, so that the merged file must be known.

use crate::diagnostic::Diagnostic;
use crate::domain::record::LISTS;
use crate::mapping::ast::*;
use crate::mapping::definitions;
use crate::mapping::load::Loaded;
use crate::mapping::model::{FileKind, Model, Section};
use std::sync::Arc;

/// Checks the places of a merged file; lines of its base are the base's.
pub(super) fn places(model: &Model, loaded: &mut Loaded) {
    if !matches!(model.kind, FileKind::Mpps) {
        return;
    }
    let file: Arc<str> = model.name.as_str().into();
    let own = |label: &str| {
        label
            .rsplit_once(':')
            .is_some_and(|(name, _)| name == model.name)
    };
    let mut found = Vec::new();
    for section in &model.sections {
        let outer = outer(model, section);
        if let (Some(each), true) = (&section.each, own(&section.label)) {
            expression(each, &outer, &mut found);
        }
        let inner = item(&outer, section);
        for rule in section.rules.iter().filter(|r| own(&r.label)) {
            rule.exprs
                .iter()
                .for_each(|e| expression(e, &inner, &mut found));
        }
    }
    let found = found.into_iter().map(|p| p.in_file(&file));
    loaded.problems.extend(found);
}

/// The item in which a section's `each` is read: that of the list it stands in.
fn outer(model: &Model, section: &Section) -> Vec<String> {
    let list = LISTS.iter().find(|l| l.section == section.name);
    let parent = list.and_then(|l| model.sections(l.parent).next());
    match parent.filter(|p| p.name != section.name) {
        Some(parent) => item(&outer(model, parent), parent),
        None => vec![],
    }
}

/// The item in which a section's rules are read.
fn item(outer: &[String], section: &Section) -> Vec<String> {
    let mut path = outer.to_vec();
    if let Some(ExprKind::Dicom(each)) = section.each.as_ref().map(|e| &e.kind) {
        if each.root {
            path.clear();
        }
        path.extend(each.steps.iter().map(|s| s.keyword.clone()));
    }
    path
}

fn expression(expr: &Expr, base: &[String], found: &mut Vec<Diagnostic>) {
    // Brackets are left out: what stands in them belongs to the bracket's item.
    match &expr.kind {
        ExprKind::Dicom(path) => found.extend(misplaced(path, base)),
        ExprKind::Alternatives(list) | ExprKind::Attempts(list) => {
            list.iter().for_each(|e| expression(e, base, found));
        }
        ExprKind::Call(call) => {
            let parts = call.piped.iter().chain(&call.args);
            parts.for_each(|e| expression(e, base, found));
        }
        ExprKind::If {
            then, otherwise, ..
        } => {
            expression(then, base, found);
            otherwise.iter().for_each(|e| expression(e, base, found));
        }
        _ => {}
    }
}

/// An attribute that the standard has, but not here.
fn misplaced(path: &DicomPath, base: &[String]) -> Option<Diagnostic> {
    let mut whole: Vec<&str> = match path.root {
        true => vec![],
        false => base.iter().map(String::as_str).collect(),
    };
    for step in &path.steps {
        whole.push(&step.keyword);
        let here = whole.join(".");
        let homes = definitions::mpps().iter();
        let homes: Vec<&&str> = homes
            .filter(|p| p.rsplit('.').next() == Some(step.keyword.as_str()))
            .collect();
        let in_code = whole
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|parent| parent.ends_with("CodeSequence"));
        // A keyword that the service does not know at all has been told where the rule was read.
        let home = homes.first()?;
        if in_code || homes.iter().any(|p| ***p == here) {
            continue;
        }
        let level = match whole.len() {
            1 => "the root of the data set".to_owned(),
            n => whole.get(..n - 1).unwrap_or_default().join("."),
        };
        let problem = Diagnostic::new(
            "M061",
            step.span.clone(),
            format!("`{}` does not stand in {level}", step.keyword),
        );
        return Some(problem.hint(match home.rsplit_once('.') {
            Some((parent, _)) => format!("it belongs to {parent}: {home}"),
            None => format!("it stands at the root: message/{home}"),
        }));
    }
    None
}
