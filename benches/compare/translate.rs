//! What the mapping costs: one message to the record with the origin of every value, and to a FHIR Bundle, in memory on one core; and
//! hl7v2-fhir-bridge with the same messages inside one Python process.

use crate::machine::Fallible;
use crate::servers::installed;
use crate::table::Table;
use jiff::tz::TimeZone;
use relais::domain::event::Subject;
use relais::domain::ids::{JournalId, Mint};
use relais::domain::policy::Policy;
use relais::domain::time::{AsOf, Instant, Role};
use relais::domain::value::{Organization, Value};
use relais::domain::world::{Cx, World};
use relais::fhir::reference::References;
use relais::hl7::message::{Message, Reading};
use relais::mapping::{LinkView, MappingSet, Translation};
use relais::mappings;
use relais::publish::render::{Rendered, Settings, Subjects, render, render_unchecked};
use relais::publish::scope::{Destination, Site};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const MESSAGES: [(&str, &str); 2] = [
    ("ORM^O01", "tests/fixtures/hl7/orm_nw.hl7"),
    ("ORU^R01", "tests/fixtures/hl7/oru_final_pdf.hl7"),
];

struct Counter(i64);

impl Mint for Counter {
    fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }
}

/// What does not change from message to message.
struct Translator {
    mappings: Arc<MappingSet>,
    link: LinkView,
    settings: Settings,
    zone: TimeZone,
}

impl Translator {
    fn new() -> Fallible<Self> {
        let loaded = mappings::Mappings::load(&[]).map_err(|p| format!("{p:?}"))?;
        let zone = TimeZone::get("Europe/Paris")?;
        Ok(Self {
            mappings: loaded.current(),
            link: LinkView {
                name: "ris".to_owned(),
                role: "order".to_owned(),
                ..LinkView::default()
            },
            settings: Settings {
                site: Site {
                    oid_root: "1.2.250.1.999.1".to_owned(),
                    name: "CHU Exemple".to_owned(),
                    institution: Some(Organization {
                        identifiers: vec![],
                        name: Some("CHU Exemple".to_owned()),
                    }),
                    language: Some("fr-FR".to_owned()),
                    timezone: "Europe/Paris".to_owned(),
                    zone: zone.clone(),
                },
                issuers: BTreeMap::new(),
                target: Destination::default(),
                references: References::default(),
            },
            zone,
        })
    }

    /// Bytes to the record: parsed, routed, every rule evaluated, every value with its origins.
    fn record(&self, raw: &Arc<[u8]>) -> Fallible<Translation> {
        let message =
            Message::parse(Arc::clone(raw), &Reading::default()).map_err(|r| r.to_string())?;
        let read = self
            .mappings
            .translate_hl7(&message, &self.link, JournalId(1));
        Ok(read.map_err(|r| r.to_string())?)
    }

    /// The record to the documents of a hospital that knew nothing before.
    fn documents(&self, read: &Translation) -> Fallible<Subjects> {
        let at = Instant(1_780_380_000_000_000);
        let mut world = World::default();
        let mut cx = Cx {
            now: at,
            as_of: AsOf {
                at,
                role: Role::Order,
                journal: JournalId(1),
            },
            journal: JournalId(1),
            zone: &self.zone,
            oid_root: "1.2.250.1.999.1",
            policy: Policy::default(),
            ids: &mut Counter(1 << 40),
        };
        world
            .apply(&read.commands, &mut cx)
            .map_err(|r| r.to_string())?;
        let patient = world.patients.pop_first().ok_or("no patient")?.1.doc;
        let exams: Vec<_> = world.exams.into_values().map(|d| d.doc).collect();
        let report = world.reports.pop_first().map(|(_, d)| d.doc);
        let subject = match &report {
            Some(report) => Subject::Report(report.id),
            None => Subject::Exam(exams.first().ok_or("no exam")?.id),
        };
        // On its way through the store a document loses its bytes; they are found again by their hash.
        let mut documents = BTreeMap::new();
        for command in &read.commands {
            for item in command.record().list("document") {
                if let Some(Value::Document(d)) = item.first("document", "content")
                    && let Some(bytes) = &d.bytes
                {
                    documents.insert(d.sha256.clone(), Arc::clone(bytes));
                }
            }
        }
        Ok(Subjects {
            subject,
            patient,
            survivor: None,
            exams,
            performed: vec![],
            report,
            documents,
        })
    }

