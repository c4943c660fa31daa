//! Parts of a rule that do nothing or not what they seem: what is never reached, `!=` of what is absent, an identifier that is cut,
//! arguments that could never be read.

use super::Place;
use crate::domain::value::Kind;
use crate::hl7::datatype::DataType;
use crate::mapping::ast::*;
use crate::mapping::functions::F;
use crate::mapping::load::FileReader;
use crate::mapping::model::Goal;
use crate::mapping::parser::Problem;

/// Looks at a rule and everything inside it.
pub(super) fn expression(
    expr: &Expr,
    reader: &FileReader<'_, '_>,
    place: Place<'_>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    walk(expr, &mut |seen| seen_one(seen, reader, place, &mut found));
    found
}

/// Looks at a condition and everything inside it.
pub(super) fn condition(
    cond: &Cond,
    reader: &FileReader<'_, '_>,
    place: Place<'_>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    walk_cond(cond, &mut |seen| seen_one(seen, reader, place, &mut found));
    found
}

fn seen_one(
    seen: Seen<'_>,
    reader: &FileReader<'_, '_>,
    place: Place<'_>,
    found: &mut Vec<Problem>,
) {
    let Seen::Expr(expr) = seen else { return };
    match &expr.kind {
        ExprKind::Alternatives(list) => found.extend(unreached(list, reader)),
        ExprKind::Call(call) => found.extend(argument(call, place)),
        ExprKind::Hl7(path) => {
            let steps = path.segments.iter().map(|s| &s.select);
            steps
                .chain([&path.select])
                .for_each(|s| selector(s.as_ref(), found));
        }
        ExprKind::Dicom(path) => {
            let selects = path.steps.iter().map(|s| s.select.as_ref());
            selects.for_each(|s| selector(s, found));
        }
        _ => {}
    }
}

/// The first of several attempts or alternatives that can never speak.
pub(super) fn unreached(list: &[Expr], reader: &FileReader<'_, '_>) -> Option<Problem> {
    let text = |e: &Expr| reader.doc.text().get(e.span.clone()).map(str::trim);
    for (i, expr) in list.iter().enumerate() {
        let (before, rest) = list.split_at(i);
        if let Some(sure) = before.iter().find(|e| is_sure(e)) {
            let end = rest.last().map_or(expr.span.end, |e| e.span.end);
            let message = "this is never reached";
            return Some(
                Problem::warning("M047", expr.span.start..end, message)
                    .label(format!("`{}` always has a value", text(sure).unwrap_or("")))
                    .hint("put what always has a value last"),
            );
        }
        if before
            .iter()
            .any(|e| text(e).is_some() && text(e) == text(expr))
        {
            return Some(
                Problem::warning("M047", expr.span.clone(), "the same stands before it")
                    .label("never reached")
                    .hint("take it away, or write what was meant"),
            );
        }
    }
    None
}

/// True if an expression gives a value whatever the message says.
fn is_sure(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Text(text) => !text.is_empty(),
        ExprKind::Integer(_) => true,
        ExprKind::Alternatives(list) | ExprKind::Attempts(list) => list.iter().any(is_sure),
        ExprKind::If {
            then,
            otherwise: Some(otherwise),
            ..
        } => is_sure(then) && is_sure(otherwise),
        ExprKind::Call(call) if call.function.id == F::Concat => call.args.iter().all(is_sure),
        _ => false,
    }
}

/// `!=` in brackets, where it is also true of a part that was not sent.
fn selector(select: Option<&Selector>, found: &mut Vec<Problem>) {
    if let Some(Selector::Cond(cond)) = select {
        unequal(cond, &[], found);
    }
}

