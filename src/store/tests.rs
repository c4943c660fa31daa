//! The store on SQLite, and on PostgreSQL when one is at hand.

use super::schema::TABLES;
use super::sql::Sql;
use super::testing::{Fresh, sqlite, stores};
use super::*;
use crate::domain::exam::{Exam, Stated, Step, StepStatus};
use crate::domain::fields::{Field, Fields};
use crate::domain::ids::{JournalId, Key, KeyKind, PatientId, StepId};
use crate::domain::patient::Patient;
use crate::domain::time::{AsOf, Instant, LocalTime, Role, When};
use crate::domain::value::{Name, Value};
use crate::domain::world::Doc;
use crate::worklist::project;
use jiff::tz::TimeZone;
use sea_orm::ConnectionTrait;

fn as_of() -> AsOf {
    AsOf {
        at: Instant(1),
        role: Role::Order,
        journal: JournalId(1),
    }
}

fn fields(values: &[(&'static str, Value)]) -> Fields {
    let field = |value: &Value| Field {
        values: [value.clone()].into(),
        as_of: as_of(),
        origins: Arc::default(),
    };
    Fields(
        values
            .iter()
            .map(|(name, value)| ((*name).into(), field(value)))
            .collect(),
    )
}

fn patient(id: i64, family: &str) -> Patient {
    let name = Name {
        family: Some(family.to_owned()),
        given: vec!["Zoé".to_owned()],
        ..Name::default()
    };
    Patient {
        v: 1,
        id: PatientId(id),
        merged_into: None,
        fields: fields(&[("name", Value::Name(name))]),
        visit: Fields::default(),
        aliases: vec![],
        renamed: vec![],
        keys: vec![key(KeyKind::Patient, &format!("P{id}"))],
    }
}

fn key(kind: KeyKind, value: &str) -> Key {
    Key {
        kind,
        issuer: "1.2.250.1.999.1.1".to_owned(),
        value: value.to_owned(),
    }
}

fn exam(id: i64, patient: i64, modality: &str, start: &str, stations: &[&str]) -> Exam {
    let stated = |value| Stated {
        value,
        as_of: as_of(),
    };
    let mut step = fields(&[
        ("modality", Value::Text(modality.to_owned())),
        ("start", Value::When(When::parse(start).unwrap())),
    ]);
    if !stations.is_empty() {
        let values = stations
            .iter()
            .map(|s| Value::Text((*s).to_owned()))
            .collect();
        let field = Field {
            values,
            as_of: as_of(),
            origins: Arc::default(),
        };
        step.0.insert("station_aes".into(), field);
    }
    // Steps are built through JSON where the document has defaults: a new field need not be named here.
    let json = serde_json::json!({ "v": 1, "id": id, "patient": patient });
    let mut exam: Exam = serde_json::from_value(json).unwrap();
    exam.steps = vec![Step {
        id: StepId(id * 10),
        sps_id: format!("S{id}"),
        status: stated(StepStatus::Scheduled),
        wish: None,
        held: Stated {
            value: false,
            as_of: as_of(),
        },
        fields: step,
    }];
    exam.keys = vec![key(KeyKind::Placer, &format!("O{id}"))];
    exam
}

fn new<T>(doc: T) -> Doc<T> {
    Doc {
        doc,
        stored: 0,
        dirty: true,
    }
}

/// Stores exams with their patients and rows.
async fn fill(store: &Store, patients: Vec<Patient>, exams: Vec<Exam>) {
    let zone = TimeZone::UTC;
    let txn = store.begin().await.unwrap();
    let mut rows = vec![];
    for exam in &exams {
        let patient = patients.iter().find(|p| p.id == exam.patient).unwrap();
        rows.extend(project(exam, patient, &zone));
    }
    let patients: Vec<_> = patients.into_iter().map(new).collect();
    let exams: Vec<_> = exams.into_iter().map(new).collect();
    txn.save_patients(&patients.iter().collect::<Vec<_>>())
        .await
        .unwrap();
    txn.save_exams(&exams.iter().collect::<Vec<_>>(), &zone)
        .await
        .unwrap();
    txn.insert_worklist(&rows).await.unwrap();
    txn.commit().await.unwrap();
}

async fn steps(store: &Store, narrow: Narrow) -> Vec<i64> {
    let found = store.worklist_candidates(&narrow, None, 500).await.unwrap();
    found.iter().map(|c| c.step.0).collect()
}

#[tokio::test]
async fn sqlite_keeps_what_it_acknowledges_and_waits_for_locks() {
    let fresh = sqlite().await;
    let pragmas = fresh.store.pragmas().await.unwrap();
    let expected = [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("busy_timeout", "5000"),
        ("foreign_keys", "1"),
    ];
    assert_eq!(pragmas, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let fresh = sqlite().await;
    let written = fresh
        .store
        .read
        .execute_unprepared("DELETE FROM exam")
        .await;
    assert!(written.is_err());
}

#[tokio::test]
async fn migrations_are_applied_once_and_the_dump_knows_every_column() {
    for Fresh { store, .. } in &stores().await {
        store.migrate().await.unwrap();
        let sql = if store.is_sqlite() {
            "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'seaql%'"
        } else {
            "SELECT table_name || '.' || column_name FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name NOT LIKE 'seaql%'"
        };
        let rows = Sql::new(&store.read, sql).all(&store.read).await.unwrap();
        let mut migrated: Vec<String> = rows
            .iter()
            .map(|r| r.try_get_by_index(0).unwrap())
            .collect();
        let columns = |t: &schema::Table| -> Vec<String> {
            t.columns
                .iter()
                .map(|(c, _)| format!("{}.{c}", t.name))
                .collect()
        };
        let mut known: Vec<String> = TABLES.iter().flat_map(columns).collect();
        migrated.sort_unstable();
        known.sort_unstable();
        assert_eq!(migrated, known);
        assert_eq!(store.dump(&LeaveOut::NOTHING).await.unwrap(), "");
    }
}

#[tokio::test]
async fn a_document_that_changed_meanwhile_is_a_conflict() {
    for Fresh { store, .. } in &stores().await {
        fill(store, vec![patient(1, "MARTIN")], vec![]).await;
        let stale = Doc {
            doc: patient(1, "DURAND"),
            stored: 0,
            dirty: true,
        };
        let txn = store.begin().await.unwrap();
        let saved = txn.save_patients(&[&stale]).await;
        assert!(matches!(saved, Err(StoreError::Conflict(_))), "{saved:?}");
        txn.rollback(None).await;
        let txn = store.begin().await.unwrap();
        let fresh = Doc { stored: 1, ..stale };
        txn.save_patients(&[&fresh]).await.unwrap();
        txn.commit().await.unwrap();
        let name = store.patient(PatientId(1)).await.unwrap().unwrap();
        assert_eq!(name.fields.text("name"), Some("DURAND"));
    }
}

#[tokio::test]
async fn a_patient_key_given_away_twice_is_a_conflict_and_a_merge_moves_it() {
    for Fresh { store, .. } in &stores().await {
        let key = key(KeyKind::Patient, "P\0 1");
        let txn = store.begin().await.unwrap();
        txn.save_patient_keys(&[(&key, PatientId(1))], &[])
            .await
            .unwrap();
        txn.commit().await.unwrap();
        let txn = store.begin().await.unwrap();
        let again = txn.save_patient_keys(&[(&key, PatientId(2))], &[]).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
        txn.rollback(None).await;
        let txn = store.begin().await.unwrap();
        txn.save_patient_keys(&[], &[(&key, PatientId(2))])
            .await
            .unwrap();
        txn.commit().await.unwrap();
        assert_eq!(store.patient_id(&key).await.unwrap(), Some(PatientId(2)));
    }
}

#[tokio::test]
async fn a_worklist_search_may_return_too_much_never_too_little() {
    for Fresh { store, .. } in &stores().await {
        let patients = vec![patient(1, "MARTIN"), patient(2, "ÉLUARD")];
        let exams = vec![
            exam(1, 1, "CT", "202611240800", &["CT1", "CT2"]),
            exam(2, 1, "CT", "202611240700", &[]),
            exam(3, 2, "CT", "202611250800", &["CT2"]),
            exam(4, 2, "MR", "202611240900", &["MR1"]),
        ];
        fill(store, patients, exams).await;
        let day = Some((LocalTime(20_261_124_000_000), LocalTime(20_261_124_235_959)));
        let of = |stations: &[&str]| Narrow {
            stations: stations.iter().map(|s| (*s).to_owned()).collect(),
            ..Narrow::default()
        };
        for (narrow, expected) in [
            (Narrow::default(), vec![20, 10, 40, 30]),
            (of(&["CT2"]), vec![10, 30]),
            (of(&["CT1", "CT2", "@CT"]), vec![20, 10, 30]),
            (
                Narrow {
                    start: day,
                    ..of(&["CT2", "@CT"])
                },
                vec![20, 10],
            ),
            (
                Narrow {
                    modality: Some("MR".to_owned()),
                    start: day,
                    ..Narrow::default()
                },
                vec![40],
            ),
            (
                Narrow {
                    name_prefix_fold: Some("ELU".to_owned()),
                    ..Narrow::default()
                },
                vec![40, 30],
            ),
        ] {
            assert_eq!(steps(store, narrow.clone()).await, expected, "{narrow:?}");
        }
        let mut paged = vec![];
        let mut after = None;
        loop {
            let page = store
                .worklist_candidates(&Narrow::default(), after, 3)
                .await
                .unwrap();
            paged.extend(page.iter().map(|c| c.step.0));
            after = page.last().map(Candidate::cursor);
            if page.len() < 3 {
                break;
            }
        }
        assert_eq!(paged, [20, 10, 40, 30]);
    }
}

#[tokio::test]
async fn the_worklist_is_rebuilt_to_an_equal_one() {
    for Fresh { store, .. } in &stores().await {
        let exams = vec![
            exam(1, 1, "CT", "202611240800", &["CT1"]),
            exam(2, 1, "", "202611240700", &[]),
        ];
        fill(store, vec![patient(1, "MARTIN")], exams).await;
        let before = store.dump(&LeaveOut::NOTHING).await.unwrap();
        store.rebuild_worklist(&TimeZone::UTC).await.unwrap();
        assert_eq!(store.dump(&LeaveOut::NOTHING).await.unwrap(), before);
        assert!(before.contains("worklist_item") && before.contains("worklist_slot"));
        assert_eq!(store.worklist_size().await.unwrap(), 1);
    }
}

async fn queue(store: &Store, id: i64, subject: &str, seq: i64, now: Instant) {
    let txn = store.begin().await.unwrap();
    let row = Queue {
        id,
        target: "mes".to_owned(),
        subject: subject.to_owned(),
        seq,
        times: 1,
    };
    txn.queue(&[row], now).await.unwrap();
    txn.commit().await.unwrap();
}

/// An operator's act at a time.
fn by_operator(at: i64, kind: &str) -> JournalEntry {
    JournalEntry {
        id: JournalId(at),
        received: Instant(at),
        port: "cli".to_owned(),
        link: String::new(),
        peer: "luc@pacs".to_owned(),
        kind: kind.to_owned(),
        control_id: String::new(),
        hash: [0; 32],
        charset: String::new(),
        zone: String::new(),
        mapping_rev: String::new(),
    }
}

async fn steer(store: &Store, steer: Steer, filter: &OutboxFilter, at: i64) -> Vec<i64> {
    let mut next = at * 10;
    let mint = || {
        next += 1;
        next
    };
    let entry = by_operator(at, "outbox");
    let changed = store
        .steer_outbox(steer, filter, entry, "asked", mint)
        .await;
    changed.unwrap()
}

#[tokio::test]
async fn g08_nothing_of_a_paused_target_is_claimed_until_it_is_resumed() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        let pause = by_operator(11, "target.pause");
        assert!(store.pause_target("mes", &pause, "move").await.unwrap());
        let again = by_operator(12, "target.pause");
        assert!(!store.pause_target("mes", &again, "twice").await.unwrap());
        assert_eq!(
            store.pauses().await.unwrap(),
            [Pause {
                target: "mes".to_owned(),
                at: Instant(11),
                who: "luc@pacs".to_owned(),
                because: "move".to_owned(),
            }]
        );
        let claims = store.claim("mes", 9, 100, Instant(20), 5).await.unwrap();
        assert_eq!(claims, []);
        assert_eq!(store.next_due("mes").await.unwrap(), None);
        let resume = by_operator(13, "target.resume");
        assert!(store.resume_target("mes", &resume, "").await.unwrap());
        let claims = store.claim("mes", 9, 100, Instant(20), 5).await.unwrap();
        assert_eq!(claims.len(), 1);
    }
}

fn attempt(id: i64) -> Attempt<'static> {
    Attempt {
        id,
        at: Instant(id),
        ms: 3,
        status: "200".to_owned(),
        journal: None,
    }
}

