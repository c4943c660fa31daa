//! A simulated scanner: asks its worklist (C-FIND) and reports what it does (MPPS N-CREATE, N-SET).
//!
//! Each operation opens an association of its own, as many scanners do. It knows an exam only by what its worklist told it.

use super::{department::Station, morning::Peers};
use crate::dicom::{
    dataset::DataSet,
    scu::{Association, SCANNER, ScuError},
};
use std::{fmt, net::SocketAddr};

/// What the scanner read on one line of its worklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub name: String,
    pub patient_id: String,
    pub accession: String,
    pub study: String,
    pub procedure: String,
    pub description: String,
    pub step: String,
    /// Scheduled Station AE Title as answered.
    pub station: String,
}

impl Item {
    fn of(data: &DataSet) -> Self {
        let text = |data: &DataSet, keyword: &str| data.text(keyword).unwrap_or("").to_owned();
        let empty = DataSet::new();
        let step = data
            .items("ScheduledProcedureStepSequence")
            .first()
            .unwrap_or(&empty);
        Self {
            name: text(data, "PatientName"),
            patient_id: text(data, "PatientID"),
            accession: text(data, "AccessionNumber"),
            study: text(data, "StudyInstanceUID"),
            procedure: text(data, "RequestedProcedureID"),
            description: text(data, "RequestedProcedureDescription"),
            step: text(step, "ScheduledProcedureStepID"),
            station: text(step, "ScheduledStationAETitle"),
        }
    }
}

/// How an exam ends at the scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending<'a> {
    /// One series with two images.
    Completed,
    /// Broken off with a reason (DCM code), with the images taken so far or without any.
    Discontinued { reason: &'a str, images: bool },
}

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("COMPLETED"),
            Self::Discontinued { reason, images } => {
                let images = if *images { "with images" } else { "no images" };
                write!(f, "DISCONTINUED {reason}, {images}")
            }
        }
    }
}

/// Why a scanner cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ScannerError {
    #[error("talk to the worklist and MPPS server")]
    Association(#[from] ScuError),
    /// The query ended with another status than Success.
    #[error("the worklist query ended with status {0:04X}")]
    Query(u16),
}

/// One scanner.
#[derive(Debug, Clone)]
pub struct Scanner {
    peer: SocketAddr,
    called: String,
    station: Station,
    /// YYYYMMDD.
    day: String,
}

impl Scanner {
    /// The scanner of a station.
    pub fn new(peers: &Peers, station: &Station) -> Self {
        Self {
            peer: peers.dicom,
            called: peers.ae_title.clone(),
            station: station.clone(),
            day: peers.day.clone(),
        }
    }

    /// The list of its own day.
    ///
    /// # Errors
    /// [`ScannerError`] if there is no answer or no Success.
    pub async fn worklist(&self) -> Result<Vec<Item>, ScannerError> {
        let mut association = self.connect().await?;
        let found = association.find(&query(&self.station, &self.day)).await?;
        association.release().await?;
        if found.status != 0 {
            return Err(ScannerError::Query(found.status));
        }
        Ok(found.items.iter().map(Item::of).collect())
    }

    /// Begins an exam at HHMM: N-CREATE; the status.
    ///
    /// # Errors
    /// [`ScannerError::Association`] if there is no answer.
    pub async fn start(&self, uid: &str, item: &Item, at: &str) -> Result<u16, ScannerError> {
        let mut association = self.connect().await?;
        let data = creation(&self.station, item, &self.day, at);
        let response = association.n_create(Some(uid), &data).await?;
        association.release().await?;
        Ok(response.status)
    }

    /// Ends an exam at HHMM: N-SET; the status.
    ///
    /// # Errors
    /// [`ScannerError::Association`] if there is no answer.
    pub async fn end(
        &self,
        uid: &str,
        item: &Item,
        how: Ending<'_>,
        at: &str,
    ) -> Result<u16, ScannerError> {
        let mut association = self.connect().await?;
        let data = ending(&self.station, item, how, &self.day, at);
        let response = association.n_set(uid, &data).await?;
        association.release().await?;
        Ok(response.status)
    }

    async fn connect(&self) -> Result<Association, ScannerError> {
        Ok(Association::connect(self.peer, &self.station.ae, &self.called, SCANNER).await?)
    }
}

/// The keys of a query for a station's day: what a scanner needs to start an exam.
fn query(station: &Station, day: &str) -> DataSet {
    let mut step = DataSet::new();
    step.put_text("ScheduledStationAETitle", &station.ae);
    step.put_text("ScheduledProcedureStepStartDate", day);
    for keyword in [
        "ScheduledProcedureStepStartTime",
        "Modality",
        "ScheduledPerformingPhysicianName",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "ScheduledProcedureStepLocation",
    ] {
        step.put_text(keyword, "");
    }
    step.put_items("ScheduledProtocolCodeSequence", vec![]);
    let mut query = DataSet::new();
    if !station.charset.is_empty() {
        query.put_text("SpecificCharacterSet", &station.charset);
    }
    for keyword in [
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyInstanceUID",
        "RequestedProcedureID",
        "RequestedProcedureDescription",
        "RequestedProcedurePriority",
        "ReferringPhysicianName",
        "RequestingPhysician",
        "AdmissionID",
        "CurrentPatientLocation",
    ] {
        query.put_text(keyword, "");
    }
    query.put_items("RequestedProcedureCodeSequence", vec![]);
    query.put_items("ReferencedStudySequence", vec![]);
    query.put_items("ScheduledProcedureStepSequence", vec![step]);
    query
}

