//! Outgoing messages: a thin layer over hl7-parser's builder, which escapes values, plus the character set on the way out.

use super::charset::Charset;
use hl7_parser::builder::{
    ComponentBuilder, FieldBuilder, MessageBuilder, RepeatBuilder, SegmentBuilder,
};

/// A segment in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutSegment(SegmentBuilder);

/// A component of a composite value: text, or subcomponents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// One text.
    Text(&'a str),
    /// Subcomponents, from 1.
    Sub(&'a [&'a str]),
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// A segment without fields. For MSH, the fields 1 and 2 are written by [`message`].
pub fn segment(id: &str) -> OutSegment {
    OutSegment(SegmentBuilder::new(id))
}

impl OutSegment {
    /// Sets field `n` to one text; delimiters in it are escaped. An empty text leaves the field empty.
    #[must_use]
    pub fn text(mut self, n: u16, text: &str) -> Self {
        if n > 0 && !text.is_empty() {
            self.0.set_field_value(usize::from(n), text);
        }
        self
    }

    /// Adds a repetition of components to field `n`; empty parts are left empty.
    #[must_use]
    pub fn parts<'a, P: Into<Part<'a>> + Copy>(mut self, n: u16, parts: &[P]) -> Self {
        let mut repetition = RepeatBuilder::default();
        for (number, part) in (1..).zip(parts) {
            match (*part).into() {
                Part::Text("") | Part::Sub([]) => {}
                Part::Text(text) => repetition.set_component(number, text),
                Part::Sub(texts) => {
                    let texts = (1..).zip(texts.iter().map(|t| (*t).to_owned())).collect();
                    repetition.set_component(number, ComponentBuilder::with_subcomponents(texts));
                }
            }
        }
        if n > 0 {
            let field = self.0.fields.entry(usize::from(n)).or_default();
            field.push_repeat(repetition);
        }
        self
    }

    /// Field `n` as one text, if it was set so.
    pub fn get(&self, n: u16) -> Option<&str> {
        match self.0.fields.get(&usize::from(n)) {
            Some(FieldBuilder::Value(text)) => Some(text),
            _ => None,
        }
    }
}

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encode the message: {} has no character U+{:04X}", charset.name(), u32::from(*character))]
pub struct Unencodable {
    /// The set asked for.
    pub charset: Charset,
    /// The first character that it lacks.
    pub character: char,
}

/// The bytes of a message with the usual delimiters, segments ended by CR. MSH-18 is the caller's to set.
///
/// # Errors
/// [`Unencodable`] if the character set lacks a character.
pub fn message(charset: Charset, segments: &[OutSegment]) -> Result<Vec<u8>, Unencodable> {
    let mut builder = MessageBuilder::default();
    for segment in segments {
        builder.push_segment(segment.0.clone());
    }
    charset
        .encode(&format!("{builder}\r"))
        .map_err(|character| Unencodable { charset, character })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_written_with_values_escaped() {
        let segments = [
            segment("MSH").text(3, "RIS").text(18, "8859/1"),
            segment("PID")
                .parts(
                    3,
                    &[
                        Part::Text("4|2"),
                        "".into(),
                        "".into(),
                        Part::Sub(&["HOP", "1.2.3", "ISO"]),
                        "PI".into(),
                    ],
                )
                .parts(3, &["9", "", "", "INS"])
                .parts(5, &["MÜLLER & SÖHNE", "Zoé"])
                .text(7, "")
                .text(8, "F"),
        ];
        let bytes = message(Charset::Latin1, &segments).unwrap();
        let text = Charset::Latin1.decode_strict(&bytes).unwrap();
        assert_eq!(
            text.replace('\r', "\n"),
            "MSH|^~\\&|RIS|||||||||||||||8859/1\nPID|||4\\F\\2^^^HOP&1.2.3&ISO^PI~9^^^INS||MÜLLER \\T\\ SÖHNE^Zoé|||F\n"
        );
    }

    #[test]
    fn a_character_that_the_set_lacks_is_named() {
        let error = message(Charset::Latin1, &[segment("NTE").text(3, "œ")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "encode the message: ISO-8859-1 has no character U+0153"
        );
    }
}
