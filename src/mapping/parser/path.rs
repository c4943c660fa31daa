//! Paths of the three dialects (HL7 positions, DICOM keywords, names of the record), their selectors, and the relative places inside
//! brackets.
//!
//! What `-3`, `.5` and `.system` mean is decided by [`Inside`], the bracket they stand in; nesting is bounded by the parser's depth.

use super::{Inside, Parsed, Parser, Problem};
use crate::mapping::ast::*;
use crate::mapping::lexer::Tok;

impl Parser {
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

    pub(super) fn hl7_path(&mut self, group: Option<Group>) -> Parsed<ExprKind> {
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

    pub(super) fn dicom_path(&mut self, root: bool) -> Parsed<ExprKind> {
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

    pub(super) fn name_path(&mut self) -> Parsed<ExprKind> {
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
    pub(super) fn relative(&mut self) -> Parsed<Relative> {
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
}
