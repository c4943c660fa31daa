//! Messages: lists, a message with its parse, outcome and effects, its bytes.

use super::gate::{Ask, Content, Reply, Seen};
use super::json::{self, id, maybe_id, moment};
use super::problem::Problem;
use crate::dicom::read::{Limits, read};
use crate::dicom::write::Syntax;
use crate::domain::event::{Event, Subject};
use crate::domain::ids::JournalId;
use crate::hl7::charset::Charset;
use crate::hl7::message::{Contradiction, Message, Reading};
use crate::hl7::view::Segment;
use crate::store::{MessageFilter, MessageRow};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most values of a message that its parse shows; the bytes are always whole.
const VALUES: usize = 20_000;

/// `GET /api/messages`
pub async fn list(ask: Ask) -> Result<Reply, Problem> {
    let filter = MessageFilter {
        direction: ask.params.owned("direction"),
        outcome: ask.params.owned("outcome"),
        reason: ask.params.owned("reason"),
        link: ask.params.owned("link"),
        from: ask.params.number("from"),
        to: ask.params.number("to"),
        control_id: ask.params.owned("control_id"),
        open: ask.params.flag("open"),
    };
    let rows = ask.state.store.list_messages(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (row.at.0, row.id.0),
        |row| Seen::one(row.id.0, None),
        head,
    ))
}

fn head(row: &MessageRow) -> Value {
    json!({
        "id": id(row.id.0),
        "at": moment(row.at),
        "direction": row.direction,
        "port": row.port,
        "link": row.link,
        "peer": row.peer,
        "kind": row.kind,
        "control_id": row.control_id,
        "charset": row.charset,
        "mapping_revision": row.mapping_rev,
        "outcome": row.outcome,
        "reason": row.reason,
        "detail": row.detail,
        "cause": maybe_id(row.cause.map(|c| c.0)),
        "body_erased_at": row.body_erased_at.map(moment),
    })
}

/// The bytes of a message; a resend's are those of the message that it repeats.
async fn bytes(ask: &Ask, row: &MessageRow) -> Result<Option<Vec<u8>>, Problem> {
    let store = &ask.state.store;
    let own = store.journal(row.id).await?.and_then(|view| view.body);
    match (own, row.cause) {
        (None, Some(cause)) if row.outcome == "repeated" => {
            Ok(store.journal(cause).await?.and_then(|view| view.body))
        }
        (own, _) => Ok(own),
    }
}

/// `GET /api/messages/{id}`
pub async fn one(ask: Ask) -> Result<Reply, Problem> {
    let wanted = JournalId(ask.params.id());
    let (row, ack) = ask
        .state
        .store
        .message(wanted)
        .await?
        .ok_or_else(|| Problem::unknown("message", wanted.0))?;
    let body = bytes(&ask, &row).await?;
    let events = ask.state.store.events_of_journal(wanted).await?;
    let mut shown = head(&row);
    shown["bytes"] = body.as_ref().map_or(Value::Null, |b| b.len().into());
    shown["ack"] = ack.map_or(Value::Null, |a| String::from_utf8_lossy(&a).into());
    for (name, part) in parse(&row, body.unwrap_or_default()) {
        shown[name] = part;
    }
    shown["events"] = events.iter().map(json::event_whole).collect();
    let mut seen = Seen::one(wanted.0, None);
    seen.patients = patients(&ask, &events).await?;
    Ok(Reply::json(shown, seen))
}

/// The patients that a message changed something of.
async fn patients(ask: &Ask, events: &[Event]) -> Result<std::collections::BTreeSet<i64>, Problem> {
    let mut patients = std::collections::BTreeSet::new();
    let mut exams = vec![];
    for event in events {
        if let Subject::Patient(id) = event.subject {
            patients.insert(id.0);
        }
        exams.extend(event.exam);
    }
    exams.sort_unstable();
    exams.dedup();
    let exams = ask.state.store.exams(&exams).await?;
    patients.extend(exams.iter().map(|e| e.patient.0));
    Ok(patients)
}

