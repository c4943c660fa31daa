//! Data sets to bytes, Implicit and Explicit VR Little Endian (PS3.5 7 and A.1, A.2).
//!
//! One encode path: text is written strictly in the one charset given, Specific Character Set is stated by the writer itself (and
//! left out for ASCII), so that the label can never contradict the bytes. Sequences are written with defined lengths.

use super::charset::Charset;
use super::dataset::{Content, DataSet, Element, SPECIFIC_CHARACTER_SET, Tag, Vr};
use super::dictionary::{self, traits};

/// The two transfer syntaxes that Relais speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// 1.2.840.10008.1.2
    ImplicitLe,
    /// 1.2.840.10008.1.2.1
    ExplicitLe,
}

impl Syntax {
    /// Its UID.
    pub fn uid(self) -> &'static str {
        match self {
            Self::ImplicitLe => "1.2.840.10008.1.2",
            Self::ExplicitLe => "1.2.840.10008.1.2.1",
        }
    }

    /// The syntax of a UID, trailing padding ignored.
    pub fn of_uid(uid: &str) -> Option<Self> {
        match uid.trim_end_matches(['\0', ' ']) {
            "1.2.840.10008.1.2" => Some(Self::ImplicitLe),
            "1.2.840.10008.1.2.1" => Some(Self::ExplicitLe),
            _ => None,
        }
    }
}

/// Why a data set cannot be written. Carries the place, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// A character outside the repertoire; call [`super::charset::fit`] first.
    #[error("{} holds U+{:04X}, which the character set does not have", dictionary::name_of(*.tag), u32::from(*.char))]
    Character { tag: Tag, char: char },
    /// A backslash inside a value of an attribute where it separates values.
    #[error("{} holds a backslash, which separates values", dictionary::name_of(*.tag))]
    Delimiter { tag: Tag },
    /// More bytes than its length field can say.
    #[error("{} is longer than its VR can hold", dictionary::name_of(*.tag))]
    TooLong { tag: Tag },
}

/// The bytes of a data set.
pub fn write(ds: &DataSet, syntax: Syntax, charset: Charset) -> Result<Vec<u8>, Unencodable> {
    let mut out = Vec::with_capacity(64 + ds.len() * 32);
    write_into(&mut out, ds, syntax, charset)?;
    Ok(out)
}

/// As [`write`], onto the end of a buffer; on error the buffer is as it was.
pub fn write_into(
    out: &mut Vec<u8>,
    ds: &DataSet,
    syntax: Syntax,
    charset: Charset,
) -> Result<(), Unencodable> {
    let from = out.len();
    let mut writer = Writer {
        out,
        syntax,
        charset,
    };
    let written = writer.root(ds);
    if written.is_err() {
        out.truncate(from);
    }
    written
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    syntax: Syntax,
    charset: Charset,
}

