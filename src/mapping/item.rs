//! A scheduled step as a Modality Worklist item (PS3.4 Table K.6-1).
//!
//! The file says which value feeds which attribute; what becomes of an absent one is the standard's: type 1 withholds the item, type
//! 2 goes out with zero length even if no line names it, type 3 is left out. Identifiers that do not fit withhold, prose is left out
//! with a warning. A device file's `[limits]` make the standard's lengths smaller.

use super::MappingSet;
use super::ast::{Expr, ExprKind, Seen, walk};
use super::definitions::{ReturnType, worklist};
use super::device::DEFAULT;
use super::eval::{Answer, Eval, Scope, Warning};
use super::model::{Goal, Model, Rule};
use super::record_source;
use super::typing;
use crate::dicom::dataset::{DataSet, Element};
use crate::dicom::datatype::{Fault, element_in};
use crate::dicom::dictionary::{Tag, is_multi, tag_of, traits, vr_of};
use crate::domain::fields::Origin;
use crate::domain::ids::JournalId;
use crate::domain::node::Node;
use crate::domain::value::Value;
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A rendered item.
#[derive(Debug, Clone)]
pub struct WorklistItem {
    pub data: DataSet,
    /// Where each attribute came from, by its path of keywords.
    pub origins: Vec<(String, Vec<Origin>)>,
    pub warnings: Vec<Warning>,
}

/// Why a step is on no worklist. Carries no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Path of keywords.
    pub keyword: String,
    /// The rule, as `file:line`; the file if none is written.
    pub rule: String,
    pub why: String,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (rule {})", self.keyword, self.why, self.rule)
    }
}

impl std::error::Error for Withheld {}

/// Attributes whose value identifies: a value that does not fit is never shortened or left out.
const IDENTIFYING: &[&str] = &[
    "PatientID",
    "AccessionNumber",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "ScheduledProcedureStepSequence.ScheduledProcedureStepID",
    "ScheduledProcedureStepSequence.ScheduledStationAETitle",
];

/// The sequence that every item has.
const STEP: &str = "ScheduledProcedureStepSequence";

/// Names of a tree of the record.
pub struct RecordScope<'m> {
    /// Later names hide earlier ones.
    pub roots: Vec<(&'static str, &'m Node<'m>)>,
    /// Names of the profile packs in force, without versions.
    pub packs: Vec<String>,
}

impl<'m> RecordScope<'m> {
    /// The names of an object.
    pub fn of(node: &'m Node<'m>) -> Self {
        let roots = match node {
            Node::Object { children, .. } => children.iter().map(|(n, c)| (*n, c)).collect(),
            _ => vec![],
        };
        Self {
            roots,
            packs: vec![],
        }
    }
}

impl<'m> Scope<'m> for RecordScope<'m> {
    fn name(&self, path: &super::ast::NamePath, ev: &Eval<'_, 'm>) -> Answer<'m> {
        record_source::select(&self.roots, path, ev)
    }

    fn packs(&self) -> &[String] {
        &self.packs
    }
}

impl MappingSet {
    /// The item of a step as a worklist or device file describes it. `scope` holds patient, visit, order, procedure, step and site.
    ///
    /// # Errors
    /// A type 1 attribute has no value, or an identifier does not fit.
    pub fn worklist_item(&self, file: &str, scope: &Node<'_>) -> Result<WorklistItem, Withheld> {
        let Some(model) = self.view(file) else {
            return Err(Withheld {
                keyword: String::new(),
                rule: DEFAULT.to_owned(),
                why: "there is no such file".to_owned(),
            });
        };
        let names = RecordScope::of(scope);
        let warnings = RefCell::default();
        let mut item = Draft {
            set: self,
            model,
            zone: zone(&names),
            scope: names,
            warnings: &warnings,
            sets: BTreeMap::new(),
            alive: BTreeSet::new(),
            origins: vec![],
        };
        for section in model.sections("set") {
            for rule in &section.rules {
                item.attribute(rule)?;
            }
        }
        item.unmapped()?;
        let origins = std::mem::take(&mut item.origins);
        let data = item.assemble();
        Ok(WorklistItem {
            data,
            origins,
            warnings: warnings.into_inner(),
        })
    }

