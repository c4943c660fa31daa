//! Batches (FHS, BHS ... BTS, FTS; v2.5.1 2.10.3): where the messages of one block of bytes lie.
//!
//! Each message of a batch is answered on its own. Two messages written back to back without batch segments are split alike.

use crate::fuzzing;
use std::ops::Range;

/// The messages in `raw`, as byte ranges in order. Bytes that are no batch are one range: all of them.
///
/// Bytes before the first MSH and after the last batch trailer belong to no message.
pub fn messages(raw: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut is_batch = false;
    let mut open = None;
    let mut at = 0;
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let id = line.get(..3).unwrap_or_default();
        // The fourth byte is the field separator: never a letter, a digit or the end of the line.
        let separated = line.get(3).is_some_and(u8::is_ascii_punctuation);
        let trailer = matches!(id, b"BTS" | b"FTS") && is_batch;
        match id {
            b"FHS" | b"BHS" if separated => {
                is_batch = true;
                found.extend(open.take().map(|start| start..at));
            }
            b"MSH" if separated => {
                is_batch |= open.is_some();
                found.extend(open.replace(at).map(|start| start..at));
            }
            _ if trailer && (separated || line.len() == 3) => {
                found.extend(open.take().map(|start| start..at));
            }
            _ => {}
        }
        at += length + 1;
    }
    found.extend(open.map(|start| start..raw.len()));
    if is_batch && !found.is_empty() {
        found
    } else {
        std::iter::once(0..raw.len()).collect()
    }
}

/// Fuzz target: any bytes; the messages found lie in order and inside.
pub fn fuzz_batch(data: &[u8]) -> u64 {
    let found = messages(data);
    let mut end = 0;
    for range in &found {
        assert!(
            range.start >= end && range.start <= range.end && range.end <= data.len(),
            "messages overlap or lie outside"
        );
        end = range.end;
    }
    let first = found.first().map_or(0, |range| range.start);
    fuzzing::shape((
        fuzzing::size(found.len()),
        first > 0,
        fuzzing::size(data.len() - end),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_batch_is_its_messages_and_anything_else_is_one() {
        let check = |raw: &str, expected: &[&str]| {
            let found: Vec<_> = messages(raw.as_bytes())
                .into_iter()
                .map(|r| &raw[r])
                .collect();
            assert_eq!(found, expected, "{raw:?}");
        };
        check("MSH|^~\\&|A\rPID|1\r", &["MSH|^~\\&|A\rPID|1\r"]);
        check("not a message", &["not a message"]);
        check("", &[""]);
        check(
            "FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rBTS|2\rFTS|1\r",
            &["MSH|^~\\&|1\rPID|1\r", "MSH|^~\\&|2\r"],
        );
        check(
            "MSH|^~\\&|1\r\nMSH|^~\\&|2",
            &["MSH|^~\\&|1\r\n", "MSH|^~\\&|2"],
        );
        check("BHS|^~\\&\rMSH|^~\\&|1\rBTS", &["MSH|^~\\&|1\r"]);
        check(
            "MSH|^~\\&|1\rBTS|is no batch here",
            &["MSH|^~\\&|1\rBTS|is no batch here"],
        );
    }

    proptest! {
        #[test]
        fn ranges_are_in_order_and_inside(raw in "(FHS\\||BHS\\||MSH\\||BTS|FTS|x|\r|\n){0,20}") {
            fuzz_batch(raw.as_bytes());
        }
    }
}
