//! A mapping file in sentences: each rule of its final form, after `base` and directories, with the line that it comes from.
//!
//! The same text serves the command line and HTTP. Paths keep their names (`PID-5`), with a noun by their data type: "the name PID-5 of
//! type "L", else the name PID-5".

mod words;

use super::MappingSet;
use super::ast::*;
use super::definitions::Segments;
use super::functions::F;
use super::model::{FileKind, Goal, IfNone, Model, Rule, Section};
use std::fmt::Write as _;
use words::{KINDS, function_words, noun, operator, relative_words};

/// A file in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub file: String,
    /// What it reads, and what it is based on.
    pub about: Vec<String>,
    pub rules: Vec<Sentence>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// `patient.name`.
    pub target: String,
    pub text: String,
    /// `inbound/risx.toml:4`.
    pub rule: String,
}

impl Explained {
    /// As a person reads it.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.file);
        for line in &self.about {
            let _ = writeln!(text, "  {line}");
        }
        for rule in &self.rules {
            let _ = writeln!(text, "{}: {}\n      {}", rule.target, rule.text, rule.rule);
        }
        text
    }
}

impl MappingSet {
    /// A file of the set by its name (`inbound/ihe_order.toml`) or stem; `None` if there is none.
    pub fn explain(&self, name: &str) -> Option<Explained> {
        let mut named = self.models().filter(|m| m.name == name || m.stem() == name);
        let model = named.next()?;
        let words = Words {
            segments: &self.library.segments,
        };
        let mut rules = Vec::new();
        for section in &model.sections {
            words.section(section, &mut rules);
        }
        Some(Explained {
            file: model.name.clone(),
            about: words.about(model),
            rules,
        })
    }
}

struct Words<'s> {
    segments: &'s Segments,
}

