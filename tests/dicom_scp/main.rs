//! The DICOM server over real sockets, with a service of a few lines: what a scanner sees. `raw` speaks PDUs byte by byte, `pdus` and
//! `flood` are the peers that nobody invited.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;

mod flood;
mod pdus;
mod raw;

use dicom_ul::pdu::{AssociationRQ, Pdu, PresentationContextProposed, UserVariableItem, write_pdu};
use relais::dicom::charset::Charset;
use relais::dicom::dataset::{DataSet, Tag};
use relais::dicom::dimse::{Command, field, sop_class, status};
use relais::dicom::read::Syntax;
use relais::dicom::scp::{
    Body, BoxFuture, DimseFailure, FindAnswer, Peer, ScpSettings, Services, serve,
};
use relais::dicom::scu::{Association, SCANNER, ScuError, verify};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Gives as many items as the query's Patient ID says, and keeps the MPPS that it is sent.
#[derive(Default)]
struct Department {
    steps: Mutex<BTreeMap<String, Vec<Body>>>,
}

impl Services for Department {
    fn admits(&self, peer: &Peer) -> bool {
        peer.calling_ae != "INTRUDER"
    }

    fn find<'a>(
        &'a self,
        peer: &'a Peer,
        query: DataSet,
    ) -> BoxFuture<'a, Result<FindAnswer, DimseFailure>> {
        Box::pin(async move {
            let name = query
                .text("PatientName")
                .unwrap_or("Lefèvre^Zoé")
                .to_owned();
            let wanted = query.text("PatientID").unwrap_or("0").to_owned();
            if wanted == "NEVER" {
                std::future::pending::<()>().await;
            }
            let Ok(n) = wanted.parse::<usize>() else {
                return Err(DimseFailure {
                    status: status::IDENTIFIER_DOES_NOT_MATCH,
                    comment: "Patient ID is no number".into(),
                    offending: vec![Tag(0x0010, 0x0020)],
                    ..DimseFailure::default()
                });
            };
            let station = peer.calling_ae.clone();
            Ok(FindAnswer {
                items: Box::new((0..n).map(move |i| item(i, &name, &station))),
                charset: (peer.calling_ae == "LATIN").then_some(Charset::Latin1),
                warning: query.by_keyword("PatientComments").is_some(),
                truncated: (n > 1000).then(|| "more than 1000 steps match".to_owned()),
            })
        })
    }

    fn create<'a>(
        &'a self,
        _peer: &'a Peer,
        uid: Option<String>,
        body: Body,
    ) -> BoxFuture<'a, Result<String, DimseFailure>> {
        Box::pin(async move {
            let uid = uid.unwrap_or_else(|| "2.25.99".to_owned());
            let mut steps = self.steps.lock().expect("lock");
            if steps.contains_key(&uid) {
                return Err(DimseFailure {
                    status: status::DUPLICATE_SOP_INSTANCE,
                    ..DimseFailure::default()
                });
            }
            steps.insert(uid.clone(), vec![body]);
            Ok(uid)
        })
    }

    fn set<'a>(
        &'a self,
        _peer: &'a Peer,
        uid: String,
        body: Body,
    ) -> BoxFuture<'a, Result<(), DimseFailure>> {
        Box::pin(async move {
            let mut steps = self.steps.lock().expect("lock");
            match steps.get_mut(&uid) {
                Some(bodies) => {
                    bodies.push(body);
                    Ok(())
                }
                None => Err(DimseFailure {
                    status: status::PROCESSING_FAILURE,
                    comment: "Performed Procedure Step Object may no longer be updated".into(),
                    error_id: Some(status::MAY_NO_LONGER_BE_UPDATED),
                    ..DimseFailure::default()
                }),
            }
        })
    }
}

fn item(i: usize, name: &str, station: &str) -> DataSet {
    let mut step = DataSet::new();
    step.put_text("Modality", "CT");
    step.put_text("ScheduledStationAETitle", station);
    step.put_text(
        "ScheduledProcedureStepDescription",
        "Scanner cérébral sans injection",
    );
    let mut ds = DataSet::new();
    ds.put_text("PatientName", name);
    ds.put_text("PatientID", &format!("IPP{i}"));
    ds.put_text("RequestedProcedureComments", &"à jeun ".repeat(40));
    ds.put_items("ScheduledProcedureStepSequence", vec![step]);
    ds
}

