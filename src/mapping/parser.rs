//! One rule's text into its tree: the grammar of docs/reference/mapping.md, one token of lookahead, bounded depth.
//!
//! An error says what stands there, what was expected and, for the slips that people make (a forgotten inner quote, `a | f ?? b`,
//! `.3.1` for `-3.1`), what to write instead. Nothing here knows the record or the HL7 definitions: [`super::check`] does.

use super::ast::*;
use super::functions::{FUNCTIONS, Piped, function};
use super::lexer::{Tok, Token, tokens};
use crate::diagnostic::{Diagnostic, Severity, did_you_mean};
use std::sync::Arc;

/// Deepest nesting of parentheses, brackets and calls.
pub const MAX_DEPTH: usize = 16;

/// A problem of one rule, before it is tied to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static str,
    pub severity: Severity,
    pub span: Span,
    pub message: String,
    pub label: String,
    pub hint: Option<String>,
}

impl Problem {
    /// An error.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            hint: None,
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(code, span, message)
        }
    }

    /// Says what the underlined text is.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do, if there is something to say.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// The problem as a diagnostic of a file.
    pub fn in_file(self, file: &Arc<str>) -> Diagnostic {
        Diagnostic {
            code: self.code,
            severity: self.severity,
            file: Arc::clone(file),
            span: self.span,
            message: self.message,
            label: self.label,
            hint: self.hint,
        }
    }
}

type Parsed<T> = Result<T, Problem>;

/// Parses an expression that starts at byte `offset` of its file.
pub fn expression(text: &str, offset: usize, dialect: Dialect) -> Parsed<Expr> {
    let mut parser = Parser::new(text, offset, dialect)?;
    let expr = parser.pipeline()?;
    parser.end()?;
    Ok(expr)
}

/// Parses a condition that starts at byte `offset` of its file.
pub fn condition(text: &str, offset: usize, dialect: Dialect) -> Parsed<Cond> {
    let mut parser = Parser::new(text, offset, dialect)?;
    let cond = parser.cond()?;
    parser.end()?;
    Ok(cond)
}

/// What encloses the token at hand: decides what `-3` and `.5` mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Segment,
    Field,
    Record,
    Keyword,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    dialect: Dialect,
    inside: Inside,
}

impl Parser {
    fn new(text: &str, offset: usize, dialect: Dialect) -> Parsed<Self> {
        let shift = |span: Span| span.start + offset..span.end + offset;
        let mut tokens = tokens(text).map_err(|p| Problem {
            span: shift(p.span.clone()),
            ..p
        })?;
        for token in &mut tokens {
            token.span = shift(token.span.clone());
        }
        Ok(Self {
            tokens,
            at: 0,
            depth: 0,
            dialect,
            inside: Inside::Nothing,
        })
    }

    fn tok(&self, ahead: usize) -> &Tok {
        self.tokens
            .get(self.at + ahead)
            .map_or(&Tok::End, |t| &t.tok)
    }

    fn span(&self) -> Span {
        let last = self.tokens.len() - 1;
        self.tokens[self.at.min(last)].span.clone()
    }