impl Words<'_> {
    fn about(&self, model: &Model) -> Vec<String> {
        let mut lines = Vec::new();
        lines.push(match model.kind {
            FileKind::Hl7 => format!("reads {}, {}", model.messages.join(", "), rows(&model.each)),
            FileKind::Mpps => format!("reads {} of performed steps", model.messages.join(", ")),
            FileKind::Worklist => "makes a worklist item of each scheduled step".to_owned(),
            FileKind::Device => match &model.device.matches {
                Some(rule) => format!("makes a worklist item of each scheduled step for {rule}"),
                None => "is a base for files of devices".to_owned(),
            },
            FileKind::Resource(shape) => format!("makes a {}", shape.resource),
        });
        if !model.bases.is_empty() {
            lines.push(format!("based on {}", model.bases.join(", then ")));
        }
        if let Some(when) = &model.when {
            lines.push(format!(
                "only if {} ({})",
                self.cond(&when.cond),
                when.label
            ));
        }
        if let Some(ignore) = &model.ignore {
            lines.push(format!(
                "without effect if {} ({})",
                self.cond(&ignore.cond),
                ignore.label
            ));
        }
        lines
    }

    fn section(&self, section: &Section, rules: &mut Vec<Sentence>) {
        let mut loops = Vec::new();
        if let Some(each) = &section.each {
            loops.push(format!("one for each {}", self.expr(each)));
        }
        if let Some(by) = &section.group_by {
            loops.push(format!("those of equal {} together", self.expr(by)));
        }
        if let Some(when) = &section.when {
            loops.push(format!("only if {}", self.cond(when)));
        }
        match section.if_none {
            IfNone::Skip => {}
            IfNone::Once => loops.push("one if there is none".to_owned()),
            IfNone::Refuse => loops.push("refused if there is none".to_owned()),
        }
        if !loops.is_empty() {
            rules.push(Sentence {
                target: section.name.clone(),
                text: loops.join("; "),
                rule: section.label.to_string(),
            });
        }
        for rule in &section.rules {
            rules.push(Sentence {
                target: target(section, rule),
                text: self.rule(rule),
                rule: rule.label.to_string(),
            });
        }
    }

    fn rule(&self, rule: &Rule) -> String {
        let list = match &rule.goal {
            Goal::Field(def) => def.list,
            _ => false,
        };
        let all: Vec<String> = rule.exprs.iter().map(|e| self.expr(e)).collect();
        match (list, all.len()) {
            (_, 1) => all.concat(),
            (true, _) => format!("all of: {}", all.join("; and ")),
            (false, _) => format!("the first with a result: {}", all.join("; else ")),
        }
    }

    fn expr(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Hl7(path) => self.hl7(path),
            ExprKind::Dicom(path) => self.dicom(path),
            ExprKind::Name(path) => self.name(path),
            ExprKind::Relative(relative) => relative_words(relative),
            ExprKind::Text(text) => format!("{text:?}"),
            ExprKind::Integer(n) => n.to_string(),
            ExprKind::None => "nothing".to_owned(),
            ExprKind::Clear => "the word to empty the field".to_owned(),
            ExprKind::Inherited => "what the base says".to_owned(),
            ExprKind::Alternatives(list) => {
                let all: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                all.join(", else ")
            }
            ExprKind::Attempts(list) => {
                let all: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                format!("({})", all.join("; else "))
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::If {
                condition,
                then,
                otherwise,
            } => {
                let mut text = format!("if {}: {}", self.cond(condition), self.expr(then));
                if let Some(otherwise) = otherwise {
                    let _ = write!(text, "; otherwise {}", self.expr(otherwise));
                }
                text
            }
        }
    }

    fn call(&self, call: &Call) -> String {
        let piped = call.piped.as_ref().map(|p| self.expr(p));
        if call.function.id == F::Table {
            return self.table(call, piped);
        }
        let args: Vec<String> = call.args.iter().map(|a| self.expr(a)).collect();
        let mut words = function_words(call.function.id, &args);
        for (name, value) in &call.named {
            let _ = write!(words, ", {name} {}", self.expr(value));
        }
        match piped {
            Some(piped) => format!("{piped}, {words}"),
            None => words,
        }
    }

    fn table(&self, call: &Call, piped: Option<String>) -> String {
        let name = call.text_arg(0).unwrap_or("?");
        let keys = piped
            .into_iter()
            .chain(call.args.iter().skip(1).map(|a| self.expr(a)));
        let keys: Vec<String> = keys.collect();
        let mut text = format!("{}, looked up in table {name}", keys.join(" with "));
        if let Some(column) = call.named("column") {
            let _ = write!(text, " column {}", self.expr(column));
        }
        let miss = call.named("else").map(|e| match &e.kind {
            ExprKind::Name(path) => path.text(),
            ExprKind::None => "none".to_owned(),
            _ => self.expr(e),
        });
        match miss.as_deref() {
            None => {}
            Some("refuse") => text.push_str(" (an unknown one refuses the message)"),
            Some("warn") => text.push_str(" (an unknown one is left out with a warning)"),
            Some("keep") => text.push_str(" (an unknown one stays as it is, with a warning)"),
            Some("none") => text.push_str(" (an unknown one is left out)"),
            Some(other) => {
                let _ = write!(text, " (an unknown one becomes {other})");
            }
        }
        text
    }

    fn cond(&self, cond: &Cond) -> String {
        let joined = |list: &[Cond], word: &str| {
            let all: Vec<String> = list.iter().map(|c| self.cond(c)).collect();
            all.join(word)
        };
        match cond {
            Cond::Or(list) => joined(list, " or "),
            Cond::And(list) => {
                let one = |c: &Cond| match c {
                    Cond::Or(_) => format!("({})", self.cond(c)),
                    _ => self.cond(c),
                };
                let all: Vec<String> = list.iter().map(one).collect();
                all.join(" and ")
            }
            Cond::Not(inner) => match &**inner {
                Cond::Present(e) => format!("{} is absent", self.expr(e)),
                other => format!("not ({})", self.cond(other)),
            },
            Cond::Present(e) => format!("{} is there", self.expr(e)),
            Cond::Compare(a, op, b) => {
                let right = match op {
                    Op::Matches(pattern) => {
                        let text = pattern.0.as_str();
                        let own = text.strip_prefix("^(?:").and_then(|t| t.strip_suffix(")$"));
                        format!("{:?}", own.unwrap_or(text))
                    }
                    _ => self.expr(b),
                };
                format!("{} {} {right}", self.expr(a), operator(op))
            }
            Cond::In(a, list) => {
                let all: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                format!("{} is one of {}", self.expr(a), all.join(", "))
            }
            Cond::InTable(a, call) => format!(
                "{} is in table {}",
                self.expr(a),
                call.text_arg(0).unwrap_or("?")
            ),
        }
    }

    fn select(&self, select: &Option<Selector>, of: &dyn Fn(&Cond) -> Option<String>) -> String {
        match select {
            None => String::new(),
            Some(Selector::Index(n)) => format!(" number {n}"),
            Some(Selector::Cond(cond)) => {
                of(cond).unwrap_or_else(|| format!(" where {}", self.cond(cond)))
            }
        }
    }

    fn hl7(&self, path: &Hl7Path) -> String {
        let mut text = String::new();
        let mut owners = Vec::new();
        let last = path.segments.len().saturating_sub(1);
        for step in path.segments.iter().take(last) {
            owners.push(format!(
                "{}{}",
                step.id,
                self.select(&step.select, &|_| None)
            ));
        }
        let Some(step) = path.segments.last() else {
            return text;
        };
        let datatype = path.field.and_then(|n| self.datatype(&step.id, n));
        if path.component.is_none()
            && let Some(noun) = datatype.and_then(noun)
        {
            let _ = write!(text, "the {noun} ");
        }
        text.push_str(&step.id);
        if let Some(field) = path.field {
            let _ = write!(text, "-{field}");
        }
        if let Some(component) = path.component {
            let _ = write!(text, ".{component}");
        }
        if let Some(subcomponent) = path.subcomponent {
            let _ = write!(text, ".{subcomponent}");
        }
        text.push_str(&self.select(&path.select, &|cond| {
            self.qualifier(datatype.unwrap_or(""), cond)
        }));
        let of_segment = self.select(&step.select, &|_| None);
        match path.field {
            _ if of_segment.is_empty() => {}
            None => text.push_str(&of_segment),
            Some(_) => {
                let _ = write!(text, " of the {}{of_segment}", step.id);
            }
        }
        for owner in owners.iter().rev() {
            let _ = write!(text, " that belongs to {owner}");
        }
        if let Some(group) = path.group {
            let _ = write!(text, " of the {}", group.word());
        }
        text
    }

    fn datatype(&self, segment: &str, field: u16) -> Option<&str> {
        let fields = self.segments.get(segment)?;
        let field = fields.get(usize::from(field).checked_sub(1)?)?;
        Some(&field.datatype)
    }

    /// ` of type "L"` for the parts of data types that everybody filters by.
    fn qualifier(&self, datatype: &str, cond: &Cond) -> Option<String> {
        let part = |e: &Expr| match &e.kind {
            ExprKind::Relative(Relative::Component {
                component,
                subcomponent: None,
            }) => KINDS
                .iter()
                .find(|(t, c, _)| *t == datatype && c == component)
                .map(|(_, _, word)| *word),
            _ => None,
        };
        match cond {
            Cond::Compare(a, Op::Eq, b) => Some(format!(" of {} {}", part(a)?, self.expr(b))),
            Cond::Compare(a, Op::Ne, b) => {
                Some(format!(" of any {} but {}", part(a)?, self.expr(b)))
            }
            Cond::In(a, list) => {
                let all: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                Some(format!(" of {} {}", part(a)?, all.join(" or ")))
            }
            _ => None,
        }
    }

    fn dicom(&self, path: &DicomPath) -> String {
        let steps: Vec<String> = path
            .steps
            .iter()
            .map(|s| format!("{}{}", s.keyword, self.select(&s.select, &|_| None)))
            .collect();
        steps.join(", its ")
    }

    fn name(&self, path: &NamePath) -> String {
        let mut text = String::new();
        for (n, step) in path.steps.iter().enumerate() {
            if n > 0 {
                text.push('.');
            }
            text.push_str(&step.name);
            text.push_str(&self.select(&step.select, &|_| None));
        }
        text
    }
}

fn target(section: &Section, rule: &Rule) -> String {
    match section.name.as_str() {
        "set" => rule.name.clone(),
        name => format!("{name}.{}", rule.name),
    }
}

fn rows((group, inner): &(Group, Option<String>)) -> String {
    match inner {
        Some(segment) => format!(
            "one row for each {segment} of each {0}, one for {1} {0} without",
            group.word(),
            if *group == Group::Order { "an" } else { "a" }
        ),
        None => format!("one row for each {}", group.word()),
    }
}

#[cfg(test)]
mod tests;
