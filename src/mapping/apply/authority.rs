//! Functions about identifiers: who issued them, of which type they are, who is taken to have issued them.

use crate::domain::reason::Refusal;
use crate::domain::value::{Identifier, Issuer, Kind, Value};
use crate::mapping::ast::Call;
use crate::mapping::eval::{Answer, Datum, Eval, Item};
use crate::mapping::section::issuer_of;
use crate::mapping::typing;

fn as_identifier<'m>(item: &Item<'m>) -> Option<Identifier> {
    match typing::value(item, Kind::Identifier(0)) {
        Ok(Some(Value::Identifier(id))) => Some(id),
        _ => None,
    }
}

/// True if an issuer is the one meant: by OID first, then by name, blanks ignored.
fn is_meant(issuer: &Issuer, wanted: &Issuer) -> bool {
    let squeeze = |t: &str| -> String { t.split_whitespace().collect() };
    let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => squeeze(a) == squeeze(b),
        _ => false,
    };
    same(&issuer.universal_id, &wanted.universal_id)
        || same(&issuer.namespace, &wanted.namespace)
        || same(&issuer.namespace, &wanted.universal_id)
        || same(&issuer.universal_id, &wanted.namespace)
}

/// The authorities that a call names: constants, or the issuers of a link setting.
fn authorities<'m>(
    call: &Call,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Result<Vec<Issuer>, Refusal> {
    let mut wanted = Vec::new();
    for arg in &call.args {
        for item in ev.expr(arg, at)? {
            match &item.datum {
                Datum::Issuer(id) => wanted.extend(id.issuer.clone()),
                _ => {
                    let name = item.comparable().map(|t| t.into_owned());
                    wanted.extend(name.map(issuer_of));
                }
            }
        }
    }
    Ok(wanted)
}

/// Repetitions of the first listed authority that has any; an identifier without issuer is of the link's default one.
pub(super) fn authority<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let wanted = authorities(call, ev, at)?;
    if wanted.is_empty() {
        return Ok(piped);
    }
    let default = ev.link.and_then(|l| l.default_issuer.as_ref());
    for authority in &wanted {
        let of_it = |item: &&Item<'m>| {
            let id = as_identifier(item);
            id.is_some_and(|id| {
                let issuer = id.issuer.as_ref().or(default);
                issuer.is_some_and(|i| is_meant(i, authority))
            })
        };
        let found: Vec<Item<'m>> = piped.iter().filter(of_it).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(piped
        .into_iter()
        .filter(|i| matches!(i.datum, Datum::Null))
        .collect())
}

pub(super) fn by_type<'m>(call: &Call, piped: Vec<Item<'m>>) -> Vec<Item<'m>> {
    for n in 0..call.args.len() {
        let wanted = call.text_arg(n).unwrap_or("");
        let of_it = |item: &&Item<'m>| {
            as_identifier(item).is_some_and(|id| id.type_.as_deref().unwrap_or("") == wanted)
        };
        let found: Vec<Item<'m>> = piped.iter().filter(of_it).cloned().collect();
        if !found.is_empty() {
            return found;
        }
    }
    piped
        .into_iter()
        .filter(|i| matches!(i.datum, Datum::Null))
        .collect()
}

pub(super) fn supply_issuer<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let wanted = authorities(call, ev, at)?;
    let Some(first) = wanted.first() else {
        return Ok(piped);
    };
    let supplied = |item: Item<'m>| match as_identifier(&item) {
        Some(id) if id.issuer.is_none() => {
            let issuer = Some(first.clone());
            item.with(Value::Identifier(Identifier { issuer, ..id }))
        }
        _ => item,
    };
    Ok(piped.into_iter().map(supplied).collect())
}
