//! What a FHIR server says back: OperationOutcome and transaction-response, reduced to what may be stored and shown.
//!
//! Servers quote the request in `diagnostics` and `details.text`, so neither is kept: severity, code and element say enough to act.

use crate::fuzzing;
use serde_json::Value as Json;

/// Issues that a summary names; the rest is counted.
const SHOWN: usize = 5;
/// Longest part of a summary.
const LONGEST: usize = 120;

/// A short text of an OperationOutcome: `error invariant at Patient.name; warning ...`. Empty when it is none.
pub fn summary(outcome: &Json) -> String {
    if outcome["resourceType"] != "OperationOutcome" {
        return String::new();
    }
    let issues = outcome["issue"].as_array().map_or(&[][..], Vec::as_slice);
    let mut parts: Vec<String> = issues.iter().take(SHOWN).map(issue).collect();
    if issues.len() > SHOWN {
        parts.push(format!("and {} more", issues.len() - SHOWN));
    }
    parts.join("; ")
}

fn issue(issue: &Json) -> String {
    let mut text = format!("{} {}", word(&issue["severity"]), word(&issue["code"]));
    let detail = &issue["details"]["coding"][0]["code"];
    if detail.is_string() {
        text.push_str(&format!(" ({})", word(detail)));
    }
    let at = [&issue["expression"][0], &issue["location"][0]];
    if let Some(at) = at.into_iter().find(|a| a.is_string()) {
        text.push_str(&format!(" at {}", word(at)));
    }
    text
}

/// A code or an element path; anything else could be a value of the patient's.
fn word(value: &Json) -> &str {
    let text = value.as_str().unwrap_or("?");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/[]".contains(c);
    if text.len() <= LONGEST && text.chars().all(plain) {
        text
    } else {
        "?"
    }
}

/// Why a transaction-response is not one of success, without patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// It is no transaction-response to what was sent.
    Unreadable(String),
    /// An entry has this status.
    Entry(u16, String),
}

/// Checks a transaction-response: as many entries as were sent, each with a status of success.
///
/// # Errors
/// What is wrong.
pub fn transaction(response: &Json, sent: usize) -> Result<(), Failed> {
    if response["resourceType"] != "Bundle" || response["type"] != "transaction-response" {
        return Err(Failed::Unreadable("no transaction-response".to_owned()));
    }
    let entries = response["entry"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.len() != sent {
        let why = format!("{} entries answered of {sent}", entries.len());
        return Err(Failed::Unreadable(why));
    }
    for (i, entry) in entries.iter().enumerate() {
        let status = entry["response"]["status"].as_str().unwrap_or("");
        match status.get(..3).and_then(|code| code.parse::<u16>().ok()) {
            Some(200..=299) => {}
            Some(code) => {
                let why = summary(&entry["response"]["outcome"]);
                let at = format!("entry {i} {why}");
                return Err(Failed::Entry(code, at.trim_end().to_owned()));
            }
            None => return Err(Failed::Unreadable(format!("entry {i} has no status"))),
        }
    }
    Ok(())
}

/// Fuzz target: any bytes as an answer.
pub fn fuzz_outcome(data: &[u8]) -> u64 {
    let Ok(json) = serde_json::from_slice::<Json>(data) else {
        return 0;
    };
    let summary = summary(&json);
    assert!(
        summary.len() <= SHOWN * 5 * LONGEST,
        "a summary grows with the answer"
    );
    let failed = match transaction(&json, 1) {
        Ok(()) => 0,
        Err(Failed::Unreadable(why)) => fuzzing::shape(why.len()),
        Err(Failed::Entry(status, _)) => fuzzing::shape(status),
    };
    fuzzing::shape((
        failed,
        summary.matches(' ').count(),
        summary.matches('?').count(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_summary_names_code_and_element_and_quotes_nothing() {
        let check = |issues: Json, expected: &str| {
            let outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
            assert_eq!(summary(&outcome), expected);
        };
        check(json!([]), "");
        check(
            json!([{"severity": "error", "code": "invariant", "expression": ["Patient.name[0]"], "diagnostics": "Zoé Lefèvre is unknown"}]),
            "error invariant at Patient.name[0]",
        );
        check(
            json!([{"severity": "error", "code": "Zoé Lefèvre", "details": {"coding": [{"code": "MSG_X"}], "text": "Zoé"}}]),
            "error ? (MSG_X)",
        );
        check(
            json!(vec![json!({"severity": "error", "code": "a"}); 7]),
            "error a; error a; error a; error a; error a; and 2 more",
        );
        assert_eq!(summary(&json!({"error": "Zoé"})), "");
    }

    #[test]
    fn a_transaction_response_answers_every_entry() {
        let answer = |statuses: &[&str]| {
            let entries: Vec<Json> = statuses
                .iter()
                .map(|s| json!({"response": {"status": s}}))
                .collect();
            json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
        };
        assert_eq!(transaction(&answer(&["201 Created", "200"]), 2), Ok(()));
        assert!(transaction(&answer(&["201 Created"]), 2).is_err());
        assert!(transaction(&answer(&["412 Precondition Failed"]), 1).is_err());
        assert!(transaction(&json!("<html>"), 1).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            fuzz_outcome(&data);
            fuzz_outcome(format!("{{\"resourceType\":\"OperationOutcome\",\"issue\":[{{\"code\":{text:?}}}]}}").as_bytes());
        }
    }
}
