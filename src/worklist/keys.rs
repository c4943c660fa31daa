//! Keys: what a C-FIND identifier asks for (PS3.4 K.6.1.2, C.2.2.2). Parsed once per query.

use super::fold::fold_name;
use crate::dicom::dataset::{Content, DataSet, Element};
use crate::dicom::dictionary::keyword_of;
use crate::domain::reason::{Place, Reason, Refusal};
use crate::fuzzing;

/// Attributes that are matched when a value is sent; of any other attribute a value is ignored and the answer says so (FF01).
/// The required ones are those of Table K.6-1; IHE RAD-5 adds accession and Requested Procedure ID; the rest is what scanners send.
pub const MATCHED: &[&str] = &[
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "RequestedProcedureID",
    "StudyInstanceUID",
    "AdmissionID",
    "ReferringPhysicianName",
    "RequestingPhysician",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedurePriority",
];
/// The same inside the Scheduled Procedure Step Sequence. Start date and time are matched together, always (K.6.1.2.2).
pub const MATCHED_STEP: &[&str] = &[
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "Modality",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
    "ScheduledProcedureStepStatus",
];
/// The sequence that holds the step.
pub const STEP: &str = "ScheduledProcedureStepSequence";

/// How one attribute is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Equal to one of these (more than one only where a scanner sends a list although the standard has none).
    Equal(Vec<String>),
    /// Wild card `*` and `?`, case-sensitive.
    Wild(String),
    /// A person name: folded, with wild cards.
    Name(String),
    /// Date or time alone, in digits, ends included.
    Range(Option<String>, Option<String>),
}

/// One key with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// DICOM keyword.
    pub keyword: &'static str,
    /// True if it stands in the Scheduled Procedure Step Sequence.
    pub in_step: bool,
    pub test: Test,
}

impl Key {
    /// What is asked for, as one text.
    pub fn text(&self) -> String {
        match &self.test {
            Test::Equal(values) => values.join("\\"),
            Test::Wild(text) | Test::Name(text) => text.clone(),
            Test::Range(from, to) => {
                let end = |end: &Option<String>| end.clone().unwrap_or_default();
                format!("{}-{}", end(from), end(to))
            }
        }
    }
}

/// Start of the step as `yyyymmddhhmmss`, ends included; `None` = open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartRange {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// A parsed identifier.
#[derive(Debug, Clone)]
pub struct Query {
    /// The identifier as sent: it is also the list of what to return.
    pub identifier: DataSet,
    pub keys: Vec<Key>,
    /// Combined date and time of the step.
    pub start: Option<StartRange>,
    /// Attributes whose value was not used for matching.
    pub ignored: Vec<String>,
}

impl Query {
    /// Reads an identifier. Fails on a date or time that is none, and on a step sequence of several items.
    pub fn parse(identifier: DataSet) -> Result<Self, Refusal> {
        let mut query = Self {
            keys: vec![],
            start: None,
            ignored: vec![],
            identifier: DataSet::default(),
        };
        for element in identifier.iter() {
            match (&element.content, key_of(element)) {
                (_, None)
                | (
                    _,
                    Some("SpecificCharacterSet" | "TimezoneOffsetFromUTC" | "QueryRetrieveLevel"),
                ) => {}
                (Content::Sequence(items), Some(STEP)) => query.step(items)?,
                (_, Some(keyword)) => query.attribute(keyword, element, false)?,
            }
        }
        query.identifier = identifier;
        Ok(query)
    }

    fn step(&mut self, items: &[DataSet]) -> Result<(), Refusal> {
        if items.len() > 1 {
            return Err(bad_key(
                STEP,
                format!("{} items", items.len()),
                "none or one",
            ));
        }
        let Some(item) = items.first() else {
            return Ok(());
        };
        let mut date = None;
        let mut time = None;
        for element in item.iter() {
            match key_of(element) {
                None => {}
                Some("ScheduledProcedureStepStartDate") => date = text_of(element),
                Some("ScheduledProcedureStepStartTime") => time = text_of(element),
                Some(keyword) => self.attribute(keyword, element, true)?,
            }
        }
        self.start_range(date, time)
    }

