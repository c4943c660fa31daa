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
    let stated = |value| Stated::new(value, as_of());
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
        held: Stated::new(false, as_of()),
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
