//! The stored record as a source: the tree of nodes that `worklist` and `publish` build, walked by name.

use super::ast::{NamePath, Selector};
use super::eval::{Answer, Datum, Eval, Item, Spot};
use crate::domain::fields::Field;
use crate::domain::node::Node;
use crate::domain::value::{Thing, Value};

/// What a path of names selects; `roots` are searched last first, so that a section's own name hides an outer one.
pub fn select<'m>(
    roots: &[(&str, &'m Node<'m>)],
    path: &NamePath,
    ev: &Eval<'_, 'm>,
) -> Answer<'m> {
    let Some((first, rest)) = path.steps.split_first() else {
        return Ok(vec![]);
    };
    let Some((_, node)) = roots.iter().rev().find(|(name, _)| *name == first.name) else {
        return Ok(vec![]);
    };
    let mut items = filtered(of_node(node), &first.select, ev)?;
    let mut at = 0;
    while at < rest.len() {
        // A name of the catalogue may have a dot (`clinical.weight_kg`), as may a part (`issuer.namespace`).
        let joined = rest
            .get(at + 1)
            .map(|next| format!("{}.{}", rest[at].name, next.name));
        let mut found = Vec::new();
        let mut used = 1;
        if let Some(joined) = joined.as_deref().filter(|_| rest[at].select.is_none()) {
            found = items.iter().flat_map(|i| child(i, joined)).collect();
            used = if found.is_empty() { 1 } else { 2 };
        }
        if used == 1 {
            let last = at + 1 == rest.len();
            found = items
                .iter()
                .flat_map(|i| match (last, rest[at].name.as_str()) {
                    (true, "issuer") => issuer(i),
                    (_, name) => child(i, name),
                })
                .collect();
        }
        items = filtered(found, &rest[at + used - 1].select, ev)?;
        at += used;
    }
    Ok(items)
}

/// Relative parts inside a bracket: `.system`, `.issuer.oid`.
pub fn parts<'m>(at: &Item<'m>, names: &[&str]) -> Vec<Item<'m>> {
    let whole = child(at, &names.join("."));
    if !whole.is_empty() || names.len() < 2 {
        return whole;
    }
    let (first, rest) = (names[0], &names[1..]);
    child(at, first)
        .iter()
        .flat_map(|i| parts(i, rest))
        .collect()
}

fn filtered<'m>(items: Vec<Item<'m>>, select: &Option<Selector>, ev: &Eval<'_, 'm>) -> Answer<'m> {
    match select {
        None => Ok(items),
        Some(Selector::Index(n)) => Ok(items.into_iter().skip(n - 1).take(1).collect()),
        Some(Selector::Cond(cond)) => {
            let mut kept = Vec::new();
            for item in items {
                if ev.cond(cond, Some(&item))? {
                    kept.push(item);
                }
            }
            Ok(kept)
        }
    }
}

/// The items of a node: values of a field, elements of a list, the thing itself.
fn of_node<'m>(node: &'m Node<'m>) -> Vec<Item<'m>> {
    match node {
        Node::Field(field) => of_field(field),
        Node::Values(values) => {
            let item = |v: &Value| Item::new(Datum::Value(v.clone()), Spot::Nowhere);
            values.iter().map(item).collect()
        }
        Node::List(nodes) => nodes.iter().flat_map(of_node).collect(),
        Node::Fields(_) | Node::Object { .. } | Node::Layers(_) => {
            vec![Item::new(Datum::Node(node), Spot::Nowhere)]
        }
    }
}

fn of_field(field: &Field) -> Vec<Item<'_>> {
    let one_each = field.origins.len() == field.values.len();
    let item = |(n, value): (usize, &Value)| {
        let origins = match one_each {
            true => field.origins.get(n..n + 1).unwrap_or(&[]),
            false => &field.origins[..],
        };
        Item::new(Datum::Value(value.clone()), Spot::Stored(origins))
    };
    field.values.iter().enumerate().map(item).collect()
}

fn child<'m>(item: &Item<'m>, name: &str) -> Vec<Item<'m>> {
    match &item.datum {
        Datum::Node(Node::Fields(fields)) => fields.get(name).map_or(vec![], of_field),
        Datum::Node(Node::Object { children, .. }) => {
            let found = children.iter().find(|(n, _)| *n == name);
            found.map_or(vec![], |(_, node)| of_node(node))
        }
        Datum::Node(Node::Layers(layers)) => {
            let mut found = layers.iter().map(|layer| {
                let inner = of_node(layer);
                inner
                    .iter()
                    .flat_map(|i| child(i, name))
                    .collect::<Vec<_>>()
            });
            found.find(|items| !items.is_empty()).unwrap_or_default()
        }
        Datum::Value(value) => {
            let parts = value.part(name).into_iter();
            parts.map(|part| item.clone().with(part)).collect()
        }
        _ => vec![],
    }
}

/// The thing that a node stands for, if it is one.
pub fn thing(node: &Node<'_>) -> Option<Thing> {
    match node {
        Node::Object { thing, .. } => *thing,
        Node::Layers(layers) => layers.iter().find_map(thing),
        _ => None,
    }
}

fn issuer<'m>(item: &Item<'m>) -> Vec<Item<'m>> {
    match &item.datum {
        Datum::Value(Value::Identifier(id)) if id.issuer.is_some() => vec![Item {
            datum: Datum::Issuer(id.clone()),
            ..item.clone()
        }],
        Datum::Value(_) => vec![],
        _ => child(item, "issuer"),
    }
}