fn unequal(cond: &Cond, beside: &[Cond], found: &mut Vec<Problem>) {
    match cond {
        Cond::And(list) => list.iter().for_each(|c| unequal(c, list, found)),
        Cond::Or(list) => list.iter().for_each(|c| unequal(c, &[], found)),
        Cond::Compare(left, Op::Ne, right) => {
            let ExprKind::Text(text) = &right.kind else {
                return;
            };
            let said = |c: &Cond| match c {
                Cond::Present(e) => e.kind == left.kind,
                _ => false,
            };
            let relative = matches!(left.kind, ExprKind::Relative(_));
            if relative && !text.is_empty() && !beside.iter().any(said) {
                let span = left.span.start..right.span.end;
                found.push(
                    Problem::warning("M048", span, "this is also true where nothing was sent")
                        .hint(
                        "say which are meant: in (\"..\", \"..\"); or that it must be there: X and X != \"..\"; or `not X == \"..\"` if absent is meant",
                    ),
                );
            }
        }
        _ => {}
    }
}

/// Arguments that only their function understands, and what may not be cut.
fn argument(call: &Call, place: Place<'_>) -> Option<Problem> {
    let first = call.args.first().map(|a| a.span.clone());
    match call.function.id {
        F::Cut => numbered(call).or_else(|| cut_identifier(call, place)),
        F::Pad => numbered(call),
        F::As => {
            let name = call.text_arg(0)?;
            let problem = Problem::new(
                "M023",
                first?,
                format!("`{name}` is no HL7 data type that is read"),
            );
            DataType::of_name(name).is_none().then(|| {
                problem.label("allowed: CX, EI, HD, XPN, XCN, CNN, NDL, CE, CWE, TS, PL, XON, XAD, XTN, NM, ED, RP, ID, ST ...")
            })
        }
        F::Date => {
            let pattern = call.text_arg(0)?;
            let why = wrong_pattern(pattern)?;
            let problem = Problem::new("M029", first?, why).label("parts: YYYY MM DD HH mm ss");
            Some(problem.maybe_hint(meant_pattern(pattern)))
        }
        _ => None,
    }
}

/// A length that is no number.
fn numbered(call: &Call) -> Option<Problem> {
    let length = call.args.first()?;
    let fits = matches!(length.kind, ExprKind::Integer(n) if (1..=65_535).contains(&n));
    let message = format!("`{}` takes a number of characters", call.function.name);
    (!fits).then(|| {
        Problem::new("M023", length.span.clone(), message)
            .label("allowed: a whole number from 1 to 65535, without quotes")
    })
}

/// A cut whose target or source is an identifier.
fn cut_identifier(call: &Call, place: Place<'_>) -> Option<Problem> {
    let Place::Target(goal, ..) = place else {
        return None;
    };
    let name = match goal {
        Goal::Field(def) => {
            let kind = matches!(def.kind, Kind::Identifier(_) | Kind::Uid | Kind::Ae);
            (kind || is_identifying(def.name)).then(|| format!("{}.{}", def.section, def.name))
        }
        Goal::Attribute(path) => {
            let keyword = path.rsplit('.').next().unwrap_or(path);
            IDENTIFYING.contains(&keyword).then(|| keyword.to_owned())
        }
        Goal::Element(target) => {
            let id = target.name == "identifier" || target.name.starts_with("identifier.");
            id.then(|| target.name.to_owned())
        }
        Goal::Extra(_) => None,
    }?;
    let problem = Problem::new(
        "M046",
        call.name_span.clone(),
        format!("`{name}` identifies: it is never cut"),
    );
    Some(problem.hint(
        "take `cut` away; what is too long is refused with its place, or left out by skip_longer",
    ))
}

