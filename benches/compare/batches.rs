//! What the machine and SQLite can take: batches of the rows that a new order writes, one multi-row statement per table, with the
//! lookups that precede them, and nothing of the engine in the way but its schema and its settings.

use crate::machine::{Fallible, Scratch};
use relais::store::Store;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use std::path::Path;
use std::time::Instant;

/// Sizes of what one order stores, in bytes.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    pub body: usize,
    pub patient: usize,
    pub exam: usize,
    pub events: Vec<usize>,
    /// A publication is queued with it.
    pub published: bool,
}

impl Sizes {
    /// As the engine left them in a file: those of the order placed last.
    pub async fn of_file(file: &Path) -> Fallible<Self> {
        let db = Database::connect(format!("sqlite://{}", file.display())).await?;
        let numbers = async |sql: &str| -> Fallible<Vec<usize>> {
            let statement = Statement::from_string(db.get_database_backend(), sql.to_owned());
            let mut found = vec![];
            for row in db.query_all_raw(statement).await? {
                found.push(usize::try_from(row.try_get_by_index::<i64>(0)?)?);
            }
            Ok(found)
        };
        const LAST: &str = "(SELECT MAX(journal_id) FROM exam_event)";
        let one = async |sql: &str| -> Fallible<usize> {
            Ok(numbers(sql).await?.first().copied().unwrap_or(0))
        };
        let sizes = Self {
            body: one(&format!(
                "SELECT LENGTH(bytes) FROM journal_body WHERE journal_id = {LAST}"
            ))
            .await?,
            patient: one("SELECT LENGTH(CAST(doc AS BLOB)) FROM patient ORDER BY id DESC LIMIT 1")
                .await?,
            exam: one("SELECT LENGTH(CAST(doc AS BLOB)) FROM exam ORDER BY id DESC LIMIT 1")
                .await?,
            events: numbers(&format!(
                "SELECT LENGTH(CAST(payload AS BLOB)) FROM exam_event WHERE journal_id = {LAST}"
            ))
            .await?,
            published: one("SELECT COUNT(*) FROM outbox").await? > 0,
        };
        db.close().await?;
        Ok(sizes)
    }
}

/// The limit: batches of prepared multi-row statements over the same schema, nothing decided, nothing parsed.
pub async fn batches(
    scratch: &Scratch,
    sizes: &Sizes,
    orders: usize,
    group: usize,
) -> Fallible<f64> {
    let path = scratch.0.join(format!("limit-{group}"));
    let store = Store::open(&format!("sqlite://{}", path.display())).await?;
    store.migrate().await?;
    store.close().await;
    let mut options = ConnectOptions::new(format!("sqlite://{}", path.display()));
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|o| {
            o.journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .statement_cache_capacity(400)
        });
    let db = Database::connect(options).await?;
    let started = Instant::now();
    let mut n = 0;
    while n < orders {
        db.execute_unprepared("BEGIN IMMEDIATE").await?;
        lookups(&db, n, group).await?;
        for (table, columns, rows) in rows(sizes) {
            if table == "outbox" && !sizes.published {
                continue;
            }
            insert(&db, table, columns, n, group, &rows).await?;
        }
        db.execute_unprepared("COMMIT").await?;
        n += group;
    }
    let rate = n as f64 / started.elapsed().as_secs_f64();
    db.close().await?;
    Ok(rate)
}