    /// End of the last token taken.
    fn behind(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|i| self.tokens.get(i))
            .map_or(self.span().start, |t| t.span.end)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.tok(0), Tok::Sign(s) if *s == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.tok(0), Tok::Word(w) if w == word)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str, place: &str) -> Parsed<()> {
        if self.take(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}` {place}")))
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let found = match self.tok(0) {
            Tok::Word(w) => format!("`{w}`"),
            Tok::Int(n) => format!("`{n}`"),
            Tok::Text(_) => "a text".to_owned(),
            Tok::Sign(s) => format!("`{s}`"),
            Tok::End => "the end of the rule".to_owned(),
        };
        Problem::new(
            "M010",
            self.span(),
            format!("{found} where {expected} is expected"),
        )
    }

    fn end(&mut self) -> Parsed<()> {
        match self.tok(0) {
            Tok::End => Ok(()),
            Tok::Sign("??") => Err(Problem::new("M011", self.span(), "`??` after a pipe")
                .label("`|` takes everything to its left")
                .hint("write (a | f) ?? b, or the two as attempts: ['a | f', 'b']")),
            Tok::Sign("==" | "!=" | "<" | ">" | "<=" | ">=") => Err(self
                .unexpected("the end of the rule")
                .hint("a condition stands in [brackets], after `if`, or in when/ignore")),
            _ => Err(self.unexpected("the end of the rule, `|` or `??`")),
        }
    }

    /// Runs a nested parse one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH}");
            return Err(Problem::new("M012", self.span(), message));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// `expr = alt { "|" call }`
    fn pipeline(&mut self) -> Parsed<Expr> {
        let start = self.span().start;
        let mut expr = self.alternatives()?;
        while self.take("|") {
            let call = self.call(Some(expr))?;
            expr = Expr {
                kind: ExprKind::Call(Box::new(call)),
                span: start..self.behind(),
            };
        }
        Ok(expr)
    }

    /// `alt = term { "??" term }`
    fn alternatives(&mut self) -> Parsed<Expr> {
        let first = self.deeper(Self::term)?;
        self.more_alternatives(first)
    }

    fn more_alternatives(&mut self, first: Expr) -> Parsed<Expr> {
        if !self.is("??") {
            return Ok(first);
        }
        let start = first.span.start;
        let mut list = vec![first];
        while self.take("??") {
            list.push(self.deeper(Self::term)?);
        }
        Ok(Expr {
            kind: ExprKind::Alternatives(list),
            span: start..self.behind(),
        })
    }

    fn term(&mut self) -> Parsed<Expr> {
        let start = self.span().start;
        let kind = match self.tok(0).clone() {
            Tok::Text(text) => {
                self.at += 1;
                ExprKind::Text(text)
            }
            Tok::Int(n) => {
                self.at += 1;
                ExprKind::Integer(n)
            }
            Tok::Sign("(") => {
                self.at += 1;
                let inner = self.pipeline()?;
                self.expect(")", "to close the bracket")?;
                return Ok(inner);
            }
            Tok::Sign("-" | ".") => ExprKind::Relative(self.relative()?),
            Tok::Word(word) => self.word_term(&word)?,
            _ => return Err(self.unexpected("a path, a name, a text or a function")),
        };
        Ok(Expr {
            kind,
            span: start..self.behind(),
        })
    }

    fn word_term(&mut self, word: &str) -> Parsed<ExprKind> {
        match word {
            "none" | "clear" | "inherited" => {
                self.at += 1;
                Ok(match word {
                    "none" => ExprKind::None,
                    "clear" => ExprKind::Clear,
                    _ => ExprKind::Inherited,
                })
            }
            "if" => self.conditional(),
            "not" | "and" | "or" | "in" | "then" | "else" | "matches" => {
                Err(self.unexpected("a path, a name, a text or a function"))
            }
            _ if matches!(self.tok(1), Tok::Sign("(")) => {
                Ok(ExprKind::Call(Box::new(self.call(None)?)))
            }
            _ if matches!(self.tok(1), Tok::Sign("/")) && Group::of_word(word).is_some() => {
                self.at += 2;
                match self.dialect {
                    Dialect::Hl7 => self.hl7_path(Group::of_word(word)),
                    _ => self.dicom_path(true),
                }
            }
            _ if word.starts_with(|c: char| c.is_ascii_uppercase()) => match self.dialect {
                Dialect::Hl7 => self.hl7_path(None),
                Dialect::Dicom => self.dicom_path(false),
                Dialect::Record => Err(self.not_a_name(word)),
            },
            _ => self.name_path(),
        }
    }

    fn not_a_name(&self, word: &str) -> Problem {
        Problem::new("M013", self.span(), format!("`{word}` is not a name"))
            .hint(format!("a constant text is written '\"{word}\"'"))
    }

    fn conditional(&mut self) -> Parsed<ExprKind> {
        self.at += 1;
        let condition = Box::new(self.deeper(Self::cond)?);
        if !self.take_word("then") {
            return Err(self.unexpected("`then`"));
        }
        let then = Box::new(self.deeper(Self::term)?);
        let otherwise = match self.take_word("else") {
            true => Some(Box::new(self.deeper(Self::term)?)),
            false => None,
        };
        Ok(ExprKind::If {
            condition,
            then,
            otherwise,
        })
    }

    /// `NAME [ "(" arg { "," arg } ")" ]`
    fn call(&mut self, piped: Option<Expr>) -> Parsed<Call> {
        let name_span = self.span();
        let Tok::Word(name) = self.tok(0).clone() else {
            return Err(self.unexpected("the name of a function"));
        };
        let Some(function) = function(&name) else {
            let names = FUNCTIONS.iter().map(|f| f.name);
            let message = format!("there is no function `{name}`");
            return Err(
                Problem::new("M020", name_span, message).maybe_hint(did_you_mean(&name, names))
            );
        };
        self.at += 1;
        let (mut args, mut named) = (vec![], vec![]);
        if self.take("(") && !self.take(")") {
            loop {
                self.argument(&mut args, &mut named)?;
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")", "to close the arguments")?;
        }
        match (function.piped, piped.is_some()) {
            (Piped::Must, false) => {
                let message = format!("`{name}` works on a value: value | {name}");
                return Err(Problem::new("M021", name_span, message));
            }
            (Piped::Never, true) => {
                let message = format!("`{name}` takes its values as arguments, not by a pipe");
                return Err(Problem::new("M021", name_span, message));
            }
            _ => {}
        }
        Ok(Call {
            function,
            piped,
            args,
            named,
            name_span,
        })
    }

    fn argument(&mut self, args: &mut Vec<Expr>, named: &mut Vec<(String, Expr)>) -> Parsed<()> {
        let name = match (self.tok(0), self.tok(1)) {
            (Tok::Word(w), Tok::Sign(":")) => Some(w.clone()),
            _ => None,
        };
        let Some(name) = name else {
            if !named.is_empty() {
                return Err(
                    self.unexpected("a named argument (after the first one, all are named)")
                );
            }
            args.push(self.deeper(Self::alternatives)?);
            return Ok(());
        };
        self.at += 2;
        let value = match self.tok(0).clone() {
            // The words of `else:`, `add:` are no names of the record.
            Tok::Word(w) if matches!(w.as_str(), "refuse" | "warn" | "keep" | "true" | "false") => {
                let span = self.span();
                self.at += 1;
                Expr {
                    kind: ExprKind::Name(NamePath {
                        steps: vec![NameStep {
                            name: w,
                            select: None,
                            span: span.clone(),
                        }],
                    }),
                    span,
                }
            }
            _ => self.deeper(Self::term)?,
        };
        named.push((name, value));
        Ok(())
    }

    fn int(&mut self, what: &str) -> Parsed<u16> {
        match *self.tok(0) {
            Tok::Int(n) if (1..=9_999).contains(&n) => {
                self.at += 1;
                Ok(n as u16)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// `.INT`, if it follows without another meaning.
    fn dotted_int(&mut self) -> Parsed<Option<u16>> {
        match (self.tok(0), self.tok(1)) {
            (Tok::Sign("."), Tok::Int(_)) => {
                self.at += 1;
                self.int("a component number").map(Some)
            }
            _ => Ok(None),
        }
    }

    fn hl7_path(&mut self, group: Option<Group>) -> Parsed<ExprKind> {
        let mut segments = Vec::new();
        loop {
            let span = self.span();
            let Tok::Word(id) = self.tok(0).clone() else {
                return Err(self.unexpected("a segment"));
            };
            let looks_right = id.len() == 3
                && id.starts_with(|c: char| c.is_ascii_uppercase())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if !looks_right {
                return Err(self.not_a_name(&id));
            }
            self.at += 1;
            let select = self.selector(Inside::Segment)?;
            segments.push(SegmentStep { id, select, span });
            if !self.take("/") {
                break;
            }
        }
        let mut path = Hl7Path {
            group,
            segments,
            field: None,
            select: None,
            component: None,
            subcomponent: None,
        };
        if self.take("-") {
            path.field = Some(self.int("a field number")?);
            path.select = self.selector(Inside::Field)?;
            path.component = self.dotted_int()?;
            if path.component.is_some() {
                path.subcomponent = self.dotted_int()?;
            }
        } else if self.is(".") {
            let id = path.segments.last().map_or("", |s| s.id.as_str());
            return Err(self
                .unexpected("`-` and a field number")
                .hint(format!("fields are written {id}-3, components {id}-3.1")));
        }
        Ok(ExprKind::Hl7(path))
    }

    fn dicom_path(&mut self, root: bool) -> Parsed<ExprKind> {
        let mut steps = Vec::new();
        loop {
            let span = self.span();
            let Tok::Word(keyword) = self.tok(0).clone() else {
                return Err(self.unexpected("a DICOM keyword"));
            };
            self.at += 1;
            let select = self.selector(Inside::Keyword)?;
            steps.push(KeywordStep {
                keyword,
                select,
                span,
            });
            if !self.take(".") {
                break;
            }
        }
        Ok(ExprKind::Dicom(DicomPath { root, steps }))
    }

    fn name_path(&mut self) -> Parsed<ExprKind> {
        let mut steps = Vec::new();
        loop {
            let span = self.span();
            let Tok::Word(name) = self.tok(0).clone() else {
                return Err(self.unexpected("a name"));
            };
            self.at += 1;
            let select = self.selector(Inside::Record)?;
            steps.push(NameStep { name, select, span });
            if !self.take(".") {
                break;
            }
        }
        Ok(ExprKind::Name(NamePath { steps }))
    }

    fn selector(&mut self, inside: Inside) -> Parsed<Option<Selector>> {
        if !self.take("[") {
            return Ok(None);
        }
        if let (&Tok::Int(n), Tok::Sign("]")) = (self.tok(0), self.tok(1)) {
            let span = self.span();
            self.at += 2;
            return match usize::try_from(n) {
                Ok(n) if n > 0 => Ok(Some(Selector::Index(n))),
                _ => Err(Problem::new("M010", span, "occurrences count from 1")),
            };
        }
        let before = std::mem::replace(&mut self.inside, inside);
        let cond = self.deeper(Self::cond)?;
        self.inside = before;
        self.expect("]", "to close the filter")?;
        Ok(Some(Selector::Cond(Box::new(cond))))
    }

    /// `-3.1`, `.5`, `.system` or `.` alone, according to the bracket they stand in.
    fn relative(&mut self) -> Parsed<Relative> {
        let span = self.span();
        if self.take("-") {
            if self.inside != Inside::Segment {
                return Err(Problem::new("M010", span, "`-` has no segment here")
                    .hint("inside a field's brackets write the component: PID-3[.5 == \"PI\"]"));
            }
            let field = self.int("a field number")?;
            let component = self.dotted_int()?;
            let subcomponent = match component {
                Some(_) => self.dotted_int()?,
                None => None,
            };
            return Ok(Relative::Field {
                field,
                component,
                subcomponent,
            });
        }
        self.at += 1;
        match (self.inside, self.tok(0).clone()) {
            (Inside::Field, Tok::Int(_)) => {
                let component = self.int("a component number")?;
                let subcomponent = self.dotted_int()?;
                Ok(Relative::Component {
                    component,
                    subcomponent,
                })
            }
            (Inside::Segment, Tok::Int(n)) => {
                Err(Problem::new("M010", span, "a field begins with `-`")
                    .hint(format!("inside a segment's brackets write -{n}")))
            }
            (Inside::Record, Tok::Word(word)) => {
                self.at += 1;
                let mut parts = vec![word];
                while let (Tok::Sign("."), Tok::Word(next)) = (self.tok(0), self.tok(1)) {
                    parts.push(next.clone());
                    self.at += 2;
                }
                Ok(Relative::Part(parts))
            }
            (Inside::Record | Inside::Field, _) => Ok(Relative::Itself),
            _ => Err(Problem::new("M010", span, "`.` has no meaning here")),
        }
    }

    fn cond(&mut self) -> Parsed<Cond> {
        let mut list = vec![self.conjunction()?];
        while self.take_word("or") {
            list.push(self.conjunction()?);
        }
        Ok(one_or(list, Cond::Or))
    }

    fn conjunction(&mut self) -> Parsed<Cond> {
        let mut list = vec![self.deeper(Self::unit)?];
        while self.take_word("and") {
            list.push(self.deeper(Self::unit)?);
        }
        Ok(one_or(list, Cond::And))
    }

    fn unit(&mut self) -> Parsed<Cond> {
        if self.take_word("not") {
            return Ok(Cond::Not(Box::new(self.deeper(Self::unit)?)));
        }
        if self.take("(") {
            let inner = self.deeper(Self::cond)?;
            if let Cond::Present(operand) = inner {
                // The bracket held an operand, perhaps with a pipe: `(a | f) == "x"`.
                let operand = self.pipes(operand)?;
                self.expect(")", "to close the bracket")?;
                let operand = self.more_alternatives(operand)?;
                return self.comparison(operand);
            }
            self.expect(")", "to close the bracket")?;
            return Ok(inner);
        }
        let operand = self.alternatives()?;
        self.comparison(operand)
    }

    fn pipes(&mut self, mut operand: Expr) -> Parsed<Expr> {
        let start = operand.span.start;
        while self.take("|") {
            let call = self.call(Some(operand))?;
            operand = Expr {
                kind: ExprKind::Call(Box::new(call)),
                span: start..self.behind(),
            };
        }
        Ok(operand)
    }

    fn comparison(&mut self, left: Expr) -> Parsed<Cond> {
        let op = match self.tok(0).clone() {
            Tok::Sign("==") => Op::Eq,
            Tok::Sign("!=") => Op::Ne,
            Tok::Sign("<") => Op::Lt,
            Tok::Sign("<=") => Op::Le,
            Tok::Sign(">") => Op::Gt,
            Tok::Sign(">=") => Op::Ge,
            Tok::Word(w) if w == "matches" => return self.matching(left),
            Tok::Word(w) if w == "in" => return self.membership(left),
            Tok::Word(w) if w == "is" => {
                return Err(self
                    .unexpected("a comparison")
                    .hint("a bare path means \"is present\", `not path` means \"is empty\""));
            }
            Tok::Word(w) if w == "not" => {
                return Err(self
                    .unexpected("a comparison")
                    .hint("write `not x in (..)`"));
            }
            _ => return Ok(Cond::Present(left)),
        };
        self.at += 1;
        let right = self.alternatives()?;
        Ok(Cond::Compare(left, op, right))
    }

    fn matching(&mut self, left: Expr) -> Parsed<Cond> {
        self.at += 1;
        let span = self.span();
        let Tok::Text(pattern) = self.tok(0).clone() else {
            return Err(self.unexpected("a text with the pattern"));
        };
        self.at += 1;
        let compiled = regex_lite::RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(1 << 18)
            .nest_limit(32)
            .build()
            .map_err(|e| {
                Problem::new(
                    "M014",
                    span.clone(),
                    format!("the pattern cannot be read: {e}"),
                )
            })?;
        let right = Expr {
            kind: ExprKind::Text(pattern),
            span,
        };
        Ok(Cond::Compare(left, Op::Matches(Pattern(compiled)), right))
    }

    fn membership(&mut self, left: Expr) -> Parsed<Cond> {
        self.at += 1;
        if self.is("[") {
            return Err(self
                .unexpected("`(`")
                .hint("a list is written (\"a\", \"b\")"));
        }
        if self.take("(") {
            let mut list = vec![self.alternatives()?];
            while self.take(",") {
                list.push(self.alternatives()?);
            }
            self.expect(")", "to close the list")?;
            return Ok(Cond::In(left, list));
        }
        let right = self.alternatives()?;
        Ok(match right.kind {
            ExprKind::Call(call) if call.function.name == "table" => Cond::InTable(left, call),
            _ => Cond::In(left, vec![right]),
        })
    }
}

fn one_or(mut list: Vec<Cond>, many: impl FnOnce(Vec<Cond>) -> Cond) -> Cond {
    match list.len() {
        1 => list.swap_remove(0),
        _ => many(list),
    }
}

/// Fuzz target: any text as a rule of each dialect.
pub fn fuzz_rule(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        for dialect in [Dialect::Hl7, Dialect::Dicom, Dialect::Record] {
            let _ = expression(text, 0, dialect);
            let _ = condition(text, 7, dialect);
        }
    }
}

#[cfg(test)]
mod tests;
