//! C-FIND on the worklist, key by key (PS3.4 Table K.6-1, C.2.2.2), with DCMTK and pynetdicom asking the same.

use crate::{
    department::{
        Answered, Key, Pynetdicom, answered, findscu, findscu_command, identifier, order_all, parse,
    },
    harness::{
        effort,
        scanner::runtime,
        tools::{dcmtk, run},
        wait,
    },
    serve,
};
use relais::store::Store;
use serde_json::{Value, json};

/// What is asked, and the exams that answer, in order of start. All six: `1 3 6 4 2 5`.
type Row<'a> = (&'a str, &'a [Key<'a>], &'a str);

const ALL: &str = "1 3 6 4 2 5";

const MATCHING: &[Row<'_>] = &[
    ("no key at all", &[], ALL),
    (
        "universal",
        &[("PatientName", ""), ("PatientID", ""), (">Modality", "")],
        ALL,
    ),
    (
        "a star alone is universal, also for values that are unknown",
        &[
            (">ScheduledPerformingPhysicianName", "*"),
            ("PatientBirthDate", ""),
        ],
        ALL,
    ),
    // Scheduled Procedure Step: the required keys.
    ("station", &[(">ScheduledStationAETitle", "CT2_URG")], "4 5"),
    (
        "station and modality: its own list and its modality's pool",
        &[
            (">ScheduledStationAETitle", "CT1_SCANNER"),
            (">Modality", "CT"),
        ],
        "1 2 5",
    ),
    (
        "one of several stations",
        &[(">ScheduledStationAETitle", "MR2_3T")],
        "6",
    ),
    (
        "a station is compared with its case",
        &[(">ScheduledStationAETitle", "mr2_3t"), (">Modality", "MR")],
        "",
    ),
    ("modality", &[(">Modality", "MR")], "3 6"),
    (
        "a list of modalities, as some scanners send it",
        &[(">Modality", "MR\\CT")],
        ALL,
    ),
    ("unknown modality", &[(">Modality", "XX")], ""),
    (
        "start date",
        &[(">ScheduledProcedureStepStartDate", "20260602")],
        "1 3 6 4",
    ),
    (
        "start date range",
        &[(">ScheduledProcedureStepStartDate", "20260603-20260604")],
        "2 5",
    ),
    (
        "start date range, open before",
        &[(">ScheduledProcedureStepStartDate", "-20260602")],
        "1 3 6 4",
    ),
    (
        "start date range, open after",
        &[(">ScheduledProcedureStepStartDate", "20260603-")],
        "2 5",
    ),
    (
        "start date without a step",
        &[(">ScheduledProcedureStepStartDate", "20260531")],
        "",
    ),
    (
        "start time",
        &[(">ScheduledProcedureStepStartTime", "084500")],
        "1",
    ),
    (
        "start time without seconds",
        &[(">ScheduledProcedureStepStartTime", "1530")],
        "6",
    ),
    (
        "start time range",
        &[(">ScheduledProcedureStepStartTime", "0800-1000")],
        "1 3",
    ),
    (
        "start time range, open after",
        &[(">ScheduledProcedureStepStartTime", "143000-")],
        "6 4",
    ),
    (
        "one day, some hours",
        &[
            (">ScheduledProcedureStepStartDate", "20260602"),
            (">ScheduledProcedureStepStartTime", "090000-160000"),
        ],
        "3 6",
    ),
    (
        "several days and hours are one range",
        &[
            (">ScheduledProcedureStepStartDate", "20260602-20260603"),
            (">ScheduledProcedureStepStartTime", "1000-1415"),
        ],
        "3 6 4 2",
    ),
    (
        "the range ends at its last second",
        &[
            (">ScheduledProcedureStepStartDate", "20260602-20260603"),
            (">ScheduledProcedureStepStartTime", "100001-141459"),
        ],
        "6 4",
    ),
    (
        "performing physician",
        &[(">ScheduledPerformingPhysicianName", "LEFÈVRE^Aurélie")],
        "1 2",
    ),
    (
        "performing physician, wild, without case and accents",
        &[(">ScheduledPerformingPhysicianName", "lefevre*")],
        "1 2",
    ),
    (
        "performing physician with an apostrophe",
        &[(">ScheduledPerformingPhysicianName", "N'DIAYE^*")],
        "3",
    ),
    // Patient: the required keys.
    ("name, whole", &[("PatientName", "MAÎTREJEAN^Loïc")], "1"),
    (
        "name without case and accents",
        &[("PatientName", "maitrejean^loic")],
        "1",
    ),
    (
        "name with accents that the record lacks",
        &[("PatientName", "GUÉGUEN^ANNE-MARIE")],
        "3",
    ),
    ("name, star", &[("PatientName", "GUEGUEN*")], "3 2"),
    ("name, question mark", &[("PatientName", "O?NEILL^É*")], "5"),
    ("name, star in front", &[("PatientName", "*^Zoé")], "4"),
    (
        "name with a ligature, spelled out",
        &[("PatientName", "OEUVRARD*")],
        "4",
    ),
    ("name with blanks", &[("PatientName", "DE LA TOUR^*")], "6"),
    (
        "name with empty components behind",
        &[("PatientName", "DE LA TOUR^Théo^^^")],
        "6",
    ),
    (
        "a family name alone is not a prefix",
        &[("PatientName", "GUEGUEN")],
        "",
    ),
    ("patient id", &[("PatientID", "80003")], "3"),
    ("patient id, wild", &[("PatientID", "8000?")], ALL),
    ("patient id is no prefix", &[("PatientID", "8000")], ""),
    // What IHE RAD-5 adds, and what scanners send besides.
    ("accession number", &[("AccessionNumber", "ACC4")], "4"),
    ("accession number, wild", &[("AccessionNumber", "*C1")], "1"),
    (
        "accession numbers are compared with their case",
        &[("AccessionNumber", "acc4")],
        "",
    ),
    (
        "requested procedure id",
        &[("RequestedProcedureID", "RP6")],
        "6",
    ),
    (
        "scheduled procedure step id",
        &[(">ScheduledProcedureStepID", "SPS5")],
        "5",
    ),
    (
        "study instance uid",
        &[("StudyInstanceUID", "1.2.250.1.999.1.77.2")],
        "2",
    ),
    (
        "list of uid",
        &[(
            "StudyInstanceUID",
            "1.2.250.1.999.1.77.4\\1.2.250.1.999.1.77.1\\1.2.3",
        )],
        "1 4",
    ),
    ("birth date", &[("PatientBirthDate", "19870314")], "1"),
    (
        "birth date range; an unknown one matches none",
        &[("PatientBirthDate", "-19871231")],
        "1 3 6",
    ),
    ("sex", &[("PatientSex", "M")], "1 6 5"),
    ("admission id", &[("AdmissionID", "V2")], "2"),
    (
        "referring physician",
        &[("ReferringPhysicianName", "françois^z*")],
        ALL,
    ),
    (
        "requesting physician of nobody",
        &[("RequestingPhysician", "PERSONNE")],
        "",
    ),
    ("priority", &[("RequestedProcedurePriority", "STAT")], "1"),
    (
        "placer order number",
        &[("PlacerOrderNumberImagingServiceRequest", "P3")],
        "3",
    ),
    (
        "status",
        &[(">ScheduledProcedureStepStatus", "SCHEDULED")],
        ALL,
    ),
    (
        "all that is asked must match",
        &[
            ("PatientName", "GUEGUEN*"),
            (">Modality", "CT"),
            (">ScheduledProcedureStepStartDate", "20260601-20260630"),
        ],
        "2",
    ),
];

