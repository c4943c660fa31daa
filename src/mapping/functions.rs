//! The closed list of functions: declaration here, body in [`super::apply`].
//!
//! One line a function: the parser checks its name, the checks its arguments, `mapping reference` prints it. All functions are pure
//! and total; absent and null pass through unless the text says otherwise.

use crate::domain::value::Kind;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum F {
    After,
    Alternate,
    As,
    Authority,
    Base64Text,
    Before,
    Cda,
    Code,
    Concat,
    Cut,
    Date,
    Datetime,
    Digits,
    Distinct,
    Drop,
    Earliest,
    First,
    FirstLine,
    Id,
    Issuer,
    Join,
    Lower,
    Number,
    OneLine,
    Only,
    Pad,
    Prefix,
    Quantity,
    Replace,
    Require,
    Rows,
    SkipLonger,
    SopRef,
    Table,
    Text,
    Trim,
    Type,
    Upper,
    Zone,
}

/// What a function gives, for the static checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// The kind of its input.
    Same,
    /// Always this kind.
    Kind(Kind),
    /// Known at run time only.
    Any,
}

/// Whether a value may, must or must not be piped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piped {
    Must,
    May,
    Never,
}

/// A declaration.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub id: F,
    pub piped: Piped,
    /// Least and most positional arguments.
    pub args: (usize, usize),
    /// Arguments that must be constant texts.
    pub constant: bool,
    pub named: &'static [&'static str],
    pub gives: Gives,
    /// True if its result is never more than one value.
    pub single: bool,
    pub doc: &'static str,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

const TEXT: Gives = Gives::Kind(Kind::Text(0));
const ID: Gives = Gives::Kind(Kind::Identifier(0));

const fn pipe(
    name: &'static str,
    id: F,
    args: (usize, usize),
    gives: Gives,
    doc: &'static str,
) -> Function {
    Function {
        name,
        id,
        piped: Piped::Must,
        args,
        constant: true,
        named: &[],
        gives,
        single: false,
        doc,
    }
}

const fn one(f: Function) -> Function {
    Function { single: true, ..f }
}

const fn dynamic(f: Function) -> Function {
    Function {
        constant: false,
        ..f
    }
}