impl Writer<'_> {
    fn root(&mut self, ds: &DataSet) -> Result<(), Unencodable> {
        let label = self.charset.term().map(|term| Element {
            tag: SPECIFIC_CHARACTER_SET,
            vr: Vr::CS,
            content: Content::Text(vec![term.to_owned()]),
        });
        let mut label = label.as_ref();
        for element in ds {
            if label.is_some_and(|l| l.tag < element.tag)
                && let Some(l) = label.take()
            {
                self.element(l)?;
            }
            self.element_unless_label(element)?;
        }
        label.map_or(Ok(()), |l| self.element(l))
    }

    fn items(&mut self, tag: Tag, items: &[DataSet]) -> Result<(), Unencodable> {
        for item in items {
            self.tag(Tag(0xFFFE, 0xE000));
            let at = self.placeholder();
            for element in item {
                self.element_unless_label(element)?;
            }
            self.fill(at, tag)?;
        }
        Ok(())
    }

    /// Items inherit the root's repertoire: a label of their own would be stale.
    fn element_unless_label(&mut self, element: &Element) -> Result<(), Unencodable> {
        if element.tag == SPECIFIC_CHARACTER_SET {
            return Ok(());
        }
        self.element(element)
    }

    fn element(&mut self, element: &Element) -> Result<(), Unencodable> {
        let Element { tag, vr, content } = element;
        self.tag(*tag);
        if self.syntax == Syntax::ExplicitLe {
            self.out.extend_from_slice(vr.to_string().as_bytes());
            if !is_long(*vr) {
                let at = self.out.len();
                self.out.extend_from_slice(&[0, 0]);
                self.value(*tag, *vr, content)?;
                let length = u16::try_from(self.out.len() - at - 2)
                    .map_err(|_| Unencodable::TooLong { tag: *tag })?;
                return self.patch(at, &length.to_le_bytes(), *tag);
            }
            self.out.extend_from_slice(&[0, 0]);
        }
        let at = self.placeholder();
        self.value(*tag, *vr, content)?;
        self.fill(at, *tag)
    }

    fn value(&mut self, tag: Tag, vr: Vr, content: &Content) -> Result<(), Unencodable> {
        let from = self.out.len();
        let traits = traits(vr);
        match content {
            Content::Sequence(items) => return self.items(tag, items),
            Content::Bytes(bytes) => self.out.extend_from_slice(bytes),
            Content::Text(values) => {
                let charset = if traits.charset {
                    self.charset
                } else {
                    Charset::Ascii
                };
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        self.out.push(b'\\');
                    }
                    if traits.split && value.contains('\\') {
                        return Err(Unencodable::Delimiter { tag });
                    }
                    charset
                        .encode(value, self.out)
                        .map_err(|char| Unencodable::Character { tag, char })?;
                }
            }
        }
        if (self.out.len() - from) % 2 == 1 {
            self.out.push(traits.pad);
        }
        Ok(())
    }

    fn tag(&mut self, Tag(group, element): Tag) {
        self.out.extend_from_slice(&group.to_le_bytes());
        self.out.extend_from_slice(&element.to_le_bytes());
    }

    fn placeholder(&mut self) -> usize {
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        at
    }

    fn fill(&mut self, at: usize, tag: Tag) -> Result<(), Unencodable> {
        let length = u32::try_from(self.out.len() - at - 4)
            .ok()
            .filter(|l| *l != u32::MAX)
            .ok_or(Unencodable::TooLong { tag })?;
        self.patch(at, &length.to_le_bytes(), tag)
    }

    fn patch(&mut self, at: usize, bytes: &[u8], tag: Tag) -> Result<(), Unencodable> {
        let room = self
            .out
            .get_mut(at..at + bytes.len())
            .ok_or(Unencodable::TooLong { tag })?;
        room.copy_from_slice(bytes);
        Ok(())
    }
}

/// VRs whose explicit form has two reserved bytes and a 32-bit length (PS3.5 7.1.2).
pub(super) fn is_long(vr: Vr) -> bool {
    matches!(
        vr,
        Vr::OB
            | Vr::OD
            | Vr::OF
            | Vr::OL
            | Vr::OV
            | Vr::OW
            | Vr::SQ
            | Vr::SV
            | Vr::UC
            | Vr::UN
            | Vr::UR
            | Vr::UT
            | Vr::UV
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        syntax: Syntax,
        charset: Charset,
        build: impl Fn(&mut DataSet),
        expected: Result<&[u8], Unencodable>,
    ) {
        let mut ds = DataSet::new();
        build(&mut ds);
        assert_eq!(write(&ds, syntax, charset), expected.map(<[u8]>::to_vec));
    }

    #[test]
    fn the_label_is_what_was_really_written() {
        let name = |ds: &mut DataSet| {
            ds.put_text("SpecificCharacterSet", "ISO_IR 192");
            ds.put_text("PatientName", "Zoé");
        };
        check(
            Syntax::ImplicitLe,
            Charset::Latin1,
            name,
            Ok(b"\x08\0\x05\0\x0A\0\0\0ISO_IR 100\x10\0\x10\0\x04\0\0\0Zo\xE9 "),
        );
        check(
            Syntax::ExplicitLe,
            Charset::Ascii,
            |ds| ds.put_text("StudyInstanceUID", "1.2"),
            Ok(b"\x20\0\x0D\0UI\x04\x001.2\0"),
        );
        check(
            Syntax::ExplicitLe,
            Charset::Ascii,
            name,
            Err(Unencodable::Character {
                tag: Tag(0x0010, 0x0010),
                char: 'é',
            }),
        );
    }

    #[test]
    fn sequences_have_defined_lengths() {
        check(
            Syntax::ExplicitLe,
            Charset::Ascii,
            |ds| {
                let mut item = DataSet::new();
                item.put_text("Modality", "CT");
                ds.put_items("ScheduledProcedureStepSequence", vec![item]);
            },
            Ok(b"\x40\0\0\x01SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x60\0CS\x02\0CT"),
        );
    }

    #[test]
    fn a_backslash_never_makes_two_values_of_one() {
        check(
            Syntax::ImplicitLe,
            Charset::Ascii,
            |ds| ds.put_text("PatientID", "A\\B"),
            Err(Unencodable::Delimiter {
                tag: Tag(0x0010, 0x0020),
            }),
        );
    }
}
