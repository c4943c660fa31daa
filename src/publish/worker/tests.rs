//! The worker against the simulated endpoint, with a store on disk.

use super::*;
use crate::domain::exam::StepStatus;
use crate::domain::ids::PerformedId;
use crate::domain::performed::PpsStatus;
use crate::domain::report::ReportStatus;
use crate::domain::value::Document;
use crate::domain::world::Doc;
use crate::publish::testing as t;
use crate::simulate::fhir_server::{Failure, FhirServer};
use crate::store::testing::{Fresh, stores};
use crate::store::{LeaveOut, OutboxFilter, Queue};
use std::net::TcpListener;
use std::pin::Pin;
use std::task::Poll;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

struct Bench {
    fresh: Fresh,
    server: FhirServer,
    minter: Minter,
    stop: CancellationToken,
    commits: watch::Sender<u64>,
    worker: Worker,
}

fn doc<T>(doc: T) -> Doc<T> {
    Doc {
        doc,
        stored: 0,
        dirty: true,
    }
}

impl Bench {
    async fn on(fresh: Fresh) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = FhirServer::start(listener, Clock::System).unwrap();
        let target = FhirTarget::new(&server.url, Duration::from_secs(20), t::settings()).unwrap();
        let minter = Minter::new(Clock::System, 1);
        let (commits, committed) = watch::channel(0);
        let stop = CancellationToken::new();
        let worker = start(
            "hie",
            target,
            fresh.store.clone(),
            Clock::System,
            minter.clone(),
            Arc::new(|| Arc::new(t::Paths)),
            committed,
            stop.clone(),
        );
        Self {
            fresh,
            server,
            minter,
            stop,
            commits,
            worker,
        }
    }

    /// Stores a patient with an exam, its study and its final report.
    async fn department(&self) {
        let settings = t::settings();
        let zone = &settings.site.zone;
        let txn = self.fresh.store.begin().await.unwrap();
        txn.save_patients(&[&doc(t::patient())]).await.unwrap();
        let exam = t::exam(StepStatus::Completed, &[PerformedId(3)]);
        txn.save_exams(&[&doc(exam)], zone).await.unwrap();
        let series = vec![t::series("1.2.3", &[("1.2.3.1", CT)])];
        let performed = t::performed(3, PpsStatus::Completed, false, series);
        txn.save_performed(&[&doc(performed)], zone).await.unwrap();
        txn.save_reports(&[&doc(t::report(ReportStatus::Final))])
            .await
            .unwrap();
        let pdf = Document {
            sha256: "aa".to_owned(),
            media_type: "application/pdf".to_owned(),
            size: 4,
            bytes: Some(Arc::from(&b"%PDF"[..])),
        };
        txn.save_files(&[&pdf]).await.unwrap();
        txn.commit().await.unwrap();
    }

    async fn queue(&self, subjects: &[&str]) {
        let rows: Vec<Queue> = subjects
            .iter()
            .map(|subject| Queue {
                id: self.minter.mint(),
                target: "hie".to_owned(),
                subject: (*subject).to_owned(),
                seq: 0,
                times: 1,
            })
            .collect();
        let txn = self.fresh.store.begin().await.unwrap();
        txn.queue(&rows, Clock::System.now()).await.unwrap();
        txn.commit().await.unwrap();
        self.commits.send_modify(|n| *n += 1);
    }

    /// (subject, state, reason) of every row, once none is queued any more.
    async fn ended(&mut self) -> Vec<(String, String, Option<String>)> {
        loop {
            self.worker.settled.mark_unchanged();
            let rows = self
                .fresh
                .store
                .outbox(&OutboxFilter::default(), 100)
                .await
                .unwrap();
            if rows.iter().all(|r| r.state != "queued") {
                return rows
                    .into_iter()
                    .map(|r| (r.subject, r.state, r.reason))
                    .collect();
            }
            self.worker.settled.changed().await.unwrap();
        }
    }

    /// Outcome of every journal row, oldest first, and how many rows keep bytes of their own.
    async fn journalled(&self) -> (Vec<String>, usize) {
        let dump = self.fresh.store.dump(&LeaveOut::NOTHING).await.unwrap();
        let outcome = |line: &str| {
            let (_, rest) = line.split_once(" outcome=\"").unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let rows = dump.lines().filter(|l| l.starts_with("journal "));
        let bodies = dump.lines().filter(|l| l.starts_with("journal_body "));
        (rows.map(outcome).collect(), bodies.count())
    }

    fn kinds(&self) -> Vec<String> {
        let all = self.server.resources();
        let kind = |r: &serde_json::Value| r["resourceType"].as_str().unwrap().to_owned();
        all.iter().map(kind).collect()
    }

    async fn end(self) {
        self.stop.cancel();
        self.worker.task.await.unwrap();
        self.server.stop().await;
    }
}

fn delivered(subject: &str) -> (String, String, Option<String>) {
    (subject.to_owned(), "delivered".to_owned(), None)
}

const ALL: [&str; 4] = [
    "DiagnosticReport",
    "ImagingStudy",
    "Patient",
    "ServiceRequest",
];

