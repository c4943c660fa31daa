//! The machine's limit beside the engine's own writer (`workflow`): first the rate of durable appends (the ceiling of one message per
//! commit), then batches of plain rows at 1, 16 and 64 orders per commit, last the writer under as many senders.

use crate::batches::{Sizes, batches};
use crate::machine::{Fallible, Scratch, fdatasync_rate, ms, percentile};
use crate::table::Table;
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
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Prints the table; `orders` is the number of orders of a run in groups.
pub async fn run(orders: usize) -> Fallible<()> {
    let scratch = Scratch::new("limit");
    let mut table = Table::new(
        "The machine and the writer alone",
        &["", "a second", "p50 ms", "p99 ms"],
    );
    let rate = fdatasync_rate(&scratch.0, Duration::from_secs(2));
    table.row([
        "durable appends of 4 KiB (fdatasync)".to_owned(),
        format!("{rate:.0}"),
        String::new(),
        String::new(),
    ]);
    let sizes = sizes(&scratch).await?;
    table.note(&format!(
        "Bytes of an order: message {}, patient {}, exam {}, events {:?}.",
        sizes.body, sizes.patient, sizes.exam, sizes.events
    ));
    let mut limits = vec![];
    for group in [1, 16, 64] {
        let n = if group == 1 { orders / 8 } else { orders };
        let rate = batches(&scratch, &sizes, n, group).await?;
        table.row([
            format!("multi-row batches, {group} orders a commit"),
            format!("{rate:.0}"),
            String::new(),
            String::new(),
        ]);
        limits.push(rate);
    }
    for (senders, limit) in [1, 16, 64].into_iter().zip(limits) {
        let n = if senders == 1 { orders / 8 } else { orders };
        let (rate, mut times) = writer(&scratch, n, senders).await?;
        table.row([
            format!(
                "Relais' writer, {senders} senders: {:.0} % of such batches",
                rate / limit * 100.0
            ),
            format!("{rate:.0}"),
            format!("{:.2}", ms(percentile(&mut times, 0.5))),
            format!("{:.2}", ms(percentile(&mut times, 0.99))),
        ]);
    }
    table.print();
    Ok(())
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
        published: true,
    })
}

async fn open(scratch: &Scratch, name: &str) -> Fallible<(Store, Workflow, CancellationToken)> {
    let store = Store::open(&format!("sqlite://{}", scratch.0.join(name).display())).await?;
    store.migrate().await?;
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
async fn writer(
    scratch: &Scratch,
    orders: usize,
    senders: usize,
) -> Fallible<(f64, Vec<Duration>)> {
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
    stop.cancel();
    store.close().await;
    Ok((rate, times))
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
        values: [value].into(),
        origins: [origin].into(),
    };
    patch.0.insert(name.into(), said);
}
