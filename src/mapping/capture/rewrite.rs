//! A message written again with the usual delimiters in UTF-8: each value kept, or replaced.

use super::kept::{Leaf, Words};
use super::synthetic::Synthetic;
use crate::hl7::message::Message;
use crate::hl7::view::{Component, Field, Segment};
use crate::mapping::definitions::{components, hl7_segments};

/// What MSH-18 says of what comes out.
const CHARSET: &str = "UNICODE UTF-8";

/// The message without its values.
pub fn message(message: &Message, words: &Words<'_>, synthetic: &mut Synthetic) -> String {
    let mut text = String::new();
    for found in message.segments() {
        segment(found, words, synthetic, &mut text);
        text.push('\r');
    }
    text
}

fn segment(segment: Segment<'_>, words: &Words<'_>, synthetic: &mut Synthetic, text: &mut String) {
    let separator = segment.message().separators().field;
    let raw = segment.raw();
    let marks = raw.iter().filter(|b| **b == separator).count();
    let header = segment.id() == "MSH";
    text.push_str(segment.id());
    let last = match header {
        // MSH-1 is the separator itself.
        true => (marks + 1).max(18),
        false => marks,
    };
    for number in 1..=u16::try_from(last).unwrap_or(u16::MAX) {
        match (header, number) {
            (true, 1) => text.push('|'),
            (true, 2) => text.push_str("^~\\&"),
            (true, 18) => {
                text.push('|');
                text.push_str(CHARSET);
            }
            _ => {
                text.push('|');
                field(segment.field(number), words, synthetic, text);
            }
        }
    }
}

fn field(field: Field<'_>, words: &Words<'_>, synthetic: &mut Synthetic, text: &mut String) {
    let segment = field.segment();
    let defined = hl7_segments().get(segment.id());
    let index = usize::from(field.number()).saturating_sub(1);
    let datatype = defined
        .and_then(|f| f.get(index))
        .map_or("-", |f| f.datatype.as_str());
    // What stands in OBX-5 is a result, whatever its type.
    for repetition in field.repetitions() {
        if repetition.index() > 1 {
            text.push('~');
        }
        for component in repetition.components() {
            if component.index() > 1 {
                text.push('^');
            }
            self::component(component, datatype, words, synthetic, text);
        }
    }
}

fn component(
    component: Component<'_>,
    datatype: &str,
    words: &Words<'_>,
    synthetic: &mut Synthetic,
    text: &mut String,
) {
    let field = component.repetition().field();
    let segment = field.segment();
    let separator = segment.message().separators().subcomponent;
    let count = 1 + component.raw().iter().filter(|b| **b == separator).count();
    let part = components(datatype)
        .and_then(|parts| {
            parts
                .get(usize::from(component.index()).saturating_sub(1))
                .copied()
        })
        .unwrap_or(datatype);
    let date = matches!(part, "DT" | "DTM" | "TS");
    let birth = segment.id() == "PID" && field.number() == 7;
    for number in 1..=u16::try_from(count).unwrap_or(u16::MAX) {
        if number > 1 {
            text.push('&');
        }
        let found = component.subcomponent(number);
        if found.is_empty() {
            continue;
        }
        if found.is_null() {
            text.push_str("\"\"");
            continue;
        }
        let value = found.text();
        let leaf = Leaf {
            segment: segment.id(),
            field: field.number(),
            datatype,
            component: component.index(),
            subcomponent: number,
        };
        match words.keeps(&leaf, &value) {
            true => push_escaped(value.trim(), text),
            false => push_escaped(&synthetic.of(&value, &found.place(), date, birth), text),
        }
    }
}

fn push_escaped(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '|' => text.push_str("\\F\\"),
            '^' => text.push_str("\\S\\"),
            '&' => text.push_str("\\T\\"),
            '~' => text.push_str("\\R\\"),
            '\\' => text.push_str("\\E\\"),
            c => text.push(c),
        }
    }
}
