//! Inputs to begin with, which get past the first check of a parser: fixtures and mapping files of the repository, made-up data sets.

use crate::targets::Kind;
use relais::dicom::charset::Charset;
use relais::dicom::dataset::DataSet;
use relais::dicom::dimse::{Command, field, sop_class};
use relais::dicom::pdata;
use relais::dicom::write::{Syntax, write};
use std::path::{Path, PathBuf};

/// Longest seed.
const LONGEST: u64 = 1 << 16;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// The seeds of a kind, always in the same order.
pub fn of(kind: Kind) -> Vec<Vec<u8>> {
    let mut found = match kind {
        Kind::Hl7 => hl7(),
        Kind::Mllp => framed(),
        Kind::Escape => texts(&[
            r"\F\\S\\T\\R\\E\\P\",
            r"a\.br\b\.sp\c\.sp2\d\.sk3\e",
            r"\.in+4\\.ti-2\\.fi\\.nf\x\.ce\y",
            r"\H\gras\N\ fin caf\XC3A9\ caf\XC3\\XA9\!",
            r"\C2842\\M244200\kanji \Zlocal\T\ \inconnu\T\",
            r"\.sp99999\\X41000B42\\XFF\",
        ])
        .into_iter()
        .flat_map(|text| (0..8).map(move |n| [&[n], text.as_slice()].concat()))
        .collect(),
        Kind::Charset => texts(&[
            "8859/1|Hélène",
            "UNICODE UTF-8|Zoë Łódź",
            "windows-1252|œuvre",
            "8859/15|œ €",
            "ISO IR6|a",
            "8859/9|x",
        ]),
        Kind::Time => texts(&[
            "20260602084500.123456+0200",
            "2026",
            "202602",
            "20240229",
            "2026033102",
            "20261025023000Z",
            "19000101000060",
        ]),
        Kind::Implicit => data_sets(Syntax::ImplicitLe),
        Kind::Explicit => data_sets(Syntax::ExplicitLe),
        Kind::Mpps => data_sets(Syntax::ImplicitLe)
            .into_iter()
            .flat_map(|set| (0..2).map(move |n| [&[n], set.as_slice()].concat()))
            .collect(),
        Kind::Command => commands(),
        Kind::Pdata => pdus()
            .into_iter()
            .filter_map(|pdu| pdu.get(pdata::PDU_HEADER..).map(<[u8]>::to_vec))
            .collect(),
        Kind::Pdu => [pdus(), vec![associate_rq()]].concat(),
        Kind::Toml => files(&["mappings", "relais.toml"], "toml"),
        Kind::Rule => rules(),
        Kind::Csv => files(&["mappings"], "csv"),
        Kind::Xml => texts(&[
            r#"<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:p="urn:dicom-org:ps3-20"><id root="1.2.2"/><title>CR &amp; suite</title><setId root="1.2.1"/><versionNumber value="2"/><recordTarget><patientRole><id extension="279035121518989" root="1.2.250.1.213.1.4.10"/></patientRole></recordTarget><inFulfillmentOf><order><p:accessionNumber root="1.3" extension="ACC7"/></order></inFulfillmentOf><documentationOf><serviceEvent><id root="1.5.1"/></serviceEvent></documentationOf><relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.1"/></parentDocument></relatedDocument><component><nonXMLBody><text mediaType="application/pdf" representation="B64">JVBERi0x</text></nonXMLBody></component></ClinicalDocument>"#,
            "<ClinicalDocument><!-- x --><id root='&#49;.2'/><![CDATA[ ]]></ClinicalDocument>",
        ]),
        Kind::Json => texts(&[
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invariant","details":{"coding":[{"code":"MSG_X"}],"text":"x"},"expression":["Patient.name[0]"],"location":["a"]}]}"#,
            r#"{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201 Created","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"duplicate"}]}}}]}"#,
        ]),
        Kind::Authorization => texts(&[
            "# tokens\nanne viewer 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b # May\n\0Bearer secret",
            "a.b-c_d admin 2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B\n\nluc operator 00\0bearer relais_known",
            "\0Basic cmVsYWlz",
        ]),
        Kind::Parameters => texts(&[
            "?status=held&from=2026-06-02&to=2026-06-30&modality=CT&station=CT1&limit=7&cursor=5_6",
            "?direction=in&outcome=refused&link=ris&from=2026-06-02T08:00:00Z&control_id=A%201&open=true",
            "123?because=table+mended",
            "mes?because=moves%20tonight%C3%A9",
            "?who=anne&patient=12&action=get_exam",
        ])
        .into_iter()
        .flat_map(|text| (0..32).map(move |n| [&[n], text.as_slice()].concat()))
        .collect(),
    };
    found.push(vec![]);
    found
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|t| t.as_bytes().to_vec()).collect()
}