struct Server {
    addr: SocketAddr,
    department: Arc<Department>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

async fn server(change: impl FnOnce(&mut ScpSettings)) -> Server {
    let mut settings = ScpSettings {
        drain: Duration::from_secs(2),
        ..ScpSettings::default()
    };
    change(&mut settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("address");
    let department = Arc::new(Department::default());
    let stop = CancellationToken::new();
    let services: Arc<dyn Services> = Arc::clone(&department) as _;
    let running = tokio::spawn(serve(listener, settings, services, stop.clone()));
    Server {
        addr,
        department,
        stop,
        running,
    }
}

async fn scanner(server: &Server, calling: &str) -> Association {
    Association::connect(server.addr, calling, "RELAIS", SCANNER)
        .await
        .expect("an association")
}

fn query(n: &str) -> DataSet {
    let mut ds = DataSet::new();
    ds.put_text("PatientID", n);
    ds.put_text("PatientName", "");
    ds
}

#[tokio::test]
async fn echo_find_create_and_set_on_one_association() {
    let server = server(|_| {}).await;
    let mut a = scanner(&server, "CT1").await;
    assert_eq!(a.echo().await.expect("echo"), status::SUCCESS);
    let found = a.find(&query("3")).await.expect("find");
    assert_eq!((found.items.len(), found.status), (3, status::SUCCESS));
    assert_eq!(found.items[2], {
        let mut ds = item(2, "Lefèvre^Zoé", "CT1");
        ds.put_text("SpecificCharacterSet", "ISO_IR 100");
        ds.put_text(
            "RequestedProcedureComments",
            "à jeun ".repeat(40).trim_end(),
        );
        ds
    });
    let mut mpps = DataSet::new();
    mpps.put_text("PerformedProcedureStepStatus", "IN PROGRESS");
    let created = a.n_create(Some("2.25.1"), &mpps).await.expect("create");
    assert_eq!(
        (created.status, created.uid.as_deref()),
        (status::SUCCESS, Some("2.25.1"))
    );
    let again = a.n_create(Some("2.25.1"), &mpps).await.expect("create");
    assert_eq!(again.status, status::DUPLICATE_SOP_INSTANCE);
    let ours = a.n_create(None, &mpps).await.expect("create");
    assert_eq!(ours.uid.as_deref(), Some("2.25.99"));
    let set = a.n_set("2.25.1", &mpps).await.expect("set");
    assert_eq!(set.status, status::SUCCESS);
    let late = a.n_set("2.25.7", &mpps).await.expect("set");
    assert_eq!(late.status, status::PROCESSING_FAILURE);
    assert_eq!(late.command.error_id, Some(0xA710));
    a.release().await.expect("release");
    let steps = server.department.steps.lock().expect("lock");
    let kept = &steps["2.25.1"];
    assert_eq!(kept.len(), 2);
    assert_eq!(
        kept[0].data.text("PerformedProcedureStepStatus"),
        Some("IN PROGRESS")
    );
    assert!(!kept[0].bytes.is_empty());
}

#[tokio::test]
async fn both_syntaxes_and_small_pdus_give_the_same_items() {
    let server = server(|s| s.max_pdu = 4096).await;
    for syntax in [Syntax::ImplicitLe, Syntax::ExplicitLe] {
        let mut a = Association::connect_with(server.addr, "CT1", "RELAIS", SCANNER, &[syntax])
            .await
            .expect("an association");
        let mut big = query("2");
        big.put_text("ImagingServiceRequestComments", &"x".repeat(9000));
        let found = a.find(&big).await.expect("find");
        assert_eq!(found.items.len(), 2);
        assert_eq!(found.items[0].text("PatientName"), Some("Lefèvre^Zoé"));
    }
}

#[tokio::test]
async fn a_device_that_demands_latin_1_gets_it() {
    let server = server(|_| {}).await;
    let mut q = query("1");
    q.put_text("PatientName", "Łukasz^Œuf");
    let of = async |calling: &str| {
        let mut a = scanner(&server, calling).await;
        let found = a.find(&q).await.expect("find");
        let item = &found.items[0];
        (
            item.text("SpecificCharacterSet").map(str::to_owned),
            item.text("PatientName").map(str::to_owned),
        )
    };
    let some = |t: &str| Some(t.to_owned());
    assert_eq!(of("CT1").await, (some("ISO_IR 192"), some("Łukasz^Œuf")));
    assert_eq!(of("LATIN").await, (some("ISO_IR 100"), some("Lukasz^OEuf")));
}

#[tokio::test]
async fn warning_limit_and_failure_have_their_statuses() {
    let server = server(|_| {}).await;
    let mut a = scanner(&server, "CT1").await;
    let mut q = query("1");
    q.put_text("PatientComments", "");
    assert!(a.find(&q).await.expect("find").warning);
    let many = a.find(&query("1001")).await.expect("find");
    assert_eq!(
        (many.items.len(), many.status),
        (1001, status::OUT_OF_RESOURCES)
    );
    assert_eq!(many.comment.as_deref(), Some("more than 1000 steps match"));
    let bad = a.find(&query("abc")).await.expect("find");
    assert_eq!((bad.items.len(), bad.status), (0, 0xA900));
}

#[tokio::test]
async fn d04_a_cancel_stops_the_answer_and_the_search() {
    let server = server(|_| {}).await;
    let mut a = scanner(&server, "CT1").await;
    let found = a.find_until(&query("100000"), 5).await.expect("find");
    assert_eq!(found.status, status::CANCEL);
    assert!(found.items.len() < 100_000);
    // Cancelled while the service still searches.
    let class = sop_class::MODALITY_WORKLIST_FIND;
    let mut never = Command::c_request(field::C_FIND_RQ, class, 77, true);
    never.message_id = Some(77);
    let slow = query("NEVER");
    let asked = a.raw(class, never, Some(&slow));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), asked)
            .await
            .is_err()
    );
    let answer = a
        .raw(class, Command::cancel(77), None)
        .await
        .expect("answer");
    assert_eq!(answer.status, status::CANCEL);
    assert_eq!(a.echo().await.expect("echo"), status::SUCCESS);
}

