//! A large department in a SQLite file, made without the ports: one order a station goes through the engine, and its rows are copied with
//! other numbers, names, days and ids. What is copied is what worklist queries read (patients, exams, their keys, the worklist); journal
//! and events are not. Kept under `target/bench` and used again as long as schema and orders are the same.

use crate::data::{Item, Layout};
use crate::machine::Fallible;
use crate::mllp::Sender;
use crate::servers::relais;
use relais::worklist::fold::fold_name;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement,
    TransactionTrait, Value,
};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Numbers of the orders that are copied.
const FIRST: usize = 70_000_000;
/// Items of one transaction.
const AT_ONCE: usize = 2_000;
/// Rows of one statement.
const ROWS: usize = 50;

/// A text with places to be filled.
#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Number,
    Family,
    Start,
    Exam,
    Patient,
    Step,
}

/// What is filled in.
struct Filling<'a> {
    item: &'a Item,
    exam: i64,
    patient: i64,
    step: i64,
}

/// The rows of one order.
struct Template {
    patient: Vec<Piece>,
    exam: Vec<Piece>,
    patient_keys: Vec<[String; 3]>,
    exam_keys: Vec<[String; 3]>,
    item: Vec<Vec<Piece>>,
    stations: Vec<String>,
    token: String,
}

/// The directory of a file with this many items, built if it is not there.
pub async fn department(layout: &Layout) -> Fallible<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    let dir = target.join(format!("department-{}", layout.items));
    fs::create_dir_all(&dir)?;
    let seeds = dir.join("seeds");
    let _ = fs::remove_dir_all(&seeds);
    fs::create_dir_all(&seeds)?;
    let templates = templates(&seeds, layout).await?;
    let seed = open(&seeds.join("relais.db")).await?;
    let schema = rows(
        &seed,
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name",
    )
    .await?;
    seed.close().await?;
    let mut hash = Sha256::new();
    for row in &schema {
        hash.update(row.try_get_by_index::<String>(0)?);
    }
    hash.update(Item::of(layout, layout.items - 1).order());
    hash.update(format!("{layout:?}"));
    let wanted: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if fs::read_to_string(dir.join("complete")).is_ok_and(|found| found == wanted) {
        return Ok(dir);
    }
    for name in ["relais.db", "relais.db-wal", "relais.db-shm", "complete"] {
        let _ = fs::remove_file(dir.join(name));
    }
    fs::copy(seeds.join("relais.db"), dir.join("relais.db"))?;
    eprintln!("filling a database with {} items ...", layout.items);
    let db = open(&dir.join("relais.db")).await?;
    fill(&db, layout, &templates).await?;
    db.close().await?;
    fs::write(dir.join("complete"), wanted)?;
    Ok(dir)
}

