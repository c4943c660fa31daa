//! Parameters of requests, read by the declarations in the table of routes: what is not declared is refused by its name.

use super::problem::Problem;
use super::routes::ROUTES;
use crate::domain::reason::{Reason, Refusal};
use crate::fuzzing::{shape, size};
use actix_web::{HttpRequest, web};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum In {
    Path,
    Query,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An id that Relais minted, decimal.
    Id,
    /// A text of at most so many characters.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A day of the site's calendar.
    Day,
    /// A moment, RFC 3339 with offset.
    Moment,
    Flag,
    /// Rows of a page.
    Limit,
    /// Where a page begins: only what a `next` link says.
    Cursor,
}

/// One parameter of a route.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    pub name: &'static str,
    pub place: In,
    pub kind: Kind,
    pub required: bool,
    pub doc: &'static str,
}

/// Rows of a page, and the most that may be asked for.
pub const PAGE: u32 = 50;
pub const MAX_PAGE: u32 = 500;

impl Param {
    /// In the query, optional.
    pub const fn query(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            place: In::Query,
            kind,
            required: false,
            doc,
        }
    }

    /// In the path.
    pub const fn path(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            place: In::Path,
            kind,
            required: true,
            doc,
        }
    }

    /// The same, required.
    pub const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// What may stand there, in words.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Id => "an id, decimal digits".to_owned(),
            Kind::Text(max) => format!("1 to {max} characters"),
            Kind::Word(words) => words.join(", "),
            Kind::Day => "a day, YYYY-MM-DD".to_owned(),
            Kind::Moment => "a moment with offset, such as 2026-06-02T08:00:00Z".to_owned(),
            Kind::Flag => "true, false".to_owned(),
            Kind::Limit => format!("1 to {MAX_PAGE}"),
            Kind::Cursor => "the `next` link of a page, as it is".to_owned(),
        }
    }

    /// The same as JSON Schema.
    pub fn schema(&self) -> Value {
        match self.kind {
            Kind::Id => json!({ "type": "string", "pattern": "^[0-9]{1,19}$" }),
            Kind::Text(max) => json!({ "type": "string", "minLength": 1, "maxLength": max }),
            Kind::Word(words) => json!({ "type": "string", "enum": words }),
            Kind::Day => json!({ "type": "string", "format": "date" }),
            Kind::Moment => json!({ "type": "string", "format": "date-time" }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Limit => {
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": PAGE })
            }
            Kind::Cursor => json!({ "type": "string", "pattern": "^-?[0-9]+_[0-9]+$" }),
        }
    }

    fn read(&self, text: &str) -> Option<Parsed> {
        match self.kind {
            Kind::Id => {
                let digits = text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| text.parse().ok()).flatten().map(Parsed::Int)
            }
            Kind::Text(max) => {
                let length = text.chars().count();
                let clean = !text.chars().any(char::is_control);
                ((1..=max).contains(&length) && clean).then(|| Parsed::Text(text.to_owned()))
            }
            Kind::Word(words) => words.contains(&text).then(|| Parsed::Text(text.to_owned())),
            Kind::Day => day(text).map(Parsed::Int),
            Kind::Moment => text
                .parse::<jiff::Timestamp>()
                .ok()
                .map(|t| Parsed::Int(t.as_microsecond())),
            Kind::Flag => text.parse().ok().map(Parsed::Flag),
            Kind::Limit => text
                .parse()
                .ok()
                .filter(|n| (1..=i64::from(MAX_PAGE)).contains(n))
                .map(Parsed::Int),
            Kind::Cursor => {
                let (key, id) = text.split_once('_')?;
                Some(Parsed::Pair(key.parse().ok()?, id.parse().ok()?))
            }
        }
    }
}

/// `YYYY-MM-DD` as the number `yyyymmdd`.
fn day(text: &str) -> Option<i64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let (year, month, day) = (date.year(), date.month(), date.day());
    (text.len() == 10 && year > 0)
        .then_some(i64::from(year) * 10_000 + i64::from(month) * 100 + i64::from(day))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parsed {
    Int(i64),
    Text(String),
    Flag(bool),
    Pair(i64, i64),
}

