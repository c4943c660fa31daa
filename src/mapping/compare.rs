//! One message read by two sets of mapping files: what is said otherwise, field by field, each with the rule that says it.

use super::{LinkView, MappingSet};
use crate::domain::command::{Command, Record};
use crate::domain::fields::Said;
use crate::domain::ids::JournalId;
use crate::domain::reason::Reason;
use crate::domain::value::Value;
use crate::hl7::message::Message;
use std::collections::BTreeMap;

/// What is otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A value of a field.
    Field {
        /// `order.accession_number`, `step.modality`.
        field: String,
        /// The rule that says it now; the one that said it before if none does.
        rule: String,
        before: Vec<Value>,
        after: Vec<Value>,
    },
    /// Refused now and not before, or for another reason; `None` = not refused any more.
    Refusal {
        before: Option<Reason>,
        after: Option<Reason>,
    },
    /// Other commands are given.
    Commands { before: String, after: String },
}

/// What a second set makes otherwise of a message.
pub fn compare(
    before: &MappingSet,
    after: &MappingSet,
    message: &Message,
    link: &LinkView,
) -> Vec<Change> {
    let read = |set: &MappingSet| set.translate_hl7(message, link, JournalId(0));
    let (was, is) = match (read(before), read(after)) {
        (Ok(was), Ok(is)) => (was.commands, is.commands),
        (Err(was), Err(is)) if was.reason == is.reason => return vec![],
        (was, is) => {
            let reason = |r: Result<_, crate::domain::reason::Refusal>| r.err().map(|r| r.reason);
            return vec![Change::Refusal {
                before: reason(was),
                after: reason(is),
            }];
        }
    };
    let words = |commands: &[Command]| {
        let words: Vec<&str> = commands.iter().map(super::cases::word).collect();
        words.join(", ")
    };
    if words(&was) != words(&is) {
        return vec![Change::Commands {
            before: words(&was),
            after: words(&is),
        }];
    }
    let mut changes = Vec::new();
    for (was, is) in was.iter().zip(&is) {
        record(was.record(), is.record(), &mut changes);
    }
    changes
}

fn record(was: &Record, is: &Record, changes: &mut Vec<Change>) {
    let empty = BTreeMap::new();
    let sections = was.sections.keys().chain(is.sections.keys());
    let mut sections: Vec<&'static str> = sections.copied().collect();
    sections.sort_unstable();
    sections.dedup();
    for section in sections {
        let of = |r: &'_ Record| r.sections.get(section).map(|p| p.0.clone());
        let (was, is) = (
            of(was).unwrap_or_else(|| empty.clone()),
            of(is).unwrap_or_else(|| empty.clone()),
        );
        let mut fields: Vec<_> = was.keys().chain(is.keys()).collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            let (was, is) = (was.get(field), is.get(field));
            let values = |said: Option<&Said>| said.map(|s| s.values.to_vec()).unwrap_or_default();
            if was.map(|s| &s.values) != is.map(|s| &s.values) {
                let rule = is.or(was).and_then(|s| s.origins.first());
                changes.push(Change::Field {
                    field: format!("{section}.{field}"),
                    rule: rule.map_or(String::new(), |o| o.rule.clone()),
                    before: values(was),
                    after: values(is),
                });
            }
        }
    }
    let lists = was.lists.keys().chain(is.lists.keys());
    let mut lists: Vec<&'static str> = lists.copied().collect();
    lists.sort_unstable();
    lists.dedup();
    let none = Record::default();
    for list in lists {
        let (was, is) = (was.list(list), is.list(list));
        for n in 0..was.len().max(is.len()) {
            record(
                was.get(n).unwrap_or(&none),
                is.get(n).unwrap_or(&none),
                changes,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::message::Reading;
    use crate::mapping::load::tests::{over_orders, shipped};

    #[test]
    fn a_changed_rule_is_told_by_field_and_line() {
        let (before, _) = MappingSet::compile(shipped());
        let text = "MSH|^~\\&|RISX|CHU|RELAIS|CHU|20260602080000||ORM^O01|1|P|2.3.1|||||FRA|UNICODE UTF-8\r\
                    PID|||12345^^^HOPA&1.2.250.1.999.1.1&ISO^PI||DUPRÉ^Zoé||19790328|F\rORC|NW|P1|F1\rOBR||P1|F1|MRTETE^IRM tête^99LOCAL\r";
        let message = Message::parse(text.as_bytes().into(), &Reading::default()).unwrap();
        let link = LinkView {
            role: "order".to_owned(),
            ..LinkView::default()
        };
        let check = |line: &str, wanted: &dyn Fn(&[Change]) -> bool| {
            let found = compare(&before, &over_orders(line), &message, &link);
            assert!(wanted(&found), "{line}: {found:?}");
        };
        check("procedure.description = 'OBR-4.2'", &<[Change]>::is_empty);
        check(
            "procedure.description = 'OBR-4.1'",
            &|found| matches!(found, [Change::Field { field, rule, .. }] if field == "procedure.description" && rule == "inbound/site.toml:3"),
        );
        check(
            "patient.sex = 'none'",
            &|found| matches!(found, [Change::Field { field, after, rule, .. }] if field == "patient.sex" && after.is_empty() && rule.starts_with("inbound/ihe_order.toml:")),
        );
        check(
            "order.accession_number = 'OBR-4.2 | table(\"modality\", else: refuse)'",
            &|found| {
                matches!(
                    found,
                    [Change::Refusal {
                        before: None,
                        after: Some(Reason::CodeUnknown)
                    }]
                )
            },
        );
        check(
            "command.do = '\"hold\"'",
            &|found| matches!(found, [Change::Commands { after, .. }] if after == "hold"),
        );
    }
}
