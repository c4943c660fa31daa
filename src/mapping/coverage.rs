//! What messages and cases make of the mapping files: rules that never fired, fields that no rule reads, codes that no table knows.
//!
//! A rule has fired when a value names it as its origin. Values of messages are kept only to tell codes apart; who prints decides what is
//! shown of them.

use super::ast::*;
use super::definitions::hl7_segments;
use super::functions::F;
use super::model::{FileKind, Model, Rule};
use super::{LinkView, MappingSet, Translation};
use crate::domain::command::Record;
use crate::domain::fields::Origin;
use crate::domain::ids::JournalId;
use crate::hl7::message::Message;
use std::collections::{BTreeMap, BTreeSet};

/// Most different codes that are kept for one place.
const MOST_CODES: usize = 50;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Lines of rules that gave a value.
    fired: BTreeSet<String>,
    files: BTreeMap<String, OfFile>,
    /// Messages that no file took, or that could not be read.
    pub unread_messages: usize,
}

/// What was seen of the messages that a file read.
#[derive(Debug, Default)]
struct OfFile {
    messages: usize,
    refused: usize,
    /// Fields with a value that no rule reads, with the number of messages.
    fields: BTreeMap<String, usize>,
    /// Codes that a table does not know: by place and table.
    codes: BTreeMap<(String, String), Codes>,
}

/// Codes of one place that one table does not know.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Codes {
    pub times: usize,
    /// The codes themselves, as sent: they may be patient data.
    pub codes: BTreeSet<String>,
}

/// What is reported of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub file: String,
    pub messages: usize,
    pub refused: usize,
    /// Target and line of rules that never gave a value.
    pub never: Vec<(String, String)>,
    /// Field and number of messages.
    pub unread: Vec<(String, usize)>,
    /// Place, table and codes.
    pub unknown: Vec<(String, String, Codes)>,
}

impl Coverage {
    /// Takes a message in.
    pub fn message(&mut self, set: &MappingSet, message: &Message, link: &LinkView) {
        let Some(model) = set.reader(message, link).ok().and_then(|n| named(set, n)) else {
            self.unread_messages += 1;
            return;
        };
        let of = self.files.entry(model.name.clone()).or_default();
        of.messages += 1;
        let reads = Reads::of(model);
        let mut seen = BTreeSet::new();
        for segment in message.segments().filter(|s| s.id() != "MSH") {
            let defined = hl7_segments().get(segment.id());
            let last = segment
                .raw()
                .iter()
                .filter(|b| **b == message.separators().field)
                .count();
            for number in 1..=u16::try_from(last).unwrap_or(u16::MAX) {
                let datatype = defined.and_then(|f| f.get(usize::from(number) - 1));
                let counter = datatype.is_some_and(|d| d.datatype == "SI");
                if !counter && !segment.field(number).is_empty() && !reads.has(segment.id(), number)
                {
                    seen.insert(format!("{}-{number}", segment.id()));
                }
            }
        }
        for place in seen {
            *of.fields.entry(place).or_default() += 1;
        }
        for lookup in &reads.lookups {
            lookup.unknown(set, message, &mut of.codes);
        }
        match set.translate_hl7(message, link, JournalId(0)) {
            Ok(translation) => self.translation(&translation),
            Err(_) => of.refused += 1,
        }
    }

    fn translation(&mut self, translation: &Translation) {
        for command in &translation.commands {
            self.record(command.record());
        }
    }

    fn record(&mut self, record: &Record) {
        for said in record.sections.values().flat_map(|p| p.0.values()) {
            self.origins(said.origins.iter());
        }
        for item in record.lists.values().flatten() {
            self.record(item);
        }
    }

