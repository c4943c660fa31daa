//! The machine's limit: what this disk and SQLite can take, with nothing of the engine in the way but its schema and its settings.
//!
//! `cargo bench --bench limit [-- ORDERS]`. First the rate of durable appends (the ceiling of one message per commit), then batches of
//! the rows that a new order writes, one multi-row statement per table, with the three lookups that precede them, at 1, 16 and 64
//! orders per commit; last the engine's own writer (`workflow`) under as many senders. Rates of other benches are read as a share of
//! these, measured on the same machine at the same time.

mod common;

use common::{Scratch, fdatasync_rate, line, percentile};
use relais::clock::{Clock, Minter};
use relais::domain::command::{Command, OrderAct, Record};
use relais::domain::fields::{Origin, Said};
use relais::domain::ids::JournalId;
use relais::domain::policy::Policy;
use relais::domain::time::{AsOf, Instant as At, Role, When};
use relais::domain::value::{Coding, Concept, Identifier, Issuer, Name, Value};
use relais::publish::plan::{TargetKind, TargetPlan};
use relais::store::{JournalEntry, Store};
use relais::workflow::{Outcome, Settings, Unit, Workflow};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Fallible<()> {
    let orders = std::env::args().skip(1).find_map(|a| a.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(orders.unwrap_or(8_000)))
}

async fn run(orders: usize) -> Fallible<()> {
    let scratch = Scratch::new("limit");
    line(
        "fdatasync of 4 KiB appends",
        fdatasync_rate(&scratch.0, Duration::from_secs(2)),
        "/s",
    );
    let sizes = sizes(&scratch).await?;
    println!(
        "row sizes in bytes, as the engine writes them: message {}, patient {}, exam {}, events {:?}",
        sizes.body, sizes.patient, sizes.exam, sizes.events
    );
    for group in [1, 16, 64] {
        let n = if group == 1 { orders / 8 } else { orders };
        let rate = batches(&scratch, &sizes, n, group).await?;
        line(
            &format!("limit: multi-row batches, {group} orders per commit"),
            rate,
            "orders/s",
        );
    }
    for senders in [1, 16, 64] {
        let n = if senders == 1 { orders / 8 } else { orders };
        writer(&scratch, n, senders).await?;
    }
    Ok(())
}

/// Sizes of what one order stores.
struct Sizes {
    body: usize,
    patient: usize,
    exam: usize,
    events: Vec<usize>,
}

/// The rows of one order, measured on one that went through the engine.
async fn sizes(scratch: &Scratch) -> Fallible<Sizes> {
    let (store, workflow, stop) = open(scratch, "sizes").await?;
    let unit = unit(1);
    let body = unit.body.len();
    let Outcome::Applied {
        events, journal, ..
    } = workflow.execute(unit).await
    else {
        return Err("the order was not applied".into());
    };
    let exam = events.iter().find_map(|(_, exam)| *exam).ok_or("no exam")?;
    let exam = store.exam(exam).await?.ok_or("no exam")?;
    let patient = store.patient(exam.patient).await?.ok_or("no patient")?;
    let events = store.events_of_journal(journal).await?;
    stop.cancel();
    Ok(Sizes {
        body,
        patient: serde_json::to_string(&patient)?.len(),
        exam: serde_json::to_string(&exam)?.len(),
        events: events
            .iter()
            .map(|e| serde_json::to_string(&e.what).map(|t| t.len()))
            .collect::<Result<_, _>>()?,
    })
}

async fn open(scratch: &Scratch, name: &str) -> Fallible<(Store, Workflow, CancellationToken)> {
    let store = Store::open(&format!("sqlite://{}", scratch.0.join(name).display())).await?;
    store.migrate().await?;
    if name == "sizes" {
        println!("store: {:?}", store.pragmas().await?);
    }
    let zone = jiff::tz::TimeZone::get("Europe/Paris")?;
    let target = TargetPlan {
        name: "mes".to_owned(),
        kind: TargetKind::Fhir,
    };
    let settings = Settings::new("1.2.250.1.999.1", zone, vec![target]);
    let stop = CancellationToken::new();
    let minter = Minter::new(Clock::System, 0);
    let (workflow, _task) =
        Workflow::start(store.clone(), settings, Clock::System, minter, stop.clone());
    Ok((store, workflow, stop))
}

/// Orders with distinct patients through the engine's writer, from `senders` that each wait for their answer.
async fn writer(scratch: &Scratch, orders: usize, senders: usize) -> Fallible<()> {
    let (store, workflow, stop) = open(scratch, &format!("writer-{senders}")).await?;
    let started = Instant::now();
    let mut tasks = vec![];
    for sender in 0..senders {
        let workflow = workflow.clone();
        tasks.push(tokio::spawn(async move {
            let mut times = vec![];
            for n in (sender..orders).step_by(senders) {
                let sent = Instant::now();
                match workflow.execute(unit(n as i64 + 1)).await {
                    Outcome::Applied { .. } => times.push(sent.elapsed()),
                    other => return Err(format!("order {n}: {other:?}")),
                }
            }
            Ok(times)
        }));
    }
    let mut times = vec![];
    for task in tasks {
        times.extend(task.await??);
    }
    let rate = orders as f64 / started.elapsed().as_secs_f64();
    line(
        &format!("engine's writer, {senders} senders"),
        rate,
        "orders/s",
    );
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!(
        "    p50 {:.2} ms, p99 {:.2} ms",
        ms(percentile(&mut times, 0.5)),
        ms(percentile(&mut times, 0.99))
    );
    stop.cancel();
    store.close().await;
    Ok(())
}

