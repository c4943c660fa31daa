//! The door, over real stores: what is answered and what is stored. `failures` is what cannot be stored, `resends` what comes again,
//! `grouping` what commits in groups of any size leave.

mod failures;
mod grouping;
mod resends;

use super::*;
use crate::domain::command::{OrderAct, PatientAct};
use crate::domain::ids::{Key, KeyKind};
use crate::domain::testing::{adt, create, order, set};
use crate::domain::time::{Instant, Role};
use crate::publish::plan::TargetKind;
use crate::store::testing::{Fresh, sqlite, stores};
use crate::store::{LeaveOut, Narrow};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// 2026-06-02T08:00:00Z.
const NOW: Instant = Instant(1_780_387_200_000_000);

/// The door of a test, with a clock that stands still.
pub(super) struct Door {
    workflow: Workflow,
    store: Store,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Door {
    fn open(store: &Store) -> Self {
        Self::with(store, 0, 64)
    }

    pub(super) fn with(store: &Store, node: u16, group: usize) -> Self {
        let target = TargetPlan {
            name: "mes".to_owned(),
            kind: TargetKind::Fhir,
        };
        let mut settings = Settings::new("1.2.250.1.999.1", TimeZone::UTC, vec![target]);
        settings.group = group;
        let stop = CancellationToken::new();
        let clock = Clock::manual(NOW);
        let minter = Minter::new(clock.clone(), node);
        let (workflow, task) =
            Workflow::start(store.clone(), settings, clock, minter, stop.clone());
        Self {
            workflow,
            store: store.clone(),
            stop,
            task,
        }
    }

    /// All units at once, so that they wait together; outcomes in their order.
    pub(super) async fn burst(&self, units: Vec<Unit>) -> Vec<Outcome> {
        let mut replies = vec![];
        for unit in units {
            let (reply, outcome) = oneshot::channel();
            self.workflow
                .queue
                .send(Waiting { unit, reply })
                .await
                .unwrap();
            replies.push(outcome);
        }
        let mut outcomes = vec![];
        for reply in replies {
            outcomes.push(reply.await.unwrap());
        }
        outcomes
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn unit(n: i64, command: Command) -> Unit {
    let body: Arc<[u8]> = format!("MSH|{n}|{command:?}").into_bytes().into();
    let at = Instant(NOW.0 + n);
    Unit {
        journal: JournalEntry {
            id: JournalId(n),
            received: at,
            port: "mllp".to_owned(),
            link: "ris".to_owned(),
            peer: "127.0.0.1".to_owned(),
            kind: "ORM^O01".to_owned(),
            control_id: format!("M{n}"),
            hash: Sha256::digest(&body).into(),
            charset: "UTF-8".to_owned(),
            zone: "UTC".to_owned(),
            mapping_rev: "r1".to_owned(),
        },
        as_of: AsOf {
            at,
            role: Role::Order,
            journal: JournalId(n),
        },
        body,
        decision: Ok(vec![command]),
        zone: TimeZone::UTC,
        policy: Policy::default(),
        ack: Some(format!("MSA|AA|M{n}").into_bytes()),
        warnings: vec![],
        detect_resend: true,
        replay: None,
    }
}

/// The same message as it comes a second time: another journal row, the same bytes.
fn again(unit: &Unit, n: i64) -> Unit {
    let mut unit = unit.clone();
    unit.journal.id = JournalId(n);
    unit.as_of.journal = JournalId(n);
    unit
}

fn new_order(n: i64, patient: &str, family: &str, start: &str) -> Unit {
    let text = format!(
        "patient.id={patient}^HOPA patient.name={family}^Zoé order.placer_number=P{n}^HIS order.filler_number=F{n}^RIS \
         order.accession_number=A{n}^RIS / step modality=CT start={start} station_aes=CT2"
    );
    unit(n, order(OrderAct::Schedule, &text))
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

/// The first lines that differ.
fn difference(a: &str, b: &str) -> Option<(String, String)> {
    let mut pairs = a.lines().chain([""]).zip(b.lines().chain([""]));
    let (a, b) = pairs.find(|(a, b)| a != b)?;
    Some((a.to_owned(), b.to_owned()))
}

#[tokio::test]
async fn an_order_is_stored_and_on_the_worklist_when_it_is_answered() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let mut woken = door.workflow.committed();
        let outcome = door
            .workflow
            .execute(new_order(1, "4711", "MARTIN", "202606020900"))
            .await;
        let Outcome::Applied { events, .. } = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            events
                .iter()
                .any(|(name, exam)| *name == "order.placed" && exam.is_some())
        );
        assert!(woken.has_changed().unwrap());
        let narrow = Narrow {
            stations: vec!["CT2".to_owned()],
            ..Narrow::default()
        };
        let found = store.worklist_candidates(&narrow, None, 10).await.unwrap();
        assert_eq!(found.len(), 1);
        let documents = store.worklist_documents(&[found[0].step]).await.unwrap();
        assert_eq!(documents[0].sources, found[0].sources);
        assert_eq!(documents[0].patient.fields.text("name"), Some("MARTIN"));
        let journal = store.journal(JournalId(1)).await.unwrap().unwrap();
        assert_eq!(
            (journal.outcome.as_str(), journal.body.is_some()),
            ("applied", true)
        );
        assert_eq!(
            store.events_of_journal(JournalId(1)).await.unwrap().len(),
            events.len()
        );
        let outbox = store
            .outbox(&crate::store::OutboxFilter::default(), 10)
            .await
            .unwrap();
        assert!(!outbox.is_empty());
        woken.mark_unchanged();
        door.close().await;
    }
}

#[tokio::test]
async fn b04_a_corrected_name_reaches_the_open_worklist_rows() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        for n in 1..=2 {
            door.workflow
                .execute(new_order(n, "4711", "MARTIN", "202606020900"))
                .await;
        }
        let text = "patient.id=4711^HOPA patient.name=ÉLUARD^Zoé";
        let mut correction = unit(3, adt(PatientAct::Update, text));
        correction.as_of.role = Role::Adt;
        assert!(is_applied(&door.workflow.execute(correction).await));
        let narrow = Narrow {
            name_prefix_fold: Some("ELUARD".to_owned()),
            ..Narrow::default()
        };
        assert_eq!(
            store
                .worklist_candidates(&narrow, None, 10)
                .await
                .unwrap()
                .len(),
            2
        );
        let dump = store.dump(&LeaveOut::NOTHING).await.unwrap();
        store.rebuild_worklist(&TimeZone::UTC).await.unwrap();
        assert_eq!(store.dump(&LeaveOut::NOTHING).await.unwrap(), dump);
        door.close().await;
    }
}