    /// Takes in where values of anything else came from: a case of what leaves.
    pub fn origins<'o>(&mut self, origins: impl IntoIterator<Item = &'o Origin>) {
        for origin in origins {
            if !self.fired.contains(&origin.rule) {
                self.fired.insert(origin.rule.clone());
            }
        }
    }

    /// One report a file of the set, `kinds` decides which.
    pub fn report(&self, set: &MappingSet, kinds: &dyn Fn(FileKind) -> bool) -> Vec<Report> {
        set.models()
            .filter(|m| kinds(m.kind))
            .map(|model| self.of_file(model))
            .collect()
    }

    fn of_file(&self, model: &Model) -> Report {
        let none = OfFile::default();
        let of = self.files.get(&model.name).unwrap_or(&none);
        let rules = model
            .sections
            .iter()
            // What the message asks for has a value whenever anything has.
            .filter(|s| s.name != "command")
            .flat_map(|s| s.rules.iter().map(move |r| (s, r)));
        let never = rules
            .filter(|(_, r)| !self.fired.contains(&*r.label))
            .map(|(s, r)| {
                let target = match s.name.as_str() {
                    "set" => r.name.clone(),
                    section => format!("{section}.{}", r.name),
                };
                (target, r.label.to_string())
            });
        let unknown = of.codes.iter();
        Report {
            file: model.name.clone(),
            messages: of.messages,
            refused: of.refused,
            never: never.collect(),
            unread: of.fields.iter().map(|(f, n)| (f.clone(), *n)).collect(),
            unknown: unknown
                .map(|((place, table), codes)| (place.clone(), table.clone(), codes.clone()))
                .collect(),
        }
    }
}

fn named<'s>(set: &'s MappingSet, name: &str) -> Option<&'s Model> {
    set.models().find(|m| m.name == name)
}

/// The fields that the rules of a file read.
#[derive(Default)]
struct Reads<'m> {
    /// Field 0 = the whole segment.
    fields: BTreeSet<(&'m str, u16)>,
    lookups: Vec<Lookup<'m>>,
}

impl<'m> Reads<'m> {
    fn of(model: &'m Model) -> Self {
        let mut reads = Self::default();
        let mut see = |seen: Seen<'m>| {
            if let Seen::Expr(expr) = seen {
                reads.expr(expr);
            }
        };
        for guard in model.when.iter().chain(&model.ignore) {
            walk_cond(&guard.cond, &mut see);
        }
        for section in &model.sections {
            section.when.iter().for_each(|c| walk_cond(c, &mut see));
            let loops = section.each.iter().chain(&section.group_by);
            loops.for_each(|e| walk(e, &mut see));
            for Rule { exprs, .. } in &section.rules {
                exprs.iter().for_each(|e| walk(e, &mut see));
            }
        }
        reads
    }

    fn expr(&mut self, expr: &'m Expr) {
        match &expr.kind {
            ExprKind::Hl7(path) => self.path(path),
            ExprKind::Call(call) if call.function.id == F::Table => {
                self.lookups.extend(Lookup::of(call));
            }
            _ => {}
        }
    }

    fn path(&mut self, path: &'m Hl7Path) {
        for step in &path.segments {
            let Some(Selector::Cond(cond)) = &step.select else {
                continue;
            };
            let mut found = Vec::new();
            walk_cond(cond, &mut |seen| {
                if let Seen::Expr(Expr {
                    kind: ExprKind::Relative(Relative::Field { field, .. }),
                    ..
                }) = seen
                {
                    found.push(*field);
                }
            });
            self.fields
                .extend(found.into_iter().map(|f| (step.id.as_str(), f)));
        }
        if let Some(last) = path.segments.last() {
            self.fields.insert((&last.id, path.field.unwrap_or(0)));
        }
    }

    fn has(&self, segment: &str, field: u16) -> bool {
        [field, 0]
            .iter()
            .any(|f| self.fields.contains(&(segment, *f)))
    }
}

/// A table that is asked with the value of a plain path alone, through functions of letters at most.
struct Lookup<'m> {
    table: &'m str,
    paths: Vec<&'m Hl7Path>,
    functions: Vec<F>,
}

