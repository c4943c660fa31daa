//! `table(...)`: several keys in, one cell out, and what a miss does.

use super::ast::{Call, Expr, ExprKind};
use super::eval::{Answer, Datum, Eval, Item};
use super::table::{Row, Table, values};
use super::typing;
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use crate::domain::value::{Coding, Concept, Kind, Value};

/// Looks every piped value up (or, without a pipe, the arguments once).
pub fn table<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let table = call
        .text_arg(0)
        .and_then(|name| ev.library.tables.get(name));
    let Some(table) = table else {
        return Ok(vec![]);
    };
    let mut keys = Vec::new();
    for arg in call.args.iter().skip(1) {
        let first = ev.expr(arg, at)?.into_iter().find(Item::says);
        keys.push(first);
    }
    if call.piped.is_none() {
        return one(call, table, None, &keys, ev, at);
    }
    let mut found = Vec::new();
    for item in piped {
        match item.says() {
            true => found.extend(one(call, table, Some(item), &keys, ev, at)?),
            false => found.push(item),
        }
    }
    Ok(found)
}

/// Every row of a table for the piped value and the arguments as its first keys; each value piped in has rows of its own.
pub fn rows<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let name = call.text_arg(0).unwrap_or("");
    let Some(table) = ev.library.tables.get(name) else {
        return Ok(vec![]);
    };
    let mut keys = Vec::new();
    for arg in call.args.iter().skip(1) {
        keys.push(ev.expr(arg, at)?.into_iter().find(Item::says));
    }
    let asked: Vec<Option<Item<'m>>> = match call.piped {
        Some(_) => piped.into_iter().filter(Item::says).map(Some).collect(),
        None => vec![None],
    };
    let mut found = Vec::new();
    for item in asked {
        let lead = item.iter().chain(keys.iter().flatten()).next().cloned();
        let Some(lead) = lead else { continue };
        let mut texts: Vec<_> = item.iter().map(Item::comparable).collect();
        texts.extend(keys.iter().map(|k| k.as_ref().and_then(Item::comparable)));
        let wanted: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        for index in table.find_all(&wanted) {
            let mut row = lead.clone();
            row.datum = Datum::Row(name.to_owned(), index);
            row.via.extend(via(table, index));
            found.push(row);
        }
    }
    Ok(found)
}

fn via(table: &Table, index: usize) -> Option<String> {
    let row = table.rows().get(index)?;
    Some(format!("table {}:{}", table.file, row.line))
}

/// `row.COLUMN`: the values of a cell.
pub fn cell<'m>(row: &Item<'m>, column: &str, ev: &Eval<'_, 'm>) -> Vec<Item<'m>> {
    let Datum::Row(table, index) = &row.datum else {
        return vec![];
    };
    let table = ev.library.tables.get(table);
    let text = table.and_then(|t| t.cell(*index, column)).unwrap_or("");
    let item = |v: &str| row.clone().with(Value::Text(v.to_owned()));
    values(text).map(item).collect()
}

fn one<'m>(
    call: &Call,
    table: &Table,
    piped: Option<Item<'m>>,
    keys: &[Option<Item<'m>>],
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let mut items: Vec<Option<&Item<'m>>> = piped.iter().map(Some).collect();
    items.extend(keys.iter().map(Option::as_ref));
    let texts: Vec<_> = items.iter().map(|i| i.and_then(Item::comparable)).collect();
    // Constant keys (`"OBR-25"`) alone are no question: nothing was sent.
    let asked = items.iter().zip(
        call.args
            .iter()
            .skip(1)
            .map(Some)
            .chain(std::iter::repeat(None)),
    );
    let sent = |(item, arg): (&Option<&Item<'m>>, Option<&Expr>)| {
        let constant = piped.is_none() && arg.is_some_and(|a| matches!(a.kind, ExprKind::Text(_)));
        item.is_some() && !constant
    };
    if piped.is_none() && !asked.into_iter().any(sent) {
        return Ok(vec![]);
    }
    let wanted: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    let Some(lead) = items.iter().flatten().next() else {
        return Ok(vec![]);
    };
    let found = match table.find(&wanted) {
        Some(row) => {
            let via = format!("table {}:{}", table.file, row.line);
            let item = |value: Value| {
                let mut item = (*lead).clone().with(value);
                item.via.push(via.clone());
                item
            };
            let values = results(call, table, row, ev.scope.packs());
            values.into_iter().map(item).collect()
        }
        None => miss(call, table, lead, &wanted, ev, at)?,
    };
    Ok(match (&piped, adds(call)) {
        (Some(source), true) => vec![with_source(source, found, call)],
        _ => found,
    })
}

/// `add: true`: the source's own codings stay, those of the row follow.
fn adds(call: &Call) -> bool {
    let word = call.named("add").map(|e| &e.kind);
    matches!(word, Some(ExprKind::Name(path)) if path.text() == "true")
}

