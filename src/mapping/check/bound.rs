//! Closed lists: every code that a rule can give to a target with a list, be it a constant or a cell of a table; FHIR's, ours, those of packs.

use super::Checker;
use crate::diagnostic::did_you_mean;
use crate::fhir::profile::Profile;
use crate::fhir::shape::Target;
use crate::mapping::ast::*;
use crate::mapping::functions::{F, Gives};
use crate::mapping::model::FileKind;
use crate::mapping::parser::Problem;
use crate::mapping::table::{Row, Table, values};

impl Checker<'_> {
    /// Every constant and every cell of a table that feeds a closed list must be in it.
    pub(super) fn bound(&self, expr: &Expr, codes: &[&str], found: &mut Vec<Problem>) {
        if codes.is_empty() {
            return;
        }
        for (span, outside) in self.outside(expr, codes) {
            let first = outside.first().map_or("", |(cell, _)| cell.as_str());
            let hint = did_you_mean(first, codes.iter().copied());
            found.push(
                Problem::new("M064", span, outside_text(&outside))
                    .label(format!("allowed: {}", codes.join(", ")))
                    .maybe_hint(hint),
            );
        }
    }

    /// As `bound`, for a list that the standard leaves open: a warning.
    pub(super) fn bound_loosely(&self, expr: &Expr, found: &mut Vec<Problem>) {
        for (span, outside) in self.outside(expr, MODALITIES) {
            found.push(
                Problem::warning("M064", span, outside_text(&outside))
                    .label("not among the terms of PS3.16 CID 29 and CID 33")
                    .hint("scanners query by Modality: they ask for a term of the standard"),
            );
        }
    }

    /// What an expression may give that is not in a list: by place, each value with the row of its table.
    fn outside(&self, expr: &Expr, codes: &[&str]) -> Vec<(Span, Vec<Outside>)> {
        match &expr.kind {
            ExprKind::Text(text) if !text.is_empty() && !codes.contains(&text.as_str()) => {
                vec![(expr.span.clone(), vec![(text.clone(), None)])]
            }
            ExprKind::Alternatives(list) | ExprKind::Attempts(list) => {
                list.iter().flat_map(|e| self.outside(e, codes)).collect()
            }
            ExprKind::If {
                then, otherwise, ..
            } => {
                let both = [Some(then), otherwise.as_ref()].into_iter().flatten();
                both.flat_map(|e| self.outside(e, codes)).collect()
            }
            ExprKind::Call(call) if call.function.gives == Gives::Same => {
                let piped = call.piped.iter();
                piped.flat_map(|e| self.outside(e, codes)).collect()
            }
            ExprKind::Call(call) if call.function.id == F::Table => {
                let mut found = self.cells_outside(call, codes);
                if let Some(miss) = call.named("else") {
                    found.extend(self.outside(miss, codes));
                }
                found
            }
            _ => vec![],
        }
    }

    /// The cells of a lookup that are not in a list: those of its column, and of its columns for packs, which hold codes of the same element.
    fn cells_outside(&self, call: &Call, codes: &[&str]) -> Vec<(Span, Vec<Outside>)> {
        let Some(lookup) = self.lookup(call) else {
            return vec![];
        };
        let Lookup { table, column, .. } = lookup;
        let packs = self.library.packs.values();
        let mut columns: Vec<usize> = packs.filter_map(|p| lookup.of_pack(&p.name)).collect();
        columns.push(column);
        columns.sort_unstable();
        columns.dedup();
        let mut outside = Vec::new();
        for row in table.rows() {
            for value in columns.iter().flat_map(|c| cell(row, *c)) {
                if !codes.contains(&value) {
                    let place = format!("line {} of {}", row.line, table.file);
                    outside.push((value.to_owned(), Some(place)));
                }
            }
        }
        match outside.is_empty() {
            true => vec![],
            false => vec![(lookup.span.clone(), outside)],
        }
    }

    /// The table and column that a call of `table` looks in, if both are there.
    fn lookup<'c>(&'c self, call: &'c Call) -> Option<Lookup<'c>> {
        let table = self.library.tables.get(call.text_arg(0)?)?;
        let name = match call.named("column").map(|c| &c.kind) {
            Some(ExprKind::Text(name)) => Some(name.as_str()),
            _ => None,
        };
        Some(Lookup {
            table,
            name,
            column: table.column(name)?,
            span: &call.args.first()?.span,
        })
    }

    /// The codes that profile packs would hold. A warning: whether a target uses the pack is not known here.
    pub(super) fn packs(&self, expr: &Expr, target: &Target, found: &mut Vec<Problem>) {
        let FileKind::Resource(shape) = self.kind else {
            return;
        };
        let is_top = |t: &Target| std::ptr::eq(t, target);
        if !shape.target(target.name).is_some_and(is_top) {
            return;
        }
        walk(expr, &mut |seen| {
            let Seen::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) = seen
            else {
                return;
            };
            let Some(lookup) = (call.function.id == F::Table)
                .then(|| self.lookup(call))
                .flatten()
            else {
                return;
            };
            for (full, pack) in &self.library.packs {
                for profile in pack.profiles(shape.type_name()).take(1) {
                    let own = lookup.of_pack(&pack.name);
                    found.extend(unheld(&lookup, own, (full, profile), target));
                }
            }
        });
    }
}

