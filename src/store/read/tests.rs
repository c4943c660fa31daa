//! What the lists return, and by which index.

use super::super::testing::{Fresh, stores};
use super::super::{Direction, JournalEntry, JournalRow, Store};
use super::*;
use crate::domain::ids::{JournalId, PatientId};
use crate::domain::time::Instant;
use sea_orm::ConnectionTrait;

const PAGE: Page = Page {
    after: Some((20_260_602_080_000, 7)),
    limit: 50,
};

async fn receive(store: &Store, id: i64, outcome: &'static str) {
    let entry = JournalEntry {
        id: JournalId(id),
        received: Instant(id / 2),
        port: "mllp".to_owned(),
        link: "ris".to_owned(),
        peer: "127.0.0.1:9".to_owned(),
        kind: "ORM^O01".to_owned(),
        control_id: format!("C{}", id % 3),
        hash: [0; 32],
        charset: "ASCII".to_owned(),
        zone: "UTC".to_owned(),
        mapping_rev: "r".to_owned(),
    };
    let row = JournalRow {
        entry: &entry,
        direction: Direction::In,
        body: None,
        outcome,
        reason: (outcome == "refused").then_some("field.missing"),
        detail: None,
        ack: None,
        cause: None,
        once: false,
    };
    let txn = store.begin().await.unwrap();
    txn.insert_journal(&[row]).await.unwrap();
    txn.commit().await.unwrap();
}

#[tokio::test]
async fn pages_are_the_whole_list_in_order_and_once() {
    for Fresh { store, .. } in &stores().await {
        for id in 1..=20 {
            let outcome = if id % 4 == 0 { "refused" } else { "applied" };
            receive(store, id, outcome).await;
        }
        for (filter, expected) in [
            (MessageFilter::default(), 20),
            (
                MessageFilter {
                    reason: Some("field.missing".to_owned()),
                    ..MessageFilter::default()
                },
                5,
            ),
            (
                MessageFilter {
                    control_id: Some("C1".to_owned()),
                    ..MessageFilter::default()
                },
                7,
            ),
        ] {
            let mut found = vec![];
            let mut after = None;
            loop {
                let page = Page { after, limit: 3 };
                let rows = store.list_messages(&filter, page).await.unwrap();
                found.extend(rows.iter().map(|m| m.id.0));
                after = rows.last().map(|m| (m.at.0, m.id.0));
                if rows.len() < 3 {
                    break;
                }
            }
            assert_eq!(found.len(), expected, "{filter:?}");
            assert!(found.is_sorted_by(|a, b| a > b), "{found:?}");
        }
    }
}

