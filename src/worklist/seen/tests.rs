//! Kept items never show: whatever changes between two queries, the answer is the one that fresh rendering gives.

use super::*;
use crate::clock::{Clock, Minter};
use crate::config::read;
use crate::domain::command::{Command, OrderAct, PatientAct};
use crate::domain::ids::JournalId;
use crate::domain::policy::Policy;
use crate::domain::testing::{adt, order};
use crate::domain::time::{AsOf, Instant, Role};
use crate::mapping::SourceFile;
use crate::mappings::{compile, sources};
use crate::store::testing::{Fresh, stores};
use crate::workflow::{JournalEntry, Settings, Unit, Workflow};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use tokio_util::sync::CancellationToken;

/// 2026-06-02T08:00:00Z.
const NOW: Instant = Instant(1_780_387_200_000_000);
const STATIONS: &str =
    "key:station,ae,modality,room,charset,comment\nROOM1,CT1,CT,,,\nROOM2,CT2,CT,,,\n";
const QUERIES: &[&[(&str, &str)]] = &[
    &[],
    &[("ScheduledStationAETitle", "CT1")],
    &[("ScheduledStationAETitle", "CT2"), ("Modality", "CT")],
    &[("Modality", "MR")],
    &[("PatientName", "MARTIN*")],
    &[("PatientID", "1")],
    &[("PatientID", "X1"), ("Modality", "CT")],
    &[("ScheduledProcedureStepStartDate", "20260602")],
];
const DEVICES: &[&str] = &["CT1", "CT2", "CT9"];

/// A device whose list is its own: other station, texts, days, statuses and condition than the record's.
const CT2: &str = "format = 1\nbase = \"worklist/default\"\n[from]\nmatch = { calling_ae = [\"CT2\"] }\n\
    [speaks]\ncharset = \"ISO_IR 6\"\nunencodable = \"withhold\"\n\
    [limits]\nPatientName = 7\n\
    [shows]\nstations = [\"CT1\"]\ndays = { back = 1, ahead = 0 }\nstatuses = [\"SCHEDULED\", \"STARTED\"]\n\
    when = 'step.modality == \"CT\" or patient.id == \"1\"'\n\
    [set]\nPatientID = 'concat(\"X\", patient.id)'\n\
    [set.ScheduledProcedureStepSequence]\nScheduledStationAETitle = '\"CT2\"'\n";

/// Two revisions of the mapping files.
fn sets() -> &'static [MappingSet; 2] {
    static SETS: OnceLock<[MappingSet; 2]> = OnceLock::new();
    SETS.get_or_init(|| {
        ["PatientComments = 'patient.id'", "PatientComments = 'order.placer_number'"].map(|line| {
            let mut found = sources(&[]);
            for (name, text) in [
                ("tables/stations.csv", STATIONS.to_owned()),
                ("devices/ct2.toml", CT2.to_owned()),
                (
                    "worklist/default.toml",
                    format!("format = 1\nbase = \"default\"\n[from]\nkind = \"step\"\n[to]\nkind = \"dicom.mwl\"\n[set]\n{line}\n"),
                ),
            ] {
                found.files.push(SourceFile {
                    name: name.to_owned(),
                    layer: 1,
                    text: text.as_str().into(),
                });
            }
            let (set, problems) = compile(found);
            assert!(problems.is_empty(), "{problems:?}");
            set
        })
    })
}

#[derive(Debug, Clone)]
enum Act {
    Order(OrderAct, u8, u8),
    Patient(PatientAct, u8, u8),
    Reload,
    Ask(usize, usize),
}

fn acts() -> impl Strategy<Value = Act> {
    use OrderAct::{Cancel, Change, Hold, Release, Schedule, Start};
    use PatientAct::{Merge, Update};
    prop_oneof![
        5 => (proptest::sample::select(vec![Schedule, Schedule, Change, Hold, Release, Cancel, Start]), 0..4_u8, any::<u8>())
            .prop_map(|(act, n, how)| Act::Order(act, n, how)),
        3 => (proptest::sample::select(vec![Update, Update, Merge]), 0..3_u8, any::<u8>())
            .prop_map(|(act, n, how)| Act::Patient(act, n, how)),
        1 => Just(Act::Reload),
        8 => (0..QUERIES.len(), 0..DEVICES.len()).prop_map(|(query, device)| Act::Ask(query, device)),
    ]
}