impl<'m> Lookup<'m> {
    fn of(call: &'m Call) -> Option<Self> {
        let table = call.text_arg(0).filter(|_| call.args.len() == 1)?;
        let mut functions = Vec::new();
        let mut at = call.piped.as_ref()?;
        loop {
            match &at.kind {
                ExprKind::Call(inner)
                    if matches!(inner.function.id, F::Upper | F::Lower | F::Trim) =>
                {
                    functions.push(inner.function.id);
                    at = inner.piped.as_ref()?;
                }
                ExprKind::Hl7(path) => {
                    return Some(Self {
                        table,
                        paths: vec![path],
                        functions,
                    });
                }
                ExprKind::Alternatives(list) => {
                    let path = |e: &'m Expr| match &e.kind {
                        ExprKind::Hl7(path) => Some(path),
                        _ => None,
                    };
                    let paths = list.iter().map(path).collect::<Option<Vec<_>>>()?;
                    return Some(Self {
                        table,
                        paths,
                        functions,
                    });
                }
                _ => return None,
            }
        }
    }

    fn unknown(
        &self,
        set: &MappingSet,
        message: &Message,
        codes: &mut BTreeMap<(String, String), Codes>,
    ) {
        let Some(table) = set.table(self.table) else {
            return;
        };
        for path in &self.paths {
            let ([step], Some(field), None) = (path.segments.as_slice(), path.field, &path.select)
            else {
                continue;
            };
            if step.select.is_some() {
                continue;
            }
            for segment in message.segments().filter(|s| s.id() == step.id) {
                for repetition in segment.field(field).repetitions() {
                    let component = repetition.component(path.component.unwrap_or(1));
                    let sent = component
                        .subcomponent(path.subcomponent.unwrap_or(1))
                        .text();
                    let mut code = sent.trim().to_owned();
                    for function in self.functions.iter().rev() {
                        code = match function {
                            F::Upper => code.to_uppercase(),
                            F::Lower => code.to_lowercase(),
                            _ => code,
                        };
                    }
                    if code.is_empty() || code == "\"\"" || table.find(&[Some(&code)]).is_some() {
                        continue;
                    }
                    let part = path.component.map_or(String::new(), |c| format!(".{c}"));
                    let place = format!("{}-{field}{part}", step.id);
                    let found = codes.entry((place, self.table.to_owned())).or_default();
                    found.times += 1;
                    if found.codes.len() < MOST_CODES {
                        found.codes.insert(code);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::message::Reading;
    use crate::mapping::load::tests::shipped;

    #[test]
    fn what_is_not_read_is_told_by_place_and_line() {
        let (set, _) = MappingSet::compile(shipped());
        let text = "MSH|^~\\&|RISX|CHU|RELAIS|CHU|20260602080000||ORM^O01|1|P|2.3.1|||||FRA|UNICODE UTF-8\r\
                    PID|1||12345^^^HOPA&1.2.250.1.999.1.1&ISO^PI||DUPRÉ^Zoé||19790328|F|||||||||Y\rORC|NW|P1|F1\r\
                    OBR|1|P1|F1|MRTETE^IRM tête^99LOCAL||||||||||||||||||||XY\rZPI|1|abc\r";
        let message = Message::parse(text.as_bytes().into(), &Reading::default()).unwrap();
        let link = LinkView {
            role: "order".to_owned(),
            ..LinkView::default()
        };
        let mut coverage = Coverage::default();
        coverage.message(&set, &message, &link);
        coverage.message(&set, &message, &link);
        let reports = coverage.report(&set, &|kind| matches!(kind, FileKind::Hl7));
        let of = |file: &str| reports.iter().find(|r| r.file == file).unwrap();
        let orders = of("inbound/ihe_order.toml");
        assert_eq!((orders.messages, orders.refused), (2, 0));
        let unread: Vec<&str> = orders.unread.iter().map(|(f, _)| f.as_str()).collect();
        assert_eq!(unread, ["PID-17", "ZPI-1", "ZPI-2"]);
        assert_eq!(orders.unread[0].1, 2);
        let (place, table, codes) = &orders.unknown[0];
        assert_eq!(
            (place.as_str(), table.as_str(), codes.times),
            ("OBR-24.1", "modality", 2)
        );
        assert_eq!(codes.codes, BTreeSet::from(["XY".to_owned()]));
        let never: Vec<&str> = orders.never.iter().map(|(t, _)| t.as_str()).collect();
        assert!(
            never.contains(&"visit.number") && !never.contains(&"patient.sex"),
            "{never:?}"
        );
        assert_eq!(of("inbound/adt.toml").messages, 0);
    }
}