    fn attribute(
        &mut self,
        keyword: &'static str,
        element: &Element,
        in_step: bool,
    ) -> Result<(), Refusal> {
        let Content::Text(values) = &element.content else {
            if has_value(element) {
                self.ignored.push(keyword.to_owned());
            }
            return Ok(());
        };
        let values: Vec<&str> = values
            .iter()
            .map(|v| v.trim_matches([' ', '\0']))
            .filter(|v| !v.is_empty())
            .collect();
        let Some(first) = values.first() else {
            return Ok(());
        };
        if values.iter().all(|v| *v == "*") {
            return Ok(());
        }
        if !(if in_step { MATCHED_STEP } else { MATCHED }).contains(&keyword) {
            self.ignored.push(keyword.to_owned());
            return Ok(());
        }
        let wild = first.contains(['*', '?']);
        let test = match keyword {
            "PatientBirthDate" => range_test(keyword, first, 8)?,
            "PatientName"
            | "ScheduledPerformingPhysicianName"
            | "ReferringPhysicianName"
            | "RequestingPhysician" => Test::Name(fold_name(first)),
            _ if wild && values.len() == 1 => Test::Wild((*first).to_owned()),
            _ => Test::Equal(values.iter().map(|v| (*v).to_owned()).collect()),
        };
        self.keys.push(Key {
            keyword,
            in_step,
            test,
        });
        Ok(())
    }

    /// Date and time of the step are one axis: 5 to 7 July, 10:00 to 18:00 means from the 5th at 10:00 to the 7th at 18:00.
    fn start_range(&mut self, date: Option<String>, time: Option<String>) -> Result<(), Refusal> {
        const DATE: &str = "ScheduledProcedureStepStartDate";
        const TIME: &str = "ScheduledProcedureStepStartTime";
        let days = date.as_deref().map(|d| ends(DATE, d, 8)).transpose()?;
        let times = time.as_deref().map(|t| ends(TIME, t, 6)).transpose()?;
        let number = |day: &str, time: &str| format!("{day}{time}").parse::<i64>().ok();
        match (days, times) {
            (None, None) => {}
            (None, Some((from, to))) => {
                let to = to.map(|t| pad(&t, '9', 6));
                self.keys.push(Key {
                    keyword: TIME,
                    in_step: true,
                    test: Test::Range(from.map(|f| pad(&f, '0', 6)), to),
                });
            }
            (Some((from, to)), times) => {
                let one_time = time.as_deref().is_some_and(|t| !t.contains('-'));
                let many_days = from != to;
                if let (true, true, Some((t, _))) = (one_time, many_days, &times) {
                    // A single time over several days cannot be one span: the days narrow, the time is compared on each.
                    // "08" is the whole hour.
                    let end = |with| t.as_ref().map(|t| pad(t, with, 6));
                    self.keys.push(Key {
                        keyword: TIME,
                        in_step: true,
                        test: Test::Range(end('0'), end('9')),
                    });
                    self.start = Some(StartRange {
                        from: from.as_deref().and_then(|d| number(d, "000000")),
                        to: to.as_deref().and_then(|d| number(d, "235959")),
                    });
                    return Ok(());
                }
                let (t_from, t_to) = times.unwrap_or((None, None));
                let t_from = t_from.map_or("000000".to_owned(), |t| pad(&t, '0', 6));
                let t_to = t_to.map_or("235959".to_owned(), |t| pad(&t, '9', 6));
                self.start = Some(StartRange {
                    from: from.as_deref().and_then(|d| number(d, &t_from)),
                    to: to.as_deref().and_then(|d| number(d, &t_to)),
                });
            }
        }
        Ok(())
    }

    /// The matching keys as one text, in the order of the identifier: `Modality=CT start=20260602000000-20260602235959`.
    pub fn keys_text(&self) -> String {
        let mut parts: Vec<String> = self
            .keys
            .iter()
            .map(|key| format!("{}={}", key.keyword, key.text()))
            .collect();
        if self.start.is_some() {
            parts.push(format!("start={}", self.start_text()));
        }
        parts.join(" ")
    }

    /// The combined start as one text: `20260602000000-20260602235959`.
    pub fn start_text(&self) -> String {
        let end = |end: Option<i64>| end.map(|n| n.to_string()).unwrap_or_default();
        let range = self.start;
        range.map_or(String::new(), |r| format!("{}-{}", end(r.from), end(r.to)))
    }

    /// The values of an exact key, for narrowing.
    pub fn equal(&self, keyword: &str) -> Option<&[String]> {
        self.keys
            .iter()
            .find(|k| k.keyword == keyword)
            .and_then(|k| match &k.test {
                Test::Equal(values) => Some(values.as_slice()),
                _ => None,
            })
    }

    /// The folded text that the patient's name must begin with, for narrowing: the key up to its first wild card, and no further
    /// than the family name, which every rendering of a name begins with.
    pub fn name_prefix(&self) -> Option<&str> {
        let name = self.keys.iter().find_map(|k| match &k.test {
            Test::Name(name) if k.keyword == "PatientName" => Some(name.as_str()),
            _ => None,
        })?;
        let end = name.find(['*', '?', '^']).unwrap_or(name.len());
        Some(&name[..end]).filter(|p| !p.is_empty())
    }
}

/// The keyword of an attribute that may be a key; private ones are the peer's own affair.
fn key_of(element: &Element) -> Option<&'static str> {
    keyword_of(element.tag).filter(|_| element.tag.0.is_multiple_of(2))
}