/// Keys with a value that cannot be matched: everything else decides, and the answer says FF01.
const NOT_MATCHED: &[Row<'_>] = &[
    (
        "a comment",
        &[
            ("RequestedProcedureComments", "À jeun"),
            (">Modality", "MR"),
        ],
        "3 6",
    ),
    (
        "a binary value",
        &[("PregnancyStatus", "1"), (">Modality", "MR")],
        "3 6",
    ),
    (
        "a code in the step",
        &[
            (">ScheduledProtocolCodeSequence[0].CodeValue", "XXX"),
            (">Modality", "MR"),
        ],
        "3 6",
    ),
    (
        "a code of the procedure",
        &[
            ("RequestedProcedureCodeSequence[0].CodeValue", "XXX"),
            (">Modality", "MR"),
        ],
        "3 6",
    ),
];

fn expected((_, _, exams): &Row<'_>, pending: &str) -> Answered {
    Answered {
        exams: (*exams).to_owned(),
        pending: if exams.is_empty() {
            vec![]
        } else {
            vec![pending.to_owned()]
        },
        status: "0000".to_owned(),
    }
}

#[test]
fn d01_every_matching_key_chooses_the_same_exams_for_dcmtk_and_pynetdicom() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
    let rows = MATCHING.iter().map(|row| (row, "FF00"));
    let rows = rows.chain(NOT_MATCHED.iter().map(|row| (row, "FF01")));
    for (row, pending) in rows {
        let (what, keys, _) = row;
        let expected = expected(row, pending);
        let query = identifier(keys);
        for syntax in ["implicit", "explicit"] {
            let asked = json!({ "query": query, "syntax": syntax, "charset": "ISO_IR 192" });
            assert_eq!(
                answered(&pynetdicom.ask(&asked)),
                expected,
                "pynetdicom, {syntax}, {what}"
            );
        }
        assert_eq!(
            findscu(relais.dicom, &[], keys),
            expected,
            "findscu, {what}"
        );
    }
    pynetdicom.finish();
}

