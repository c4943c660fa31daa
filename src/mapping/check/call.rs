//! Calls: number and names of the arguments, constants where they are wanted, tables with their columns and keys.

use super::{Checker, Place};
use crate::diagnostic::did_you_mean;
use crate::mapping::apply::cda;
use crate::mapping::ast::*;
use crate::mapping::functions::{F, FUNCTIONS};
use crate::mapping::parser::Problem;
use crate::mapping::table::Table;

impl Checker<'_> {
    pub(super) fn call(&self, call: &Call, found: &mut Vec<Problem>) {
        let function = call.function;
        match function.id {
            F::Table => return self.table(call, false, found),
            F::Rows => return self.rows(call, found),
            F::Zone => zone(call, found),
            _ => {}
        }
        let (least, most) = function.args;
        if !(least..=most).contains(&call.args.len()) {
            let message = format!("`{}` takes {}", function.name, count(least, most));
            found.push(
                Problem::new("M022", call.name_span.clone(), message)
                    .hint(format!("{}: {}", function.name, function.doc)),
            );
        }
        named(call, found);
        if !function.constant {
            return;
        }
        for arg in &call.args {
            if !matches!(arg.kind, ExprKind::Text(_) | ExprKind::Integer(_)) {
                let message = format!("`{}` takes constants", function.name);
                found.push(Problem::new("M023", arg.span.clone(), message));
            }
        }
        let known: &[&str] = match function.id {
            F::Cda => cda::WHAT,
            F::Drop => &["prefix", "suffix", "middle", "type"],
            F::Quantity => &["kg", "g", "lb", "m", "cm", "mm", "in", "min"],
            _ => return,
        };
        if let Some(text) = call.text_arg(0)
            && !known.contains(&text)
        {
            let message = format!("`{}` does not know `{text}`", function.name);
            found.push(
                Problem::new("M023", call.args[0].span.clone(), message)
                    .label(format!("allowed: {}", known.join(", "))),
            );
        }
    }

    /// `rows` stands in `each` only, and may name fewer keys than the table has.
    fn rows(&self, call: &Call, found: &mut Vec<Problem>) {
        if !matches!(self.place, Place::Loop(_)) {
            found.push(
                Problem::new(
                    "M023",
                    call.name_span.clone(),
                    "`rows` gives rows, not values",
                )
                .hint(
                    "write it in `each`, and take the cells by row.COLUMN; one value is table(...)",
                ),
            );
        }
        named(call, found);
        let Some(table) = self.known_table(call, found) else {
            return;
        };
        let keys = usize::from(call.piped.is_some()) + call.args.len().saturating_sub(1);
        if keys == 0 || keys > table.keys.len() {
            let message = format!(
                "{} has {} key(s), {keys} given",
                table.file,
                table.keys.len()
            );
            found.push(
                Problem::new("M028", call.name_span.clone(), message)
                    .label(format!("keys: {}", table.keys.join(", "))),
            );
        }
    }

    /// The table that a call names by a constant.
    fn known_table(&self, call: &Call, found: &mut Vec<Problem>) -> Option<&Table> {
        let Some(name) = call.text_arg(0) else {
            let span = call.name_span.clone();
            found.push(Problem::new(
                "M023",
                span,
                "the table is named by a constant text",
            ));
            return None;
        };
        let table = self.library.tables.get(name);
        if table.is_none() {
            let names = self.library.tables.keys().map(String::as_str);
            let message = format!("there is no table `{name}`");
            found.push(
                Problem::new("M026", call.args[0].span.clone(), message)
                    .label("tables/*.csv")
                    .maybe_hint(did_you_mean(name, names)),
            );
        }
        table
    }

    pub(super) fn table(&self, call: &Call, membership: bool, found: &mut Vec<Problem>) {
        named(call, found);
        if !membership && call.named("else").is_none() {
            found.push(
                Problem::new(
                    "M025",
                    call.name_span.clone(),
                    "it is not said what a miss does",
                )
                .hint("add else: refuse, warn, keep, none or a constant"),
            );
        }
        let Some(table) = self.known_table(call, found) else {
            return;
        };
        let name = table.file.trim_end_matches(".csv");
        if let Some(column) = call.named("column") {
            let ExprKind::Text(wanted) = &column.kind else {
                found.push(Problem::new(
                    "M023",
                    column.span.clone(),
                    "a column is a constant text",
                ));
                return;
            };
            if table.column(Some(wanted)).is_none() {
                let message = format!("table {name} has no column `{wanted}`");
                found.push(
                    Problem::new("M027", column.span.clone(), message)
                        .label(format!("columns: {}", table.columns.join(", ")))
                        .maybe_hint(did_you_mean(
                            wanted,
                            table.columns.iter().map(String::as_str),
                        )),
                );
            }
        }
        let piped = usize::from(call.piped.is_some() || membership);
        let keys = piped + call.args.len() - 1;
        if keys != table.keys.len() && !(membership && table.keys.len() > keys) {
            let wanted = table.keys.len();
            let columns = if wanted == 1 { "column" } else { "columns" };
            let message = format!("table {name} has {wanted} key {columns}, {keys} given");
            found.push(
                Problem::new("M028", call.name_span.clone(), message)
                    .label(format!("keys: {}", table.keys.join(", ")))
                    .hint("give one value for each key column; a piped value is the first"),
            );
        }
    }
}

/// The zone must be one of the time zone database.
fn zone(call: &Call, found: &mut Vec<Problem>) {
    let Some((arg, name)) = call.args.first().zip(call.text_arg(0)) else {
        return;
    };
    if jiff::tz::TimeZone::get(name).is_err() {
        let message = format!("there is no time zone `{name}`");
        let hint = "a name of the IANA database, for example Europe/Paris";
        found.push(Problem::new("M023", arg.span.clone(), message).hint(hint));
    }
}

fn named(call: &Call, found: &mut Vec<Problem>) {
    for (name, value) in &call.named {
        if !call.function.named.contains(&name.as_str()) {
            let message = format!("`{}` has no argument `{name}:`", call.function.name);
            let known = call.function.named.iter().copied();
            let hint = did_you_mean(name, known)
                .or_else(|| (!FUNCTIONS.is_empty()).then(|| call.function.doc.to_owned()));
            found.push(Problem::new("M024", value.span.clone(), message).maybe_hint(hint));
        }
    }
}

fn count(least: usize, most: usize) -> String {
    match (least, most) {
        (0, 0) => "no arguments".to_owned(),
        (1, 1) => "one argument".to_owned(),
        (l, m) if l == m => format!("{l} arguments"),
        (l, m) => format!("{l} to {m} arguments"),
    }
}
