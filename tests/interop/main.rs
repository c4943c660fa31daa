//! Foreign peers against `relais serve`: DCMTK, pynetdicom, python-hl7, a FHIR server and validators, each as its own program over real sockets.
//!
//! They find what our own clients would forgive. A missing program is a failure that says `make test-deps`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;

mod cfind;
mod cfind_answers;
mod department;
mod devices;
mod fhir;
mod mpps;
mod mpps_attributes;
mod schemas;

use harness::{
    database::{Database, Engine},
    messages::Story,
    process::Process,
    tools::{dcmtk, peer, run, script},
    wait,
};
use std::{net::SocketAddr, time::Duration};

fn serve() -> (Process, Database) {
    let database = Database::new(Engine::Sqlite);
    (Process::start(&database, None), database)
}

/// Sends a message with python-hl7's `mllp_send`; what it printed is the acknowledgement.
fn mllp_send(database: &Database, mllp: SocketAddr, message: &[u8]) -> String {
    let file = database.dir.join("message.hl7");
    std::fs::write(&file, harness::mllp::frame(message)).unwrap();
    run(peer("mllp_send")
        .args(["--port", &mllp.port().to_string(), "--file"])
        .arg(&file)
        .arg("127.0.0.1"))
}

/// DCMTK's `findscu -W`: a station's list as it prints it.
fn findscu(dicom: SocketAddr, station: &str, options: &[&str]) -> String {
    let port = dicom.port().to_string();
    run(dcmtk("findscu")
        .args(options)
        .args(["-v", "-W", "-aet", station, "-aec", "RELAIS"])
        .args([
            "-k",
            "PatientName",
            "-k",
            "PatientID",
            "-k",
            "AccessionNumber",
        ])
        .args(["-k", "SpecificCharacterSet", "-k", "StudyInstanceUID"])
        .args([
            "-k",
            &format!("ScheduledProcedureStepSequence[0].ScheduledStationAETitle={station}"),
        ])
        .args(["-k", "ScheduledProcedureStepSequence[0].Modality"])
        .args([
            "-k",
            "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate",
        ])
        .args(["127.0.0.1", &port]))
}

fn worklist(dicom: SocketAddr, options: &[&str]) -> String {
    run(script("worklist.py")
        .arg(dicom.port().to_string())
        .args(options))
}

fn mpps(dicom: SocketAddr, operation: &str, uid: &str, story: &Story) -> String {
    run(script("mpps.py")
        .args([&dicom.port().to_string(), operation, uid])
        .args(["--patient", &story.patient_id()])
        .args(["--name", &format!("{}^{}", story.family, story.given)])
        .args([
            "--accession",
            &story.accession(),
            "--study",
            &story.study_uid(),
        ])
        .args([
            "--procedure",
            &format!("RP{}", story.n),
            "--step",
            &story.step_id(),
        ]))
}

#[test]
fn dcmtk_echoscu_is_answered() {
    let (relais, _database) = serve();
    run(dcmtk("echoscu").args([
        "-aec",
        "RELAIS",
        "127.0.0.1",
        &relais.dicom.port().to_string(),
    ]));
}

#[test]
fn an_order_of_a_foreign_sender_is_on_findscu_within_a_second_accents_intact() {
    let (relais, database) = serve();
    for (n, charset) in [(1, "UNICODE UTF-8"), (2, "8859/1")] {
        let story = Story {
            charset,
            ..Story::of(n)
        };
        let ack = mllp_send(&database, relais.mllp, &story.order("NW", "20260602080000"));
        assert!(ack.contains("MSA|AA|"), "{charset}: {ack}");
        wait::within(Duration::from_secs(1), "the order on findscu", || {
            let found = findscu(relais.dicom, story.station, &[]);
            (found.contains(&story.accession()) && found.contains("MAÎTREJEAN^Loïc")).then_some(())
        });
    }
}

#[test]
fn findscu_agrees_in_every_transfer_syntax_and_with_small_pdus() {
    let (relais, database) = serve();
    let story = Story::default();
    mllp_send(&database, relais.mllp, &story.order("NW", "20260602080000"));
    for options in [&["-xi"][..], &["-xe"], &["-pdu", "4096"]] {
        let found = findscu(relais.dicom, story.station, options);
        assert!(found.contains(&story.accession()), "{options:?}: {found}");
    }
}

#[test]
fn pynetdicom_sees_the_list_starts_and_completes_the_exam() {
    let (relais, database) = serve();
    let story = Story::default();
    mllp_send(&database, relais.mllp, &story.order("NW", "20260602080000"));
    let list = worklist(relais.dicom, &["--station", story.station]);
    assert!(list.contains("\"name\": \"MAÎTREJEAN^Loïc\""), "{list}");
    assert!(list.contains(&story.step_id()), "{list}");
    assert!(list.ends_with("status 0000\n"), "{list}");

    let uid = "1.2.250.1.999.1.88.1";
    assert_eq!(mpps(relais.dicom, "create", uid, &story), "status 0000\n");
    let list = worklist(relais.dicom, &["--station", story.station]);
    assert_eq!(list, "status 0000\n", "a started step leaves the list");
    assert_eq!(
        mpps(relais.dicom, "completed", uid, &story),
        "status 0000\n"
    );
    assert_eq!(
        mpps(relais.dicom, "completed", uid, &story),
        "status 0110\n",
        "PS3.4 F.7.2.2: a final step may no longer be updated"
    );
}

#[test]
fn pynetdicom_is_told_that_a_step_is_unknown_or_a_duplicate() {
    let (relais, database) = serve();
    let story = Story::default();
    mllp_send(&database, relais.mllp, &story.order("NW", "20260602080000"));
    let uid = "1.2.250.1.999.1.88.2";
    assert_eq!(
        mpps(relais.dicom, "completed", uid, &story),
        "status 0112\n"
    );
    assert_eq!(mpps(relais.dicom, "create", uid, &story), "status 0000\n");
    assert_eq!(mpps(relais.dicom, "create", uid, &story), "status 0111\n");
}

#[test]
fn names_match_without_accents_and_with_wildcards() {
    let (relais, database) = serve();
    let story = Story::default();
    mllp_send(&database, relais.mllp, &story.order("NW", "20260602080000"));
    for name in ["MAITREJEAN^LOIC", "maître*", "M?ITREJEAN*"] {
        let list = worklist(relais.dicom, &["--name", name]);
        assert!(list.contains(&story.accession()), "{name}: {list}");
    }
    let list = worklist(relais.dicom, &["--name", "MARTIN*"]);
    assert_eq!(list, "status 0000\n");
}
