//! What a rule says, as a tree: the output of [`super::parser`], the input of the checks and of the evaluation.
//!
//! Paths differ by source only (HL7 segments, DICOM keywords, record names); everything else is shared. Every node knows its bytes
//! in the file, so that a check can underline it.

use super::functions::Function;
use std::ops::Range;

/// Bytes of the file.
pub type Span = Range<usize>;

/// What the paths of a file read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `PID-3[.5 == "PI"].1`.
    Hl7,
    /// `PerformedSeriesSequence.SeriesInstanceUID`.
    Dicom,
    /// `patient.id.issuer`: record names only.
    Record,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

/// The forms of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    Hl7(Hl7Path),
    Dicom(DicomPath),
    /// `patient.id`, `link.role`, `row.ae`, `const.x`.
    Name(NamePath),
    /// Inside brackets: a part of what the bracket filters.
    Relative(Relative),
    Text(String),
    Integer(i64),
    /// Nothing said.
    None,
    /// HL7's null: the receiver empties the field.
    Clear,
    /// The base file's expression of this target.
    Inherited,
    /// `a ?? b`: the first that says something.
    Alternatives(Vec<Expr>),
    /// A TOML array of a single-valued target: the first entry with a result.
    Attempts(Vec<Expr>),
    Call(Box<Call>),
    If {
        condition: Box<Cond>,
        then: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
}

/// A function with its arguments; a piped value is the first one.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub function: &'static Function,
    pub piped: Option<Expr>,
    pub args: Vec<Expr>,
    /// `column:`, `else:` ...
    pub named: Vec<(String, Expr)>,
    /// Place of the function's name.
    pub name_span: Span,
}

impl Call {
    /// A named argument.
    pub fn named(&self, name: &str) -> Option<&Expr> {
        self.named.iter().find(|(n, _)| n == name).map(|(_, e)| e)
    }

    /// The text of a positional argument that is a constant.
    pub fn text_arg(&self, n: usize) -> Option<&str> {
        match &self.args.get(n)?.kind {
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond {
    Or(Vec<Cond>),
    And(Vec<Cond>),
    Not(Box<Cond>),
    /// A bare operand: true if it says something.
    Present(Expr),
    Compare(Expr, Op, Expr),
    /// `x in ("a", "b")`: any value of the left among those of the right.
    In(Expr, Vec<Expr>),
    /// `x in table("t")`: any value of the left is a key of the table.
    InTable(Expr, Box<Call>),
}

/// Comparison operators.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// The whole value against a linear-time regular expression, compiled at load.
    Matches(Pattern),
}

/// A compiled regular expression that compares by its text.
#[derive(Debug, Clone)]
pub struct Pattern(pub regex_lite::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// What a bracket keeps.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// The n-th, from 1.
    Index(usize),
    Cond(Box<Cond>),
}

/// Where a bare name is looked for first (`order/OBX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Message,
    Order,
    Patient,
    Resource,
    Specimen,
}

impl Group {
    /// The group of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "message" => Self::Message,
            "order" => Self::Order,
            "patient" => Self::Patient,
            "resource" => Self::Resource,
            "specimen" => Self::Specimen,
            _ => return None,
        })
    }

    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Order => "order",
            Self::Patient => "patient",
            Self::Resource => "resource",
            Self::Specimen => "specimen",
        }
    }
}

/// `order/OBR[..]/NTE[..]-3[..].1.2`
#[derive(Debug, Clone, PartialEq)]
pub struct Hl7Path {
    pub group: Option<Group>,
    pub segments: Vec<SegmentStep>,
    pub field: Option<u16>,
    pub select: Option<Selector>,
    pub component: Option<u16>,
    pub subcomponent: Option<u16>,
}

/// One segment of a path, owned by the one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentStep {
    pub id: String,
    pub select: Option<Selector>,
    pub span: Span,
}