/// The plan of a statement as the database tells it.
async fn plan(store: &Store, sql: Sql) -> String {
    let verb = if store.is_sqlite() {
        "EXPLAIN QUERY PLAN "
    } else {
        "EXPLAIN "
    };
    let txn = store.begin().await.unwrap();
    if !store.is_sqlite() {
        // Empty tables would be read whole, whatever their size tomorrow.
        let off = "SET LOCAL enable_seqscan = off";
        txn.tx.execute_unprepared(off).await.unwrap();
    }
    let rows = sql.before(verb).all(&txn.tx).await.unwrap();
    txn.rollback(None).await;
    let column = if store.is_sqlite() { 3 } else { 0 };
    rows.iter()
        .map(|row| row.try_get_by_index::<String>(column).unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn every_list_is_narrowed_and_ordered_by_an_index() {
    for Fresh { store, .. } in &stores().await {
        let some = |text: &str| Some(text.to_owned());
        let exams = |filter: ExamFilter| store.exam_page(&filter, PAGE);
        let messages = |filter: MessageFilter| store.message_page(&filter, PAGE);
        for (sql, index) in [
            (exams(ExamFilter::default()), "exam_list"),
            (
                exams(ExamFilter {
                    modality: some("CT"),
                    station: some("CT1"),
                    from: Some(20_260_601_000_000),
                    ..ExamFilter::default()
                }),
                "exam_list",
            ),
            (
                exams(ExamFilter {
                    status: some("started"),
                    ..ExamFilter::default()
                }),
                "exam_list_status",
            ),
            (
                exams(ExamFilter {
                    accession: some("A1"),
                    ..ExamFilter::default()
                }),
                "exam_key_accession",
            ),
            (
                exams(ExamFilter {
                    number: some("S1"),
                    ..ExamFilter::default()
                }),
                "exam_key_step",
            ),
            (
                exams(ExamFilter {
                    incomplete: true,
                    ..ExamFilter::default()
                }),
                "worklist_item_missing",
            ),
            (
                store.patient_page(
                    &PatientFilter {
                        identifier: some("80010037"),
                        ..PatientFilter::default()
                    },
                    PAGE,
                ),
                "patient_key_value",
            ),
            (
                store.patient_page(
                    &PatientFilter {
                        name: some("Dupr"),
                        ..PatientFilter::default()
                    },
                    PAGE,
                ),
                "patient_name",
            ),
            (
                store.performed_page(&PerformedFilter::default(), PAGE),
                "performed_list",
            ),
            (messages(MessageFilter::default()), "journal_at"),
            (
                messages(MessageFilter {
                    outcome: some("refused"),
                    ..MessageFilter::default()
                }),
                "journal_outcome",
            ),
            (
                messages(MessageFilter {
                    open: true,
                    ..MessageFilter::default()
                }),
                "journal_control",
            ),
            (
                messages(MessageFilter {
                    control_id: some("C1"),
                    ..MessageFilter::default()
                }),
                "journal_control",
            ),
            (
                messages(MessageFilter {
                    link: some("quiet"),
                    ..MessageFilter::default()
                }),
                "journal_link",
            ),
            (
                messages(MessageFilter {
                    reason: some("code.unknown"),
                    ..MessageFilter::default()
                }),
                "journal_reason",
            ),
            (
                store.outbox_page(
                    &OutboxList {
                        targets: vec!["mes".to_owned()],
                        state: some("held"),
                        ..OutboxList::default()
                    },
                    PAGE,
                ),
                "outbox_",
            ),
        ] {
            let plan = plan(store, sql).await;
            assert!(plan.contains(index), "{index} in\n{plan}");
        }
    }
}

#[tokio::test]
async fn the_trail_says_who_has_seen_a_patient() {
    for Fresh { store, .. } in &stores().await {
        for (id, who, patients) in [
            (1, "anne", vec![5, 6]),
            (2, "luc", vec![6]),
            (3, "anne", vec![]),
        ] {
            let row = AuditRow {
                id,
                at: Instant(id),
                who: who.to_owned(),
                role: "viewer".to_owned(),
                peer: "127.0.0.1".to_owned(),
                action: "list_exams".to_owned(),
                subject: "exam".to_owned(),
                ids: vec![id, 99],
                filter: "status=held".to_owned(),
                outcome: "allowed".to_owned(),
                reason: None,
                n: 2,
            };
            store.audit(&row, &patients).await.unwrap();
        }
        let page = Page {
            after: None,
            limit: 9,
        };
        let seen = |patient| AuditFilter {
            patient: Some(patient),
            ..AuditFilter::default()
        };
        for (filter, expected) in [
            (AuditFilter::default(), vec![3, 2, 1]),
            (seen(PatientId(6).0), vec![2, 1]),
            (seen(5), vec![1]),
            (
                AuditFilter {
                    who: Some("anne".to_owned()),
                    from: Some(2),
                    ..AuditFilter::default()
                },
                vec![3],
            ),
        ] {
            let rows = store.list_audit(&filter, page).await.unwrap();
            let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
            assert_eq!(ids, expected, "{filter:?}");
            assert!(rows.iter().all(|r| r.ids == [r.id, 99]));
        }
    }
}