async fn state(store: &Store) -> Vec<(i64, i64, String)> {
    let rows = store.outbox(&OutboxFilter::default(), 100).await.unwrap();
    rows.into_iter()
        .map(|r| (r.wanted, r.done, r.state))
        .collect()
}

#[tokio::test]
async fn a_state_row_coalesces_and_is_delivered_again_when_more_was_wanted_meanwhile() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        queue(store, 2, "exam/1", 0, Instant(11)).await;
        assert_eq!(
            store.claim("mes", 9, 100, Instant(10), 5).await.unwrap(),
            []
        );
        let claims = store.claim("mes", 9, 100, Instant(11), 6).await.unwrap();
        assert_eq!(
            claims
                .iter()
                .map(|c| (c.id, c.wanted, c.done))
                .collect::<Vec<_>>(),
            [(1, 2, 0)]
        );
        assert_eq!(
            store.claim("mes", 9, 100, Instant(50), 7).await.unwrap(),
            []
        );
        queue(store, 3, "exam/1", 0, Instant(12)).await;
        assert!(
            store
                .settle_delivered(&claims[0], &attempt(1))
                .await
                .unwrap()
        );
        assert_eq!(state(store).await, [(3, 2, "queued".to_owned())]);
        let again = store.claim("mes", 9, 100, Instant(60), 8).await.unwrap();
        assert!(
            store
                .settle_delivered(&again[0], &attempt(2))
                .await
                .unwrap()
        );
        assert_eq!(state(store).await, [(3, 3, "delivered".to_owned())]);
        assert_eq!(store.next_due("mes").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_served_by_one_node_at_a_time() {
    for Fresh { store, .. } in &stores().await {
        let minter = |node| crate::clock::Minter::new(crate::clock::Clock::System, node);
        let (one, two) = (minter(0), minter(1));
        let claim = async |minter: &crate::clock::Minter, n, now| {
            let token = minter.token();
            let claims = store.claim("mes", n, 100, Instant(now), token).await;
            claims.unwrap()
        };
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        queue(store, 2, "exam/2", 0, Instant(10)).await;
        let first = claim(&one, 1, 10).await;
        assert_eq!(first.len(), 1);
        assert_eq!(claim(&two, 9, 10).await, []);
        // The same node goes on; the other one is next when it has settled, or its lease has run out.
        assert_eq!(claim(&one, 9, 10).await.len(), 1);
        assert_eq!(claim(&two, 9, 110).await.len(), 2);
        assert_eq!(claim(&one, 9, 110).await, []);
        for round in 0..20 {
            let now = 1000 * (round + 1);
            let (a, b) = tokio::join!(claim(&one, 1, now), claim(&two, 1, now));
            assert_eq!(a.len() + b.len(), 1, "round {round}");
        }
    }
}

#[tokio::test]
async fn rows_of_a_dead_process_are_free_before_their_lease_ends_and_nothing_passes_them() {
    let other = 1 << 53;
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        let dead = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        queue(store, 2, "exam/2", 0, Instant(10)).await;
        // Another node's start does not touch them.
        assert_eq!(store.orphan("mes", other, Instant(60)).await.unwrap(), 0);
        assert_eq!(store.orphan("mes", 6, Instant(60)).await.unwrap(), 1);
        assert_eq!(store.orphan("mes", 6, Instant(60)).await.unwrap(), 0);
        for token in [7, other] {
            let early = store.claim("mes", 9, 100, Instant(59), token).await;
            assert_eq!(early.unwrap(), []);
        }
        // Should it live after all, its claim is lost.
        assert!(!store.settle_delivered(&dead[0], &attempt(1)).await.unwrap());
        let next = store.claim("mes", 9, 100, Instant(60), 8).await.unwrap();
        assert_eq!(next.len(), 2);
    }
}