/// `Sequence[..].Keyword`
#[derive(Debug, Clone, PartialEq)]
pub struct DicomPath {
    /// `message/Keyword`: from the root of the data set, not from the current item.
    pub root: bool,
    pub steps: Vec<KeywordStep>,
}

/// One attribute of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct KeywordStep {
    pub keyword: String,
    pub select: Option<Selector>,
    pub span: Span,
}

/// `patient.telecoms[.system == "phone"].value`
#[derive(Debug, Clone, PartialEq)]
pub struct NamePath {
    pub steps: Vec<NameStep>,
}

impl NamePath {
    /// The path as written, without brackets.
    pub fn text(&self) -> String {
        let names: Vec<&str> = self.steps.iter().map(|s| s.name.as_str()).collect();
        names.join(".")
    }
}

/// One name of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct NameStep {
    pub name: String,
    pub select: Option<Selector>,
    pub span: Span,
}

/// A path without what stands to the left of the bracket.
#[derive(Debug, Clone, PartialEq)]
pub enum Relative {
    /// `-3.1` in a segment's brackets.
    Field {
        field: u16,
        component: Option<u16>,
        subcomponent: Option<u16>,
    },
    /// `.5` in a field's brackets, `.4.2` with subcomponent.
    Component {
        component: u16,
        subcomponent: Option<u16>,
    },
    /// `.system` in the brackets of a record list.
    Part(Vec<String>),
    /// `.`: the value itself.
    Itself,
}

/// What [`walk`] shows.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'e> {
    Expr(&'e Expr),
    /// The table of `x in table("t")`.
    Membership(&'e Call),
}

/// Shows every expression of a tree, outermost first.
pub fn walk<'e>(expr: &'e Expr, see: &mut dyn FnMut(Seen<'e>)) {
    see(Seen::Expr(expr));
    match &expr.kind {
        ExprKind::Hl7(path) => {
            let steps = path.segments.iter().map(|s| &s.select);
            walk_selectors(steps.chain([&path.select]), see);
        }
        ExprKind::Dicom(path) => walk_selectors(path.steps.iter().map(|s| &s.select), see),
        ExprKind::Name(path) => walk_selectors(path.steps.iter().map(|s| &s.select), see),
        ExprKind::Alternatives(list) | ExprKind::Attempts(list) => {
            list.iter().for_each(|e| walk(e, see));
        }
        ExprKind::Call(call) => {
            call.piped.iter().for_each(|e| walk(e, see));
            call.args.iter().for_each(|e| walk(e, see));
            call.named.iter().for_each(|(_, e)| walk(e, see));
        }
        ExprKind::If {
            condition,
            then,
            otherwise,
        } => {
            walk_cond(condition, see);
            walk(then, see);
            otherwise.iter().for_each(|e| walk(e, see));
        }
        _ => {}
    }
}

fn walk_selectors<'e>(
    selectors: impl Iterator<Item = &'e Option<Selector>>,
    see: &mut dyn FnMut(Seen<'e>),
) {
    for select in selectors {
        if let Some(Selector::Cond(cond)) = select {
            walk_cond(cond, see);
        }
    }
}

/// Shows every expression of a condition.
pub fn walk_cond<'e>(cond: &'e Cond, see: &mut dyn FnMut(Seen<'e>)) {
    match cond {
        Cond::Or(list) | Cond::And(list) => list.iter().for_each(|c| walk_cond(c, see)),
        Cond::Not(inner) => walk_cond(inner, see),
        Cond::Present(e) => walk(e, see),
        Cond::Compare(a, _, b) => {
            walk(a, see);
            walk(b, see);
        }
        Cond::In(a, list) => {
            walk(a, see);
            list.iter().for_each(|e| walk(e, see));
        }
        Cond::InTable(a, call) => {
            walk(a, see);
            see(Seen::Membership(call));
            call.args.iter().for_each(|e| walk(e, see));
        }
    }
}