/// The limit: batches of prepared multi-row statements over the same schema, nothing decided, nothing parsed.
async fn batches(scratch: &Scratch, sizes: &Sizes, orders: usize, group: usize) -> Fallible<f64> {
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

/// A new order of a new patient, with an origin for every value, as a mapping makes it.
fn unit(n: i64) -> Unit {
    let body: Arc<[u8]> = format!("MSH|^~\\&|RIS|{n:09}|{}", "x".repeat(1_000))
        .into_bytes()
        .into();
    let id = JournalId((1_700_000_000 << 12) + n);
    let at = At(1_780_387_200_000_000 + n);
    Unit {
        journal: JournalEntry {
            id,
            received: at,
            port: "mllp".to_owned(),
            link: "ris".to_owned(),
            peer: "127.0.0.1:40000".to_owned(),
            kind: "ORM^O01".to_owned(),
            control_id: format!("MSG{n:09}"),
            hash: Sha256::digest(&body).into(),
            charset: "UNICODE UTF-8".to_owned(),
            zone: "Europe/Paris".to_owned(),
            mapping_rev: "0123456789abcdef".to_owned(),
        },
        body,
        decision: Ok(vec![Command::Order(OrderAct::Schedule, record(n, id))]),
        as_of: AsOf {
            at,
            role: Role::Order,
            journal: id,
        },
        zone: jiff::tz::TimeZone::UTC,
        policy: Policy::default(),
        ack: Some(vec![b'x'; 120]),
        warnings: vec![],
        detect_resend: true,
        replay: None,
    }
}

fn record(n: i64, journal: JournalId) -> Record {
    let text = |t: &str| Value::Text(t.to_owned());
    let when = |t: &str| Value::When(When::parse(t).expect("a constant"));
    let issued = |value: String| {
        let issuer = Issuer {
            namespace: Some("HOPA".to_owned()),
            universal_id: Some("1.2.250.1.999.1.1".to_owned()),
            scheme: Some("ISO".to_owned()),
        };
        Value::Identifier(Identifier {
            value,
            issuer: Some(issuer),
            type_: Some("PI".to_owned()),
        })
    };
    let code = |code: &str, display: &str| {
        Value::Concept(Concept {
            codings: vec![Coding {
                code: code.to_owned(),
                system: Some("LOCAL".to_owned()),
                display: Some(display.to_owned()),
            }],
            text: None,
        })
    };
    let name = Value::Name(Name {
        family: Some(format!("MAÎTREJEAN{n}")),
        given: vec!["Loïc".to_owned()],
        type_: Some("L".to_owned()),
        ..Name::default()
    });
    let mut record = Record::default();
    let mut say = |section, name: &'static str, value: Value| {
        say(record.section_mut(section), name, value, journal);
    };
    say("patient", "id", issued(format!("{n:08}")));
    say("patient", "identifiers", issued(format!("{n:08}")));
    say("patient", "name", name.clone());
    say("patient", "birth_name", name);
    say("patient", "birth_date", when("19790314"));
    say("patient", "sex", text("M"));
    say("visit", "number", issued(format!("V{n:08}")));
    say("order", "placer_number", issued(format!("PL{n:08}")));
    say("order", "filler_number", issued(format!("FI{n:08}")));
    say("order", "accession_number", issued(format!("AC{n:08}")));
    say("order", "priority", text("routine"));
    say(
        "order",
        "reason",
        text("Douleurs abdominales depuis trois jours"),
    );
    say(
        "procedure",
        "code",
        code("TDMABD", "Scanner abdominal avec injection"),
    );
    say(
        "procedure",
        "description",
        text("Scanner abdominal avec injection"),
    );
    say(
        "procedure",
        "study_instance_uid",
        Value::Uid(format!("1.2.250.1.999.1.77.{n}")),
    );
    say("procedure", "id", text(&format!("RP{n:08}")));
    let mut step = Record::default();
    for (name, value) in [
        ("id", text(&format!("SP{n:08}"))),
        ("modality", text("CT")),
        ("start", when("20260602084500")),
        ("station_aes", text("CT2")),
        ("description", text("Scanner abdominal")),
        ("protocol_codes", code("TDMABD", "Scanner abdominal")),
    ] {
        say_in_step(&mut step, name, value, journal);
    }
    record.lists.insert("step", vec![step]);
    record
}

fn say_in_step(step: &mut Record, name: &'static str, value: Value, journal: JournalId) {
    say(step.section_mut("step"), name, value, journal);
}

fn say(
    patch: &mut relais::domain::fields::Patch,
    name: &'static str,
    value: Value,
    journal: JournalId,
) {
    let origin = Origin {
        journal,
        path: "PID-3[1].1".to_owned(),
        span: (120, 12),
        rule: "inbound/ihe_order.toml:27".to_owned(),
        via: vec![],
    };
    let said = Said {
        values: vec![value],
        origins: vec![origin],
    };
    patch.0.insert(name.into(), said);
}
