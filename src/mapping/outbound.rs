//! The record as the values of a resource: targets at the level of datatypes, loops where the shape has them.

use super::MappingSet;
use super::eval::{Eval, Item};
use super::item::RecordScope;
use super::model::{FileKind, Goal, Model, Rule};
use super::parser;
use super::{ast::Dialect, record_source, text, typing};
use crate::domain::fields::Origin;
use crate::domain::ids::JournalId;
use crate::domain::node::Node;
use crate::domain::value::Value;
use crate::fhir::profile::Profile;
use crate::fhir::shape::add::Addition;
use crate::fhir::shape::{Held, KindName, OwnValues, Section, Shape, Target, Values};
use std::cell::RefCell;
use std::sync::Arc;

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
        // A file over one of the same name of a layer below is its own base.
        let is_base = |name: &String| {
            let mut others = found.iter().filter(|(m, _)| m.name != *name);
            others.any(|(m, _)| m.bases.contains(name))
        };
        let mut open = found.iter().filter(|(m, _)| !is_base(&m.name));
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
        let profiles = run.profiles()?;
        let mut values = run.values("set", "", shape.targets, shape.sections, resource)?;
        for profile in &profiles {
            run.own(profile, &mut values)?;
        }
        values.profiles = profiles;
        Ok(Some(values))
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

    /// The profiles that the resource claims: of each of the target's packs the first one whose `when` holds.
    fn profiles(&mut self) -> Result<Vec<Arc<Profile>>, Held> {
        let type_ = self.shape.type_name();
        let mut claimed = Vec::new();
        for full in self.packs() {
            let Some(pack) = self.set.library.packs.get(&full) else {
                let why = format!("there is no profile pack {full}; the target names it");
                return Err(self.held("meta.profile", "", why));
            };
            self.scope.packs.push(pack.name.clone());
            for choice in pack.resources.get(type_).into_iter().flatten() {
                let holds = match &choice.when {
                    None => true,
                    Some(guard) => {
                        let holds = self.eval(&guard.label).cond(&guard.cond, None);
                        holds.map_err(|refusal| {
                            self.held("meta.profile", &guard.label, refusal.to_string())
                        })?
                    }
                };
                if holds {
                    claimed.push(Arc::clone(&choice.profile));
                    break;
                }
            }
        }
        Ok(claimed)
    }

    /// `target.profiles`.
    fn packs(&self) -> Vec<String> {
        let Some((_, Node::Object { children, .. })) =
            self.scope.roots.iter().find(|(n, _)| *n == "target")
        else {
            return vec![];
        };
        let texts = children.iter().find(|(n, _)| *n == "profiles");
        let Some((_, Node::Values(values))) = texts else {
            return vec![];
        };
        let texts = values.iter().filter_map(Value::comparable);
        texts.map(str::to_owned).collect()
    }

    /// Values of the targets that a profile opens, by the file's rules for its pack.
    fn own(&self, profile: &Profile, values: &mut Values) -> Result<(), Held> {
        let model = self.model;
        let name = profile.pack.split('@').next().unwrap_or_default();
        for pack in [name, profile.pack.as_str()] {
            let section = format!("profile.{pack}");
            let rules = model.sections.iter().filter(|s| s.name == section);
            for rule in rules.flat_map(|s| &s.rules) {
                let (Goal::Element(target), Some(own)) = (&rule.goal, profile.own(&rule.name))
                else {
                    continue;
                };
                let (found, _) = self.found(target, rule, &own.name)?;
                values
                    .own
                    .retain(|o| o.target != rule.name || o.pack != profile.pack);
                if !found.is_empty() {
                    values.own.push(OwnValues {
                        pack: profile.pack.clone(),
                        target: rule.name.clone(),
                        values: found,
                        rule: rule.label.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// What the file adds to an element, as far as it is meant for this target and says something.
    fn additions(&self, section: &str) -> Result<Vec<Addition>, Held> {
        let packs = self.packs();
        let meant = |name: &String| {
            let is_it = |p: &String| p == name || p.split('@').next() == Some(name);
            packs.iter().any(is_it)
        };
        let mut all = Vec::new();
        for block in self.model.additions.iter().filter(|a| a.section == section) {
            let rule = &block.rule;
            if !block.profile.as_ref().is_none_or(meant) {
                continue;
            }
            if let Some(when) = &block.when {
                let holds = self.eval(&rule.label).cond(when, None);
                match holds {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(refusal) => {
                        return Err(self.held("add", &rule.label, refusal.to_string()));
                    }
                }
            }
            let Goal::Element(target) = rule.goal else {
                continue;
            };
            let (values, _) = self.found(target, rule, "add")?;
            if !values.is_empty() {
                all.push(Addition {
                    container: block.container,
                    url: block.url.clone(),
                    type_: block.type_,
                    values,
                    rule: rule.label.to_string(),
                });
            }
        }
        Ok(all)
    }

    fn values(
        &mut self,
        section: &str,
        added_to: &str,
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
        values.additions = self.additions(added_to)?;
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
                true => self.values(
                    section.name,
                    section.name,
                    section.targets,
                    section.sections,
                    &path,
                ),
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
        let (found, origins) = self.found(target, rule, target.name)?;
        if !found.is_empty() {
            values.targets.insert(target.name, found);
            values.rules.insert(target.name, rule.label.to_string());
            values.origins.insert(target.name.to_owned(), origins);
        }
        Ok(())
    }

    /// The values that a rule gives for a target, each once, with their origins.
    fn found(
        &self,
        target: &'static Target,
        rule: &Rule,
        name: &str,
    ) -> Result<(Vec<Value>, Vec<Origin>), Held> {
        let items = self
            .eval(&rule.label)
            .rule(rule, target.list)
            .map_err(|refusal| self.held(name, &rule.label, refusal.to_string()))?;
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
        Ok((found, origins))
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