/// The data set of an N-CREATE (PS3.4 F.7.2-1) at HHMM of a day.
fn creation(station: &Station, item: &Item, day: &str, at: &str) -> DataSet {
    let mut scheduled = DataSet::new();
    scheduled.put_text("StudyInstanceUID", &item.study);
    scheduled.put_items("ReferencedStudySequence", vec![]);
    scheduled.put_text("AccessionNumber", &item.accession);
    scheduled.put_text("RequestedProcedureID", &item.procedure);
    scheduled.put_text("RequestedProcedureDescription", &item.description);
    scheduled.put_text("ScheduledProcedureStepID", &item.step);
    scheduled.put_text("ScheduledProcedureStepDescription", "");
    scheduled.put_items("ScheduledProtocolCodeSequence", vec![]);
    let mut data = DataSet::new();
    data.put_items("ScheduledStepAttributesSequence", vec![scheduled]);
    for (keyword, text) in [
        ("PatientName", item.name.as_str()),
        ("PatientID", &item.patient_id),
        ("PatientBirthDate", ""),
        ("PatientSex", ""),
        ("PerformedProcedureStepID", &item.step),
        ("PerformedStationAETitle", &station.ae),
        ("PerformedStationName", &station.code),
        ("PerformedLocation", ""),
        ("PerformedProcedureStepStartDate", day),
        ("PerformedProcedureStepStartTime", at),
        ("PerformedProcedureStepStatus", "IN PROGRESS"),
        ("PerformedProcedureStepDescription", ""),
        ("PerformedProcedureTypeDescription", ""),
        ("PerformedProcedureStepEndDate", ""),
        ("PerformedProcedureStepEndTime", ""),
        ("Modality", &station.modality),
        ("StudyID", &item.procedure),
    ] {
        data.put_text(keyword, text);
    }
    for keyword in [
        "ReferencedPatientSequence",
        "ProcedureCodeSequence",
        "PerformedProtocolCodeSequence",
        "PerformedSeriesSequence",
    ] {
        data.put_items(keyword, vec![]);
    }
    data
}

/// The data set of the last N-SET.
fn ending(station: &Station, item: &Item, how: Ending<'_>, day: &str, at: &str) -> DataSet {
    let mut data = DataSet::new();
    let (status, images) = match how {
        Ending::Completed => ("COMPLETED", true),
        Ending::Discontinued { reason, images } => {
            let mut code = DataSet::new();
            code.put_text("CodeValue", reason);
            code.put_text("CodingSchemeDesignator", "DCM");
            code.put_text("CodeMeaning", "Discontinued");
            data.put_items(
                "PerformedProcedureStepDiscontinuationReasonCodeSequence",
                vec![code],
            );
            ("DISCONTINUED", images)
        }
    };
    data.put_text("PerformedProcedureStepStatus", status);
    data.put_text("PerformedProcedureStepEndDate", day);
    data.put_text("PerformedProcedureStepEndTime", at);
    let series = if images {
        vec![series(station, item)]
    } else {
        vec![]
    };
    data.put_items("PerformedSeriesSequence", series);
    data
}

fn series(station: &Station, item: &Item) -> DataSet {
    let uid = format!("{}.1", item.study);
    let mut series = DataSet::new();
    for (keyword, text) in [
        ("PerformingPhysicianName", ""),
        ("OperatorsName", ""),
        ("ProtocolName", "STANDARD"),
        ("SeriesInstanceUID", &uid),
        ("SeriesDescription", &item.description),
        ("RetrieveAETitle", "PACS"),
    ] {
        series.put_text(keyword, text);
    }
    let images = (1..=2).map(|number| {
        let mut image = DataSet::new();
        image.put_text("ReferencedSOPClassUID", sop_class(&station.modality));
        image.put_text("ReferencedSOPInstanceUID", &format!("{uid}.{number}"));
        image
    });
    series.put_items("ReferencedImageSequence", images.collect());
    series.put_items("ReferencedNonImageCompositeSOPInstanceSequence", vec![]);
    series
}

/// Image storage SOP class of a modality (PS3.4 B.5).
fn sop_class(modality: &str) -> &'static str {
    match modality {
        "CT" => "1.2.840.10008.5.1.4.1.1.2",
        "MR" => "1.2.840.10008.5.1.4.1.1.4",
        "US" => "1.2.840.10008.5.1.4.1.1.6.1",
        "DX" => "1.2.840.10008.5.1.4.1.1.1.1",
        "CR" => "1.2.840.10008.5.1.4.1.1.1",
        "MG" => "1.2.840.10008.5.1.4.1.1.1.2",
        "RF" => "1.2.840.10008.5.1.4.1.1.12.2",
        "PT" => "1.2.840.10008.5.1.4.1.1.128",
        _ => "1.2.840.10008.5.1.4.1.1.7",
    }
}
