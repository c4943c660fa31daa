//! A second opinion: every fixture is read with hl7-parser too, and each difference is listed with its cause.
//!
//! hl7-parser builds our outgoing messages. It does not read incoming ones, and this list is the reason: it returns `Ok` for
//! messages of which it dropped segments, and it mangles escaped text behind accents.

use hl7_parser::Message as Theirs;
use relais::{
    domain::reason::Refusal,
    hl7::{
        charset::Charset,
        message::{Message, Reading},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

const LOST: &str =
    "they stop at the first line that they cannot read and still say Ok: segments are lost";
const DECODE: &str = "their decoder takes character positions for byte positions: an escape behind an accent is lost";
const ESCAPES: &str = "they know the escapes of delimiters and line ends only, and drop the backslashes of all others";
const CHARSET: &str =
    "they take text and never see bytes: which set they are in is the caller's to decide";
const FIVE: &str =
    "they read four delimiters; the fifth of v2.7 becomes MSH-3 and all of MSH moves";

/// Every difference: fixture, what differs, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("bare_line_feed_in_text", "values differ in NTE: 1", LOST),
    ("blank_before_segment", "4 segments, they read 1", LOST),
    ("blank_line", "5 segments, they read 1", LOST),
    (
        "escaped_ampersand_after_accent",
        "values differ in OBR: 1",
        DECODE,
    ),
    (
        "escaped_ampersand_after_accent",
        "values differ in PID: 1",
        DECODE,
    ),
    ("five_delimiters", "values differ in MSH: 17", FIVE),
    ("formatted_text", "values differ in NTE: 1", ESCAPES),
    (
        "four_character_segment",
        "we refuse (message.unparsable), they read 2 segments",
        LOST,
    ),
    (
        "garbage_after_header",
        "we refuse (message.unparsable), they read 1 segments",
        LOST,
    ),
    ("hex_escape_latin1", "values differ in PID: 1", ESCAPES),
    (
        "orm_declared_latin1_is_utf8",
        "we refuse (charset.contradicted), they read 5 segments",
        CHARSET,
    ),
    ("segment_without_fields", "5 segments, they read 2", LOST),
];

fn ours(raw: &[u8]) -> Result<Message, Refusal> {
    Message::parse(Arc::from(raw), &Reading::default())
}

/// Their input is text; where we refuse the character set, windows-1252 reads any of the fixtures.
fn text(raw: &[u8], ours: &Result<Message, Refusal>) -> String {
    let charset = ours.as_ref().map_or(Charset::Windows1252, Message::charset);
    let decoded = charset
        .decode_strict(raw)
        .or_else(|_| Charset::Latin1.decode_strict(raw));
    decoded.expect("Latin-1 reads all bytes").into_owned()
}

fn our_values(message: &Message) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for segment in message.segments() {
        for n in 1..=60 {
            for repetition in segment.field(n).repetitions() {
                for component in repetition.components() {
                    for sub in (1..=10)
                        .map(|s| component.subcomponent(s))
                        .filter(|s| !s.is_empty())
                    {
                        let place = format!("{} in segment {}", sub.place(), segment.index());
                        values.insert(place, sub.text().into_owned());
                    }
                }
            }
        }
    }
    values
}

fn their_values(message: &Theirs<'_>, ours: &Message) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (segment, our_segment) in message.segments().zip(ours.segments()) {
        for (n, field) in (1..).zip(segment.fields()) {
            for (r, repeat) in (1..).zip(field.repeats()) {
                for (c, component) in (1..).zip(repeat.components()) {
                    for (s, sub) in (1..).zip(component.subcomponents()) {
                        if sub.raw_value().is_empty() {
                            continue;
                        }
                        let literal = segment.name == "MSH" && n < 3;
                        let value = if literal {
                            sub.raw_value().to_owned()
                        } else {
                            message.separators.decode(sub.raw_value()).to_string()
                        };
                        let place = our_segment
                            .field(n)
                            .repetition(r)
                            .component(c)
                            .subcomponent(s)
                            .place();
                        values.insert(format!("{place} in segment {}", our_segment.index()), value);
                    }
                }
            }
        }
    }
    values
}

fn compare(raw: &[u8]) -> Vec<String> {
    let ours = ours(raw);
    let text = text(raw, &ours);
    let theirs = Theirs::parse_with_lenient_newlines(&text, true);
    let (ours, theirs) = match (&ours, &theirs) {
        (Err(_), Err(_)) => return Vec::new(),
        (Err(refusal), Ok(theirs)) => {
            let kept = theirs.segments().count();
            return vec![format!(
                "we refuse ({}), they read {kept} segments",
                refusal.reason
            )];
        }
        (Ok(_), Err(_)) => return vec!["they refuse".to_owned()],
        (Ok(ours), Ok(theirs)) => (ours, theirs),
    };
    let (our_count, their_count) = (ours.segments().count(), theirs.segments().count());
    if our_count != their_count {
        return vec![format!("{our_count} segments, they read {their_count}")];
    }
    let our_values = our_values(ours);
    let Ok(their_values) = catch_unwind(AssertUnwindSafe(|| their_values(theirs, ours))) else {
        return vec!["they panic".to_owned()];
    };
    let places: BTreeSet<_> = our_values.keys().chain(their_values.keys()).collect();
    let mut differing = BTreeMap::<&str, usize>::new();
    for place in places {
        if our_values.get(place) != their_values.get(place) {
            *differing.entry(&place[..3]).or_default() += 1;
        }
    }
    let told = |(segment, count)| format!("values differ in {segment}: {count}");
    differing.into_iter().map(told).collect()
}

#[test]
fn hl7_parser_reads_the_fixtures_as_we_do_but_for_this_list() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hl7");
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).expect("the fixtures") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_some_and(|e| e == "hl7") {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let raw = fs::read(&path).expect("a readable fixture");
            found.extend(compare(&raw).into_iter().map(|what| (name.clone(), what)));
        }
    }
    found.sort();
    let mut listed: Vec<_> = DIFFERENCES
        .iter()
        .map(|(name, what, _)| ((*name).to_owned(), (*what).to_owned()))
        .collect();
    listed.sort();
    assert_eq!(found, listed);
}