/// The source as a concept with the codings of what was found appended; a bare code of a row is of the system that its column names.
fn with_source<'m>(source: &Item<'m>, found: Vec<Item<'m>>, call: &Call) -> Item<'m> {
    let concept = |item: &Item<'m>| match typing::value(item, Kind::Concept) {
        Ok(Some(Value::Concept(concept))) => concept,
        _ => Concept::default(),
    };
    let column = match call.named("column").map(|c| &c.kind) {
        Some(ExprKind::Text(name)) => Some(name.clone()),
        _ => None,
    };
    let mut whole = concept(source);
    let mut via = source.via.clone();
    for item in found {
        let more = match &item.datum {
            Datum::Value(Value::Text(code)) => vec![Coding {
                code: code.clone(),
                system: column.clone(),
                display: None,
            }],
            _ => concept(&item).codings,
        };
        for coding in more {
            let same = |c: &Coding| c.code == coding.code && c.system == coding.system;
            if !whole.codings.iter().any(same) {
                whole.codings.push(coding);
            }
        }
        via.extend(item.via.into_iter().filter(|v| !source.via.contains(v)));
    }
    Item {
        via,
        ..source.clone().with(Value::Concept(whole))
    }
}

/// The values of a row: a concept if the table has `code` and `system` and no column is asked for.
fn results(call: &Call, table: &Table, row: &Row, packs: &[String]) -> Vec<Value> {
    let cell = |name: &str| {
        let column = table.column(Some(name))?;
        let text = row.cells.get(column)?;
        (!text.is_empty()).then(|| text.clone())
    };
    let column = match call.named("column").map(|c| &c.kind) {
        Some(ExprKind::Text(name)) => packs
            .iter()
            .filter_map(|pack| table.column(Some(&format!("{name}.{pack}"))))
            .find(|column| row.cells.get(*column).is_some_and(|c| !c.is_empty()))
            .or_else(|| table.column(Some(name))),
        _ if table.column(Some("code")).is_some() && table.column(Some("system")).is_some() => {
            let coding = cell("code").map(|code| Coding {
                code,
                system: cell("system"),
                display: cell("display"),
            });
            let concept = |coding| {
                Value::Concept(Concept {
                    codings: vec![coding],
                    text: None,
                })
            };
            return coding.map(concept).into_iter().collect();
        }
        _ => table.column(None),
    };
    let text = column
        .and_then(|c| row.cells.get(c))
        .map_or("", String::as_str);
    values(text).map(|v| Value::Text(v.to_owned())).collect()
}

/// The place that the first path among the keys names, for a message in which it is not there.
fn first_path(call: &Call) -> Option<Place> {
    let path = call.args.iter().find_map(|arg| match &arg.kind {
        ExprKind::Hl7(path) => Some(path),
        _ => None,
    })?;
    let segment = &path.segments.last()?.id;
    Some(Place::Hl7(Hl7Place::field(
        segment,
        path.field.unwrap_or(0),
    )))
}

fn miss<'m>(
    call: &Call,
    table: &Table,
    lead: &Item<'m>,
    keys: &[Option<&str>],
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let Some(otherwise) = call.named("else") else {
        return Ok(vec![]);
    };
    let word = match &otherwise.kind {
        ExprKind::Name(path) => path.text(),
        _ => String::new(),
    };
    let found = || format!("{} has no row for it", table.file);
    match word.as_str() {
        "refuse" => {
            let reason = match table.file.as_str() {
                "order_control.csv" => Reason::OrderControl,
                _ => Reason::CodeUnknown,
            };
            let shown: Vec<String> = keys.iter().map(|k| shown(*k)).collect();
            let mut refusal = Refusal::new(reason, format!("({}): {}", shown.join(", "), found()));
            refusal.at = lead.place().or_else(|| first_path(call));
            Err(refusal
                .allowed(format!("keys {} of {}", table.keys.join(", "), table.file))
                .hint(format!("add a row to tables/{}", table.file))
                .rule(ev.label))
        }
        "warn" => {
            ev.warn(format!("{}: left out", found()), lead.place());
            Ok(vec![])
        }
        "keep" => {
            ev.warn(format!("{}: kept as it is", found()), lead.place());
            Ok(vec![lead.clone()])
        }
        _ => {
            let items = ev.expr(otherwise, at)?;
            let supplied = |item: Item<'m>| {
                let mut item = Item {
                    spot: lead.spot.clone(),
                    ..item
                };
                item.via.push(format!("table {}: else", table.file));
                item
            };
            // `else: ""` is nothing: the target's type says what an absent value becomes.
            Ok(items
                .into_iter()
                .filter(|i| i.comparable().is_none_or(|t| !t.is_empty()))
                .map(supplied)
                .collect())
        }
    }
}

/// A key as a refusal may show it: short codes only, never what could be a person's data.
fn shown(key: Option<&str>) -> String {
    match key {
        None => "nothing".to_owned(),
        Some(k)
            if k.len() <= 16
                && k.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-^".contains(&b)) =>
        {
            format!("`{k}`")
        }
        Some(k) => format!("{} characters", k.chars().count()),
    }
}