fn is_identifying(name: &str) -> bool {
    name == "id"
        || ["_id", "_uid", "_number", "uid"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Attributes whose value names one thing (PS3.3 C.4.10 to C.4.13, C.2.2).
const IDENTIFYING: &[&str] = &[
    "AccessionNumber",
    "AdmissionID",
    "FillerOrderNumberImagingServiceRequest",
    "IssuerOfPatientID",
    "PatientID",
    "PlacerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "ScheduledProcedureStepID",
    "ScheduledStationAETitle",
    "ServiceEpisodeID",
    "StudyInstanceUID",
];

/// Parts of a date pattern in the order in which they make a time more precise.
const PARTS: &[(char, usize)] = &[('Y', 4), ('M', 2), ('D', 2), ('H', 2), ('m', 2), ('s', 2)];

/// Why no date could be read by a pattern.
fn wrong_pattern(pattern: &str) -> Option<String> {
    let mut runs: Vec<(char, usize)> = Vec::new();
    for c in pattern.chars() {
        match runs.last_mut() {
            Some((last, n)) if *last == c => *n += 1,
            _ => runs.push((c, 1)),
        }
    }
    let mut seen = Vec::new();
    for (c, n) in runs {
        match PARTS.iter().find(|(part, _)| *part == c) {
            Some((_, wanted)) if n != *wanted => {
                return Some(format!(
                    "`{}` is not {wanted} letters long",
                    c.to_string().repeat(n)
                ));
            }
            Some(_) if seen.contains(&c) => return Some(format!("`{c}` stands twice")),
            Some(_) => seen.push(c),
            None if c.is_ascii_alphabetic() && !matches!(c, 'T' | 'Z') => {
                return Some(format!("`{c}` is no part of a date"));
            }
            None => {}
        }
    }
    let missing = PARTS.iter().position(|(part, _)| !seen.contains(part));
    let missing = missing.filter(|at| *at == 0 || seen.len() > *at)?;
    let (part, n) = PARTS.get(missing)?;
    Some(format!("{} is missing", part.to_string().repeat(*n)))
}

/// What a pattern in the letters of other programs may have meant.
fn meant_pattern(pattern: &str) -> Option<String> {
    let (day, time) = pattern.split_once(['H', 'h']).unwrap_or((pattern, ""));
    let day: String = day
        .chars()
        .map(|c| match c {
            'y' | 'A' | 'a' => 'Y',
            'd' | 'J' | 'j' => 'D',
            'm' => 'M',
            c => c,
        })
        .collect();
    let time: String = match time {
        "" => String::new(),
        time => format!(
            "H{}",
            time.replace('h', "H")
                .replace(['M', 'n', 'i'], "m")
                .replace('S', "s")
        ),
    };
    let mut meant = format!("{day}{time}");
    if !meant.contains("YYYY") {
        let run = "Y".repeat(meant.matches('Y').count().max(1));
        meant = meant.replace(&run, "YYYY");
    }
    (meant != pattern && wrong_pattern(&meant).is_none())
        .then(|| format!("did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_read_no_date_are_told_with_what_was_meant() {
        for (pattern, why, meant) in [
            ("DD/MM/YYYY HH:mm", None, None),
            ("YYYY-MM-DDTHH:mm:ss", None, None),
            ("YYYYMM", None, None),
            (
                "DD/MM/YYY",
                Some("`YYY` is not 4 letters long"),
                Some("DD/MM/YYYY"),
            ),
            (
                "dd/mm/yyyy",
                Some("`d` is no part of a date"),
                Some("DD/MM/YYYY"),
            ),
            (
                "JJ/MM/AAAA",
                Some("`J` is no part of a date"),
                Some("DD/MM/YYYY"),
            ),
            (
                "DD/MM/YYYY HH:MM",
                Some("`M` stands twice"),
                Some("DD/MM/YYYY HH:mm"),
            ),
            ("DD/YYYY", Some("MM is missing"), None),
            ("HH:mm", Some("YYYY is missing"), None),
            ("", Some("YYYY is missing"), None),
        ] {
            assert_eq!(wrong_pattern(pattern).as_deref(), why, "{pattern}");
            let hint = meant.map(|m| format!("did you mean `{m}`?"));
            assert_eq!(meant_pattern(pattern), hint, "{pattern}");
        }
    }
}
