//! The words of sentences: data types, operators, functions.

use crate::mapping::ast::{Op, Relative};
use crate::mapping::functions::{F, FUNCTIONS};

/// What a whole field of a data type is.
pub fn noun(datatype: &str) -> Option<&'static str> {
    NOUNS.iter().find(|(t, _)| *t == datatype).map(|(_, n)| *n)
}

const NOUNS: &[(&str, &str)] = &[
    ("XPN", "name"),
    ("CX", "identifier"),
    ("EI", "identifier"),
    ("XCN", "person"),
    ("XON", "organization"),
    ("XAD", "address"),
    ("XTN", "phone or mail address"),
    ("PL", "place"),
    ("CE", "code"),
    ("CWE", "code"),
    ("CNE", "code"),
    ("TS", "time"),
    ("DTM", "time"),
    ("DT", "date"),
    ("FT", "text"),
    ("TX", "text"),
];

/// Components of data types that everybody filters by, with the word for it.
pub const KINDS: &[(&str, u16, &str)] = &[
    ("XPN", 7, "type"),
    ("XAD", 7, "type"),
    ("CX", 5, "type"),
    ("CX", 4, "authority"),
    ("XCN", 10, "type"),
    ("XTN", 2, "use"),
    ("XTN", 3, "equipment"),
];

/// An operator in words.
pub fn operator(op: &Op) -> &'static str {
    match op {
        Op::Eq => "is",
        Op::Ne => "is not",
        Op::Lt => "is less than",
        Op::Le => "is at most",
        Op::Gt => "is more than",
        Op::Ge => "is at least",
        Op::Matches(_) => "looks like",
    }
}

/// A part of what a bracket filters, in words.
pub fn relative_words(relative: &Relative) -> String {
    let sub = |s: &Option<u16>| s.map_or(String::new(), |n| format!(".{n}"));
    match relative {
        Relative::Field {
            field,
            component,
            subcomponent,
        } => format!("its field {field}{}{}", sub(component), sub(subcomponent)),
        Relative::Component {
            component,
            subcomponent,
        } => format!("its component {component}{}", sub(subcomponent)),
        Relative::Part(parts) => format!("its {}", parts.join(".")),
        Relative::Itself => "it".to_owned(),
    }
}

/// What a function does to what was said before; a function without words of its own is named with its arguments.
pub fn function_words(function: F, args: &[String]) -> String {
    let arg = |n: usize| args.get(n).map_or("", String::as_str);
    match function {
        F::After => format!("what follows {}", arg(0)),
        F::Alternate => "as its alternate code".to_owned(),
        F::As => format!("read as {}", arg(0)),
        F::Authority => format!("of the first authority among {}", args.join(", ")),
        F::Base64Text => "decoded from Base64".to_owned(),
        F::Before => format!("what precedes {}", arg(0)),
        F::Code => "with a coding system if it has none".to_owned(),
        F::Concat => format!("{} in one text", args.join(" then ")),
        F::Cut => match args {
            [] => "cut to what fits".to_owned(),
            _ => format!("cut to {} characters", arg(0)),
        },
        F::Date => format!("a date written as {}", arg(0)),
        F::Digits => "its digits only".to_owned(),
        F::Distinct => "without repeats".to_owned(),
        F::Drop => format!("without its {}", arg(0)),
        F::Earliest => "the earliest".to_owned(),
        F::First => "the first".to_owned(),
        F::FirstLine => "its first line".to_owned(),
        F::Issuer => format!("issued by {} unless it says so", arg(0)),
        F::Join => format!("joined by {}", arg(0)),
        F::Lower => "in lower case".to_owned(),
        F::Number => "as a number".to_owned(),
        F::OneLine => "on one line".to_owned(),
        F::Only => "refused if there are several".to_owned(),
        F::Prefix => format!("after the text {}", arg(0)),
        F::Quantity => format!("in {}", arg(0)),
        F::Replace => format!("with {} replaced by {}", arg(0), arg(1)),
        F::Require => "refused if absent".to_owned(),
        F::SkipLonger => "left out if it does not fit".to_owned(),
        F::Text => "as text".to_owned(),
        F::Trim => "without blanks at both ends".to_owned(),
        F::Type => format!("of the first type among {}", args.join(", ")),
        F::Upper => "in upper case".to_owned(),
        other => {
            let name = FUNCTIONS.iter().find(|f| f.id == other);
            let name = name.map_or("", |f| f.name);
            match args {
                [] => format!("through {name}"),
                _ => format!("{name} of {}", args.join(", ")),
            }
        }
    }
}