#[tokio::test]
async fn a_row_that_is_settled_while_another_node_waits_for_it_is_not_claimed_again() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        // The first node is late: its lease is over, its settlement is written and not yet committed.
        let txn = store.begin().await.unwrap();
        let settle = "UPDATE outbox SET state = 'delivered', done = wanted, lease_token = NULL, leased_until = NULL";
        Sql::new(&txn.tx, settle).execute(&txn.tx).await.unwrap();
        let waiting = {
            let store = store.clone();
            let other = 1 << 53;
            tokio::spawn(async move { store.claim("mes", 9, 100, Instant(200), other).await })
        };
        // On SQLite it waits for the one writer; on PostgreSQL until the row's lock is free.
        let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while !store.is_sqlite() {
            let row = Sql::new(&store.read, waits).one(&store.read).await.unwrap();
            if row.unwrap().try_get_by_index::<i64>(0).unwrap() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        txn.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), []);
    }
}

#[tokio::test]
async fn a_lost_lease_settles_nothing() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        let lost = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        assert_eq!(store.next_due("mes").await.unwrap(), Some(Instant(110)));
        let held = store.claim("mes", 9, 100, Instant(110), 6).await.unwrap();
        assert!(!store.settle_delivered(&lost[0], &attempt(1)).await.unwrap());
        assert_eq!(state(store).await, [(1, 0, "queued".to_owned())]);
        assert!(
            store
                .settle_held(&held[0], &attempt(2), "fhir.invalid", "x")
                .await
                .unwrap()
        );
        assert_eq!(state(store).await, [(1, 0, "held".to_owned())]);
        assert_eq!(store.attempts(1).await.unwrap().len(), 2);
        // An operator's retry, then a temporary failure.
        let all = OutboxFilter::default();
        assert!(steer(store, Steer::Resend, &all, 199).await.is_empty());
        assert_eq!(steer(store, Steer::Retry, &all, 200).await, [1]);
        let claim = store.claim("mes", 9, 100, Instant(200), 7).await.unwrap();
        let due = Instant(900);
        assert!(
            store
                .settle_retry(&claim[0], &attempt(3), due, "http.503", "")
                .await
                .unwrap()
        );
        assert_eq!(store.next_due("mes").await.unwrap(), Some(due));
        assert_eq!(steer(store, Steer::Skip, &all, 300).await, [1]);
        assert_eq!(state(store).await, [(1, 0, "discarded".to_owned())]);
        let attempts = store.attempts(1).await.unwrap();
        let told: Vec<(&str, &str)> = attempts
            .iter()
            .map(|(_, _, outcome, status)| (outcome.as_str(), status.as_str()))
            .filter(|(_, status)| status.starts_with("luc@pacs"))
            .collect();
        assert_eq!(
            told,
            [("retry", "luc@pacs: asked"), ("discard", "luc@pacs: asked")]
        );
    }
}