    fn bundle(&self, raw: &Arc<[u8]>, checked: bool) -> Fallible<String> {
        let docs = self.documents(&self.record(raw)?)?;
        let rendered = match checked {
            true => render(&docs, &*self.mappings, &self.settings),
            false => render_unchecked(&docs, &*self.mappings, &self.settings),
        };
        let Rendered { bundle, .. } = rendered
            .map_err(|held| held.to_string())?
            .ok_or("nothing is sent")?;
        Ok(serde_json::to_string(&bundle)?)
    }
}

/// Microseconds of processor time a call, over some time after a warm-up: what else runs on the machine does not count.
fn microseconds(during: Duration, mut work: impl FnMut() -> Fallible<usize>) -> Fallible<f64> {
    for _ in 0..50 {
        std::hint::black_box(work()?);
    }
    let (start, before) = (std::time::Instant::now(), processor_nanoseconds()?);
    let mut done = 0_u32;
    while start.elapsed() < during {
        std::hint::black_box(work()?);
        done += 1;
    }
    Ok((processor_nanoseconds()? - before) / 1e3 / f64::from(done))
}

/// Processor time of this thread so far.
fn processor_nanoseconds() -> Fallible<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(first.parse()?)
}

/// The peer's two figures: the Bundle, and the Bundle validated.
fn bridge(message: &Path, during: Duration) -> Fallible<(f64, f64)> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/peers/translate.py");
    let output = Command::new(installed("python/bin/python"))
        .arg(script)
        .arg(message)
        .arg(during.as_secs_f64().to_string())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    match (figures.next(), figures.next()) {
        (Some(Ok(bundle)), Some(Ok(validated))) => Ok((bundle, validated)),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// Both messages, both engines.
pub fn compare(during: Duration) -> Fallible<()> {
    let translator = Translator::new()?;
    let mut table = Table::new(
        "Translation: microseconds of processor time a message",
        &[
            "",
            "bytes",
            "Relais: record with origins",
            "values, origins",
            "Relais: FHIR Bundle",
            "hl7v2-fhir-bridge: FHIR Bundle",
            "ratio",
            "Relais: Bundle checked",
            "hl7v2-fhir-bridge: Bundle validated",
            "ratio",
        ],
    );
    for (name, file) in MESSAGES {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let raw: Arc<[u8]> = std::fs::read(&file)?.into();
        let (values, origins) = weight(&translator.record(&raw)?);
        let record = microseconds(during, || Ok(translator.record(&raw)?.commands.len()))?;
        let bundle = microseconds(during, || Ok(translator.bundle(&raw, false)?.len()))?;
        let checked = microseconds(during, || Ok(translator.bundle(&raw, true)?.len()))?;
        let (theirs, validated) = bridge(&file, during)?;
        table.row([
            name.to_owned(),
            raw.len().to_string(),
            format!("{record:.0}"),
            format!("{values}, {origins}"),
            format!("**{bundle:.0}**"),
            format!("{theirs:.0}"),
            format!("{:.1}", theirs / bundle),
            format!("**{checked:.0}**"),
            format!("{validated:.0}"),
            format!("{:.1}", validated / checked),
        ]);
    }
    table.print();
    Ok(())
}

/// How many values a translation has, and how many origins they name.
fn weight(read: &Translation) -> (usize, usize) {
    fn of(record: &relais::domain::command::Record) -> (usize, usize) {
        let own = record
            .sections
            .values()
            .flat_map(|patch| patch.0.values())
            .fold((0, 0), |(v, o), said| {
                (v + said.values.len(), o + said.origins.len())
            });
        let items = record.lists.values().flatten();
        items.map(of).fold(own, |(v, o), (w, p)| (v + w, o + p))
    }
    let records = read.commands.iter().map(|c| of(c.record()));
    records.fold((0, 0), |(v, o), (w, p)| (v + w, o + p))
}
