//! Evaluation of expressions: pure, total, bounded by the size of the message and of the rule.
//!
//! An expression yields the list of everything it finds, each item with the place it came from; the target decides what becomes of
//! several. What paths and names mean is the [`Scope`]'s (HL7, DICOM, record); the functions stand in [`super::apply`].

mod item;

pub use item::{Datum, Item, Spot};

use super::apply;
use super::ast::*;
use super::hl7_source::{self, Slot};
use super::model::{Library, Rule};
use super::{dicom_source, record_source};
use crate::domain::reason::{Place, Refusal};
use crate::domain::value::{Identifier, Issuer, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What an evaluation gives: items, or a refusal by `else: refuse`, `only`, `require`.
pub type Answer<'m> = Result<Vec<Item<'m>>, Refusal>;

/// What paths and names mean.
pub trait Scope<'m> {
    /// The items of an HL7 path.
    fn hl7(&self, _path: &Hl7Path, _ev: &Eval<'_, 'm>) -> Answer<'m> {
        Ok(vec![])
    }
    /// The items of a path of DICOM keywords.
    fn dicom(&self, _path: &DicomPath, _ev: &Eval<'_, 'm>) -> Answer<'m> {
        Ok(vec![])
    }
    /// The items of a name; `link`, `const` are resolved before.
    fn name(&self, _path: &NamePath, _ev: &Eval<'_, 'm>) -> Answer<'m> {
        Ok(vec![])
    }
    /// Names of the profile packs in force, without versions: the column `fhir.fr-core` beats `fhir` where `fr-core` is.
    fn packs(&self) -> &[String] {
        &[]
    }
}

/// A value that was left out or shortened, for the journal and the operator. Without patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub message: String,
    pub place: Option<Place>,
    /// The rule, as `file:line`.
    pub rule: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, " at {place}")?;
        }
        write!(f, " (rule {})", self.rule)
    }
}

/// What the mapping knows of a link (`link.x` in rules).
#[derive(Debug, Clone, Default)]
pub struct LinkView {
    pub name: String,
    /// `order`, `scheduled`, `adt` or `report`.
    pub role: String,
    /// Issuer of identifiers whose sender names none.
    pub default_issuer: Option<Issuer>,
    pub patient_authorities: Vec<Issuer>,
    pub ins_authorities: Vec<Issuer>,
    /// Files that read this link, by name without `.toml`; empty = all.
    pub inbound: Vec<String>,
    /// Any other setting of the link.
    pub settings: BTreeMap<String, String>,
}

/// One evaluation.
pub struct Eval<'e, 'm> {
    pub library: &'e Library,
    pub consts: &'e BTreeMap<String, Value>,
    pub link: Option<&'e LinkView>,
    pub scope: &'e dyn Scope<'m>,
    /// The rule at work, as `file:line`.
    pub label: &'e str,
    /// Longest text that the target takes, in characters.
    pub limit: Option<usize>,
    pub warnings: &'e RefCell<Vec<Warning>>,
}

