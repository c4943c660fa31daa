//! C-FIND on the worklist, key by key (PS3.4 Table K.6-1, C.2.2.2), with DCMTK and pynetdicom asking the same.

use crate::{
    department::{
        Answered, Key, Pynetdicom, answered, findscu, findscu_command, identifier, order_all, parse,
    },
    harness::{
        database::{Database, Engine},
        effort,
        process::Process,
        scanner::runtime,
        tools::{dcmtk, run},
        wait,
    },
    serve,
};
use relais::store::Store;
use serde_json::json;

/// The numbers of all exams, in order of start.
const ALL: &str = "1 3 6 4 2 5";

/// One row a line: what is asked | its keys (`>`: in the step sequence) | the exams that answer, in order of start.
const MATCHING: &str = r"
no key at all | | all
universal | PatientName= & PatientID= & >Modality= | all
a star alone is universal, also for values that are unknown | >ScheduledPerformingPhysicianName=* & PatientBirthDate= | all
# Scheduled Procedure Step: the required keys.
station | >ScheduledStationAETitle=CT2_URG | 4 5
station and modality: its own list and its modality's pool | >ScheduledStationAETitle=CT1_SCANNER & >Modality=CT | 1 2 5
one of several stations | >ScheduledStationAETitle=MR2_3T | 6
a station is compared with its case | >ScheduledStationAETitle=mr2_3t & >Modality=MR |
modality | >Modality=MR | 3 6
a list of modalities, as some scanners send it | >Modality=MR\CT | all
unknown modality | >Modality=XX |
start date | >ScheduledProcedureStepStartDate=20260602 | 1 3 6 4
start date range | >ScheduledProcedureStepStartDate=20260603-20260604 | 2 5
start date range, open before | >ScheduledProcedureStepStartDate=-20260602 | 1 3 6 4
start date range, open after | >ScheduledProcedureStepStartDate=20260603- | 2 5
start date without a step | >ScheduledProcedureStepStartDate=20260531 |
start time | >ScheduledProcedureStepStartTime=084500 | 1
start time without seconds | >ScheduledProcedureStepStartTime=1530 | 6
start time range | >ScheduledProcedureStepStartTime=0800-1000 | 1 3
start time range, open after | >ScheduledProcedureStepStartTime=143000- | 6 4
one day, some hours | >ScheduledProcedureStepStartDate=20260602 & >ScheduledProcedureStepStartTime=090000-160000 | 3 6
several days and hours are one range | >ScheduledProcedureStepStartDate=20260602-20260603 & >ScheduledProcedureStepStartTime=1000-1415 | 3 6 4 2
the range ends at its last second | >ScheduledProcedureStepStartDate=20260602-20260603 & >ScheduledProcedureStepStartTime=100001-141459 | 6 4
performing physician | >ScheduledPerformingPhysicianName=LEFÈVRE^Aurélie | 1 2
performing physician, wild, without case and accents | >ScheduledPerformingPhysicianName=lefevre* | 1 2
performing physician with an apostrophe | >ScheduledPerformingPhysicianName=N'DIAYE^* | 3
# Patient: the required keys.
name, whole | PatientName=MAÎTREJEAN^Loïc | 1
name without case and accents | PatientName=maitrejean^loic | 1
name with accents that the record lacks | PatientName=GUÉGUEN^ANNE-MARIE | 3
name, star | PatientName=GUEGUEN* | 3 2
name, question mark | PatientName=O?NEILL^É* | 5
name, star in front | PatientName=*^Zoé | 4
name with a ligature, spelled out | PatientName=OEUVRARD* | 4
name with blanks | PatientName=DE LA TOUR^* | 6
name with empty components behind | PatientName=DE LA TOUR^Théo^^^ | 6
a family name alone is not a prefix | PatientName=GUEGUEN |
patient id | PatientID=80003 | 3
patient id, wild | PatientID=8000? | all
patient id is no prefix | PatientID=8000 |
# What IHE RAD-5 adds, and what scanners send besides.
accession number | AccessionNumber=ACC4 | 4
accession number, wild | AccessionNumber=*C1 | 1
accession numbers are compared with their case | AccessionNumber=acc4 |
requested procedure id | RequestedProcedureID=RP6 | 6
scheduled procedure step id | >ScheduledProcedureStepID=SPS5 | 5
study instance uid | StudyInstanceUID=1.2.250.1.999.1.77.2 | 2
list of uid | StudyInstanceUID=1.2.250.1.999.1.77.4\1.2.250.1.999.1.77.1\1.2.3 | 1 4
birth date | PatientBirthDate=19870314 | 1
birth date range; an unknown one matches none | PatientBirthDate=-19871231 | 1 3 6
sex | PatientSex=M | 1 6 5
admission id | AdmissionID=V2 | 2
referring physician | ReferringPhysicianName=françois^z* | all
requesting physician of nobody | RequestingPhysician=PERSONNE |
priority | RequestedProcedurePriority=STAT | 1
placer order number | PlacerOrderNumberImagingServiceRequest=P3 | 3
status | >ScheduledProcedureStepStatus=SCHEDULED | all
all that is asked must match | PatientName=GUEGUEN* & >Modality=CT & >ScheduledProcedureStepStartDate=20260601-20260630 | 2
";

