//! Made-up values of the form of real ones: the same for equal values, other ones with each seed.

use super::kept::Words;
use super::{SHORTEST, SHORTEST_WORD};
use crate::domain::reason::Hl7Place;
use jiff::ToSpan;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

/// Longer values are replaced by a short one: documents.
const LONGEST: usize = 2000;
/// `%PDF-1.4` and an end, in Base64.
const PDF: &str = "JVBERi0xLjQKJSVFT0YK";

/// What is made up for one message.
pub struct Synthetic {
    seed: u64,
    /// Days that dates are moved back.
    days: i64,
    /// By real value.
    made: BTreeMap<String, String>,
    /// Real values with the place that they first stood at.
    real: BTreeMap<String, String>,
}

impl Synthetic {
    /// Nothing made up yet.
    pub fn new(seed: u64) -> Self {
        let mut new = Self {
            seed,
            days: 0,
            made: BTreeMap::new(),
            real: BTreeMap::new(),
        };
        // More than a year, at most ten, whole weeks: the day of the week stays.
        let weeks = u16::from_be_bytes([new.byte("days", 0), new.byte("days", 1)]);
        new.days = 7 * (58 + i64::from(weeks) % 460);
        new
    }

    fn byte(&self, text: &str, n: usize) -> u8 {
        self.bytes(text, n / 32)[n % 32]
    }

    /// The `block`-th 32 bytes that a value is made up from.
    fn bytes(&self, text: &str, block: usize) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(block.to_be_bytes());
        hash.update(text.as_bytes());
        hash.finalize().into()
    }

    /// What replaces a value at a place; `date` if its data type is a date or time, `birth` if it is one of birth.
    pub fn of(&mut self, text: &str, place: &Hl7Place, date: bool, birth: bool) -> String {
        let trimmed = text.trim();
        // Part of a date is no value of its own: a year occurs in every other date.
        let partial = date && trimmed.len() < 8;
        if !partial && trimmed.chars().any(char::is_alphanumeric) {
            let at = || place.to_string();
            self.real.entry(trimmed.to_owned()).or_insert_with(at);
        }
        if let Some(made) = self.made.get(trimmed) {
            return made.clone();
        }
        let made = match when(trimmed) {
            Some((day, rest)) if birth => self.born(trimmed, day, rest),
            Some((day, rest)) => self.moved(trimmed, day, rest),
            None => self.form(trimmed),
        };
        self.made.insert(trimmed.to_owned(), made.clone());
        made
    }

    /// What replaces a name or OID of the link.
    pub fn of_setting(&mut self, text: &str) -> String {
        if let Some(made) = self.made.get(text) {
            return made.clone();
        }
        let made = self.form(text);
        self.made.insert(text.to_owned(), made.clone());
        made
    }

    fn moved(&self, text: &str, day: Date, rest: &str) -> String {
        let moved = day.checked_sub(self.days.days()).unwrap_or(day);
        digits(moved, text, rest)
    }

    fn born(&self, text: &str, _: Date, rest: &str) -> String {
        let year = 1930 + i16::from(self.byte(text, 0) % 80);
        let (month, day) = (1 + self.byte(text, 1) % 12, 1 + self.byte(text, 2) % 28);
        let made = Date::new(year, month.cast_signed(), day.cast_signed());
        digits(made.unwrap_or(Date::constant(1970, 1, 1)), text, rest)
    }

    /// Letters for letters, digits for digits; delimiters become blanks.
    fn form(&self, text: &str) -> String {
        if text.len() > LONGEST {
            return PDF.to_owned();
        }
        if is_oid(text) {
            let number = (0..16).fold(0_u128, |n, i| n << 8 | u128::from(self.byte(text, i)));
            return format!("2.25.{number}");
        }
        let mut made = String::with_capacity(text.len());
        let mut bytes = [0; 32];
        for (n, c) in text.chars().enumerate() {
            if n % 32 == 0 {
                bytes = self.bytes(text, n / 32);
            }
            let byte = bytes[n % 32];
            made.push(match c {
                'A'..='Z' => char::from(b'A' + byte % 26),
                'a'..='z' => char::from(b'a' + byte % 26),
                '1'..='9' => char::from(b'1' + byte % 9),
                '0' => char::from(b'0' + byte % 10),
                '|' | '^' | '~' | '\\' | '&' => ' ',
                c if c.is_ascii_control() => ' ',
                c if c.is_ascii() => c,
                c if c.is_uppercase() => ['É', 'È', 'À', 'Ç'][usize::from(byte % 4)],
                c if c.is_alphanumeric() => ['é', 'è', 'à', 'ç'][usize::from(byte % 4)],
                _ => '.',
            });
        }
        made
    }

    /// How many different values were replaced.
    pub fn count(&self) -> usize {
        self.real.len()
    }

    /// The place of a real value, or of a word of one, that occurs in a text in lower case.
    pub fn left_in(&self, text: &str, words: &Words<'_>, words_too: bool) -> Option<&str> {
        // What has three letters in a row that occur nowhere cannot occur: most values are done with that.
        let letters: Vec<char> = text.chars().collect();
        let threes: HashSet<&[char]> = letters.windows(SHORTEST).collect();
        let occurs = |what: &str, shortest: usize| {
            let letters: Vec<char> = what.chars().collect();
            letters.len() >= shortest
                && letters.windows(SHORTEST).all(|w| threes.contains(w))
                && text.contains(what)
        };
        let found = self.real.iter().find(|(real, _)| {
            if words.is_everywhere(real) {
                return false;
            }
            let real = real.to_lowercase();
            let mut parts = real.split(|c: char| !c.is_alphanumeric());
            occurs(&real, SHORTEST) || words_too && parts.any(|w| occurs(w, SHORTEST_WORD))
        });
        found.map(|(_, place)| place.as_str())
    }
}

