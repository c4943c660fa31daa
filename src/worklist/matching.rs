//! Matching: whether a rendered item answers a query, one verdict per key (PS3.4 C.2.2.2); and the answer itself, which holds what
//! was asked for and nothing else (K.6.1.2.1).

use super::fold::fold_name;
use super::keys::{Key, Query, STEP, Test};
use crate::dicom::dataset::{Content, DataSet, Element, Tag};

/// The decision on one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// DICOM keyword of the key; `ScheduledProcedureStepStartDate` stands for the combined start.
    pub keyword: &'static str,
    pub matched: bool,
}

/// One verdict per key of the query. All matched = the item is in the answer.
pub fn verdicts(item: &DataSet, query: &Query) -> Vec<Verdict> {
    let step = item.items(STEP).first();
    let mut verdicts: Vec<Verdict> = query
        .keys
        .iter()
        .map(|key| {
            let place = if key.in_step { step } else { Some(item) };
            Verdict {
                keyword: key.keyword,
                matched: place.is_some_and(|p| is_matched(p, key)),
            }
        })
        .collect();
    if let Some(range) = query.start {
        let start = step.and_then(start_of);
        let matched = start
            .is_some_and(|s| range.from.is_none_or(|f| s >= f) && range.to.is_none_or(|t| s <= t));
        verdicts.push(Verdict {
            keyword: "ScheduledProcedureStepStartDate",
            matched,
        });
    }
    verdicts
}

/// True if every key matches.
pub fn is_match(item: &DataSet, query: &Query) -> bool {
    verdicts(item, query).iter().all(|v| v.matched)
}

fn start_of(step: &DataSet) -> Option<i64> {
    let date = step.text("ScheduledProcedureStepStartDate")?;
    let time = step.text("ScheduledProcedureStepStartTime").unwrap_or("");
    let whole: String = time
        .chars()
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    format!("{date}{whole:0<6}").parse().ok()
}

/// An unknown (zero-length) value matches no key with a value (C.2.2.2.3).
fn is_matched(place: &DataSet, key: &Key) -> bool {
    place
        .texts(key.keyword)
        .iter()
        .map(|v| v.trim_matches([' ', '\0']))
        .filter(|v| !v.is_empty())
        .any(|value| match &key.test {
            Test::Equal(wanted) => wanted.iter().any(|w| w == value),
            Test::Wild(pattern) => wild(pattern, value),
            Test::Name(pattern) => wild(pattern, &fold_name(value)),
            Test::Range(from, to) => {
                let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
                let digits = if key.keyword.ends_with("Time") {
                    format!("{digits:0<6}")
                } else {
                    digits
                };
                from.as_ref().is_none_or(|f| digits.as_str() >= f.as_str())
                    && to.as_ref().is_none_or(|t| digits.as_str() <= t.as_str())
            }
        })
}