/// Keys with a value that cannot be matched: everything else decides, and the answer says FF01.
const NOT_MATCHED: &str = r"
a comment | RequestedProcedureComments=À jeun & >Modality=MR | 3 6
a binary value | PregnancyStatus=1 & >Modality=MR | 3 6
a code in the step | >ScheduledProtocolCodeSequence[0].CodeValue=INCONNU & >Modality=MR | 3 6
a code of the procedure | RequestedProcedureCodeSequence[0].CodeValue=INCONNU & >Modality=MR | 3 6
";

/// The rows of a table; the answers to them have this status.
fn rows(
    table: &'static str,
    pending: &'static str,
) -> impl Iterator<Item = (&'static str, Vec<Key<'static>>, Answered)> {
    let rows = table
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    rows.map(move |row| {
        let [what, keys, exams] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("three columns: {row}");
        };
        let keys = keys.split(" & ").filter(|k| !k.is_empty());
        let keys = keys
            .map(|key| key.split_once('=').expect("key=value"))
            .collect();
        let exams = if exams == "all" { ALL } else { exams };
        let answered = Answered {
            exams: exams.to_owned(),
            pending: if exams.is_empty() {
                vec![]
            } else {
                vec![pending.to_owned()]
            },
            status: "0000".to_owned(),
        };
        (what, keys, answered)
    })
}

#[test]
fn d01_every_matching_key_chooses_the_same_exams_for_dcmtk_and_pynetdicom() {
    let (relais, _database) = serve();
    order_all(relais.mllp);
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
    for (what, keys, expected) in rows(MATCHING, "FF00").chain(rows(NOT_MATCHED, "FF01")) {
        let query = identifier(&keys);
        for syntax in ["implicit", "explicit"] {
            let asked = json!({ "query": query, "syntax": syntax, "charset": "ISO_IR 192" });
            assert_eq!(
                answered(&pynetdicom.ask(&asked)),
                expected,
                "pynetdicom, {syntax}, {what}"
            );
        }
        assert_eq!(
            findscu(relais.dicom, &[], &keys),
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
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
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
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
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
fn d04_more_matches_than_the_limit_end_with_a700_and_the_association_goes_on() {
    let database = Database::new(Engine::Sqlite);
    let limit = ("RELAIS_DICOM_MAX_RESULTS", "3".to_owned());
    let relais = Process::start_with(&database, None, vec![limit]);
    order_all(relais.mllp);
    let said = "more than 3 items match: narrow the query";
    let all = identifier(&[]);
    let ct1 = [
        (">ScheduledStationAETitle", "CT1_SCANNER"),
        (">Modality", "CT"),
    ];
    // Two associations of DCMTK's with two queries each; the first three answers are good.
    let printed = run(&mut findscu_command(relais.dicom, &["--repeat", "2"], &[]));
    let answer = parse(&printed);
    assert_eq!(
        (answer.exams.as_str(), answer.status.as_str()),
        ("1 3 6 1 3 6", "A700")
    );
    assert_eq!(answer.pending, ["FF00"]);
    assert!(printed.contains(said), "{printed}");
    // As many as the limit are no more than it.
    let narrow = findscu(relais.dicom, &[], &ct1);
    assert_eq!(
        (narrow.exams.as_str(), narrow.status.as_str()),
        ("1 2 5", "0000")
    );
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
    for _ in 0..3 {
        let answer = pynetdicom.ask(&json!({ "query": all }));
        assert_eq!(answered(&answer).exams, "1 3 6", "{answer}");
        assert_eq!(
            (&answer["status"], &answer["comment"]),
            (&json!("A700"), &json!(said))
        );
        assert_eq!(answer["pending"], json!(["FF00"]));
        // The same association.
        let answer = pynetdicom.ask(&json!({ "query": identifier(&ct1) }));
        assert_eq!(answered(&answer).exams, "1 2 5");
        assert_eq!(
            (&answer["status"], &answer["comment"]),
            (&json!("0000"), &json!(""))
        );
    }
    // It also answers C-ECHO, and is released.
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
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
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
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
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
    let mut pynetdicom = Pynetdicom::start("query.py", relais.dicom);
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