/// `1.2.250...`: at least four numbers.
fn is_oid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() >= 5
        && parts
            .iter()
            .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

/// The day of an HL7 date and what follows it; a value that says less than a day stands for its first.
fn when(text: &str) -> Option<(Date, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(length..)?;
    let offset = rest.is_empty() || rest.starts_with(['+', '-', '.']);
    if !offset || !matches!(length, 4 | 6 | 8 | 10 | 12 | 14) || length < 8 && !rest.is_empty() {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to.min(length))?.parse::<i16>().ok();
    let part = |from: usize, to: usize| match from < length {
        true => number(from, to).and_then(|n| i8::try_from(n).ok()),
        false => Some(1),
    };
    let year = number(0, 4)?;
    if !(1850..=2150).contains(&year) {
        return None;
    }
    let clock =
        |from: usize, most: i8| from >= length || part(from, from + 2).is_some_and(|n| n <= most);
    if !clock(8, 24) || !clock(10, 59) || !clock(12, 60) {
        return None;
    }
    let day = Date::new(year, part(4, 6)?, part(6, 8)?).ok()?;
    Some((day, text.get(8.min(length)..)?))
}

/// A day in the precision of `text`, with what followed it there.
fn digits(day: Date, text: &str, rest: &str) -> String {
    let whole = format!("{:04}{:02}{:02}", day.year(), day.month(), day.day());
    let length = text.len() - rest.len();
    format!("{}{rest}", &whole[..length.min(8)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_values_have_the_form_of_the_real_ones() {
        let mut made = Synthetic::new(7);
        let mut check = |real: &str, date: bool, birth: bool| {
            let place = Hl7Place::default();
            let first = made.of(real, &place, date, birth);
            assert_eq!(
                made.of(real, &place, date, birth),
                first,
                "the same for equal values"
            );
            first
        };
        let name = check("DUPRÉ-Martin 12", false, false);
        assert_ne!(name, "DUPRÉ-Martin 12");
        let form: Vec<bool> = name.chars().map(char::is_uppercase).collect();
        assert_eq!(form[..5], [true; 5]);
        assert_eq!((&name[6..7], name.chars().count()), ("-", 15));
        assert!(check("1.2.250.1.999.1.5", false, false).starts_with("2.25."));
        assert_eq!(check("A|B&C", false, false).as_bytes()[1], b' ');
        assert_eq!(check(&"Q".repeat(5000), false, false), PDF);
        // All dates move by the same days, in their own precision; one of birth does not.
        assert_eq!(check("20260602080000+0200", true, false).len(), 19);
        let a = when(&check("20260602", true, false)).unwrap().0;
        let b = when(&check("20260609", true, false)).unwrap().0;
        assert_eq!((b - a).get_days(), 7);
        assert!((400..3700).contains(&(Date::constant(2026, 6, 2) - a).get_days()));
        assert_eq!(check("2026", true, false).len(), 4);
        let born = check("19790328", true, true);
        assert!(when(&born).is_some() && born != "19790328");
        assert_eq!(when("20261341"), None);
        assert_eq!(when("99999999"), None);
        assert_eq!(when("2026060225"), None);
    }
}