/// A cell of a row, made from the number of its order.
enum Cell {
    /// The id of the row: distinct within its table.
    Id,
    Int(i64),
    Text(String),
    /// Text that ends in the order's number.
    Key(&'static str),
    Bytes(usize),
    Null,
}

type Rows = (&'static str, &'static str, Vec<Vec<Cell>>);

/// What a new order of a new patient writes: table, columns, rows.
fn rows(sizes: &Sizes) -> Vec<Rows> {
    use Cell::{Bytes, Id, Int, Key, Null, Text};
    let t = |s: &str| Text(s.to_owned());
    let doc = |n: usize| Text("x".repeat(n));
    let key = |kind: &str, value| vec![t(kind), t("1.2.250.1.999.1"), Key(value), Id];
    vec![
        (
            "journal",
            "id,at,dir,port,link,peer,kind,control_id,hash,charset,zone,mapping_rev,outcome,ack,once",
            vec![vec![
                Id,
                Int(1_780_387_200_000_000),
                t("in"),
                t("mllp"),
                t("ris"),
                t("127.0.0.1:40000"),
                t("ORM^O01"),
                Key("MSG"),
                Text("0123456789abcdef".repeat(4)),
                t("UNICODE UTF-8"),
                t("Europe/Paris"),
                t("0123456789abcdef"),
                t("applied"),
                Bytes(120),
                Int(1),
            ]],
        ),
        (
            "journal_body",
            "journal_id,bytes",
            vec![vec![Id, Bytes(sizes.body)]],
        ),
        (
            "patient",
            "id,version,merged_into,doc",
            vec![vec![Id, Int(1), Null, doc(sizes.patient)]],
        ),
        (
            "patient_key",
            "kind,issuer,value,patient_id",
            vec![key("patient", "P")],
        ),
        (
            "exam",
            "id,patient_id,version,status,start,doc",
            vec![vec![
                Id,
                Id,
                Int(1),
                t("scheduled"),
                Int(20_260_602_090_000),
                doc(sizes.exam),
            ]],
        ),
        (
            "exam_key",
            "kind,issuer,value,exam_id",
            [
                ("placer", "PL"),
                ("filler", "FI"),
                ("accession", "AC"),
                ("study", "1.2.3."),
                ("procedure", "RP"),
                ("step", "SP"),
            ]
            .map(|(kind, value)| key(kind, value))
            .into(),
        ),
        (
            "exam_event",
            "id,subject_kind,subject_id,exam_id,journal_id,at,effective,kind,v,payload",
            sizes
                .events
                .iter()
                .map(|size| {
                    vec![
                        Id,
                        t("exam"),
                        Id,
                        Id,
                        Id,
                        Int(1),
                        Int(1),
                        t("order.placed"),
                        Int(1),
                        doc(*size),
                    ]
                })
                .collect(),
        ),
        (
            "worklist_item",
            "step_id,exam_id,patient_id,visible,status,modality,start,performer_fold,accession,patient_value,name_fold,rp_id,study_uid",
            vec![vec![
                Id,
                Id,
                Id,
                Int(1),
                t("scheduled"),
                t("CT"),
                Int(20_260_602_090_000),
                t(""),
                Key("AC"),
                Key("P"),
                Key("MARTIN^"),
                Key("RP"),
                Key("1.2.3."),
            ]],
        ),
        (
            "worklist_slot",
            "station,start,step_id",
            vec![vec![t("CT2"), Int(20_260_602_090_000), Id]],
        ),
        (
            "outbox",
            "id,target,subject,seq,wanted,done,state,due,attempts",
            vec![vec![
                Id,
                t("mes"),
                Key("exam/"),
                Int(0),
                Int(1),
                Int(0),
                t("queued"),
                Int(1),
                Int(0),
            ]],
        ),
    ]
}

async fn insert(
    db: &DatabaseConnection,
    table: &str,
    columns: &str,
    first: usize,
    group: usize,
    rows: &[Vec<Cell>],
) -> Fallible<()> {
    let mut values: Vec<sea_orm::Value> = vec![];
    for n in first..first + group {
        for (at, row) in rows.iter().enumerate() {
            let id = (n * rows.len() + at + 1) as i64;
            values.extend(row.iter().map(|cell| match cell {
                Cell::Id => id.into(),
                Cell::Int(n) => (*n).into(),
                Cell::Text(text) => text.clone().into(),
                Cell::Key(head) => format!("{head}{n:09}").into(),
                Cell::Bytes(n) => vec![b'x'; *n].into(),
                Cell::Null => sea_orm::Value::BigInt(None),
            }));
        }
    }
    let places = vec!["?"; columns.split(',').count()].join(",");
    let tuples = vec![format!("({places})"); group * rows.len()].join(",");
    let sql = format!("INSERT INTO {table} ({columns}) VALUES {tuples}");
    db.execute_raw(Statement::from_sql_and_values(
        db.get_database_backend(),
        sql,
        values,
    ))
    .await?;
    Ok(())
}

/// The reads before a decision: was this message applied, whose are these keys.
async fn lookups(db: &DatabaseConnection, first: usize, group: usize) -> Fallible<()> {
    for (select, width, keys) in [
        (
            "SELECT j.id FROM (VALUES $) w CROSS JOIN journal j WHERE j.once = 1 AND j.outcome = 'applied' \
             AND j.link = w.column1 AND j.control_id = w.column2",
            2,
            &[("ris", "", "MSG")][..],
        ),
        (
            "SELECT k.patient_id FROM (VALUES $) w CROSS JOIN patient_key k WHERE k.kind = w.column1 \
             AND k.issuer = w.column2 AND k.value = w.column3",
            3,
            &[("patient", "1.2.250.1.999.1", "P")],
        ),
        (
            "SELECT k.exam_id FROM (VALUES $) w CROSS JOIN exam_key k WHERE k.kind = w.column1 \
             AND k.issuer = w.column2 AND k.value = w.column3",
            3,
            &[
                ("placer", "1.2.250.1.999.1", "PL"),
                ("filler", "1.2.250.1.999.1", "FI"),
                ("accession", "1.2.250.1.999.1", "AC"),
            ],
        ),
    ] {
        let mut values: Vec<sea_orm::Value> = vec![];
        for n in first..first + group {
            for (kind, issuer, head) in keys {
                values.push((*kind).into());
                if width == 3 {
                    values.push((*issuer).into());
                }
                values.push(format!("{head}{n:09}").into());
            }
        }
        let tuple = format!("({})", vec!["?"; width].join(","));
        let sql = select.replace('$', &vec![tuple; group * keys.len()].join(","));
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        db.query_all_raw(statement).await?;
    }
    Ok(())
}