#[tokio::test]
async fn unknown_operations_and_classes_are_refused_and_the_association_lives() {
    let server = server(|_| {}).await;
    let mut a = scanner(&server, "CT1").await;
    let mpps = sop_class::MODALITY_PERFORMED_PROCEDURE_STEP;
    let mwl = sop_class::MODALITY_WORKLIST_FIND;
    for (context, command, expected) in [
        (
            mpps,
            Command::c_request(field::N_GET_RQ, mpps, 1, false),
            0x0211,
        ),
        (
            mwl,
            Command::c_request(field::C_FIND_RQ, "1.2.3", 1, false),
            0x0122,
        ),
        (
            mpps,
            Command::c_request(field::N_CREATE_RQ, "1.2.3", 1, false),
            0x0118,
        ),
        (
            mpps,
            Command::c_request(field::N_SET_RQ, mpps, 1, false),
            0x0117,
        ),
    ] {
        let answer = a.raw(context, command, None).await.expect("answer");
        assert_eq!(answer.status, expected);
    }
    let late = Command::cancel(1);
    let answer = tokio::time::timeout(Duration::from_millis(20), a.raw(mwl, late, None)).await;
    assert!(answer.is_err(), "a late cancel is not answered");
    assert_eq!(a.echo().await.expect("echo"), status::SUCCESS);
}

#[tokio::test]
async fn d07_rejections_say_why() {
    let server = server(|s| {
        s.strict_called = true;
        s.max_associations = 1;
        s.turn = Duration::from_millis(50);
    })
    .await;
    let reason = async |calling: &str, called: &str| {
        let error = Association::connect(server.addr, calling, called, SCANNER).await;
        match error.expect_err("rejected") {
            ScuError::Association { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    };
    assert!(reason("CT1", "OTHER").await.contains("called"));
    assert!(reason("INTRUDER", "RELAIS").await.contains("calling"));
    let first = scanner(&server, "CT1").await;
    let full = reason("CT2", "RELAIS").await;
    assert!(full.contains("local limit"), "{full}");
    first.release().await.expect("release");
    // The place is free once the server has seen the peer close.
    let freed = async {
        loop {
            if let Ok(answer) = verify(server.addr, "CT2", "RELAIS").await {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), freed).await;
    assert_eq!(answer, Ok(status::SUCCESS));
}

/// Sends bytes on a fresh connection and gives everything that comes back until the server closes.
async fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.addr).await.expect("connects");
    stream.write_all(bytes).await.expect("writes");
    let mut back = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut back))
        .await
        .expect("the server closes");
    back
}

fn associate_rq() -> Vec<u8> {
    let rq = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "CT1".into(),
        called_ae_title: "RELAIS".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: vec![PresentationContextProposed {
            id: 1,
            abstract_syntax: sop_class::VERIFICATION.into(),
            transfer_syntaxes: vec![Syntax::ImplicitLe.uid().into()],
        }],
        user_variables: vec![UserVariableItem::MaxLength(16_384)],
    };
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &Pdu::AssociationRQ(rq)).expect("writes");
    bytes
}

#[tokio::test]
async fn malformed_pdus_are_answered_with_an_abort() {
    let server = server(|_| {}).await;
    for (sent, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], 1),
        (b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x03", 2),
        (b"\x01\0\0\0\0\x04\0\x01\0\0", 6),
        (b"\x01\0\xFF\xFF\xFF\xFF", 6),
    ] {
        let back = answer_to(&server, sent).await;
        assert_eq!(back, [7, 0, 0, 0, 0, 4, 0, 0, 2, reason], "{sent:?}");
    }
}

#[tokio::test]
async fn d04_idle_associations_are_closed_and_a_stop_ends_the_rest() {
    let idle = server(|s| {
        s.idle = Duration::from_millis(50);
    })
    .await;
    let back = answer_to(&idle, &associate_rq()).await;
    assert_eq!(back.first(), Some(&2), "an A-ASSOCIATE-AC");
    assert!(
        back.ends_with(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 0]),
        "then an A-ABORT"
    );

    let server = server(|_| {}).await;
    let mut a = scanner(&server, "CT1").await;
    assert_eq!(a.echo().await.expect("echo"), status::SUCCESS);
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), server.running)
        .await
        .expect("in time")
        .expect("no panic");
    assert!(a.echo().await.is_err());
    assert!(TcpStream::connect(server.addr).await.is_err());
}