async fn open(file: &Path) -> Fallible<DatabaseConnection> {
    let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
    options.max_connections(1).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Fallible<Vec<QueryResult>> {
    Ok(db
        .query_all_raw(Statement::from_string(
            db.get_database_backend(),
            sql.to_owned(),
        ))
        .await?)
}

/// One order of each station through the engine, read back.
async fn templates(dir: &Path, layout: &Layout) -> Fallible<Vec<Template>> {
    let items: Vec<Item> = (0..layout.stations)
        .map(|s| Item {
            family: "MARQUEUR".to_owned(),
            ..Item::on(FIRST + s, s, 0, 0)
        })
        .collect();
    let running = relais(dir, layout.stations, None, None)?;
    let mut sender = Sender::connect(running.mllp)?;
    for item in &items {
        sender.send(item)?;
    }
    drop(running);
    let db = open(&dir.join("relais.db")).await?;
    let mut found = vec![];
    for item in &items {
        found.push(Template::read(&db, item).await?);
    }
    db.close().await?;
    Ok(found)
}

impl Template {
    async fn read(db: &DatabaseConnection, item: &Item) -> Fallible<Self> {
        let token = format!("{:08}", item.n);
        let list = rows(
            db,
            &format!(
                "SELECT w.step_id, w.exam_id, w.patient_id, e.doc, p.doc, w.status, w.modality, w.performer_fold, w.accession, \
                 w.patient_value, w.rp_id, w.study_uid FROM worklist_item w JOIN exam e ON e.id = w.exam_id \
                 JOIN patient p ON p.id = w.patient_id WHERE w.accession = 'A{token}'"
            ),
        )
        .await?;
        let row = list.first().ok_or("an order gave no worklist row")?;
        let id = |at: usize| row.try_get_by_index::<i64>(at);
        let text = |at: usize| row.try_get_by_index::<String>(at);
        let (step, exam, patient) = (id(0)?, id(1)?, id(2)?);
        let start = format!("{}{}", item.date, item.time);
        let tokens = [
            (token.clone(), Piece::Number),
            ("MARQUEUR".to_owned(), Piece::Family),
            (start, Piece::Start),
            (exam.to_string(), Piece::Exam),
            (patient.to_string(), Piece::Patient),
            (step.to_string(), Piece::Step),
        ];
        let keys = async |table: &str, column: &str, id: i64| -> Fallible<Vec<[String; 3]>> {
            let sql = format!("SELECT kind, issuer, value FROM {table} WHERE {column} = {id}");
            let mut keys = vec![];
            for row in rows(db, &sql).await? {
                keys.push([
                    row.try_get_by_index(0)?,
                    row.try_get_by_index(1)?,
                    row.try_get_by_index(2)?,
                ]);
            }
            Ok(keys)
        };
        let mut of_item = vec![];
        for column in 5..12 {
            of_item.push(pieces(&text(column)?, &tokens));
        }
        let sql = format!("SELECT station FROM worklist_slot WHERE step_id = {step}");
        let stations = rows(db, &sql).await?;
        Ok(Self {
            exam: pieces(&text(3)?, &tokens),
            patient: pieces(&text(4)?, &tokens),
            patient_keys: keys("patient_key", "patient_id", patient).await?,
            exam_keys: keys("exam_key", "exam_id", exam).await?,
            item: of_item,
            stations: stations
                .iter()
                .map(|r| r.try_get_by_index(0))
                .collect::<Result<_, _>>()?,
            token,
        })
    }
}

/// Cuts a text at the tokens.
fn pieces(text: &str, tokens: &[(String, Piece)]) -> Vec<Piece> {
    let next = tokens
        .iter()
        .filter_map(|(token, piece)| Some((text.find(token)?, token.len(), piece)))
        .min_by_key(|(at, ..)| *at);
    let Some((at, length, piece)) = next else {
        return vec![Piece::Text(text.to_owned())];
    };
    let mut cut = vec![Piece::Text(text[..at].to_owned()), piece.clone()];
    cut.extend(pieces(&text[at + length..], tokens));
    cut
}

fn filled(pieces: &[Piece], with: &Filling<'_>) -> String {
    let mut text = String::with_capacity(8192);
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text += literal,
            Piece::Number => text += &format!("{:08}", with.item.n),
            Piece::Family => text += &with.item.family,
            Piece::Start => {
                text += &with.item.date;
                text += &with.item.time;
            }
            Piece::Exam => text += &with.exam.to_string(),
            Piece::Patient => text += &with.patient.to_string(),
            Piece::Step => text += &with.step.to_string(),
        }
    }
    text
}

/// Rows that wait for one statement.
struct Batch {
    table: &'static str,
    columns: &'static str,
    values: Vec<Value>,
}

impl Batch {
    fn new(table: &'static str, columns: &'static str) -> Self {
        Self {
            table,
            columns,
            values: vec![],
        }
    }

    fn width(&self) -> usize {
        self.columns.split(',').count()
    }

