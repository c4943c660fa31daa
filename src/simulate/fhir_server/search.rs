//! The one search parameter that conditional requests need: `identifier` (a token, FHIR R4 3.1.1.4.10).

use super::store::Refused;
use serde_json::Value as Json;

/// `identifier=system|value`, `|value` (no system) or `value` (any system); or nothing: everything matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Token {
    /// `None` = any system; `""` = no system.
    system: Option<String>,
    value: String,
}

impl Query {
    /// Reads a query string. Parameters of the answer (`_count`, `_format` ...) are passed over.
    ///
    /// # Errors
    /// A parameter that is not supported, or one without value.
    pub fn parse(query: &str) -> Result<Self, Refused> {
        let mut tokens = Vec::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match decode(name).as_str() {
                "identifier" if !value.is_empty() => tokens.push(Token::parse(&value)),
                name if name.starts_with('_') => {}
                name => {
                    let why = format!(
                        "search parameter `{name}` is not supported; supported: identifier"
                    );
                    return Err(Refused::new(400, "not-supported", why));
                }
            }
        }
        Ok(Self(tokens))
    }

    /// As [`Query::parse`], for a condition: it must say something.
    ///
    /// # Errors
    /// As for parse, and when nothing is asked for.
    pub fn condition(query: &str) -> Result<Self, Refused> {
        match Self::parse(query)? {
            Self(tokens) if tokens.is_empty() => Err(Refused::new(
                412,
                "invalid",
                "a condition without identifier would match everything",
            )),
            some => Ok(some),
        }
    }

    /// System and value, if it is one token that names both.
    pub fn exact(&self) -> Option<(&str, &str)> {
        match self.0.as_slice() {
            [
                Token {
                    system: Some(system),
                    value,
                },
            ] => Some((system, value)),
            _ => None,
        }
    }

    /// True if the resource has an identifier for every token.
    pub fn matches(&self, resource: &Json) -> bool {
        let all = identifiers(resource);
        self.0.iter().all(|t| {
            all.iter()
                .any(|(s, v)| *v == t.value && t.system.as_ref().is_none_or(|x| x == s))
        })
    }
}

impl Token {
    fn parse(text: &str) -> Self {
        // `\|` is a bar in the value; the first bare one divides.
        let mut system = None;
        let mut part = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => part.extend(chars.next()),
                '|' if system.is_none() => system = Some(std::mem::take(&mut part)),
                c => part.push(c),
            }
        }
        Self {
            system,
            value: part,
        }
    }
}

/// (system, value) of every identifier of a resource; `""` without system.
pub fn identifiers(resource: &Json) -> Vec<(String, String)> {
    let list = match &resource["identifier"] {
        Json::Array(items) => items.as_slice(),
        Json::Null => &[],
        one => std::slice::from_ref(one),
    };
    let text = |v: &Json| v.as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|i| (text(&i["system"]), text(&i["value"])))
        .collect()
}

/// Percent-decoding of a query part; `+` is a blank. What is no escape stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (hex, byte) {
            (Some(decoded), _) => {
                out.push(decoded);
                at += 2;
            }
            (None, b'+') => out.push(b' '),
            (None, byte) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_token_names_a_system_or_any_or_none() {
        let patient =
            json!({"identifier": [{"system": "urn:oid:1.2", "value": "a,b|c"}, {"value": "7"}]});
        let check = |query: &str, expected: bool| {
            assert_eq!(
                Query::parse(query).unwrap().matches(&patient),
                expected,
                "{query}"
            );
        };
        check("identifier=urn:oid:1.2|a%5C%2Cb%5C%7Cc", true);
        check("identifier=urn:oid:1.2%7Ca%5C,b%5C%7Cc", true);
        check("identifier=7", true);
        check("identifier=|7", true);
        check("identifier=|a%5C,b%5C|c", false);
        check("identifier=urn:oid:9|7", false);
        check("", true);
        check("_count=3", true);
        assert_eq!(Query::parse("name=x").unwrap_err().code, "not-supported");
        assert_eq!(Query::condition("").unwrap_err().status, 412);
    }

    proptest! {
        #[test]
        fn any_query_is_read_without_panic(text in "\\PC{0,60}") {
            let _ = Query::parse(&text);
            let _ = Query::parse(&format!("identifier={text}"));
        }
    }
}