#[tokio::test]
async fn a_bare_accession_number_finds_the_exam_of_any_issuer() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let text = "patient.id=1^HOPA order.placer_number=P1^HIS order.accession_number=A1^RIS / step id=S1 modality=CT \
                    start=202606020900 station_aes=CT2";
        let placed = unit(1, order(OrderAct::Schedule, text));
        assert!(is_applied(&door.workflow.execute(placed).await));
        // What a scanner returns of the worklist: no issuer, and a study UID of its own.
        let started = unit(
            2,
            create(
                "1.2.3.1",
                "performed_step.status=in_progress performed_step.patient_id=1 \
                 / link accession_number=A1 step_id=S1 study_instance_uid=1.2.3.99",
            ),
        );
        let outcome = door.workflow.execute(started).await;
        let Outcome::Applied { events, .. } = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(events.iter().any(|(_, exam)| exam.is_some()), "{events:?}");
        let step = store.performed_by_uid("1.2.3.1").await.unwrap().unwrap();
        assert_eq!(step.links.len(), 1);
        door.close().await;
    }
}

#[tokio::test]
async fn what_waits_at_the_stop_is_committed_and_later_units_stay_with_their_sender() {
    let Fresh { store, .. } = &sqlite().await;
    let door = Door::open(store);
    let (reply, outcome) = oneshot::channel();
    let unit = new_order(1, "1", "MARTIN", "202606020900");
    door.workflow
        .queue
        .send(Waiting { unit, reply })
        .await
        .unwrap();
    door.stop.cancel();
    assert!(is_applied(&outcome.await.unwrap()));
    let workflow = door.workflow.clone();
    door.close().await;
    let late = workflow
        .execute(new_order(2, "1", "MARTIN", "202606020900"))
        .await;
    assert_eq!(late, Outcome::Away(Reason::StorageAway));
}

#[tokio::test]
async fn two_nodes_on_one_store_place_an_order_once() {
    for Fresh { store, .. } in &stores().await {
        let (a, b) = (Door::with(store, 1, 64), Door::with(store, 2, 64));
        // Both nodes get all orders, each under ids of its own.
        let orders = |offset: i64| -> Vec<Unit> {
            (1..=20)
                .map(|n| {
                    let order = new_order(n, &format!("{}", n % 3), "MARTIN", "202606020900");
                    let mut order = again(&order, offset + n);
                    order.detect_resend = false;
                    order
                })
                .collect()
        };
        let (of_a, of_b) = tokio::join!(a.burst(orders(0)), b.burst(orders(100)));
        assert!(
            of_a.iter().chain(&of_b).all(is_applied),
            "{of_a:?} {of_b:?}"
        );
        for n in 1..=20 {
            let key = Key {
                kind: KeyKind::Placer,
                issuer: "HIS".to_owned(),
                value: format!("P{n}"),
            };
            assert_eq!(store.exam_ids(&key).await.unwrap().len(), 1, "P{n}");
        }
        a.close().await;
        b.close().await;
    }
}