    /// The first condition of a file's `[shows] when` that does not hold for a step, as `file:line`.
    pub fn hidden_by(&self, file: &str, scope: &Node<'_>) -> Option<String> {
        let model = self.view(file)?;
        let names = RecordScope::of(scope);
        let warnings = RefCell::default();
        let closed = model.device.shows.when.iter().find(|guard| {
            let ev = Eval {
                library: &self.library,
                consts: &model.consts,
                link: None,
                scope: &names,
                label: &guard.label,
                limit: None,
                warnings: &warnings,
            };
            // A condition that cannot be answered shows nothing: nothing is guessed.
            !matches!(ev.cond(&guard.cond, None), Ok(true))
        });
        closed.map(|guard| guard.label.to_string())
    }

    /// True if a worklist or device file shows a field of the record as it is under an attribute (by path,
    /// `ScheduledProcedureStepSequence.Modality`): only then may the database narrow a query on it by the stored value.
    pub fn shows(&self, file: &str, attribute: &str, field: &str) -> bool {
        let model = self.view(file);
        model.is_some_and(|model| shows_field(model, attribute, field))
    }
}

/// See [`MappingSet::shows`].
pub fn shows_field(model: &Model, attribute: &str, field: &str) -> bool {
    let rule = model.rule("set", attribute);
    rule.is_some_and(|rule| match rule.exprs.as_slice() {
        [expr] => matches!(&expr.kind, ExprKind::Name(path) if path.text() == field && path.steps.iter().all(|s| s.select.is_none())),
        _ => false,
    })
}

/// True for a rule that says the same of every step: it keeps no nested item alive (a line of constants is no news).
fn is_constant(rule: &Rule) -> bool {
    let mut reads = false;
    for expr in &rule.exprs {
        walk(expr, &mut |seen| {
            if let Seen::Expr(Expr {
                kind: ExprKind::Name(path),
                ..
            }) = seen
            {
                reads |= path.steps.first().is_some_and(|s| s.name != "const");
            }
        });
    }
    !reads
}

/// The site's zone, in which times with an offset are shown.
fn zone(scope: &RecordScope<'_>) -> Option<TimeZone> {
    let (_, site) = scope.roots.iter().find(|(n, _)| *n == "site")?;
    let Node::Object { children, .. } = site else {
        return None;
    };
    let found = children.iter().find(|(n, _)| *n == "timezone");
    let Some((_, Node::Values(values))) = found else {
        return None;
    };
    TimeZone::get(values.first()?.comparable()?).ok()
}

fn return_type(path: &str) -> ReturnType {
    let known = worklist().iter().find(|(p, _)| *p == path);
    known.map_or(ReturnType::Optional, |(_, t)| *t)
}

struct Draft<'d, 'm> {
    set: &'d MappingSet,
    model: &'d Model,
    zone: Option<TimeZone>,
    scope: RecordScope<'m>,
    warnings: &'d RefCell<Vec<Warning>>,
    /// Attributes by the path of their sequence; `""` is the item itself.
    sets: BTreeMap<String, DataSet>,
    /// Paths of sequences in which something of the record was said.
    alive: BTreeSet<String>,
    origins: Vec<(String, Vec<Origin>)>,
}