/// Files of the repository with an extension, below these places.
fn files(places: &[&str], extension: &str) -> Vec<Vec<u8>> {
    let mut open: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            let mut entries: Vec<_> = entries.map(|e| e.path()).collect();
            entries.sort();
            open.extend(entries);
        } else if path.extension().is_some_and(|e| e == extension)
            && path.metadata().is_ok_and(|m| m.len() <= LONGEST)
        {
            found.extend(std::fs::read(&path));
        }
    }
    assert!(!found.is_empty(), "no {extension} file in {places:?}");
    found
}

fn hl7() -> Vec<Vec<u8>> {
    let mut found = files(&["tests/fixtures", "mappings"], "hl7");
    let two: Vec<u8> = found.iter().take(2).flatten().copied().collect();
    found.push(
        [
            b"FHS|^~\\&|A\rBHS|^~\\&|A\r".as_slice(),
            &two,
            b"BTS|2\rFTS|1\r",
        ]
        .concat(),
    );
    found.push(b"MSH|^~\\&|A|B|C|D|20260602||ORM^O01|1|P|2.5|||AL|NE|FRA|8859/1\r".to_vec());
    found
}

fn framed() -> Vec<Vec<u8>> {
    let mut found = vec![
        b"\x03\x0bMSH|a\x1c\r\r\n\x0bMSH|b\x1c\r".to_vec(),
        b"\x01\x0bMSH|a\x1c\x0bMSH|b\x1cc\x1c\x1c\r".to_vec(),
        b"\x07\x0bMSH|bro\x0bMSH|whole\x1c\r".to_vec(),
    ];
    let whole = hl7().into_iter().take(6);
    found.extend(whole.map(|m| [b"\x05", relais::hl7::mllp::frame(&m).as_slice()].concat()));
    found
}