#[tokio::test]
async fn delivered_rows_do_not_crowd_out_what_is_held() {
    for Fresh { store, .. } in &stores().await {
        for (id, subject) in [(1, "exam/1"), (2, "exam/2")] {
            queue(store, id, subject, 0, Instant(10)).await;
        }
        let claims = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        let (first, second) = (attempt(1), attempt(2));
        assert!(store.settle_delivered(&claims[0], &first).await.unwrap());
        let held = store.settle_held(&claims[1], &second, "r", "d").await;
        assert!(held.unwrap());
        let filter = OutboxFilter {
            undelivered: true,
            ..OutboxFilter::default()
        };
        let rows = store.outbox(&filter, 1).await.unwrap();
        assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [2]);
    }
}

#[tokio::test]
async fn g05_events_of_a_subject_leave_in_order_and_a_held_one_blocks_its_subject_only() {
    for Fresh { store, .. } in &stores().await {
        for (id, subject, seq) in [(1, "exam/1", 7), (2, "exam/1", 8), (3, "exam/2", 9)] {
            queue(store, id, subject, seq, Instant(10)).await;
        }
        let claims = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        assert_eq!(claims.iter().map(|c| c.seq).collect::<Vec<_>>(), [7, 9]);
        assert!(
            store
                .settle_held(&claims[0], &attempt(1), "r", "d")
                .await
                .unwrap()
        );
        assert!(
            store
                .settle_delivered(&claims[1], &attempt(2))
                .await
                .unwrap()
        );
        assert_eq!(
            store.claim("mes", 9, 100, Instant(10), 6).await.unwrap(),
            []
        );
        let first = OutboxFilter {
            id: Some(1),
            ..OutboxFilter::default()
        };
        assert_eq!(steer(store, Steer::Skip, &first, 10).await, [1]);
        let next = store.claim("mes", 9, 100, Instant(10), 7).await.unwrap();
        assert_eq!(next.iter().map(|c| c.seq).collect::<Vec<_>>(), [8]);
    }
}

