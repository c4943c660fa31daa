//! MPPS with pynetdicom: what the standard says (strict), and what scanners do all the same (lenient, as shipped).

use crate::{
    department::{Pynetdicom, order_all},
    harness::{database::Database, process::Process},
    serve,
};
use serde_json::{Value, json};
use std::{fs::OpenOptions, io::Write};

/// The data set of an N-CREATE for exam 1 with everything that Table F.7.2-1 wants.
fn creation() -> Value {
    json!({
        "ScheduledStepAttributesSequence": [{
            "StudyInstanceUID": "1.2.250.1.999.1.77.1",
            "ReferencedStudySequence": [],
            "AccessionNumber": "ACC1",
            "RequestedProcedureID": "RP1",
            "RequestedProcedureDescription": "",
            "ScheduledProcedureStepID": "SPS1",
            "ScheduledProcedureStepDescription": "",
            "ScheduledProtocolCodeSequence": [],
        }],
        "PatientName": "MAÎTREJEAN^Loïc",
        "PatientID": "80001",
        "PatientBirthDate": "19870314",
        "PatientSex": "M",
        "ReferencedPatientSequence": [],
        "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "CT1_SCANNER",
        "PerformedStationName": "",
        "PerformedLocation": "",
        "PerformedProcedureStepStartDate": "20260602",
        "PerformedProcedureStepStartTime": "084700",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": "",
        "PerformedProcedureTypeDescription": "",
        "ProcedureCodeSequence": [],
        "PerformedProcedureStepEndDate": "",
        "PerformedProcedureStepEndTime": "",
        "Modality": "CT",
        "StudyID": "",
        "PerformedProtocolCodeSequence": [],
        "PerformedSeriesSequence": [],
    })
}

/// The last N-SET, with one series of one image.
fn ending(status: &str) -> Value {
    json!({
        "PerformedProcedureStepStatus": status,
        "PerformedProcedureStepEndDate": "20260602",
        "PerformedProcedureStepEndTime": "085900",
        "PerformedSeriesSequence": [{
            "PerformingPhysicianName": "",
            "OperatorsName": "",
            "ProtocolName": "THORAX",
            "SeriesInstanceUID": "1.2.250.1.999.1.77.1.1",
            "SeriesDescription": "",
            "RetrieveAETitle": "PACS",
            "ReferencedImageSequence": [{
                "ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                "ReferencedSOPInstanceUID": "1.2.250.1.999.1.77.1.1.1",
            }],
            "ReferencedNonImageCompositeSOPInstanceSequence": [],
        }],
    })
}

/// A data set with other values; `null` takes an attribute out.
fn changed(mut data: Value, changes: &Value) -> Value {
    let object = data.as_object_mut().unwrap();
    for (keyword, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.remove(keyword);
        } else {
            object.insert(keyword.clone(), value.clone());
        }
    }
    data
}

/// `relais serve` that takes the standard at its word.
pub fn strict() -> (Process, Database) {
    let (mut relais, database) = serve();
    relais.kill();
    let config = database.dir.join("relais.toml");
    let mut config = OpenOptions::new().append(true).open(config).unwrap();
    config
        .write_all(b"\n[policy]\nmpps = \"strict\"\n")
        .unwrap();
    relais.restart();
    (relais, database)
}

const LIST: &str = "PerformedSeriesSequence";