#[test]
fn d01_a_key_that_cannot_be_read_is_refused_by_its_name() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
    for (keyword, value) in [
        (">ScheduledProcedureStepStartDate", "2026060"),
        (">ScheduledProcedureStepStartDate", "-"),
        (">ScheduledProcedureStepStartTime", "8h30"),
        ("PatientBirthDate", "1987"),
    ] {
        let answer = pynetdicom.ask(&json!({ "query": identifier(&[(keyword, value)]) }));
        let keyword = keyword.trim_start_matches('>');
        assert_eq!(answer["status"], "A900", "{keyword} {value}: {answer}");
        assert_eq!(answer["offending"], json!([keyword]), "{value}");
        assert!(
            answer["comment"].as_str().unwrap().contains(keyword),
            "{answer}"
        );
    }
    pynetdicom.finish();
}

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
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
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
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
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
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
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

#[test]
fn d04_a_cancel_ends_the_answer_and_the_association_goes_on() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let printed = run(&mut findscu_command(relais.dicom, &["--cancel", "1"], &[]));
    // A scanner that cancels late has everything already: both are right.
    let answer = parse(&printed);
    assert!(
        ["FE00", "0000"].contains(&answer.status.as_str()),
        "{printed}"
    );
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
    for _ in 0..effort::pick(20, 500) {
        let answer = pynetdicom.ask(&json!({ "query": identifier(&[]), "cancel_after": 1 }));
        assert!(
            ["FE00", "0000"].contains(&answer["status"].as_str().unwrap()),
            "{answer}"
        );
    }
    pynetdicom.finish();
}

#[test]
fn d04_release_abort_and_echo_between_queries_leave_the_server_as_it_was() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let aborted = findscu(relais.dicom, &["--abort"], &[]);
    assert_eq!(aborted.status, "0000");
    run(dcmtk("echoscu")
        .args([
            "-aet",
            "CT1_SCANNER",
            "-aec",
            "RELAIS",
            "--repeat",
            "5",
            "127.0.0.1",
        ])
        .arg(relais.dicom.port().to_string()));
    assert_eq!(
        findscu(relais.dicom, &["--repeat", "3"], &[]).exams,
        [ALL; 3].join(" ")
    );
}

#[test]
fn d04_one_association_asks_all_morning() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
    for n in 0..effort::pick(200, 20_000) {
        let answer = answered(&pynetdicom.ask(&json!({ "query": identifier(&[]) })));
        assert_eq!(answer.exams, ALL, "query {n}");
    }
    pynetdicom.finish();
}

#[test]
fn d01_pdus_of_every_size_carry_the_same_answer() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    for size in ["4096", "4097", "5001", "16384", "65535", "131072"] {
        for syntax in ["-xi", "-xe"] {
            assert_eq!(
                findscu(relais.dicom, &["-pdu", size, syntax], &[]).exams,
                ALL,
                "{size} {syntax}"
            );
        }
    }
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
    // 0 is no limit (PS3.8 D.1).
    for size in [0, 128, 129, 150, 1001, 4095, 131_072] {
        let query = identifier(&[
            (">ScheduledProcedureStepDescription", ""),
            ("PatientName", ""),
        ]);
        let asked = json!({ "query": query, "max_pdu": size });
        assert_eq!(answered(&pynetdicom.ask(&asked)).exams, ALL, "{size}");
    }
    pynetdicom.finish();
}

#[test]
fn d09_every_query_is_journalled_with_its_keys_count_and_device() {
    let (relais, database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start(relais.dicom);
    let day = (">ScheduledProcedureStepStartDate", "20260602");
    for keys in [
        &[day][..],
        &[day],
        &[("PatientName", "GUEGUEN*")],
        &[("PatientBirthDate", "1987")],
    ] {
        pynetdicom.ask(&json!({ "query": identifier(keys), "aet": "MR1_15T" }));
    }
    pynetdicom.finish();
    let store = runtime().block_on(Store::open(&database.url)).unwrap();
    let rows = wait::until("three rows of the station", || {
        let rows = runtime().block_on(store.queries_of("MR1_15T", 10)).unwrap();
        (rows.len() == 3).then_some(rows)
    });
    runtime().block_on(store.close());
    let seen: Vec<_> = rows
        .iter()
        .rev()
        .map(|r| (r.keys.as_str(), r.n, r.count))
        .collect();
    assert_eq!(
        seen,
        [
            ("start=20260602000000-20260602235959", 4, 2),
            ("PatientName=GUEGUEN*", 2, 1),
            ("refused: query.key at PatientBirthDate", 0, 1),
        ]
    );
    assert!(rows.iter().all(|r| r.us >= 0 && r.first_at <= r.last_at));
}
