//! A site whose RIS is odd in three ways (accession number in ORC-3, room in a Z segment, Latin-1 without saying so): one directory
//! of a few lines over the shipped files, seen from the port.

use crate::{
    Test,
    app::TestApp,
    harness::{mllp::accepted, wait},
};
use std::fs;
use std::path::Path;

pub const TESTS: &[Test] = &[(
    "a_site_with_an_odd_ris_is_one_directory_of_under_thirty_lines",
    a_site_with_an_odd_ris_is_one_directory_of_under_thirty_lines,
)];

/// Copies a directory; the number of lines that a person wrote in it, cases left out.
fn copy(from: &Path, to: &Path, in_cases: bool) -> usize {
    fs::create_dir_all(to).unwrap();
    let mut lines = 0;
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_dir() {
            let cases = in_cases || name.to_string_lossy().ends_with(".cases");
            lines += copy(&path, &to.join(name), cases);
            continue;
        }
        fs::copy(&path, to.join(name)).unwrap();
        if !in_cases {
            lines += fs::read_to_string(&path).unwrap().lines().count();
        }
    }
    lines
}

fn a_site_with_an_odd_ris_is_one_directory_of_under_thirty_lines(app: &TestApp) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites/risx");
    // Put in place of the harness' own at once, so that no half of it is ever looked at.
    let in_dir = |name: &str| app.database.dir.join(name);
    let (copied, site) = (in_dir("copied"), in_dir("site"));
    let lines = copy(&root, &copied, false);
    if site.exists() {
        fs::rename(&site, in_dir("before")).unwrap();
    }
    fs::rename(&copied, &site).unwrap();
    assert!(lines < 30, "{lines}");
    // Loaded only if every case passes, the shipped ones untouched.
    wait::until("the site's files are in force", || {
        let page = app.get("/metrics");
        let changed = r#"relais_mapping_reloads_total{outcome="changed"} 1"#;
        page.lines().any(|l| l == changed).then_some(())
    });
    let message = fs::read(root.join("inbound/risx.cases/latin_1_without_msh_18/in.hl7")).unwrap();
    assert!(std::str::from_utf8(&message).is_err(), "Latin-1 bytes");
    accepted(&app.ris().send(&message));

    let found = app.scanner("CT4_SCANNER").worklist(&[]);
    assert_eq!(found.len(), 1);
    for (keyword, value) in [
        ("PatientName", "LEFÈVRE^Noémie"),
        ("AccessionNumber", "A0009001"),
        ("RequestedProcedureDescription", "Scanographie du thorax"),
    ] {
        assert_eq!(found[0].text(keyword), Some(value), "{keyword}");
    }
    let of_another = app
        .scanner("CT1_SCANNER")
        .worklist(&[("ScheduledStationAETitle", "CT1_SCANNER")]);
    assert_eq!(of_another.len(), 0);
    // A room that is no scanner of ours is refused at its field.
    let other = root.join("inbound/risx.cases/a_room_that_is_not_ours/in.hl7");
    let text = fs::read_to_string(other).unwrap();
    let latin_1: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let ack = app.ris().send(&latin_1);
    assert_eq!(ack.code(), "AE", "{}", ack.0);
    assert!(ack.0.contains("ZRD^1^2"), "{}", ack.0);
}