fn has_value(element: &Element) -> bool {
    match &element.content {
        Content::Text(values) => values
            .iter()
            .any(|v| !v.trim_matches([' ', '\0']).is_empty()),
        Content::Bytes(bytes) => !bytes.is_empty(),
        Content::Sequence(items) => items.iter().any(|i| i.iter().any(has_value)),
    }
}

fn text_of(element: &Element) -> Option<String> {
    match &element.content {
        Content::Text(values) => values
            .first()
            .map(|v| v.trim_matches([' ', '\0']).to_owned())
            .filter(|v| !v.is_empty() && v != "*"),
        _ => None,
    }
}

fn bad_key(keyword: &str, found: String, allowed: &str) -> Refusal {
    Refusal::new(Reason::QueryKey, found)
        .at(Place::Dicom(keyword.to_owned()))
        .allowed(allowed)
}

fn pad(digits: &str, with: char, to: usize) -> String {
    // 59, not 99: a time of one digit pair less means the whole minute or hour.
    let mut text: String = digits.chars().take(to).collect();
    while text.len() < to {
        text.push_str(if with == '0' { "00" } else { "59" });
    }
    text
}

/// Both ends of a single value or range of digits: `a`, `a-b`, `-b`, `a-`. `len` is 8 for dates, 6 for times.
fn ends(
    keyword: &str,
    text: &str,
    len: usize,
) -> Result<(Option<String>, Option<String>), Refusal> {
    let allowed = if len == 8 {
        "YYYYMMDD, or a range with a hyphen"
    } else {
        "HH[MM[SS[.FFFFFF]]], or a range with a hyphen"
    };
    let digits = |part: &str| -> Result<Option<String>, Refusal> {
        // Older scanners write 2026.06.02 and 08:00:00 (PS3.5 6.2, ACR-NEMA forms).
        let part: String = part
            .trim()
            .split('.')
            .collect::<Vec<_>>()
            .join(if len == 8 { "" } else { "." })
            .replace(':', "");
        let whole = part.split('.').next().unwrap_or("");
        if whole.is_empty() && part.is_empty() {
            return Ok(None);
        }
        let good = whole.bytes().all(|b| b.is_ascii_digit())
            && if len == 8 {
                whole.len() == 8
            } else {
                matches!(whole.len(), 2 | 4 | 6)
            };
        if good {
            Ok(Some(whole.to_owned()))
        } else {
            Err(bad_key(keyword, "not a date or time".to_owned(), allowed))
        }
    };
    match text.split_once('-') {
        Some((a, b)) => {
            let (a, b) = (digits(a)?, digits(b)?);
            if a.is_none() && b.is_none() {
                Err(bad_key(keyword, "a hyphen alone".to_owned(), allowed))
            } else {
                Ok((a, b))
            }
        }
        None => {
            let one = digits(text)?;
            Ok((one.clone(), one))
        }
    }
}

fn range_test(keyword: &'static str, text: &str, len: usize) -> Result<Test, Refusal> {
    let (from, to) = ends(keyword, text, len)?;
    Ok(Test::Range(from, to))
}

/// Fuzz target: any bytes as a C-FIND identifier, asked of one item.
pub fn fuzz_query(data: &[u8]) -> u64 {
    use crate::dicom::read::{Limits, Syntax, read};
    let Ok(identifier) = read(data, Syntax::ImplicitLe, Limits::default(), None) else {
        return 0;
    };
    let query = match Query::parse(identifier) {
        Ok(query) => query,
        Err(refusal) => return fuzzing::shape((refusal.reason, &refusal.at)),
    };
    let mut item = DataSet::new();
    item.put_text("PatientName", "MAÎTREJEAN^Loïc");
    item.put_text("PatientID", "80000001");
    let mut step = DataSet::new();
    step.put_text("ScheduledStationAETitle", "CT1");
    step.put_text("ScheduledProcedureStepStartDate", "20260602");
    step.put_text("ScheduledProcedureStepStartTime", "084500");
    item.put_items(STEP, vec![step]);
    let verdicts = super::matching::verdicts(&item, &query);
    let answer = super::matching::answer(&item, &query.identifier);
    assert!(
        answer.len() <= query.identifier.len(),
        "more is answered than was asked for"
    );
    let _ = (query.keys_text(), query.name_prefix());
    let kinds: Vec<_> = query
        .keys
        .iter()
        .map(|key| (key.keyword, std::mem::discriminant(&key.test)))
        .collect();
    let matched = verdicts.iter().filter(|v| v.matched).count();
    fuzzing::shape((
        kinds,
        matched,
        query.start.map(|s| (s.from.is_some(), s.to.is_some())),
        fuzzing::size(query.ignored.len()),
    ))
}