/// Every function, by name.
pub const FUNCTIONS: &[Function] = &[
    pipe(
        "after",
        F::After,
        (1, 1),
        TEXT,
        "what follows the first occurrence of a text; absent if it does not occur",
    ),
    pipe(
        "alternate",
        F::Alternate,
        (0, 0),
        Gives::Kind(Kind::Concept),
        "components 4 to 6 of a code as a code of their own",
    ),
    pipe(
        "as",
        F::As,
        (1, 1),
        Gives::Any,
        "reads the field as another HL7 data type",
    ),
    dynamic(pipe(
        "authority",
        F::Authority,
        (0, 16),
        ID,
        "repetitions of the first listed authority (OID first, then name, blanks ignored); an empty list filters nothing",
    )),
    pipe(
        "base64_text",
        F::Base64Text,
        (0, 0),
        TEXT,
        "Base64 of UTF-8 text, decoded",
    ),
    pipe(
        "before",
        F::Before,
        (1, 1),
        TEXT,
        "what precedes the first occurrence of a text; the whole if it does not occur",
    ),
    pipe(
        "cda",
        F::Cda,
        (1, 1),
        Gives::Any,
        "from the header of a CDA document: patient, accession, study_uid, id, set_id, version or replaces",
    ),
    Function {
        named: &["system"],
        ..pipe(
            "code",
            F::Code,
            (0, 0),
            Gives::Kind(Kind::Concept),
            "names the coding system of a code that has none",
        )
    },
    Function {
        piped: Piped::Never,
        ..one(dynamic(pipe(
            "concat",
            F::Concat,
            (1, 16),
            TEXT,
            "texts one after the other; absent if any part is absent",
        )))
    },
    Function {
        constant: false,
        ..pipe(
            "cut",
            F::Cut,
            (0, 1),
            TEXT,
            "at most n characters, without n the target's limit; refused on identifiers",
        )
    },
    pipe(
        "date",
        F::Date,
        (1, 1),
        Gives::Kind(Kind::When),
        "a date of another form: date(\"DD/MM/YYYY HH:mm\")",
    ),
    Function {
        piped: Piped::Never,
        ..one(dynamic(pipe(
            "datetime",
            F::Datetime,
            (1, 3),
            Gives::Kind(Kind::When),
            "DICOM date, time and offset as one",
        )))
    },
    pipe("digits", F::Digits, (0, 0), TEXT, "digits only"),
    pipe(
        "distinct",
        F::Distinct,
        (0, 0),
        Gives::Same,
        "drops repeats",
    ),
    pipe(
        "drop",
        F::Drop,
        (1, 1),
        Gives::Kind(Kind::Name),
        "a name without one of its parts",
    ),
    one(pipe(
        "earliest",
        F::Earliest,
        (0, 0),
        Gives::Kind(Kind::When),
        "the earliest of several times",
    )),
    one(pipe(
        "first",
        F::First,
        (0, 0),
        Gives::Same,
        "the first of a list",
    )),
    pipe(
        "first_line",
        F::FirstLine,
        (0, 0),
        TEXT,
        "text up to its first line end",
    ),
    Function {
        piped: Piped::Never,
        ..one(dynamic(pipe(
            "identifier",
            F::Id,
            (1, 3),
            ID,
            "DICOM value, issuer text and issuer sequence as one identifier",
        )))
    },
    dynamic(pipe(
        "issuer",
        F::Issuer,
        (1, 1),
        ID,
        "supplies the authority of an identifier that has none",
    )),
    one(pipe(
        "join",
        F::Join,
        (1, 1),
        TEXT,
        "a list as one text, empty lines kept",
    )),
    pipe("lower", F::Lower, (0, 0), TEXT, "lower case"),
    pipe(
        "number",
        F::Number,
        (0, 0),
        Gives::Kind(Kind::Number),
        "a decimal with point or comma",
    ),
    pipe(
        "one_line",
        F::OneLine,
        (0, 0),
        TEXT,
        "an address, place or telecom as one line",
    ),
    one(pipe(
        "only",
        F::Only,
        (0, 0),
        Gives::Same,
        "refuses several different values",
    )),
    Function {
        constant: false,
        ..pipe(
            "pad",
            F::Pad,
            (2, 2),
            TEXT,
            "at least n characters, filled from the left",
        )
    },
    pipe(
        "prefix",
        F::Prefix,
        (1, 1),
        TEXT,
        "puts a text before the value",
    ),
    pipe(
        "quantity",
        F::Quantity,
        (1, 1),
        Gives::Kind(Kind::Number),
        "the number of an OBX or CQ in a unit (kg, g, lb, m, cm, mm, in)",
    ),
    pipe(
        "replace",
        F::Replace,
        (2, 2),
        TEXT,
        "every occurrence of a text by another",
    ),
    pipe(
        "require",
        F::Require,
        (0, 0),
        Gives::Same,
        "absent refuses the message, whatever the command",
    ),
    Function {
        piped: Piped::May,
        ..dynamic(pipe(
            "rows",
            F::Rows,
            (1, 9),
            Gives::Any,
            "for `each`: every row of a table whose first keys fit; the cells are row.COLUMN",
        ))
    },
    pipe(
        "skip_longer",
        F::SkipLonger,
        (0, 0),
        Gives::Same,
        "absent if longer than the target allows: a phone number or a room is never cut",
    ),
    pipe(
        "sop_ref",
        F::SopRef,
        (1, 1),
        Gives::Any,
        "a UID as a reference to an instance of a SOP class",
    ),
    Function {
        piped: Piped::May,
        named: &["column", "else", "add"],
        ..dynamic(pipe(
            "table",
            F::Table,
            (1, 9),
            Gives::Any,
            "looks its keys up in a table; else: says what a miss does",
        ))
    },
    pipe("text", F::Text, (0, 0), TEXT, "readable text of any value"),
    pipe("trim", F::Trim, (0, 0), TEXT, "without blanks at both ends"),
    pipe(
        "type",
        F::Type,
        (1, 16),
        ID,
        "repetitions of the first listed identifier type; \"\" is an untyped one",
    ),
    pipe("upper", F::Upper, (0, 0), TEXT, "upper case"),
    pipe(
        "zone",
        F::Zone,
        (1, 1),
        Gives::Kind(Kind::When),
        "a time without offset as one of a time zone: zone(\"Europe/Paris\")",
    ),
];

/// The function of a name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_stands_once_with_a_text() {
        for (i, f) in FUNCTIONS.iter().enumerate() {
            assert!(!f.doc.is_empty() && f.args.0 <= f.args.1, "{}", f.name);
            assert!(FUNCTIONS[..i].iter().all(|o| o.name < f.name), "{}", f.name);
        }
    }
}