    async fn write<C: ConnectionTrait>(&mut self, db: &C) -> Fallible<()> {
        let width = self.width();
        let places = format!("({})", vec!["?"; width].join(","));
        for rows in self.values.chunks(ROWS * width) {
            let tuples = vec![places.as_str(); rows.len() / width].join(",");
            let sql = format!(
                "INSERT INTO {} ({}) VALUES {tuples}",
                self.table, self.columns
            );
            db.execute_raw(Statement::from_sql_and_values(
                db.get_database_backend(),
                sql,
                rows.to_vec(),
            ))
            .await?;
        }
        self.values.clear();
        Ok(())
    }
}

async fn fill(db: &DatabaseConnection, layout: &Layout, templates: &[Template]) -> Fallible<()> {
    for pragma in [
        "journal_mode = OFF",
        "synchronous = OFF",
        "cache_size = -500000",
        "foreign_keys = OFF",
    ] {
        db.execute_unprepared(&format!("PRAGMA {pragma}")).await?;
    }
    // Ids that the engine minted stay the largest of their kind but for a few milliseconds' worth.
    let highest = rows(db, "SELECT MAX(id) FROM exam").await?;
    let mut id = highest
        .first()
        .ok_or("no exam")?
        .try_get_by_index::<i64>(0)?
        + 1_000;
    let mut tables = [
        Batch::new("patient", "id,version,merged_into,doc"),
        Batch::new("patient_key", "kind,issuer,value,patient_id"),
        Batch::new("exam", "id,patient_id,version,status,start,doc"),
        Batch::new("exam_key", "kind,issuer,value,exam_id"),
        Batch::new(
            "worklist_item",
            "step_id,exam_id,patient_id,visible,start,name_fold,status,modality,performer_fold,accession,patient_value,rp_id,study_uid",
        ),
        Batch::new("worklist_slot", "station,start,step_id"),
    ];
    for first in (0..layout.items).step_by(AT_ONCE) {
        for n in first..(first + AT_ONCE).min(layout.items) {
            let item = Item::of(layout, n);
            let template = &templates[item.station];
            let with = Filling {
                item: &item,
                patient: id,
                exam: id + 1,
                step: id + 2,
            };
            id += 3;
            add(&mut tables, template, &with)?;
        }
        let transaction = db.begin().await?;
        for table in &mut tables {
            table.write(&transaction).await?;
        }
        transaction.commit().await?;
    }
    db.execute_unprepared("PRAGMA journal_mode = WAL").await?;
    Ok(())
}

fn add(tables: &mut [Batch; 6], template: &Template, with: &Filling<'_>) -> Fallible<()> {
    let start: i64 = format!("{}{}", with.item.date, with.item.time).parse()?;
    let number = format!("{:08}", with.item.n);
    let [patients, patient_keys, exams, exam_keys, items, slots] = tables;
    patients.values.extend([
        with.patient.into(),
        1_i64.into(),
        Value::BigInt(None),
        filled(&template.patient, with).into(),
    ]);
    exams.values.extend([
        with.exam.into(),
        with.patient.into(),
        1_i64.into(),
        "scheduled".into(),
        start.into(),
        filled(&template.exam, with).into(),
    ]);
    for (keys, of, owner) in [
        (&template.patient_keys, &mut *patient_keys, with.patient),
        (&template.exam_keys, exam_keys, with.exam),
    ] {
        for [kind, issuer, value] in keys {
            let value = value.replace(&template.token, &number);
            of.values.extend([
                kind.clone().into(),
                issuer.clone().into(),
                value.into(),
                owner.into(),
            ]);
        }
    }
    let fold = fold_name(&format!("{}^{}", with.item.family, with.item.given));
    items.values.extend([
        with.step.into(),
        with.exam.into(),
        with.patient.into(),
        1_i64.into(),
        start.into(),
        fold.into(),
    ]);
    items.values.extend(
        template
            .item
            .iter()
            .map(|pieces| Value::from(filled(pieces, with))),
    );
    for station in &template.stations {
        slots
            .values
            .extend([station.clone().into(), start.into(), with.step.into()]);
    }
    Ok(())
}
