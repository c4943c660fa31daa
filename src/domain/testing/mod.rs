//! A day at a small hospital for tests: messages in a few words, a world, and the check that folding events gives the documents.

mod lifecycle;
mod orders;
mod patients;
mod performed;
mod properties;
mod reports;

use super::command::{Command, OrderAct, PatientAct, Record};
use super::event::{Event, Subject};
use super::evolve;
use super::exam::Exam;
use super::ids::{JournalId, Mint};
use super::keys::key;
use super::patient::Patient;
use super::policy::Policy;
use super::reason::{Reason, Refusal};
use super::record::field;
use super::time::{AsOf, Instant, Role, When};
use super::value::{Coding, Concept, Identifier, Issuer, Kind, Name, Value};
use super::world::{Cx, World};
use jiff::tz::TimeZone;

pub use super::ids::KeyKind;

/// 2026-06-02T06:00:00Z, 08:00 in Paris: minute 0 of the day.
const DAWN: i64 = 1_780_380_000_000_000;

/// A value of a field, read from a few words by the field's type: identifiers as `value^issuer[^type]`, names as `family^given`.
fn value(kind: Kind, text: &str) -> Value {
    let mut parts = text.split('^');
    let mut next = || parts.next().filter(|t| !t.is_empty()).map(str::to_owned);
    match kind {
        Kind::Identifier(_) => Value::Identifier(Identifier {
            value: next().unwrap_or_default(),
            issuer: next().map(|issuer| Issuer {
                namespace: Some(issuer),
                ..Issuer::default()
            }),
            type_: next(),
        }),
        Kind::Name => Value::Name(Name {
            family: next(),
            given: next().into_iter().collect(),
            ..Name::default()
        }),
        Kind::Concept => Value::Concept(Concept {
            codings: vec![Coding {
                code: text.to_owned(),
                ..Coding::default()
            }],
            text: None,
        }),
        Kind::When => Value::When(When::parse(text).unwrap()),
        Kind::Uid => Value::Uid(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// A record in a few words: `patient.id=4711^HOPA order.placer_number=P1 / step modality=MR start=202606020900`. A row after ` / `
/// is an item of the list it names; ` // ` adds an item inside the last one. `field=` clears; a field said twice is a list.
pub fn record(text: &str) -> Record {
    let mut top = Record::default();
    for (i, row) in text.split(" / ").enumerate() {
        if i == 0 {
            say(&mut top, None, row);
            continue;
        }
        let mut item = Record::default();
        let mut section = "";
        for (depth, part) in row.split(" // ").enumerate() {
            let (name, rest) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
            let name = field_section(name);
            if depth == 0 {
                section = name;
                say(&mut item, Some(name), rest);
            } else {
                let mut inner = Record::default();
                say(&mut inner, Some(name), rest);
                item.lists.entry(name).or_default().push(inner);
            }
        }
        top.lists.entry(section).or_default().push(item);
    }
    top
}

fn field_section(name: &str) -> &'static str {
    super::record::fields_of(name).next().unwrap().section
}

fn say(record: &mut Record, section: Option<&'static str>, words: &str) {
    for word in words.split_whitespace() {
        let (path, text) = word.split_once('=').unwrap();
        let (section, name) = match section {
            Some(section) => (section, path),
            None => {
                let (section, name) = path.split_once('.').unwrap();
                (field_section(section), name)
            }
        };
        let def = field(section, name).unwrap_or_else(|| panic!("no field {section}.{name}"));
        let said = record.section_mut(section).0.entry(def.name.into());
        let said = said.or_default();
        if !text.is_empty() {
            let new = [value(def.kind, text)];
            said.values = said.values.iter().cloned().chain(new).collect();
        }
    }
}

/// An order message.
pub fn order(act: OrderAct, text: &str) -> Command {
    Command::Order(act, record(text))
}

/// A message of the patient administration.
pub fn adt(act: PatientAct, text: &str) -> Command {
    Command::Patient(act, record(text))
}

/// N-CREATE by the scanner CT2.
pub fn create(uid: &str, text: &str) -> Command {
    Command::CreatePerformed {
        uid: uid.to_owned(),
        ae: "CT2".to_owned(),
        record: record(text),
    }
}

/// N-SET.
pub fn set(uid: &str, text: &str) -> Command {
    Command::SetPerformed {
        uid: uid.to_owned(),
        record: record(text),
    }
}

struct Counter(i64);

impl Mint for Counter {
    fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }
}

/// The world of a test, with every event so far, the quiet ones too.
pub struct Day {
    pub world: World,
    pub policy: Policy,
    pub log: Vec<Event>,
    ids: Counter,
    journal: i64,
}

impl Day {
    pub fn new() -> Self {
        Self {
            world: World::default(),
            policy: Policy::default(),
            log: vec![],
            ids: Counter(0),
            journal: 0,
        }
    }

    /// Sends a message that was stated at `minute` of the day; returns the names of its public events.
    pub fn send(
        &mut self,
        minute: i64,
        commands: &[Command],
    ) -> Result<Vec<&'static str>, Refusal> {
        let role = match commands.first() {
            Some(Command::Patient(..)) => Role::Adt,
            Some(Command::Order(..)) => Role::Scheduled,
            Some(Command::Report(_)) | None => Role::Mention,
            Some(_) => Role::Scanner,
        };
        self.journal += 1;
        let journal = JournalId(self.journal);
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let at = Instant(DAWN + minute * 60_000_000);
        let mut cx = Cx {
            now: at,
            as_of: AsOf { at, role, journal },
            journal,
            zone: &zone,
            oid_root: "1.2.250.1.999.1",
            policy: self.policy,
            ids: &mut self.ids,
        };
        let before = format!("{:?}", self.world);
        match self.world.apply_all(commands, &mut cx) {
            Ok(events) => {
                let public = events.iter().filter(|e| !e.what.is_quiet());
                let names = public.map(Event::name).collect();
                self.log.extend(events);
                self.check_fold();
                Ok(names)
            }
            Err(refusal) => {
                let after = format!("{:?}", self.world);
                assert_eq!(before, after, "a refused message leaves no trace");
                Err(refusal)
            }
        }
    }

    /// Sends and expects these public events.
    #[track_caller]
    pub fn expect(&mut self, minute: i64, command: Command, events: &[&str]) {
        let got = self.send(minute, &[command]);
        assert_eq!(
            got.as_deref(),
            Ok(events),
            "events of the message at {minute}"
        );
    }

    /// Sends and expects a refusal.
    #[track_caller]
    pub fn refused(&mut self, minute: i64, command: Command, reason: Reason) {
        let got = self.send(minute, &[command]).map_err(|r| r.reason);
        assert_eq!(got, Err(reason));
    }

    /// Every document is what its events give from nothing.
    fn check_fold(&self) {
        for (id, doc) in &self.world.patients {
            let folded = self.fold(Subject::Patient(*id), |d, e| {
                evolve::patient(d, *id, &e.what)
            });
            assert_eq!(folded.as_ref(), Some(&doc.doc));
        }
        for (id, doc) in &self.world.exams {
            let folded = self.fold(Subject::Exam(*id), |d, e| evolve::exam(d, *id, &e.what));
            assert_eq!(folded.as_ref(), Some(&doc.doc));
        }
        for (id, doc) in &self.world.performed {
            let folded = self.fold(Subject::Performed(*id), |d, e| {
                evolve::performed(d, *id, &e.what)
            });
            assert_eq!(folded.as_ref(), Some(&doc.doc));
        }
        for (id, doc) in &self.world.reports {
            let folded = self.fold(Subject::Report(*id), |d, e| evolve::report(d, *id, &e.what));
            assert_eq!(folded.as_ref(), Some(&doc.doc));
        }
    }

    fn fold<T>(
        &self,
        subject: Subject,
        step: impl Fn(Option<T>, &Event) -> Option<T>,
    ) -> Option<T> {
        let events = self.log.iter().filter(|e| e.subject == subject);
        events.fold(None, step)
    }

    /// The only exam of a key with issuer RIS (studies and steps: no issuer).
    #[track_caller]
    pub fn exam(&self, kind: KeyKind, number: &str) -> &Exam {
        let bare = matches!(kind, KeyKind::Study | KeyKind::Step | KeyKind::Procedure);
        let key = key(kind, if bare { "" } else { "RIS" }, number);
        let mut exams = self.world.exams_of(&key);
        let exam = exams.next().expect("an exam of that number");
        assert!(exams.next().is_none(), "several exams of that number");
        exam
    }

    /// Status of each step, in words.
    #[track_caller]
    pub fn steps(&self, kind: KeyKind, number: &str) -> Vec<&'static str> {
        let steps = self.exam(kind, number).steps.iter();
        steps.map(|s| s.status.value.word()).collect()
    }

    /// The patient of an identifier of HOPA.
    #[track_caller]
    pub fn patient(&self, number: &str) -> &Patient {
        let id = self
            .world
            .patient_of(&key(KeyKind::Patient, "HOPA", number));
        &self.world.patients[&id.expect("a patient of that number")].doc
    }

    /// The family name that a patient goes by.
    #[track_caller]
    pub fn name(&self, number: &str) -> &str {
        self.patient(number).fields.text("name").unwrap_or("")
    }
}
