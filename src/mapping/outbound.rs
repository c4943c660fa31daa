//! The record as the values of a resource: targets at the level of datatypes, loops where the shape has them.

use super::MappingSet;
use super::eval::{Eval, Item};
use super::item::RecordScope;
use super::model::{FileKind, Goal, Model, Rule};
use super::parser;
use super::{ast::Dialect, record_source, text, typing};
use crate::domain::ids::JournalId;
use crate::domain::node::Node;
use crate::domain::value::Value;
use crate::fhir::shape::{Held, KindName, Section, Shape, Target, Values};
use std::cell::RefCell;

impl MappingSet {
    /// The values of a resource (`fhir.Patient`); `None` if the file's `when` does not hold for this scope.
    ///
    /// # Errors
    /// [`Held`] names the target, the rule and why, when a required target stays empty or a lookup refuses.
    pub fn outbound(&self, resource: &str, scope: &Node<'_>) -> Result<Option<Values>, Held> {
        let found = self.models.values().filter_map(|m| match m.kind {
            FileKind::Resource(shape) if shape.resource == resource => Some((m, shape)),
            _ => None,
        });
        let found: Vec<_> = found.collect();
        let bases: Vec<&String> = found.iter().flat_map(|(m, _)| &m.bases).collect();
        let mut open = found.iter().filter(|(m, _)| !bases.contains(&&m.name));
        let (Some((model, shape)), None) = (open.next(), open.next()) else {
            return Err(Held {
                target: resource.to_owned(),
                rule: String::new(),
                why: format!(
                    "{} mapping files describe it; exactly one must",
                    found.len()
                ),
            });
        };
        let mut run = Run {
            set: self,
            model,
            shape,
            scope: RecordScope::of(scope),
            warnings: RefCell::default(),
        };
        if let Some(guard) = &model.when {
            let holds = run.eval(&guard.label).cond(&guard.cond, None);
            match holds {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(refusal) => return Err(run.held("when", &guard.label, refusal.to_string())),
            }
        }
        run.values("set", shape.targets, shape.sections, resource)
            .map(Some)
    }
}

struct Run<'r, 'm> {
    set: &'r MappingSet,
    model: &'r Model,
    shape: &'static Shape,
    scope: RecordScope<'m>,
    warnings: RefCell<Vec<super::Warning>>,
}

impl<'r, 'm> Run<'r, 'm> {
    fn eval<'e>(&'e self, label: &'e str) -> Eval<'e, 'm> {
        Eval {
            library: &self.set.library,
            consts: &self.model.consts,
            link: None,
            scope: &self.scope,
            label,
            limit: None,
            warnings: &self.warnings,
        }
    }

    fn held(&self, target: &str, rule: &str, why: String) -> Held {
        Held {
            target: format!("{}.{target}", self.shape.resource),
            rule: rule.to_owned(),
            why,
        }
    }

    fn values(
        &mut self,
        section: &str,
        targets: &'static [Target],
        sections: &'static [Section],
        path: &str,
    ) -> Result<Values, Held> {
        let mut values = Values::default();
        let model = self.model;
        let rules = model.sections(section).flat_map(|s| &s.rules);
        for rule in rules {
            let Goal::Element(target) = rule.goal else {
                continue;
            };
            self.target(target, rule, &mut values)?;
        }
        for target in targets.iter().filter(|t| t.required) {
            if values.first(target.name).is_none() {
                let label = model.rule(section, target.name).map_or("", |r| &*r.label);
                let why = "the standard requires it, and there is no value".to_owned();
                return Err(self.held(&format!("{path}.{}", target.name), label, why));
            }
        }
        for inner in sections {
            let elements = self.section(inner, path)?;
            if !elements.is_empty() {
                values.sections.insert(inner.name, elements);
            }
        }
        Ok(values)
    }

    /// One run per element of the list that the shape names, with the section's name in scope.
    fn section(&mut self, section: &'static Section, path: &str) -> Result<Vec<Values>, Held> {
        let mut elements = Vec::new();
        for node in self.nodes(section.over) {
            self.scope.roots.push((section.name, node));
            let path = format!("{path}.{}", section.name);
            let kept = self.kept(section.name);
            let run = match kept {
                true => self.values(section.name, section.targets, section.sections, &path),
                false => Ok(Values::default()),
            };
            self.scope.roots.pop();
            let values = run?;
            if kept {
                elements.push(values);
            }
        }
        Ok(elements)
    }

    /// `when` of a section drops the element, and the counts follow.
    fn kept(&self, section: &str) -> bool {
        let mut blocks = self.model.sections(section);
        blocks.all(|s| match &s.when {
            Some(when) => self.eval(&s.label).cond(when, None).unwrap_or(false),
            None => true,
        })
    }

    fn nodes(&self, over: &str) -> Vec<&'m Node<'m>> {
        let Ok(expr) = parser::expression(over, 0, Dialect::Record) else {
            return vec![];
        };
        let super::ast::ExprKind::Name(path) = &expr.kind else {
            return vec![];
        };
        let ev = self.eval("");
        let items = record_source::select(&self.scope.roots, path, &ev).unwrap_or_default();
        let node = |item: Item<'m>| match item.datum {
            super::eval::Datum::Node(node) => Some(node),
            _ => None,
        };
        items.into_iter().filter_map(node).collect()
    }

    fn target(
        &self,
        target: &'static Target,
        rule: &Rule,
        values: &mut Values,
    ) -> Result<(), Held> {
        let items = self
            .eval(&rule.label)
            .rule(rule, target.list)
            .map_err(|refusal| self.held(target.name, &rule.label, refusal.to_string()))?;
        let mut found: Vec<Value> = Vec::new();
        let mut origins = Vec::new();
        for item in &items {
            let Some(value) = fitting(item, target) else {
                continue;
            };
            if found.contains(&value) || !target.list && !found.is_empty() {
                continue;
            }
            found.push(value);
            origins.extend(item.origins(JournalId(0), &rule.label));
        }
        if !found.is_empty() {
            values.targets.insert(target.name, found);
            values.rules.insert(target.name, rule.label.to_string());
            values.origins.insert(target.name.to_owned(), origins);
        }
        Ok(())
    }
}

/// The value as the target takes it: as it is, else its readable text.
fn fitting(item: &Item<'_>, target: &Target) -> Option<Value> {
    let value = typing::raw(item)?;
    if target.kinds.contains(&KindName::of_value(&value)) {
        return Some(value);
    }
    let plain = text::readable(item)?.into_owned();
    let takes_text = target.kinds.contains(&KindName::Text);
    takes_text.then_some(Value::Text(plain))
}
