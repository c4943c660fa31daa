//! What the answer to a C-FIND holds (PS3.4 K.6.1.2.1): what was asked for, in the station's character set.

use crate::{
    department::{Key, Pynetdicom, identifier, order_all},
    serve,
};
use serde_json::{Value, json};

/// Attributes of Table K.6-1 that are returned with a value (type 1, and what the orders say) or with zero length.
const FILLED: &[&str] = &[
    "AccessionNumber",
    "ReferringPhysicianName",
    "ReferencedStudySequence",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "RequestingPhysician",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "AdmissionID",
    "CurrentPatientLocation",
    "RequestedProcedureID",
    "RequestedProcedurePriority",
];
const EMPTY: &[&str] = &[
    "ReferencedPatientSequence",
    "StudyDate",
    "StudyTime",
    "PatientWeight",
    "PregnancyStatus",
    "Allergies",
    "SpecialNeeds",
    "PatientState",
    "ConfidentialityConstraintOnPatientDataDescription",
    "PatientTransportArrangements",
    "PertinentDocumentsSequence",
    "ScheduledSpecimenSequence",
    "BarcodeValue",
];
const STEP_FILLED: &[&str] = &[
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProtocolCodeSequence",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
    "ScheduledProcedureStepStatus",
];
const STEP_EMPTY: &[&str] = &[
    "RequestedContrastAgent",
    "ScheduledProcedureStepLocation",
    "PreMedication",
    "ReferencedDefinedProtocolSequence",
];

/// Keywords of the attributes with a value, or of those without, sorted.
fn names(item: &Value, filled: bool) -> Vec<&str> {
    let is_filled = |v: &Value| v != "" && *v != json!([]);
    let mut names: Vec<&str> = item
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, v)| is_filled(v) == filled)
        .map(|(k, _)| k.as_str())
        .collect();
    names.sort_unstable();
    names
}

fn sorted<'a>(lists: &[&[&'a str]]) -> Vec<&'a str> {
    let mut names = lists.concat();
    names.sort_unstable();
    names
}

#[test]
fn d02_an_answer_holds_what_was_asked_and_nothing_else_type_1_filled_type_2_empty() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
    let mut keys: Vec<Key<'_>> = [FILLED, EMPTY]
        .concat()
        .into_iter()
        .map(|k| (k, ""))
        .collect();
    let step: Vec<String> = [STEP_FILLED, STEP_EMPTY]
        .concat()
        .iter()
        .map(|k| format!(">{k}"))
        .collect();
    keys.extend(step.iter().map(|k| (k.as_str(), "")));
    let mut query = identifier(&keys);
    for sequence in [
        "ReferencedStudySequence",
        "ReferencedPatientSequence",
        "RequestedProcedureCodeSequence",
        "IssuerOfPatientIDQualifiersSequence",
        "PertinentDocumentsSequence",
        "ScheduledSpecimenSequence",
    ] {
        query[sequence] = json!([]);
    }
    query["ScheduledProcedureStepSequence"][0]["ScheduledProtocolCodeSequence"] = json!([]);
    query["ScheduledProcedureStepSequence"][0]["ReferencedDefinedProtocolSequence"] = json!([]);
    query["AccessionNumber"] = json!("ACC1");
    for syntax in ["implicit", "explicit"] {
        let answer = pynetdicom.ask(&json!({ "query": query, "syntax": syntax }));
        let item = &answer["items"][0];
        assert_eq!(
            names(item, true),
            sorted(&[
                FILLED,
                &["ScheduledProcedureStepSequence", "SpecificCharacterSet"]
            ])
        );
        assert_eq!(names(item, false), sorted(&[EMPTY]));
        let step = &item["ScheduledProcedureStepSequence"];
        assert_eq!(
            step.as_array().unwrap().len(),
            1,
            "one response is one step"
        );
        assert_eq!(names(&step[0], true), sorted(&[STEP_FILLED]));
        assert_eq!(names(&step[0], false), sorted(&[STEP_EMPTY]));
        assert_eq!(
            item["SpecificCharacterSet"], "ISO_IR 192",
            "the table stations says so for CT1_SCANNER"
        );
        assert_eq!(item["PatientName"], "MAÎTREJEAN^Loïc");
        assert_eq!(
            item["ReferencedStudySequence"],
            json!([{ "ReferencedSOPClassUID": "1.2.840.10008.3.1.2.3.1", "ReferencedSOPInstanceUID": "1.2.250.1.999.1.77.1" }])
        );
    }
    pynetdicom.finish();
}

#[test]
fn d02_sequences_are_returned_as_far_as_they_are_asked_for() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
    let mut ask = |step: Value| {
        let query = json!({ "AccessionNumber": "ACC1", "ScheduledProcedureStepSequence": step });
        let answer = pynetdicom.ask(&json!({ "query": query }));
        assert_eq!(answer["pending"], json!(["FF00"]), "{answer}");
        answer["items"][0]["ScheduledProcedureStepSequence"].clone()
    };
    // C.2.2.2.6: no item, or an item without attributes, asks for everything.
    for whole in [json!([]), json!([{}])] {
        assert!(names(&ask(whole)[0], true).len() >= STEP_FILLED.len());
    }
    let code = json!({ "CodeValue": "THX", "CodingSchemeDesignator": "99HOPA", "CodeMeaning": "Thorax sans injection" });
    for codes in [json!([]), json!([{}])] {
        let step = json!([{ "Modality": "", "ScheduledProtocolCodeSequence": codes }]);
        assert_eq!(
            ask(step),
            json!([{ "Modality": "CT", "ScheduledProtocolCodeSequence": [code] }])
        );
    }
    // An ultrasound's query: one item, all attributes of it empty.
    let empty = json!([{ "ScheduledProtocolCodeSequence": [{ "CodeValue": "", "CodingSchemeVersion": "", "CodeMeaning": "" }] }]);
    let returned = json!([{ "ScheduledProtocolCodeSequence": [{ "CodeValue": "THX", "CodingSchemeVersion": "", "CodeMeaning": "Thorax sans injection" }] }]);
    assert_eq!(ask(empty), returned);
    pynetdicom.finish();
}

#[test]
fn d03_each_station_gets_its_character_set() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
    for (aet, accession, charset, name) in [
        // In the table stations: ISO_IR 192, ISO_IR 100, ISO 2022 IR 6, none; and a station that is not in it.
        ("CT1_SCANNER", "ACC4", "ISO_IR 192", "ŒUVRARD^Zoé"),
        ("CT2_URG", "ACC4", "ISO_IR 100", "OEUVRARD^Zoé"),
        ("RF1_TELE", "ACC4", "", "OEUVRARD^Zoe"),
        ("US1_ECHO", "ACC4", "ISO_IR 192", "ŒUVRARD^Zoé"),
        ("US1_ECHO", "ACC1", "ISO_IR 100", "MAÎTREJEAN^Loïc"),
        ("UNKNOWN", "ACC3", "", "GUEGUEN^Anne-Marie"),
    ] {
        let query = json!({ "AccessionNumber": accession, "PatientName": "" });
        let answer = pynetdicom.ask(&json!({ "query": query, "aet": aet }));
        let item = &answer["items"][0];
        assert_eq!(item["PatientName"], name, "{aet}");
        assert_eq!(
            item.get("SpecificCharacterSet")
                .and_then(Value::as_str)
                .unwrap_or(""),
            charset,
            "{aet}"
        );
    }
    pynetdicom.finish();
}