#[test]
fn e01_strict_every_attribute_of_type_1_and_2_that_is_missing_or_empty_is_refused_by_name() {
    let (relais, _database) = strict();
    order_all(relais.mllp);
    let mut scanner = Pynetdicom::start("perform.py", relais.dicom);
    let whole = creation();
    let mut n = 0;
    let mut create = |data: Value| {
        n += 1;
        scanner.ask(&json!({ "create": data, "uid": format!("1.2.250.1.999.1.88.{n}"), "charset": "ISO_IR 192" }))
    };
    let type_1 = [
        "ScheduledStepAttributesSequence",
        "PerformedProcedureStepID",
        "PerformedStationAETitle",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "PerformedProcedureStepStatus",
        "Modality",
    ];
    for (keyword, value) in whole.as_object().unwrap() {
        let answer = create(changed(creation(), &json!({ keyword: null })));
        assert_eq!(answer["status"], "0120", "{keyword} missing: {answer}");
        assert_eq!(answer["comment"], format!("missing: {keyword}"));
        let nothing = if value.is_array() {
            json!([])
        } else {
            json!("")
        };
        let answer = create(changed(creation(), &json!({ keyword: nothing })));
        if type_1.contains(&keyword.as_str()) {
            assert_eq!(answer["status"], "0121", "{keyword} empty: {answer}");
            assert_eq!(answer["comment"], format!("without value: {keyword}"));
        } else {
            assert_eq!(answer["status"], "0000", "{keyword} empty: {answer}");
        }
    }
    for (changes, status, comment) in [
        (
            json!({ "PerformedProcedureStepStatus": "COMPLETED" }),
            "0106",
            "wrong value: PerformedProcedureStepStatus",
        ),
        (
            json!({ "PerformedProcedureStepStatus": "IN_PROGRESS" }),
            "0106",
            "wrong value: PerformedProcedureStepStatus",
        ),
        (
            json!({ "ScheduledStepAttributesSequence": [{}] }),
            "0120",
            "missing: StudyInstanceUID, ReferencedStudySequence, AccessionNum",
        ),
        (
            json!({ LIST: [{ "SeriesInstanceUID": "" }] }),
            "0120",
            "missing: PerformingPhysicianName, ProtocolName, OperatorsName, S",
        ),
    ] {
        let answer = create(changed(creation(), &changes));
        assert_eq!(
            (&answer["status"], &answer["comment"]),
            (&json!(status), &json!(comment)),
            "{changes}"
        );
    }
    scanner.finish();
}

#[test]
fn e01_strict_an_n_set_may_not_say_what_only_an_n_create_may() {
    let (relais, _database) = strict();
    let mut scanner = Pynetdicom::start("perform.py", relais.dicom);
    let uid = "1.2.250.1.999.1.88.1";
    assert_eq!(
        scanner.ask(&json!({ "create": creation(), "uid": uid, "charset": "ISO_IR 192" }))["status"],
        "0000"
    );
    for (changes, status, attributes) in [
        (
            json!({ "PatientName": "X", "Modality": "MR" }),
            "0105",
            json!(["PatientName", "Modality"]),
        ),
        (
            json!({ "PerformedProcedureStepStatus": "STARTED" }),
            "0106",
            json!(["PerformedProcedureStepStatus"]),
        ),
        (
            json!({ LIST: [{}] }),
            "0120",
            json!([
                "PerformingPhysicianName",
                "ProtocolName",
                "OperatorsName",
                "SeriesInstanceUID",
                "SeriesDescription",
                "RetrieveAETitle",
                "ReferencedImageSequence",
                "ReferencedNonImageCompositeSOPInstanceSequence",
            ]),
        ),
    ] {
        let answer =
            scanner.ask(&json!({ "set": changed(ending("COMPLETED"), &changes), "uid": uid }));
        assert_eq!(
            (&answer["status"], &answer["attributes"]),
            (&json!(status), &attributes),
            "{changes}"
        );
    }
    let set = |status: &str| json!({ "set": ending(status), "uid": uid });
    assert_eq!(scanner.ask(&set("IN PROGRESS"))["status"], "0000");
    assert_eq!(scanner.ask(&set("COMPLETED"))["status"], "0000");
    scanner.finish();
}

#[test]
fn e01_a_final_step_an_unknown_one_and_a_second_n_create_have_the_codes_of_the_standard() {
    let (relais, _database) = serve();
    let mut scanner = Pynetdicom::start("perform.py", relais.dicom);
    let uid = "1.2.250.1.999.1.88.1";
    let create = json!({ "create": creation(), "uid": uid, "charset": "ISO_IR 192" });
    let set = |status: &str| json!({ "set": ending(status), "uid": uid });
    let mut is = |request: &Value, status: &str, error_id: &str, comment: &str| {
        let answer = scanner.ask(request);
        assert_eq!(
            (&answer["status"], &answer["error_id"]),
            (&json!(status), &json!(error_id)),
            "{request}"
        );
        assert!(
            answer["comment"].as_str().unwrap().contains(comment),
            "{answer}"
        );
    };
    is(&create, "0000", "", "");
    is(&create, "0111", "", "");
    is(&set("IN PROGRESS"), "0000", "", "");
    is(&set("DISCONTINUED"), "0000", "", "");
    is(
        &set("IN PROGRESS"),
        "0110",
        "A710",
        "Performed Procedure Step Object may no longer be updated",
    );
    is(
        &set("COMPLETED"),
        "0110",
        "A710",
        "Performed Procedure Step Object may no longer be updated",
    );
    scanner.finish();
}