/// What the bytes say, by the format of their port; always the same four members.
fn parse(row: &MessageRow, body: Vec<u8>) -> [(&'static str, Value); 4] {
    let mut parts = [
        ("segments", Value::Null),
        ("data_set", Value::Null),
        ("json", Value::Null),
        ("unreadable", Value::Null),
    ];
    if body.is_empty() {
        return parts;
    }
    let read = match (row.port.as_str(), row.direction.as_str()) {
        ("dicom", _) => data_set(row, &body).map(|v| (1, v)),
        (_, "out") => serde_json::from_slice(&body)
            .map(|v| (2, v))
            .map_err(|e| format!("not JSON (line {}, column {})", e.line(), e.column())),
        _ => segments(row, body).map(|v| (0, v)),
    };
    match read {
        Ok((at, value)) => parts[at].1 = value,
        Err(why) => parts[3].1 = why.into(),
    }
    parts
}

fn data_set(row: &MessageRow, body: &[u8]) -> Result<Value, String> {
    let syntax = row.kind.split(' ').nth(1).and_then(Syntax::of_uid);
    let syntax = syntax.ok_or("the transfer syntax is not known")?;
    let data = read(body, syntax, Limits::default(), None).map_err(|e| e.to_string())?;
    Ok(json::data_set(&data))
}

fn segments(row: &MessageRow, body: Vec<u8>) -> Result<Value, String> {
    let reading = Reading {
        charset: Charset::of_hl7(&row.charset),
        contradiction: Contradiction::TakeAsUtf8,
    };
    let message = Message::parse(Arc::from(body), &reading).map_err(|r| r.to_string())?;
    let mut left = VALUES;
    let shown = message.segments().map(|segment| {
        json!({
            "segment": segment.id(),
            "occurrence": segment.occurrence(),
            "fields": values(segment, &mut left),
        })
    });
    Ok(shown.collect())
}

/// Every value of a segment that is not empty, by its path.
fn values(segment: Segment<'_>, left: &mut usize) -> Vec<Value> {
    let separator = segment.message().separators().field;
    let fields = segment.raw().iter().filter(|b| **b == separator).count();
    let last = u16::try_from(fields + 1).unwrap_or(u16::MAX);
    let mut found = vec![];
    let mut put = |path: String, text: &str| {
        if !text.is_empty() && *left > 0 {
            *left -= 1;
            found.push(json!({ "path": path, "text": text }));
        }
    };
    for number in 1..=last {
        let field = segment.field(number);
        if segment.id() == "MSH" && number <= 2 {
            put(field.place().to_string(), &field.whole_text());
            continue;
        }
        for repetition in field.repetitions() {
            for component in repetition.components() {
                let parts = component.raw().iter().filter(|b| **b == b'&').count();
                if !component.has_subcomponents() {
                    put(component.place().to_string(), &component.text());
                    continue;
                }
                for n in 1..=u16::try_from(parts + 1).unwrap_or(u16::MAX) {
                    let part = component.subcomponent(n);
                    put(part.place().to_string(), &part.text());
                }
            }
        }
    }
    found
}

/// `GET /api/messages/{id}/body`
pub async fn body(ask: Ask) -> Result<Reply, Problem> {
    let wanted = JournalId(ask.params.id());
    let store = &ask.state.store;
    let (row, _) = store
        .message(wanted)
        .await?
        .ok_or_else(|| Problem::unknown("message", wanted.0))?;
    let bytes = bytes(&ask, &row)
        .await?
        .ok_or_else(|| Problem::unknown("message with bytes", wanted.0))?;
    let events = store.events_of_journal(wanted).await?;
    Ok(Reply {
        content: Content::Bytes(bytes),
        seen: Seen {
            ids: vec![wanted.0],
            patients: patients(&ask, &events).await?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Instant;

    fn row(port: &str, kind: &str) -> MessageRow {
        MessageRow {
            id: JournalId(1),
            at: Instant(0),
            direction: "in".to_owned(),
            port: port.to_owned(),
            link: String::new(),
            peer: String::new(),
            kind: kind.to_owned(),
            control_id: String::new(),
            charset: "UNICODE UTF-8".to_owned(),
            mapping_rev: String::new(),
            outcome: "applied".to_owned(),
            reason: None,
            detail: None,
            cause: None,
            body_erased_at: None,
        }
    }

    #[test]
    fn a_message_is_shown_value_by_value_with_its_paths() {
        let text = "MSH|^~\\&|A||||||ORM^O01|1|P|2.5\rPID|1||8^^^H&1.2&ISO~9||Lef\u{e8}vre^Zo\u{e9}\rOBX|1\rOBX|2\r";
        let [(_, segments), ..] = parse(&row("mllp", "ORM^O01"), text.as_bytes().to_vec());
        let paths: Vec<(&str, &str)> = segments
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|s| s["fields"].as_array().unwrap())
            .map(|f| (f["path"].as_str().unwrap(), f["text"].as_str().unwrap()))
            .collect();
        for expected in [
            ("MSH-2", "^~\\&"),
            ("MSH-9.2", "O01"),
            ("PID-3.1", "8"),
            ("PID-3.4.2", "1.2"),
            ("PID-3[2].1", "9"),
            ("PID-5.1", "Lef\u{e8}vre"),
            ("OBX[2]-1.1", "2"),
        ] {
            assert!(paths.contains(&expected), "{expected:?} in {paths:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_lost() {
        for (port, kind, body) in [
            ("mllp", "", &b"no message"[..]),
            ("dicom", "N-CREATE", b"\x08\0"),
            ("dicom", "N-CREATE 1.2.840.10008.1.2.1", b"\x08\0\x05"),
        ] {
            let parts = parse(&row(port, kind), body.to_vec());
            assert!(parts[3].1.is_string(), "{parts:?}");
            assert!(parts[..3].iter().all(|(_, v)| v.is_null()), "{parts:?}");
        }
    }
}