/// `*` is any sequence, `?` exactly one character. Linear in the product of both lengths, without recursion.
fn wild(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// The answer: the attributes of the identifier, with the item's values; unknown ones have zero length. The character set is the
/// writer's business.
pub fn answer(item: &DataSet, identifier: &DataSet) -> DataSet {
    let mut found = DataSet::default();
    for asked in identifier.iter() {
        if matches!(asked.tag, Tag(0x0008, 0x0005) | Tag(0x0008, 0x0201)) {
            continue;
        }
        // Nothing of ours is private: a block without its creator's name would be malformed (PS3.5 7.8.1).
        if asked.tag.0 % 2 == 1 {
            continue;
        }
        let keys = asked.items().first().filter(|keys| !keys.is_empty());
        // The VR is the dictionary's, whatever the query wrote before its empty value.
        let known = match (item.get(asked.tag), keys) {
            (Some(known), Some(keys)) if !known.items().is_empty() => Element {
                tag: known.tag,
                vr: known.vr,
                content: Content::Sequence(known.items().iter().map(|i| answer(i, keys)).collect()),
            },
            // A sequence asked for without attributes is asked for whole (C.2.2.2.6).
            (Some(known), _) => known.clone(),
            (None, _) => Element::empty(asked.tag),
        };
        found.insert(known);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dataset::Vr;
    use crate::domain::reason::Reason;

    fn data(pairs: &[(&str, &str)]) -> DataSet {
        let mut data = DataSet::new();
        for (keyword, text) in pairs {
            data.put(
                keyword,
                Content::Text(
                    text.split('\\')
                        .filter(|t| !t.is_empty())
                        .map(str::to_owned)
                        .collect(),
                ),
            );
        }
        data
    }

    fn with_step(mut data: DataSet, step: DataSet) -> DataSet {
        data.put_items(STEP, vec![step]);
        data
    }

    fn item() -> DataSet {
        let step = data(&[
            ("Modality", "CT"),
            ("ScheduledStationAETitle", "CT1\\CT2"),
            ("ScheduledProcedureStepStartDate", "20260602"),
            ("ScheduledProcedureStepStartTime", "0815"),
            ("ScheduledPerformingPhysicianName", "LEFÈVRE^Aurélie"),
            ("ScheduledProcedureStepID", "SPS1"),
        ]);
        let item = data(&[
            ("PatientName", "Dupont-Lafleur^Éloïse"),
            ("PatientID", "80010037"),
            ("AccessionNumber", "A1"),
        ]);
        with_step(item, step)
    }

    #[test]
    fn each_key_is_compared_as_its_type_says() {
        for (keyword, value, expected) in [
            ("PatientName", "DUPONT*", true),
            ("PatientName", "dupont-lafleur^eloise", true),
            ("PatientName", "DUPONT", false),
            ("PatientName", "DUPONT?LAFLEUR^*", true),
            ("PatientID", "80010037", true),
            ("PatientID", "8001003", false),
            ("PatientID", "8001*", true),
            ("AccessionNumber", "a1", false),
            ("AccessionNumber", "*", true),
            ("AccessionNumber", "", true),
            ("RequestedProcedureID", "X", false),
        ] {
            let query = Query::parse(data(&[(keyword, value)])).unwrap();
            assert_eq!(is_match(&item(), &query), expected, "{keyword} {value}");
        }
    }

    #[test]
    fn step_keys_match_inside_the_sequence_and_start_is_one_axis() {
        let date = "ScheduledProcedureStepStartDate";
        let time = "ScheduledProcedureStepStartTime";
        for (keys, expected) in [
            (vec![("ScheduledStationAETitle", "CT2")], true),
            (vec![("ScheduledStationAETitle", "CT3")], false),
            (vec![("Modality", "MR\\CT")], true),
            (vec![("ScheduledPerformingPhysicianName", "lefevre*")], true),
            (vec![(date, "20260602")], true),
            (vec![(date, "20260601-20260603")], true),
            (vec![(date, "-20260601")], false),
            (vec![(date, "20260602-")], true),
            (vec![(date, "2026.06.02")], true),
            (
                vec![(date, "20260601-20260602"), (time, "1000-0800")],
                false,
            ),
            (vec![(date, "20260601-20260602"), (time, "1000-0900")], true),
            (vec![(date, "20260602"), (time, "0800-0830")], true),
            (vec![(date, "20260602"), (time, "0815")], true),
            (vec![(date, "20260602"), (time, "08")], true),
            (vec![(date, "20260601-20260603"), (time, "08")], true),
            (vec![(date, "20260601-20260603"), (time, "0814")], false),
            (vec![(date, "20260602"), (time, "0900-")], false),
            (vec![(time, "0800-0900")], true),
            (vec![(time, "0900-1000")], false),
            (vec![], true),
        ] {
            let query = Query::parse(with_step(DataSet::new(), data(&keys))).unwrap();
            assert_eq!(is_match(&item(), &query), expected, "{keys:?}");
        }
    }

    #[test]
    fn a_date_that_is_none_is_refused_with_its_key() {
        for value in ["2026060", "yesterday", "-", "20260602-2026"] {
            let keys = data(&[("ScheduledProcedureStepStartDate", value)]);
            let refusal = Query::parse(with_step(DataSet::new(), keys)).unwrap_err();
            assert_eq!(refusal.reason, Reason::QueryKey, "{value}");
        }
    }

    #[test]
    fn the_answer_holds_what_was_asked_and_nothing_else() {
        let asked = with_step(
            data(&[
                ("PatientName", "DUPONT*"),
                ("SpecificCharacterSet", "ISO_IR 100"),
                ("PatientWeight", ""),
            ]),
            data(&[("Modality", ""), ("PreMedication", "")]),
        );
        let found = answer(&item(), &asked);
        assert_eq!(found.text("PatientName"), Some("Dupont-Lafleur^Éloïse"));
        assert!(
            found
                .by_keyword("PatientWeight")
                .is_some_and(Element::is_empty)
        );
        assert!(
            found.by_keyword("PatientID").is_none()
                && found.by_keyword("SpecificCharacterSet").is_none()
        );
        let step = &found.items(STEP)[0];
        assert_eq!((step.text("Modality"), step.len()), (Some("CT"), 2));
    }

    #[test]
    fn private_attributes_are_neither_keys_nor_returned_and_a_wrong_vr_is_not_repeated() {
        let mut asked = data(&[("PatientName", "DUPONT*")]);
        for (tag, vr, content) in [
            (
                Tag(0x0029, 0x0010),
                Vr::LO,
                Content::Text(vec!["ACME 1.1".into()]),
            ),
            (Tag(0x0029, 0x1001), Vr::LO, Content::Text(vec!["X".into()])),
            // A sequence and a name written as if they were plain text.
            (Tag(0x0040, 0x0100), Vr::LO, Content::Text(vec![])),
            (Tag(0x0008, 0x0090), Vr::UN, Content::Bytes(vec![])),
        ] {
            asked.insert(Element { tag, vr, content });
        }
        let query = Query::parse(asked.clone()).unwrap();
        assert!(is_match(&item(), &query) && query.ignored.is_empty());
        let found: Vec<_> = answer(&item(), &asked)
            .iter()
            .map(|e| (e.name(), e.vr))
            .collect();
        let expected = [
            ("ReferringPhysicianName", Vr::PN),
            ("PatientName", Vr::PN),
            (STEP, Vr::SQ),
        ];
        assert_eq!(found, expected.map(|(name, vr)| (name.to_owned(), vr)));
    }

    #[test]
    fn an_empty_sequence_key_asks_for_the_whole_sequence() {
        let mut asked = DataSet::new();
        asked.put_items(STEP, vec![]);
        assert_eq!(answer(&item(), &asked).items(STEP), item().items(STEP));
    }

    #[test]
    fn a_value_in_an_attribute_that_is_not_matched_is_reported_and_ignored() {
        let mut pregnancy = DataSet::new();
        pregnancy.put("PregnancyStatus", Content::Bytes(vec![1, 0]));
        let mut step = DataSet::new();
        step.put_items(
            "ScheduledProtocolCodeSequence",
            vec![data(&[("CodeValue", "X")])],
        );
        for (asked, ignored) in [
            (data(&[("PatientComments", "x")]), "PatientComments"),
            (pregnancy, "PregnancyStatus"),
            (
                with_step(DataSet::new(), step),
                "ScheduledProtocolCodeSequence",
            ),
        ] {
            let query = Query::parse(asked).unwrap();
            assert_eq!(query.ignored, [ignored]);
            assert!(is_match(&item(), &query), "{ignored}");
        }
    }

    #[test]
    fn wild_cards_match_as_the_standard_says() {
        for (pattern, text, expected) in [
            ("DUP*", "DUPONT^MARIE", true),
            ("*", "", true),
            ("D?PONT*", "DUPONT", true),
            ("D?PONT", "DUPPONT", false),
            ("*MARIE", "DUPONT^MARIE", true),
            ("*A*A*", "ANNA", true),
            ("", "X", false),
            ("DUPONT", "DUPONT^MARIE", false),
        ] {
            assert_eq!(wild(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