fn command(act: &Act) -> Option<Command> {
    let pick = |how: u8, of: &[&'static str]| of[usize::from(how) % of.len()];
    match act {
        Act::Order(act, n, how) => {
            let mut text = format!(
                "patient.id={}^HOPA order.placer_number=P{n}^HIS order.accession_number=A{n}^RIS",
                n % 3
            );
            if matches!(act, OrderAct::Schedule | OrderAct::Change) {
                let station = pick(
                    *how,
                    &["station_aes=CT1", "station_aes=CT2", "location=Lille"],
                );
                let modality = pick(how / 3, &["CT", "CT", "MR"]);
                let day = 2 + how / 9 % 2;
                text += &format!(
                    " patient.name=MARTIN{n}^Zoé / step id=S{n} modality={modality} start=2026060{day}0900 {station}"
                );
            }
            Some(order(*act, &text))
        }
        Act::Patient(PatientAct::Merge, n, how) => Some(adt(
            PatientAct::Merge,
            &format!("patient.id={n}^HOPA patient.merged_ids={}^HOPA", how % 3),
        )),
        Act::Patient(act, n, how) => {
            let name = pick(*how, &["DURAND^Anne", "MARTIN^Zoé", "ÉLUARD^Paul"]);
            Some(adt(
                *act,
                &format!("patient.id={n}^HOPA patient.name={name}"),
            ))
        }
        Act::Reload | Act::Ask(..) => None,
    }
}

fn unit(n: i64, command: Command) -> Unit {
    let at = Instant(NOW.0 + n);
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    Unit {
        journal: JournalEntry {
            id: JournalId(n),
            received: at,
            port: "mllp".to_owned(),
            link: "ris".to_owned(),
            peer: "127.0.0.1".to_owned(),
            kind: "ORM^O01".to_owned(),
            control_id: format!("M{n}"),
            hash,
            charset: "UTF-8".to_owned(),
            zone: "UTC".to_owned(),
            mapping_rev: "r1".to_owned(),
        },
        as_of: AsOf {
            at,
            role: if matches!(command, Command::Patient(..)) {
                Role::Adt
            } else {
                Role::Order
            },
            journal: JournalId(n),
        },
        body: Arc::from(&b"MSH|"[..]),
        decision: Ok(vec![command]),
        zone: TimeZone::UTC,
        policy: Policy::default(),
        ack: None,
        warnings: vec![],
        detect_resend: true,
        replay: None,
    }
}

fn query(keys: &[(&str, &str)]) -> Query {
    let (mut asked, mut step) = (DataSet::new(), DataSet::new());
    for (keyword, value) in keys {
        match *keyword {
            "PatientName" | "PatientID" => asked.put_text(keyword, value),
            _ => step.put_text(keyword, value),
        }
    }
    asked.put_items("ScheduledProcedureStepSequence", vec![step]);
    Query::parse(asked).unwrap()
}

fn worklist(store: &Store, cache_bytes: usize) -> Worklist {
    let text = "[site]\nname = \"Test\"\noid_root = \"1.2.250.1.999.1\"\n[store]\nurl = \"sqlite://unused.db\"\n";
    let mut config = read::read("test.toml", text, Path::new("."), &[]).unwrap();
    config.dicom.item_cache = cache_bytes;
    Worklist::new(Arc::new(config), store.clone(), Clock::manual(NOW))
}

/// The steps of which why-not says that all gates are open.
async fn told(
    worklist: &Worklist,
    set: &MappingSet,
    device: &Device,
    query: &Query,
) -> BTreeSet<StepId> {
    let mut shown = BTreeSet::new();
    for n in 0..4 {
        let answers = worklist
            .why_not(set, device, query, &format!("A{n}"))
            .await
            .unwrap();
        for answer in answers {
            assert_eq!(answer.shown, answer.lines.iter().all(|l| l.open));
            // The last line is the search itself; the gates must have known without it.
            assert!(answer.lines.iter().all(|l| l.gate != "limit"), "{answer:?}");
            shown.extend(answer.shown.then_some(answer.step));
        }
    }
    shown
}

/// Plays the acts and compares every answer; how many matches were compared.
async fn plays(store: &Store, acts: &[Act]) -> usize {
    let mut compared = 0;
    let stop = CancellationToken::new();
    let clock = Clock::manual(NOW);
    let minter = Minter::new(clock.clone(), 0);
    let settings = Settings::new("1.2.250.1.999.1", TimeZone::UTC, vec![]);
    let (workflow, task) = Workflow::start(store.clone(), settings, clock, minter, stop.clone());
    // Nothing kept, everything kept, and room for some three items.
    let fresh = worklist(store, 0);
    let kept = [worklist(store, 1 << 20), worklist(store, 20_000)];
    let mut revision = 0;
    for (n, act) in acts.iter().enumerate() {
        if let Some(command) = command(act) {
            workflow.execute(unit(n as i64 + 1, command)).await;
        }
        match act {
            Act::Reload => revision = 1 - revision,
            Act::Ask(asked, device) => {
                let set = &sets()[revision];
                let device = Device::of(set, DEVICES[*device], None);
                let query = query(QUERIES[*asked]);
                let items = async |worklist: &Worklist| {
                    let seen = worklist.seen(set, &device, &query).await.unwrap();
                    let of = |found: &Match| (found.step, found.item.as_ref().clone());
                    seen.matches.iter().map(of).collect::<Vec<_>>()
                };
                let expected = items(&fresh).await;
                compared += expected.len();
                assert_eq!(
                    told(&fresh, set, &device, &query).await,
                    expected.iter().map(|(step, _)| *step).collect(),
                    "why-not, act {n}, {act:?}, {:?}",
                    device.ae
                );
                for kept in &kept {
                    assert_eq!(
                        items(kept).await,
                        expected,
                        "act {n}, {act:?}, {:?}",
                        device.ae
                    );
                }
            }
            _ => {}
        }
    }
    stop.cancel();
    task.await.unwrap();
    compared
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    // A case is a store of its own: a tenth of what PROPTEST_CASES says, 25 by default.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 10, ..ProptestConfig::default() })]

    #[test]
    fn d01_kept_items_give_the_answer_of_fresh_ones_after_any_changes(acts in proptest::collection::vec(acts(), 10..60)) {
        runtime().block_on(async {
            let Fresh { store, .. } = &crate::store::testing::sqlite().await;
            plays(store, &acts).await;
        });
    }
}

/// Each kind of change once, between two equal queries.
#[tokio::test]
async fn d01_a_change_is_seen_by_the_next_query() {
    let ask = || (0..QUERIES.len()).flat_map(|q| (0..DEVICES.len()).map(move |d| Act::Ask(q, d)));
    let changes = [
        Act::Order(OrderAct::Schedule, 0, 0),
        Act::Order(OrderAct::Schedule, 1, 2),
        Act::Patient(PatientAct::Update, 0, 2),
        Act::Order(OrderAct::Change, 0, 1),
        Act::Reload,
        Act::Order(OrderAct::Hold, 1, 0),
        Act::Order(OrderAct::Release, 1, 0),
        Act::Patient(PatientAct::Merge, 2, 0),
        Act::Patient(PatientAct::Update, 2, 0),
        Act::Order(OrderAct::Cancel, 0, 0),
    ];
    let acts: Vec<Act> = changes
        .into_iter()
        .flat_map(|change| [change].into_iter().chain(ask()))
        .collect();
    for Fresh { store, .. } in &stores().await {
        assert!(plays(store, &acts).await > 50);
    }
}
