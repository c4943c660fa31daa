//! Conditions: `or`, `and`, `not`, comparisons, patterns and membership.
//!
//! Operands are expressions of the parent module; patterns are compiled here, with bounds on their size and nesting.

use super::{Parsed, Parser, Problem};
use crate::mapping::ast::*;
use crate::mapping::lexer::Tok;

impl Parser {
    pub(super) fn cond(&mut self) -> Parsed<Cond> {
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
        // `true` and `false` alone are no presence of a name.
        if let (ExprKind::Name(path), false) = (&operand.kind, self.compares()) {
            match path.text().as_str() {
                "true" => return Ok(Cond::And(vec![])),
                "false" => return Ok(Cond::Or(vec![])),
                _ => {}
            }
        }
        self.comparison(operand)
    }

    fn compares(&self) -> bool {
        match self.tok(0) {
            Tok::Sign(sign) => matches!(*sign, "==" | "!=" | "<" | "<=" | ">" | ">="),
            Tok::Word(word) => matches!(word.as_str(), "in" | "matches" | "is" | "not"),
            _ => false,
        }
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
                .hint("a regular expression without look-around and back references, for the whole value")
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
