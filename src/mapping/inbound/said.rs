//! What one rule says about its field: typed values with their origins, one or several, or that the field is emptied.
//!
//! What cannot be read refuses where the command needs the section, and warns elsewhere.

use super::Pass;
use super::view::View;
use crate::domain::fields::Said;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::record::{Bad, FieldDef};
use crate::domain::value::{Kind, Value};
use crate::mapping::eval::{Datum, Item};
use crate::mapping::model::{Goal, Rule};
use crate::mapping::typing;
use std::sync::Arc;

/// What a file declares under `[extra]`: a list of texts.
static EXTRA: FieldDef = FieldDef {
    section: "extra",
    name: "",
    kind: Kind::Text(0),
    list: true,
    bad: Bad::Warn,
    doc: "declared by a mapping file",
};

impl<'m> Pass<'_, 'm> {
    /// What a rule says about its field.
    pub(super) fn said(
        &self,
        view: &View<'_, 'm>,
        rule: &Rule,
        needed: bool,
    ) -> Result<Option<Said>, Refusal> {
        let def = match &rule.goal {
            Goal::Field(def) => *def,
            _ => &EXTRA,
        };
        let ev = view.eval(&rule.label);
        let items = match ev.rule(rule, def.list) {
            Ok(items) => items,
            // `require` refuses regardless of the command; everything else only where it is needed.
            Err(refusal) if needed || refusal.reason == Reason::FieldMissing => {
                return Err(refusal);
            }
            Err(refusal) => {
                ev.warn(
                    format!("{}: {}", refusal.reason.text(), refusal.found),
                    refusal.at,
                );
                return Ok(None);
            }
        };
        let strict = needed && def.bad == Bad::Refuse;
        let mut found: Vec<(Value, Item<'m>)> = Vec::new();
        let mut null = None;
        for item in items {
            match item.datum {
                Datum::Null => null = Some(item),
                Datum::Blank if def.list => found.push((Value::Text(String::new()), item)),
                Datum::Blank => {}
                _ => match typing::values(&item, def.kind) {
                    Ok(values) => {
                        let mut values = values.into_iter();
                        let Some(first) = values.next() else {
                            continue;
                        };
                        let others: Vec<_> = values.map(|v| (v, item.clone())).collect();
                        found.push((first, item));
                        found.extend(others);
                    }
                    Err(bad) if strict => return Err(refused(bad, &item, def, rule)),
                    Err(bad) => {
                        let message = format!(
                            "{}: {}; allowed: {}",
                            bad.reason.text(),
                            bad.found,
                            bad.allowed
                        );
                        ev.warn(message, item.place());
                    }
                },
            }
        }
        trim_blanks(&mut found);
        if found.is_empty() {
            return self.cleared(null, def, rule, strict);
        }
        self.supply_issuer(&mut found);
        if !def.list || matches!(def.kind, Kind::Identifier(_)) {
            drop_repeats(&mut found);
        }
        if !def.list && found.len() > 1 {
            if strict && is_identifying(def) {
                let mut refusal = Refusal::new(
                    Reason::FieldConflict,
                    format!(
                        "{} different values for {}.{}",
                        found.len(),
                        def.section,
                        def.name
                    ),
                );
                refusal.at = found.get(1).and_then(|(_, item)| item.place());
                return Err(refusal
                    .allowed("one value")
                    .hint("say in the mapping file which one counts")
                    .rule(&*rule.label));
            }
            ev.warn(
                format!(
                    "{}.{}: 1 of {} is taken",
                    def.section,
                    def.name,
                    found.len()
                ),
                found[1].1.place(),
            );
            found.truncate(1);
        }
        let origins = found
            .iter()
            .flat_map(|(_, item)| item.origins(self.journal, &rule.label));
        let origins = origins.collect();
        let values = found.into_iter().map(|(value, _)| value).collect();
        Ok(Some(Said { values, origins }))
    }

    fn cleared(
        &self,
        null: Option<Item<'m>>,
        def: &FieldDef,
        rule: &Rule,
        strict: bool,
    ) -> Result<Option<Said>, Refusal> {
        let Some(item) = null else { return Ok(None) };
        if strict && is_identifying(def) {
            let bad = typing::Bad {
                reason: Reason::FieldType,
                found: "the null value".to_owned(),
                allowed: "an identifier; it cannot be emptied".to_owned(),
            };
            return Err(refused(bad, &item, def, rule));
        }
        Ok(Some(Said {
            values: Arc::default(),
            origins: item.origins(self.journal, &rule.label).into(),
        }))
    }

    /// Identifiers whose sender names nobody get the link's default issuer, and their origin says so.
    fn supply_issuer(&self, found: &mut [(Value, Item<'m>)]) {
        let Some(default) = &self.link.default_issuer else {
            return;
        };
        for (value, item) in found {
            if let Value::Identifier(id) = value
                && id.issuer.is_none()
            {
                id.issuer = Some(default.clone());
                item.via.push("link.default_issuer".to_owned());
            }
        }
    }
}

/// Fields by which things are told apart: several values would be a mix-up.
fn is_identifying(def: &FieldDef) -> bool {
    let id_text = matches!(def.kind, Kind::Text(n) if n > 0) && def.name == "id";
    matches!(def.kind, Kind::Identifier(_) | Kind::Uid) || id_text
}

fn refused(bad: typing::Bad, item: &Item<'_>, def: &FieldDef, rule: &Rule) -> Refusal {
    let mut refusal = Refusal::new(
        bad.reason,
        format!("{} in {}.{}", bad.found, def.section, def.name),
    );
    refusal.at = item.place();
    refusal.allowed(bad.allowed).rule(&*rule.label)
}

/// Empty lines at both ends say nothing.
fn trim_blanks(found: &mut Vec<(Value, Item<'_>)>) {
    let blank = |(value, _): &(Value, Item<'_>)| matches!(value, Value::Text(t) if t.is_empty());
    while found.last().is_some_and(blank) {
        found.pop();
    }
    let leading = found.iter().take_while(|v| blank(v)).count();
    found.drain(..leading);
}

fn drop_repeats(found: &mut Vec<(Value, Item<'_>)>) {
    if found.len() < 2 {
        return;
    }
    let mut kept: Vec<Value> = Vec::new();
    found.retain(|(value, _)| {
        let new = !kept.contains(value);
        if new {
            kept.push(value.clone());
        }
        new
    });
}
