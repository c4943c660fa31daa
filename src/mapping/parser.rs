//! One rule's text into its tree: the grammar of docs/reference/mapping.md, one token of lookahead, bounded depth.
//!
//! An error says what stands there, what was expected and, for the slips that people make (a forgotten inner quote, `a | f ?? b`,
//! `.3.1` for `-3.1`), what to write instead. Nothing here knows the record or the HL7 definitions: [`super::check`] does.
//!
//! This file holds the tokens and the expressions; `path` reads paths and selectors, `condition` conditions.

mod condition;
mod path;

pub use crate::diagnostic::Diagnostic as Problem;

use super::ast::*;
use super::functions::{FUNCTIONS, Piped, function};
use super::lexer::{Tok, Token, tokens};
use crate::diagnostic::did_you_mean;
use crate::fuzzing;

/// Deepest nesting of parentheses, brackets and calls.
pub const MAX_DEPTH: usize = 16;

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
            return Err(Problem::new("M012", self.span(), message)
                .hint("move codes into a table under tables/, or write attempts in a list"));
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
                return Err(Problem::new("M021", name_span, message)
                    .hint(format!("write the value before it: PID-3 | {name}")));
            }
            (Piped::Never, true) => {
                let message = format!("`{name}` takes its values as arguments, not by a pipe");
                return Err(Problem::new("M021", name_span, message)
                    .hint(format!("write {name}(value, ..)")));
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
}

/// Fuzz target: any text as a rule of each dialect.
pub fn fuzz_rule(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    let kind = |p: &Problem| (p.code, p.hint.as_ref().map(String::len), p.label.len());
    let outcomes = [Dialect::Hl7, Dialect::Dicom, Dialect::Record].map(|dialect| {
        let expression = expression(text, 0, dialect).err();
        let condition = condition(text, 7, dialect).err();
        (expression.as_ref().map(kind), condition.as_ref().map(kind))
    });
    let words = |c: char| fuzzing::size(text.matches(c).count());
    fuzzing::shape((outcomes, "([|?{".chars().map(words).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests;