/// The parameters of a request, read.
#[derive(Debug, Clone, Default)]
pub struct Params {
    parsed: BTreeMap<&'static str, Parsed>,
    /// The parameter in the path that is no id.
    named: String,
    /// Query parameters as sent, without the cursor.
    sent: Vec<(&'static str, String)>,
}

impl Params {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// `request.parameter`, naming the first one that is unknown, given twice, missing, or not what it may be.
    pub fn read(declared: &[Param], request: &HttpRequest) -> Result<Self, Problem> {
        let in_path = |name: &str| request.match_info().get(name).unwrap_or("");
        Self::read_from(declared, request.query_string(), in_path)
    }

    fn read_from<'p>(
        declared: &[Param],
        query: &str,
        in_path: impl Fn(&str) -> &'p str,
    ) -> Result<Self, Problem> {
        let query = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_| wrong("the query is not form-encoded", "name=value&name=value"))?;
        let in_query = || declared.iter().filter(|p| p.place == In::Query);
        let mut params = Self::default();
        for (name, text) in query.into_inner() {
            let Some(param) = in_query().find(|p| p.name == name) else {
                let names: Vec<&str> = in_query().map(|p| p.name).collect();
                let allowed = if names.is_empty() {
                    "no parameters".to_owned()
                } else {
                    names.join(", ")
                };
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(wrong(&format!("unknown parameter `{name}`"), &allowed));
            };
            if params.parsed.contains_key(param.name) {
                return Err(wrong(
                    &format!("`{}` is given twice", param.name),
                    "each once",
                ));
            }
            params.take(param, &text)?;
            if param.kind != Kind::Cursor {
                params.sent.push((param.name, text));
            }
        }
        for param in declared.iter().filter(|p| p.place == In::Path) {
            let text = in_path(param.name);
            params.take(param, text)?;
            if param.kind != Kind::Id {
                params.named = format!("{}={text}", param.name);
            }
        }
        match declared
            .iter()
            .find(|p| p.required && !params.parsed.contains_key(p.name))
        {
            Some(param) => Err(wrong(
                &format!("`{}` is missing", param.name),
                &param.allowed(),
            )),
            None => Ok(params),
        }
    }

    fn take(&mut self, param: &Param, text: &str) -> Result<(), Problem> {
        match param.read(text) {
            Some(value) => {
                self.parsed.insert(param.name, value);
                Ok(())
            }
            // The value itself may be patient data: it is not repeated.
            None => Err(wrong(
                &format!("`{}` is not what it may be", param.name),
                &param.allowed(),
            )),
        }
    }

    /// A text or word.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.parsed.get(name) {
            Some(Parsed::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text or word of its own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// An id, a day as `yyyymmdd`, or a moment in microseconds of UTC.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.parsed.get(name) {
            Some(Parsed::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// The id in the path.
    pub fn id(&self) -> i64 {
        self.number("id").unwrap_or_default()
    }

    /// True if a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.parsed.get(name) == Some(&Parsed::Flag(true))
    }

    /// Most rows of the page.
    pub fn limit(&self) -> u32 {
        self.number("limit")
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(PAGE)
    }

    /// Where the page begins.
    pub fn cursor(&self) -> Option<(i64, i64)> {
        match self.parsed.get("cursor") {
            Some(Parsed::Pair(key, id)) => Some((*key, *id)),
            _ => None,
        }
    }

    /// What was asked for, as `name=value name=value`: for the audit trail.
    pub fn shown(&self) -> String {
        let sent = self.sent.iter().map(|(n, v)| format!("{n}={v}"));
        let named = Some(self.named.clone()).filter(|n| !n.is_empty());
        named.into_iter().chain(sent).collect::<Vec<_>>().join(" ")
    }

    /// The query of the same request for the page after a key.
    pub fn query_after(&self, (key, id): (i64, i64)) -> String {
        let mut query = String::new();
        for (name, value) in &self.sent {
            query.push_str(&format!("{name}={}&", encoded(value)));
        }
        format!("{query}cursor={key}_{id}")
    }
}