#[tokio::test(flavor = "multi_thread")]
async fn g01_subjects_of_one_patient_queued_together_make_each_resource_once() {
    for fresh in stores().await {
        let mut bench = Bench::on(fresh).await;
        bench.department().await;
        bench
            .queue(&["exam/2", "patient/1", "performed/3", "report/4"])
            .await;
        let expected = ["exam/2", "patient/1", "performed/3", "report/4"].map(delivered);
        assert_eq!(bench.ended().await, expected);
        assert_eq!(bench.kinds(), ALL);
        // The resend of everything changes nothing, not even a version.
        let before = bench.server.resources();
        bench.queue(&["report/4", "exam/2"]).await;
        bench.ended().await;
        assert_eq!(bench.server.resources(), before);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g05_failures_that_may_pass_are_tried_again_until_delivered() {
    for fresh in stores().await {
        let mut bench = Bench::on(fresh).await;
        bench.department().await;
        bench.server.fail(Failure::Status(503, None), 1);
        bench.server.fail(Failure::Cut, 1);
        bench.queue(&["report/4"]).await;
        assert_eq!(bench.ended().await, [delivered("report/4")]);
        assert_eq!(bench.kinds(), ALL);
        assert_eq!(bench.server.requests(), 3);
        let row = bench
            .fresh
            .store
            .outbox(&OutboxFilter::default(), 1)
            .await
            .unwrap();
        let attempts = bench.fresh.store.attempts_at(row[0].id, 9).await.unwrap();
        assert_eq!(attempts.len(), 3);
        // The bytes left three times, and are kept once.
        let expected = ["unconfirmed", "unconfirmed", "sent"].map(str::to_owned);
        assert_eq!(bench.journalled().await, (expected.to_vec(), 1));
        let versions = bench.server.resources();
        assert!(versions.iter().all(|r| r["meta"]["versionId"] == "1"));
        bench.end().await;
    }
}

/// When each attempt at the rows of a store began, in order.
async fn beginnings(store: &Store) -> Vec<i64> {
    let mut begun = vec![];
    for row in store.outbox(&OutboxFilter::default(), 100).await.unwrap() {
        let attempts = store.attempts_at(row.id, 100).await.unwrap();
        begun.extend(attempts.iter().map(|attempt| attempt.at.0));
    }
    begun.sort_unstable();
    begun
}

#[tokio::test(flavor = "multi_thread")]
async fn g05_the_servers_own_delay_is_waited_for() {
    let mut bench = Bench::on(crate::store::testing::sqlite().await).await;
    bench.department().await;
    bench.server.fail(Failure::Status(503, Some(3)), 1);
    bench.queue(&["patient/1"]).await;
    assert_eq!(bench.ended().await, [delivered("patient/1")]);
    let begun = beginnings(&bench.fresh.store).await;
    assert_eq!(begun.len(), 2);
    assert!(begun[1] - begun[0] >= 3_000_000, "{begun:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g05_a_target_that_is_away_is_left_alone_and_then_asked_by_one() {
    let mut bench = Bench::on(crate::store::testing::sqlite().await).await;
    let patients: Vec<Doc<_>> = (1..=20)
        .map(|id| {
            let mut patient = t::patient();
            patient.id = crate::domain::ids::PatientId(id);
            doc(patient)
        })
        .collect();
    let txn = bench.fresh.store.begin().await.unwrap();
    txn.save_patients(&patients.iter().collect::<Vec<_>>())
        .await
        .unwrap();
    txn.commit().await.unwrap();
    bench.server.fail(Failure::Status(503, None), 8);
    let subjects: Vec<String> = (1..=20).map(|id| format!("patient/{id}")).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    bench.queue(&subjects).await;
    let ended = bench.ended().await;
    assert!(ended.iter().all(|(_, state, _)| state == "delivered"));
    // The fifth failure closes; at most three more were on their way then. The next one waits for at least a second.
    let begun = beginnings(&bench.fresh.store).await;
    assert!(begun[8] - begun[4] >= 1_000_000, "{begun:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g05_a_refusal_holds_the_row_with_what_the_server_says() {
    for fresh in stores().await {
        let mut bench = Bench::on(fresh).await;
        bench.department().await;
        bench.server.fail(Failure::Status(422, None), 1);
        bench.queue(&["patient/1"]).await;
        let held = (
            "patient/1".to_owned(),
            "held".to_owned(),
            Some("publish.refused".to_owned()),
        );
        assert_eq!(bench.ended().await, [held]);
        let rows = bench
            .fresh
            .store
            .outbox(&OutboxFilter::default(), 1)
            .await
            .unwrap();
        assert_eq!(rows[0].detail.as_deref(), Some("HTTP 422: error exception"));
        assert_eq!(bench.journalled().await, (vec!["refused".to_owned()], 1));
        // Newer state queues it again.
        bench.queue(&["patient/1"]).await;
        assert_eq!(bench.ended().await, [delivered("patient/1")]);
        bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g04_what_is_not_valid_is_held_and_never_sent() {
    let fresh = crate::store::testing::sqlite().await;
    let mut bench = Bench::on(fresh).await;
    let mut patient = t::patient();
    let mut exam = t::exam(StepStatus::Completed, &[PerformedId(3)]);
    exam.id = crate::domain::ids::ExamId(2);
    patient.fields.0.remove("name");
    let series = vec![t::series("no uid", &[])];
    let performed = t::performed(3, PpsStatus::Completed, false, series);
    let settings = t::settings();
    let txn = bench.fresh.store.begin().await.unwrap();
    txn.save_patients(&[&doc(patient)]).await.unwrap();
    txn.save_exams(&[&doc(exam)], &settings.site.zone)
        .await
        .unwrap();
    txn.save_performed(&[&doc(performed)], &settings.site.zone)
        .await
        .unwrap();
    txn.commit().await.unwrap();
    bench.queue(&["performed/3", "report/9"]).await;
    let held = (
        "performed/3".to_owned(),
        "held".to_owned(),
        Some("publish.invalid".to_owned()),
    );
    assert_eq!(bench.ended().await, [held, delivered("report/9")]);
    let rows = bench
        .fresh
        .store
        .outbox(&OutboxFilter::default(), 1)
        .await
        .unwrap();
    assert_eq!(
        rows[0].detail.as_deref(),
        Some("ImagingStudy.series[0].uid: not a DICOM UID (rule test.toml:0)")
    );
    assert_eq!(bench.server.requests(), 0);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_left_is_not_journalled() {
    let fresh = crate::store::testing::sqlite().await;
    let mut bench = Bench::on(fresh).await;
    bench.department().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = FhirServer::start(listener, Clock::System).unwrap();
    std::mem::replace(&mut bench.server, elsewhere).stop().await;
    bench.queue(&["patient/1"]).await;
    bench.worker.settled.changed().await.unwrap();
    assert_eq!(bench.journalled().await, (vec![], 0));
    bench.end().await;
}

/// Polls a future `n` times at most; its output if it ended.
async fn polled<F: Future>(mut future: Pin<&mut F>, n: usize) -> Option<F::Output> {
    let mut left = n;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Two subjects of a patient; the patient changes while the first one is published, wherever that one has got to.
#[tokio::test(flavor = "multi_thread")]
async fn g07_an_older_state_never_replaces_a_newer_one() {
    let fresh = crate::store::testing::sqlite().await;
    let mut bench = Bench::on(fresh).await;
    bench.department().await;
    bench.stop.cancel();
    (&mut bench.worker.task).await.unwrap();
    let url = &bench.server.url;
    let shared = Shared {
        name: "hie".to_owned(),
        target: FhirTarget::new(url, Duration::from_secs(20), t::settings()).unwrap(),
        store: bench.fresh.store.clone(),
        clock: Clock::System,
        minter: bench.minter.clone(),
        mapping: Arc::new(|| Arc::new(t::Paths)),
        gate: Gate::default(),
        settled: watch::channel(0).0,
    };
    for polls in 1.. {
        bench.queue(&["patient/1", "exam/2"]).await;
        let (now, token) = (Clock::System.now(), bench.minter.token());
        let lease = micros(Duration::from_secs(60));
        let claims = shared.store.claim("hie", 2, lease, now, token).await;
        let claims = claims.unwrap();
        let (first, second) = (
            attempt(&shared, &claims[0], now),
            attempt(&shared, &claims[1], now),
        );
        tokio::pin!(first);
        let mut ended = polled(first.as_mut(), polls).await.is_some();

        let mut patient = t::patient();
        let name = crate::domain::value::Name {
            family: Some(format!("Néo{polls}")),
            ..Default::default()
        };
        let name = t::fields(vec![(
            "name",
            vec![crate::domain::value::Value::Name(name)],
        )]);
        patient.fields.0.extend(name.0);
        let begin = shared.store.begin();
        tokio::pin!(begin);
        // If it was left with the writer in its hands it must go on to give it back.
        let alone = tokio::time::timeout(Duration::from_secs(1), begin.as_mut()).await;
        let txn = match alone {
            Ok(txn) => txn,
            Err(_) => loop {
                tokio::select! {
                    biased;
                    txn = begin.as_mut() => break txn,
                    _ = first.as_mut(), if !ended => ended = true,
                }
            },
        };
        let txn = txn.unwrap();
        let newer = Doc {
            stored: i64::try_from(polls).unwrap(),
            ..doc(patient)
        };
        txn.save_patients(&[&newer]).await.unwrap();
        txn.commit().await.unwrap();

        let busy = tokio::select! {
            biased;
            _ = shared.gate.pass(crate::domain::ids::PatientId(1)) => false,
            () = std::future::ready(()) => true,
        };
        if busy && !ended {
            let (first, second) = tokio::join!(first, second);
            assert!(first.and(second).is_ok());
        } else {
            second.await.unwrap();
            if !ended {
                first.await.unwrap();
            }
        }
        let patients = bench.server.of_type("Patient");
        assert_eq!(
            patients[0]["name"][0]["family"],
            format!("Néo{polls}"),
            "after {polls} polls"
        );
        if busy || ended {
            break;
        }
    }
    bench.server.stop().await;
}