/// Right-hand sides of the shipped mapping files.
fn rules() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = files(&["mappings"], "toml")
        .iter()
        .filter_map(|file| str::from_utf8(file).ok().map(str::to_owned))
        .flat_map(|file| {
            let rule = |line: &str| {
                let (_, right) = line.split_once('=')?;
                let right = right.trim().trim_matches(['\'', '"']);
                (right.len() > 2).then(|| right.as_bytes().to_vec())
            };
            file.lines().filter_map(rule).collect::<Vec<_>>()
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn set(values: &[(&str, &str)], sequences: Vec<(&str, Vec<DataSet>)>) -> DataSet {
    let mut set = DataSet::new();
    for (keyword, value) in values {
        set.put_text(keyword, value);
    }
    for (keyword, items) in sequences {
        set.put_items(keyword, items);
    }
    set
}

fn data_sets(syntax: Syntax) -> Vec<Vec<u8>> {
    let step = set(
        &[
            ("ScheduledStationAETitle", "CT1"),
            ("ScheduledProcedureStepStartDate", "20260601-20260603"),
            ("ScheduledProcedureStepStartTime", "0800-1200"),
            ("Modality", "CT\\MR"),
        ],
        vec![],
    );
    let query = set(
        &[
            ("PatientName", "MA?TRE*"),
            ("PatientID", ""),
            ("StudyInstanceUID", "1.2.3\\1.2.4"),
            ("PatientBirthDate", "1987-"),
        ],
        vec![("ScheduledProcedureStepSequence", vec![step])],
    );
    let scheduled = set(
        &[
            ("StudyInstanceUID", "1.2.250.1.999.1.77.1"),
            ("AccessionNumber", "DEMO00000001"),
            ("ScheduledProcedureStepID", "S0000001"),
        ],
        vec![],
    );
    let image = set(
        &[
            ("ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
            ("ReferencedSOPInstanceUID", "1.2.3.4"),
        ],
        vec![],
    );
    let series = set(
        &[
            ("SeriesInstanceUID", "1.2.3"),
            ("ProtocolName", "THORAX"),
            ("OperatorsName", "LEFÈVRE^Aurélie"),
        ],
        vec![("ReferencedImageSequence", vec![image])],
    );
    let reason = set(
        &[
            ("CodeValue", "110514"),
            ("CodingSchemeDesignator", "DCM"),
            ("CodeMeaning", "Incorrect worklist entry selected"),
        ],
        vec![],
    );
    let performed = set(
        &[
            ("SpecificCharacterSet", "ISO_IR 192"),
            ("PatientName", "MAÎTREJEAN^Loïc"),
            ("PatientID", "80000001"),
            ("PatientBirthDate", "19870314"),
            ("PerformedProcedureStepID", "PPS1"),
            ("PerformedStationAETitle", "CT1_SCANNER"),
            ("PerformedProcedureStepStartDate", "20260602"),
            ("PerformedProcedureStepStartTime", "084700.123"),
            ("PerformedProcedureStepStatus", "DISCONTINUED"),
            ("PerformedProcedureStepEndDate", "20260602"),
            ("PerformedProcedureStepEndTime", "0859"),
            ("Modality", "CT"),
        ],
        vec![
            ("ScheduledStepAttributesSequence", vec![scheduled]),
            ("PerformedSeriesSequence", vec![series]),
            (
                "PerformedProcedureStepDiscontinuationReasonCodeSequence",
                vec![reason],
            ),
        ],
    );
    let started = set(
        &[
            ("PatientID", "1"),
            ("PerformedProcedureStepStatus", "IN PROGRESS"),
        ],
        vec![
            ("ScheduledStepAttributesSequence", vec![DataSet::new()]),
            ("PerformedSeriesSequence", vec![]),
        ],
    );
    [query, performed, started, DataSet::new()]
        .iter()
        .filter_map(|set| write(set, syntax, Charset::Utf8).ok())
        .collect()
}

fn messages() -> Vec<Command> {
    let find = Command::c_request(field::C_FIND_RQ, sop_class::MODALITY_WORKLIST_FIND, 3, true);
    let echo = Command::c_request(field::C_ECHO_RQ, sop_class::VERIFICATION, 1, false);
    let mut refused = find.response(0xA700);
    refused.comment = Some("too many items".to_owned());
    refused.error_id = Some(1);
    let create = Command {
        field: field::N_CREATE_RQ,
        affected_class: Some(sop_class::MODALITY_PERFORMED_PROCEDURE_STEP.to_owned()),
        affected_instance: Some("1.2.3".to_owned()),
        message_id: Some(7),
        has_data: true,
        ..Command::default()
    };
    vec![find, echo, refused, create, Command::cancel(3)]
}

fn commands() -> Vec<Vec<u8>> {
    messages().iter().map(Command::write).collect()
}

fn pdus() -> Vec<Vec<u8>> {
    let data = data_sets(Syntax::ImplicitLe);
    let sizes = [0, 128, 16_384];
    messages()
        .iter()
        .zip(data.iter().cycle())
        .zip(sizes.iter().cycle())
        .map(|((command, data), size)| {
            let mut out = Vec::new();
            let data = command.has_data.then_some(data.as_slice());
            pdata::fragment(&mut out, 1, &command.write(), data, *size);
            out
        })
        .collect()
}

/// An A-ASSOCIATE-RQ (PS3.8 9.3.2) with two presentation contexts, written out by hand.
fn associate_rq() -> Vec<u8> {
    let item = |kind: u8, body: &[u8]| -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[kind, 0], length.as_slice(), body].concat()
    };
    let context = |id: u8, class: &str| {
        let parts = [
            vec![id, 0, 0, 0],
            item(0x30, class.as_bytes()),
            item(0x40, b"1.2.840.10008.1.2.1"),
            item(0x40, b"1.2.840.10008.1.2"),
        ];
        item(0x20, &parts.concat())
    };
    let user = [
        item(0x51, &16_384_u32.to_be_bytes()),
        item(0x52, b"1.2.3.4"),
        item(0x55, b"FUZZ"),
        item(0x53, &[0, 1, 0, 1]),
        item(0x54, &[&[0, 5], b"1.2.3".as_slice(), &[1, 0]].concat()),
        item(
            0x58,
            &[&[1, 0, 0, 1], b"x".as_slice(), &[0, 1], b"y"].concat(),
        ),
    ];
    let body = [
        vec![0, 1, 0, 0],
        format!("{:<16}{:<16}", "RELAIS", "CT1").into_bytes(),
        vec![0; 32],
        item(0x10, b"1.2.840.10008.3.1.1.1"),
        context(1, sop_class::MODALITY_WORKLIST_FIND),
        context(3, sop_class::VERIFICATION),
        item(0x50, &user.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[1, 0], length.as_slice(), &body].concat()
}