/// A byte that chooses a route, what stands in its path, `?`, a query. What is read says the same again in the link to the next page.
pub fn fuzz_parameters(data: &[u8]) -> u64 {
    let Some((choice, rest)) = data.split_first() else {
        return 0;
    };
    let at = usize::from(*choice) % ROUTES.len();
    let declared = ROUTES.get(at).map_or(&[][..], |route| route.params);
    let text = String::from_utf8_lossy(rest);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let read = |query: &str| Params::read_from(declared, query, |_| path);
    match read(query) {
        Ok(params) => {
            assert!((1..=MAX_PAGE).contains(&params.limit()), "a page too long");
            assert!(
                !params.shown().chars().any(char::is_control),
                "a control character for the audit trail"
            );
            if declared.iter().any(|p| p.kind == Kind::Cursor) {
                let next = read(&params.query_after((8, 9))).unwrap_or_default();
                assert_eq!(
                    (&next.sent, next.cursor()),
                    (&params.sent, Some((8, 9))),
                    "the next page is of another list"
                );
            }
            let names: Vec<&str> = params.sent.iter().map(|(name, _)| *name).collect();
            shape((at, names, params.cursor().is_some()))
        }
        Err(problem) => shape((at, size(problem.refusal.allowed.len()))),
    }
}

/// A parameter that is not allowed: what was found, what would be.
pub(super) fn wrong(found: &str, allowed: &str) -> Problem {
    Refusal::new(Reason::RequestParameter, found)
        .allowed(allowed)
        .hint("GET /api/docs lists every path with its parameters")
        .into()
}

/// Percent-encoding of a query value (RFC 3986 2.3).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    const DECLARED: &[Param] = &[
        Param::query("status", Kind::Word(&["held", "scheduled"]), ""),
        Param::query("accession", Kind::Text(16), ""),
        Param::query("from", Kind::Day, ""),
        Param::query("since", Kind::Moment, ""),
        Param::query("incomplete", Kind::Flag, ""),
        Param::query("limit", Kind::Limit, ""),
        Param::query("cursor", Kind::Cursor, ""),
    ];

    fn read(query: &str) -> Result<Params, Problem> {
        let request = TestRequest::with_uri(&format!("/api/x?{query}")).to_http_request();
        Params::read(DECLARED, &request)
    }

    #[test]
    fn what_is_not_declared_or_not_of_its_kind_is_refused_with_what_is_allowed() {
        for (query, allowed) in [
            ("stauts=held", "status, accession, from"),
            ("status=hold", "held, scheduled"),
            ("status=held&status=held", "each once"),
            ("accession=", "1 to 16"),
            ("accession=%00", "1 to 16"),
            ("from=2026-02-30", "YYYY-MM-DD"),
            ("from=20260602", "YYYY-MM-DD"),
            ("since=2026-06-02T08:00:00", "offset"),
            ("incomplete=yes", "true, false"),
            ("limit=0", "1 to 500"),
            ("limit=501", "1 to 500"),
            ("cursor=1", "next"),
        ] {
            let problem = read(query).expect_err(query);
            assert_eq!(problem.status(), 400, "{query}");
            assert!(
                problem.refusal.allowed.contains(allowed),
                "{query}: {problem:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_parameters_are_read_or_refused(
            choice: u8,
            path in "[0-9]{0,20}|\\PC{0,20}",
            query in "((status|link|from|to|after|limit|cursor|patient|because|open|station)=(\\PC{0,8}|[0-9]{1,9}|2026-06-02|held|true|5_6|%[0-9a-f]{2})&?){0,4}",
        ) {
            fuzz_parameters(&[&[choice], format!("{path}?{query}").as_bytes()].concat());
        }
    }

    #[test]
    fn a_page_is_continued_with_the_same_filters() {
        let params = read("accession=A+1%26&from=2026-06-02&limit=7&cursor=5_6").unwrap();
        assert_eq!(params.text("accession"), Some("A 1&"));
        assert_eq!(params.number("from"), Some(20_260_602));
        assert_eq!((params.limit(), params.cursor()), (7, Some((5, 6))));
        assert_eq!(
            params.query_after((8, 9)),
            "accession=A%201%26&from=2026-06-02&limit=7&cursor=8_9"
        );
    }
}
