//! The repertoire of an answer: chosen from what its text needs, or demanded by the device, with the rest transliterated.

use super::Charset;
use crate::dicom::dataset::{Content, DataSet, Element, Tag};
use crate::dicom::dictionary::traits;
use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A data set made to fit a repertoire.
#[derive(Debug)]
pub struct Fitted<'a> {
    /// The repertoire to write it in.
    pub charset: Charset,
    /// The data set; a changed copy where characters had to be transliterated.
    pub data: Cow<'a, DataSet>,
    /// Tags whose text was transliterated.
    pub changed: Vec<Tag>,
}

/// Chooses the repertoire of an answer: none for ASCII, ISO_IR 100 where it suffices, else ISO_IR 192. A device that demands one
/// set gets that one (none if all is ASCII), with what it lacks transliterated.
pub fn fit(ds: &DataSet, wanted: Option<Charset>) -> Fitted<'_> {
    let mut need = Need::default();
    look(ds, wanted, &mut need);
    let charset = match wanted {
        _ if need.ascii => Charset::Ascii,
        Some(wanted) => wanted,
        None if need.latin1 => Charset::Latin1,
        None => Charset::Utf8,
    };
    if !need.transliterate {
        return Fitted {
            charset,
            data: Cow::Borrowed(ds),
            changed: vec![],
        };
    }
    let mut data = ds.clone();
    let mut changed = Vec::new();
    transliterate_all(&mut data, charset, &mut changed);
    Fitted {
        charset,
        data: Cow::Owned(data),
        changed,
    }
}

struct Need {
    ascii: bool,
    latin1: bool,
    transliterate: bool,
}

impl Default for Need {
    fn default() -> Self {
        Self {
            ascii: true,
            latin1: true,
            transliterate: false,
        }
    }
}

fn look(ds: &DataSet, wanted: Option<Charset>, need: &mut Need) {
    for element in ds {
        match &element.content {
            Content::Sequence(items) => items.iter().for_each(|item| look(item, wanted, need)),
            Content::Text(values) => {
                for value in values.iter().filter(|v| !v.is_ascii()) {
                    if traits(element.vr).charset {
                        need.ascii = false;
                        need.latin1 = need.latin1 && Charset::Latin1.fits(value);
                        need.transliterate |= wanted.is_some_and(|w| !w.fits(value));
                    } else {
                        need.transliterate = true;
                    }
                }
            }
            Content::Bytes(_) => {}
        }
    }
}

fn transliterate_all(ds: &mut DataSet, charset: Charset, changed: &mut Vec<Tag>) {
    for Element { tag, vr, content } in ds.iter_mut() {
        match content {
            Content::Sequence(items) => items
                .iter_mut()
                .for_each(|item| transliterate_all(item, charset, changed)),
            Content::Text(values) => {
                let set = if traits(*vr).charset {
                    charset
                } else {
                    Charset::Ascii
                };
                for value in values.iter_mut().filter(|v| !set.fits(v)) {
                    *value = transliterate(value, set);
                    changed.push(*tag);
                }
            }
            Content::Bytes(_) => {}
        }
    }
}

/// Rewrites what a repertoire lacks: known letters, else the base letter without marks, else `?`. Person name and value delimiters
/// never appear by transliteration.
pub fn transliterate(text: &str, charset: Charset) -> String {
    let mut out = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.nfc() {
        if charset.fits(c.encode_utf8(&mut buffer)) {
            out.push(c);
            continue;
        }
        if let Some(known) = known_letter(c) {
            out.push_str(known);
            continue;
        }
        let plain: String = std::iter::once(c)
            .nfkd()
            .filter(|c| !is_combining_mark(*c))
            .collect();
        if !plain.is_empty() && charset.fits(&plain) && !plain.contains(['\\', '^', '=']) {
            out.push_str(&plain);
        } else if !is_combining_mark(c) {
            out.push('?');
        }
    }
    out
}

fn known_letter(c: char) -> Option<&'static str> {
    Some(match c {
        'œ' => "oe",
        'Œ' => "OE",
        'æ' => "ae",
        'Æ' => "AE",
        'ß' => "ss",
        'ẞ' => "SS",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'ø' => "o",
        'Ø' => "O",
        'þ' => "th",
        'Þ' => "TH",
        'ħ' => "h",
        'Ħ' => "H",
        'ı' => "i",
        'ŋ' => "ng",
        'Ŋ' => "NG",
        '‘' | '’' | '‚' | 'ʼ' | '′' => "'",
        '“' | '”' | '„' | '«' | '»' => "\"",
        '‐' | '‑' | '‒' | '–' | '—' | '−' => "-",
        '…' => "...",
        '€' => "EUR",
        '°' => "deg",
        'µ' => "u",
        '×' => "x",
        '\u{A0}' | '\u{202F}' | '\u{2009}' => " ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_the_smallest_repertoire_that_holds_it() {
        let with = |name: &str| {
            let mut item = DataSet::new();
            item.put_text("ScheduledPerformingPhysicianName", name);
            let mut ds = DataSet::new();
            ds.put_items("ScheduledProcedureStepSequence", vec![item]);
            ds
        };
        let name = |ds: &DataSet| {
            ds.items("ScheduledProcedureStepSequence")[0]
                .text("ScheduledPerformingPhysicianName")
                .map(str::to_owned)
        };
        for (text, wanted, charset, result, changed) in [
            ("Durand^Luc", None, Charset::Ascii, "Durand^Luc", 0),
            ("Lefèvre^Zoé", None, Charset::Latin1, "Lefèvre^Zoé", 0),
            ("Łukasz^Œdipe", None, Charset::Utf8, "Łukasz^Œdipe", 0),
            (
                "Łukaszé^Œdipe",
                Some(Charset::Latin1),
                Charset::Latin1,
                "Lukaszé^OEdipe",
                1,
            ),
            (
                "Lefèvre^Ñu山",
                Some(Charset::Ascii),
                Charset::Ascii,
                "Lefevre^Nu?",
                1,
            ),
            ("Durand", Some(Charset::Utf8), Charset::Ascii, "Durand", 0),
        ] {
            let ds = with(text);
            let fitted = fit(&ds, wanted);
            assert_eq!(fitted.charset, charset, "{text}");
            assert_eq!(name(&fitted.data).as_deref(), Some(result));
            assert_eq!(fitted.changed.len(), changed);
        }
    }
}