impl<'m> Draft<'_, 'm> {
    fn attribute(&mut self, rule: &Rule) -> Result<(), Withheld> {
        let Goal::Attribute(path) = &rule.goal else {
            return Ok(());
        };
        let keyword = path.rsplit('.').next().unwrap_or(path);
        let Some(tag) = tag_of(keyword) else {
            return Ok(());
        };
        let withheld = |why: String| Withheld {
            keyword: path.clone(),
            rule: rule.label.to_string(),
            why,
        };
        let own_limit = self.model.device.limits.get(path).copied();
        let (mut values, origins) = {
            let ev = self.eval(rule, tag, own_limit);
            // An array is a list of entries where several values may stand, else a list of attempts.
            let items = ev
                .rule(rule, is_multi(tag))
                .map_err(|refusal| withheld(refusal.to_string()))?;
            let values: Vec<Value> = items.iter().filter_map(typing::raw).collect();
            let origins = items
                .iter()
                .flat_map(|i| i.origins(JournalId(0), &rule.label));
            (values, origins.collect::<Vec<_>>())
        };
        let of_number = |v: &Value| matches!(v, Value::Identifier(_) | Value::Uid(_));
        let identifying = IDENTIFYING.contains(&path.as_str())
            || own_limit.is_some() && values.iter().any(of_number);
        let mut made = element_in(&values, tag, own_limit, self.zone.as_ref());
        if made.as_ref().is_err_and(|e| e.fault == Fault::Many) && !identifying {
            let message = format!("{path}: 1 of {} values", values.len());
            self.eval(rule, tag, own_limit).warn(message, None);
            values.truncate(1);
            made = element_in(&values, tag, own_limit, self.zone.as_ref());
        }
        let element = match made {
            Ok(element) => element,
            Err(error) if error.fault != Fault::Partial && identifying => {
                return Err(withheld(format!(
                    "{}; allowed: {}",
                    error.found, error.allowed
                )));
            }
            Err(error) => {
                let message = format!(
                    "{path}: {}; allowed: {}; left out",
                    error.found, error.allowed
                );
                self.eval(rule, tag, own_limit).warn(message, None);
                Element::empty(tag)
            }
        };
        match (element.is_empty(), return_type(path)) {
            (true, ReturnType::Required) => {
                return Err(withheld("type 1, and there is no value".to_owned()));
            }
            (true, ReturnType::Optional) => return Ok(()),
            _ => {}
        }
        if !element.is_empty() && !is_constant(rule) {
            let parent = path.rsplit_once('.').map_or("", |(p, _)| p);
            self.alive.insert(parent.to_owned());
        }
        self.origins.push((path.clone(), origins));
        self.put(path, element);
        Ok(())
    }

    fn eval<'e>(&'e self, rule: &'e Rule, tag: Tag, own_limit: Option<usize>) -> Eval<'e, 'm> {
        let most = match (traits(vr_of(tag)).max, own_limit) {
            (0, own) => own.unwrap_or(0),
            (most, own) => own.map_or(most, |own| own.min(most)),
        };
        Eval {
            library: &self.set.library,
            consts: &self.model.consts,
            link: None,
            scope: &self.scope,
            label: &rule.label,
            limit: (most > 0).then_some(most),
            warnings: self.warnings,
        }
    }

    fn put(&mut self, path: &str, element: Element) {
        let parent = path.rsplit_once('.').map_or("", |(p, _)| p);
        self.sets
            .entry(parent.to_owned())
            .or_default()
            .insert(element);
    }

    /// Type 1 and 2 attributes that no line names, at the levels that are always there.
    fn unmapped(&mut self) -> Result<(), Withheld> {
        for (path, return_type) in worklist() {
            let (parent, keyword) = path.rsplit_once('.').unwrap_or(("", path));
            let there = self
                .sets
                .get(parent)
                .is_some_and(|s| s.by_keyword(keyword).is_some());
            if there || !matches!(parent, "" | STEP) || *path == STEP {
                continue;
            }
            match (return_type, tag_of(keyword)) {
                (ReturnType::Empty, Some(tag)) => self.put(path, Element::empty(tag)),
                (ReturnType::Required, _) => {
                    return Err(Withheld {
                        keyword: (*path).to_owned(),
                        rule: self.model.name.clone(),
                        why: "type 1, and no line names it".to_owned(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the sequences' single items into their parents, innermost first.
    fn assemble(mut self) -> DataSet {
        let mut paths: Vec<String> = self
            .sets
            .keys()
            .filter(|p| !p.is_empty())
            .cloned()
            .collect();
        paths.sort_by_key(|p| std::cmp::Reverse(p.matches('.').count()));
        for path in paths {
            let Some(item) = self.sets.remove(&path) else {
                continue;
            };
            let (parent, keyword) = path.rsplit_once('.').unwrap_or(("", &path));
            if path != STEP && !self.alive.contains(&path) {
                continue;
            }
            self.alive.insert(parent.to_owned());
            let parent = self.sets.entry(parent.to_owned()).or_default();
            parent.put_items(keyword, vec![item]);
        }
        self.sets.remove("").unwrap_or_default()
    }
}