/// Where a call of `table` looks.
struct Lookup<'c> {
    table: &'c Table,
    /// The column that is asked for.
    name: Option<&'c str>,
    column: usize,
    /// The table's name in the rule.
    span: &'c Span,
}

impl Lookup<'_> {
    /// The column that takes this one's place where a pack is in use.
    fn of_pack(&self, pack: &str) -> Option<usize> {
        self.table.column(Some(&format!("{}.{pack}", self.name?)))
    }
}

fn cell(row: &Row, column: usize) -> impl Iterator<Item = &str> {
    values(row.cells.get(column).map_or("", String::as_str))
}

/// The first code that a profile would hold.
fn unheld(
    lookup: &Lookup<'_>,
    own: Option<usize>,
    (full, profile): (&str, &Profile),
    target: &Target,
) -> Option<Problem> {
    let codes = profile.codes.get(target.name)?;
    let table = lookup.table;
    table.rows().iter().find_map(|row| {
        let own = own.filter(|c| cell(row, *c).next().is_some());
        let mut said = cell(row, own.unwrap_or(lookup.column));
        let code = said.find(|code| !codes.iter().any(|c| c == code))?;
        let message = format!(
            "`{code}` in line {} of {} is no code of {full}",
            row.line, table.file
        );
        let column = table.columns.get(lookup.column)?;
        let pack = full.split('@').next().unwrap_or(full);
        let asked = match lookup.name {
            Some(_) => String::new(),
            None => format!("ask for `column: \"{column}\"`, and "),
        };
        Some(
            Problem::warning("M095", lookup.span.clone(), message)
                .label(format!("its codes: {}", codes.join(", ")))
                .hint(format!(
                    "{asked}add a column `{column}.{pack}` with the codes for the pack to {}",
                    table.file
                )),
        )
    })
}

/// A value that is not in a list, and the row of the table that gives it.
type Outside = (String, Option<String>);

/// The first values that are not allowed, with the rows they stand in, and how many there are.
fn outside_text(outside: &[Outside]) -> String {
    let one = |(value, place): &Outside| match place {
        Some(place) => format!("`{value}` in {place}"),
        None => format!("`{value}`"),
    };
    let shown: Vec<String> = outside.iter().take(3).map(one).collect();
    match outside.len() {
        1 => format!("{} is not allowed here", shown.join("")),
        n if n <= 3 => format!("{} are not allowed here", shown.join(", ")),
        n => format!(
            "{} and {} more rows are not allowed here",
            shown.join(", "),
            n - 3
        ),
    }
}

/// Terms of Modality (0008,0060): the codes of PS3.16 CID 29 and CID 33.
const MODALITIES: &[&str] = &[
    "AR",
    "ASMT",
    "AU",
    "BDUS",
    "BI",
    "BMD",
    "CFM",
    "CR",
    "CT",
    "CTPROTOCOL",
    "DG",
    "DMS",
    "DOC",
    "DX",
    "ECG",
    "EEG",
    "EMG",
    "EOG",
    "EPS",
    "ES",
    "FID",
    "GM",
    "HC",
    "HD",
    "IO",
    "IOL",
    "IVOCT",
    "IVUS",
    "KER",
    "KO",
    "LEN",
    "LS",
    "M3D",
    "MG",
    "MR",
    "NM",
    "OAM",
    "OCT",
    "OP",
    "OPM",
    "OPT",
    "OPTBSV",
    "OPTENF",
    "OPV",
    "OSS",
    "OT",
    "PA",
    "PLAN",
    "POS",
    "PR",
    "PT",
    "PX",
    "REG",
    "RESP",
    "RF",
    "RG",
    "RTDOSE",
    "RTIMAGE",
    "RTPLAN",
    "RTRECORD",
    "RTSTRUCT",
    "RWV",
    "SEG",
    "SM",
    "SMR",
    "SR",
    "SRF",
    "STAIN",
    "TEXTUREMAP",
    "TG",
    "US",
    "VA",
    "XA",
    "XC",
];
