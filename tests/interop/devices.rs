//! Device files, seen by DCMTK: two AE titles ask the same, one of them has a file of its own.

use crate::{
    harness::{
        messages::Story,
        mllp::{Sender, accepted},
        tools::{dcmtk, run},
        wait,
    },
    serve,
};
use std::{fs, net::SocketAddr, path::Path};

/// What findscu prints as an AE title.
fn findscu(dicom: SocketAddr, ae: &str) -> String {
    run(dcmtk("findscu")
        .args(["-v", "-W", "-aet", ae, "-aec", "RELAIS"])
        .args(["-k", "PatientName", "-k", "AccessionNumber"])
        .args([
            "-k",
            "SpecificCharacterSet",
            "-k",
            "OtherPatientIDsSequence",
        ])
        .args(["-k", "RequestedProcedureDescription"])
        .args([
            "-k",
            "ScheduledProcedureStepSequence[0].ScheduledStationAETitle",
        ])
        .args(["127.0.0.1", &dicom.port().to_string()]))
}

/// The lines of the answers, without what differs from call to call.
fn values(printed: &str) -> Vec<String> {
    let attributes = printed.lines().filter(|l| l.contains('['));
    attributes.map(|l| l.trim().to_owned()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn d03_findscu_as_two_titles_sees_what_each_file_says_and_its_change() {
    let (relais, database) = serve();
    let mut ris = Sender::connect(relais.mllp);
    for (n, station) in [(1, "CT1"), (2, "CT2")] {
        let story = Story {
            family: "ŁUKASZEWSKI",
            station,
            ..Story::of(n)
        };
        accepted(&ris.send(&story.order("NW", "20260602080000")));
    }
    let before = values(&findscu(relais.dicom, "CT1"));
    assert_eq!(values(&findscu(relais.dicom, "CT2")), before);
    assert!(
        before.iter().any(|l| l.contains("ISO_IR 192")),
        "{before:?}"
    );

    // The example site, but for its days: the story plays on a fixed one.
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sites/ct2/devices");
    let devices = database.dir.join("site/devices");
    copy(&example, &devices);
    let file = devices.join("ct2.toml");
    let text = fs::read_to_string(&file).unwrap();
    let without_days = text.lines().filter(|l| !l.starts_with("days"));
    fs::write(&file, without_days.collect::<Vec<_>>().join("\n")).unwrap();
    let own = wait::until("the device file takes effect", || {
        let own = findscu(relais.dicom, "CT2");
        (!own.contains("ISO_IR 192")).then_some(own)
    });
    for part in [
        "ISO_IR 100",
        "LUKASZEWSKI^Loïc",
        "DEMO00000002 Scanographie du tho",
        "AE [CT2",
    ] {
        assert!(own.contains(part), "{part}: {own}");
    }
    assert!(!own.contains("DEMO00000001"), "not its station: {own}");
    assert!(
        !own.contains("Scanographie du thor"),
        "32 characters: {own}"
    );
    assert_eq!(values(&findscu(relais.dicom, "CT1")), before);

    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("\"CT2\", \"CTPOOL\"", "\"CT1\", \"CT2\""),
    )
    .unwrap();
    wait::until("the change takes effect", || {
        findscu(relais.dicom, "CT2")
            .contains("DEMO00000001 Scano")
            .then_some(())
    });
    fs::remove_dir_all(&devices).unwrap();
    wait::until("without its file it is as any other", || {
        (values(&findscu(relais.dicom, "CT2")) == before).then_some(())
    });
}