#[tokio::test]
async fn a_repeated_query_collapses_into_one_row() {
    for Fresh { store, .. } in &stores().await {
        let row = |id: i64, keys: &str| QueryLogRow {
            id,
            device: "CT2".to_owned(),
            keys: keys.to_owned(),
            keys_hash: keys.to_owned(),
            ids: "[]".to_owned(),
            ids_hash: "0".to_owned(),
            n: 0,
            us: 900,
            first_at: Instant(id),
            last_at: Instant(id),
            count: 1,
        };
        store
            .log_queries(&[row(1, "a"), row(2, "a"), row(3, "b")])
            .await
            .unwrap();
        store.log_queries(&[row(4, "b")]).await.unwrap();
        let found = store.queries_of("CT2", 9).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|r| (r.keys.as_str(), r.count, r.first_at.0))
            .collect();
        assert_eq!(found, [("b", 2, 3), ("a", 2, 1)]);
    }
}

#[tokio::test]
async fn a_node_keeps_its_number() {
    for Fresh { store, .. } in &stores().await {
        let a = store.register_node("a", Instant(1)).await.unwrap();
        let b = store.register_node("b", Instant(2)).await.unwrap();
        assert_ne!(a, b);
        assert_eq!(store.register_node("a", Instant(3)).await.unwrap(), a);
        store.heartbeat(a, Instant(4)).await.unwrap();
        store
            .activate_mapping("h1", "{}", Instant(5))
            .await
            .unwrap();
        store
            .activate_mapping("h2", "{}", Instant(6))
            .await
            .unwrap();
        assert_eq!(
            store.mapping_files("h1").await.unwrap().as_deref(),
            Some("{}")
        );
    }
}