#[test]
fn e02_what_scanners_leave_out_or_misspell_is_taken() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut scanner = Pynetdicom::start("perform.py", relais.dicom);
    let scheduled = |item: Value| json!({ "ScheduledStepAttributesSequence": item });
    for (n, (what, changes)) in [
        ("misspelt", json!({ "PerformedProcedureStepStatus": "IN_PROGRESS" })),
        ("misspelt too", json!({ "PerformedProcedureStepStatus": "INPROGRESS" })),
        ("completed at once", json!({ "PerformedProcedureStepStatus": "COMPLETED" })),
        ("no status", json!({ "PerformedProcedureStepStatus": null })),
        ("no id, modality, station", json!({ "PerformedProcedureStepID": null, "Modality": null, "PerformedStationAETitle": null })),
        ("no patient", json!({ "PatientName": null, "PatientID": null, "PatientBirthDate": null, "PatientSex": null })),
        ("patient id with blanks", json!({ "PatientID": "  80001 " })),
        ("a date of zeros", json!({ "PerformedProcedureStepStartDate": "00000000" })),
        ("no start", json!({ "PerformedProcedureStepStartDate": "", "PerformedProcedureStepStartTime": null })),
        ("no step at all", scheduled(json!(null))),
        ("no item", scheduled(json!([]))),
        ("an accession number alone, padded", scheduled(json!([{ "AccessionNumber": "ACC1  " }]))),
        ("an issuer without its parts", scheduled(json!([{ "StudyInstanceUID": "1.2.250.1.999.1.77.1", "IssuerOfAccessionNumberSequence": [{}] }]))),
        ("private attributes", json!({ "00290010": "ACME 1.1", "00291001": "X" })),
    ]
    .into_iter()
    .enumerate()
    {
        let uid = format!("1.2.250.1.999.1.88.{n}");
        let answer = scanner.ask(&json!({ "create": changed(creation(), &changes), "uid": uid, "charset": "ISO_IR 192" }));
        assert_eq!(answer["status"], "0000", "{what}: {answer}");
    }
    let mut created = |uid: &str| {
        let answer =
            scanner.ask(&json!({ "create": creation(), "uid": uid, "charset": "ISO_IR 192" }));
        assert_eq!(answer["status"], "0000", "{uid}");
        uid.to_owned()
    };
    let (a, b) = (
        created("1.2.250.1.999.1.89.1"),
        created("1.2.250.1.999.1.89.2"),
    );
    for (what, uid, aet, set) in [
        (
            "in progress again, without patient",
            &a,
            "CT1_SCANNER",
            json!({ "PerformedProcedureStepStatus": "IN PROGRESS" }),
        ),
        (
            "what only an N-CREATE may say",
            &a,
            "CT1_SCANNER",
            json!({ "PatientName": "X", "PerformedProcedureStepStatus": "IN PROGRESS" }),
        ),
        (
            "a series without its type 2 attributes",
            &a,
            "CT1_SCANNER",
            json!({ LIST: [{ "SeriesInstanceUID": "1.2.250.1.999.1.77.1.1" }] }),
        ),
        (
            "the end without an end time, from another AE title",
            &a,
            "CT1_STORE",
            json!({ "PerformedProcedureStepStatus": "COMPLETED" }),
        ),
        (
            "the end without series",
            &b,
            "CT1_SCANNER",
            json!({ "PerformedProcedureStepStatus": "COMPLETED", LIST: [] }),
        ),
    ] {
        let answer = scanner.ask(&json!({ "set": set, "uid": uid, "aet": aet }));
        assert_eq!(answer["status"], "0000", "{what}: {answer}");
    }
    // Without a SOP Instance UID one is chosen for it.
    assert_eq!(
        scanner.ask(&json!({ "create": creation(), "charset": "ISO_IR 192" }))["status"],
        "0000"
    );
    scanner.finish();
}