impl<'m> Eval<'_, 'm> {
    /// Notes something that was left out.
    pub fn warn(&self, message: impl Into<String>, place: Option<Place>) {
        let message = message.into();
        let mut warnings = self.warnings.borrow_mut();
        // What several rules notice at one place is said once.
        let same = |w: &Warning| w.message == message && w.place == place;
        if place.is_some() && warnings.iter().any(same) {
            return;
        }
        warnings.push(Warning {
            message,
            place,
            rule: self.label.to_owned(),
        });
    }

    /// All entries of a list target, or the first attempt with a result.
    pub fn rule(&self, rule: &Rule, list: bool) -> Answer<'m> {
        let mut found = Vec::new();
        for expr in &rule.exprs {
            let items = self.expr(expr, None)?;
            if !list && items.iter().any(|i| !matches!(i.datum, Datum::Blank)) {
                return Ok(items);
            }
            found.extend(items);
        }
        Ok(found)
    }

    /// Evaluates an expression; `at` is what the surrounding bracket filters.
    pub fn expr(&self, expr: &Expr, at: Option<&Item<'m>>) -> Answer<'m> {
        match &expr.kind {
            ExprKind::Hl7(path) => self.scope.hl7(path, self),
            ExprKind::Dicom(path) => match at.map(|i| &i.datum) {
                Some(Datum::Item(item)) if !path.root => dicom_source::select(item, "", path, self),
                _ => self.scope.dicom(path, self),
            },
            ExprKind::Name(path) => self.name(path),
            ExprKind::Relative(relative) => self.relative(relative, at),
            ExprKind::Text(text) => Ok(vec![Item::text(text.as_str())]),
            ExprKind::Integer(n) => {
                let number = Datum::Value(Value::Number(n.to_string()));
                Ok(vec![Item::new(number, Spot::Nowhere)])
            }
            ExprKind::None | ExprKind::Inherited => Ok(vec![]),
            ExprKind::Clear => Ok(vec![Item::new(Datum::Null, Spot::Nowhere)]),
            ExprKind::Alternatives(list) | ExprKind::Attempts(list) => {
                for entry in list {
                    let items = self.expr(entry, at)?;
                    if items.iter().any(|i| !matches!(i.datum, Datum::Blank)) {
                        return Ok(items);
                    }
                }
                Ok(vec![])
            }
            ExprKind::Call(call) => {
                let piped = match &call.piped {
                    Some(piped) => self.expr(piped, at)?,
                    None => vec![],
                };
                apply::apply(call, piped, self, at)
            }
            ExprKind::If {
                condition,
                then,
                otherwise,
            } => match (self.cond(condition, at)?, otherwise) {
                (true, _) => self.expr(then, at),
                (false, Some(otherwise)) => self.expr(otherwise, at),
                (false, None) => Ok(vec![]),
            },
        }
    }

    /// Evaluates a condition.
    pub fn cond(&self, cond: &Cond, at: Option<&Item<'m>>) -> Result<bool, Refusal> {
        match cond {
            Cond::Or(list) => {
                for c in list {
                    if self.cond(c, at)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Cond::And(list) => {
                for c in list {
                    if !self.cond(c, at)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Cond::Not(inner) => Ok(!self.cond(inner, at)?),
            Cond::Present(expr) => Ok(self.expr(expr, at)?.iter().any(Item::says)),
            Cond::Compare(left, op, right) => self.compare(left, op, right, at),
            Cond::In(left, list) => {
                let wanted = self.expr(left, at)?;
                let texts: Vec<_> = wanted.iter().filter_map(Item::comparable).collect();
                for entry in list {
                    let found = match &entry.kind {
                        // A constant needs no item: such lists are asked of every repetition.
                        ExprKind::Text(text) => texts.iter().any(|t| t == text),
                        _ => {
                            let entries = self.expr(entry, at)?;
                            wanted.iter().any(|w| entries.iter().any(|e| equal(w, e)))
                        }
                    };
                    if found {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Cond::InTable(left, call) => {
                let table = call
                    .text_arg(0)
                    .and_then(|name| self.library.tables.get(name));
                let Some(table) = table else { return Ok(false) };
                let found = self.expr(left, at)?.into_iter().any(|item| {
                    let key = item.comparable();
                    key.is_some_and(|k| table.find(&[Some(&k)]).is_some())
                });
                Ok(found)
            }
        }
    }

    /// `!=` is true on an absent part; every other operator needs values on both sides.
    fn compare(
        &self,
        left: &Expr,
        op: &Op,
        right: &Expr,
        at: Option<&Item<'m>>,
    ) -> Result<bool, Refusal> {
        let left = self.expr(left, at)?;
        if let Op::Matches(pattern) = op {
            let fits = |i: &Item<'m>| i.comparable().is_some_and(|t| pattern.0.is_match(&t));
            return Ok(left.iter().any(fits));
        }
        if let (Op::Eq | Op::Ne, ExprKind::Text(text)) = (op, &right.kind) {
            let is_it = |i: &Item<'m>| i.comparable().is_some_and(|t| t == text.as_str());
            return Ok(left.iter().any(is_it) == matches!(op, Op::Eq));
        }
        let right = self.expr(right, at)?;
        let any = |test: &dyn Fn(&Item<'m>, &Item<'m>) -> bool| {
            left.iter().any(|a| right.iter().any(|b| test(a, b)))
        };
        Ok(match op {
            Op::Eq => any(&equal),
            Op::Ne => !any(&equal),
            Op::Lt => any(&|a, b| ordered(a, b).is_some_and(std::cmp::Ordering::is_lt)),
            Op::Le => any(&|a, b| ordered(a, b).is_some_and(std::cmp::Ordering::is_le)),
            Op::Gt => any(&|a, b| ordered(a, b).is_some_and(std::cmp::Ordering::is_gt)),
            Op::Ge => any(&|a, b| ordered(a, b).is_some_and(std::cmp::Ordering::is_ge)),
            Op::Matches(_) => false,
        })
    }

    fn name(&self, path: &NamePath) -> Answer<'m> {
        let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
        match names.as_slice() {
            ["link", rest @ ..] => Ok(self.setting(&rest.join("."))),
            ["const", name] => {
                let value = self.consts.get(*name).cloned();
                let item = |v| Item::new(Datum::Value(v), Spot::Nowhere);
                Ok(value.into_iter().map(item).collect())
            }
            [word @ ("true" | "false")] => {
                let value = Datum::Value(Value::Bool(*word == "true"));
                Ok(vec![Item::new(value, Spot::Nowhere)])
            }
            _ => self.scope.name(path, self),
        }
    }

    /// `link.x`; the setting is named in the origin.
    fn setting(&self, name: &str) -> Vec<Item<'m>> {
        let Some(link) = self.link else { return vec![] };
        let issuers = |list: &[Issuer]| -> Vec<Datum<'m>> {
            let issuer = |i: &Issuer| {
                Datum::Issuer(Identifier {
                    issuer: Some(i.clone()),
                    ..Identifier::default()
                })
            };
            list.iter().map(issuer).collect()
        };
        let text = |t: &str| vec![Datum::Value(Value::Text(t.to_owned()))];
        let found = match name {
            "name" => text(&link.name),
            "role" => text(&link.role),
            "default_issuer" => issuers(link.default_issuer.as_slice()),
            "patient_authorities" => issuers(&link.patient_authorities),
            "ins_authorities" => issuers(&link.ins_authorities),
            other => link.settings.get(other).map_or(vec![], |t| text(t)),
        };
        let item = |datum| Item {
            via: vec![format!("link.{name}")],
            ..Item::new(datum, Spot::Nowhere)
        };
        found.into_iter().map(item).collect()
    }

    fn relative(&self, relative: &Relative, at: Option<&Item<'m>>) -> Answer<'m> {
        let Some(at) = at else { return Ok(vec![]) };
        Ok(match (relative, &at.datum) {
            (Relative::Itself, _) => vec![at.clone()],
            (
                Relative::Field {
                    field,
                    component,
                    subcomponent,
                },
                Datum::Hl7(Slot::Segment(segment)),
            ) => hl7_source::field(*segment, *field, *component, *subcomponent, self.library),
            (
                Relative::Component {
                    component,
                    subcomponent,
                },
                Datum::Hl7(slot),
            ) => hl7_source::component(*slot, *component, *subcomponent)
                .into_iter()
                .collect(),
            (Relative::Part(parts), _) => {
                let names: Vec<&str> = parts.iter().map(String::as_str).collect();
                record_source::parts(at, &names)
            }
            _ => vec![],
        })
    }
}

/// Identifiers are equal with their issuers; everything else by its text.
fn equal(a: &Item<'_>, b: &Item<'_>) -> bool {
    if let (Datum::Value(Value::Identifier(x)), Datum::Value(Value::Identifier(y))) =
        (&a.datum, &b.datum)
    {
        let key = |i: &Identifier| i.issuer.as_ref().map_or("", Issuer::key).to_owned();
        return x.value == y.value && key(x) == key(y);
    }
    match (a.comparable(), b.comparable()) {
        (Some(x), Some(y)) => x == y,
        _ => false,
    }
}

/// Numbers by value, everything else as text; dates sort as they read.
fn ordered(a: &Item<'_>, b: &Item<'_>) -> Option<std::cmp::Ordering> {
    let (x, y) = (a.comparable()?, b.comparable()?);
    match (x.trim().parse::<f64>(), y.trim().parse::<f64>()) {
        (Ok(m), Ok(n)) => m.partial_cmp(&n),
        _ => Some(x.as_ref().cmp(y.as_ref())),
    }
}
