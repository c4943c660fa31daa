//! A scanner of the tests: worklist queries and MPPS by the product's own client, blocking.

use super::{evidence, messages::Story};
use relais::dicom::{
    dataset::DataSet,
    scu::{Association, Found, Response, SCANNER, ScuError},
};
use std::net::SocketAddr;
use tokio::runtime::Runtime;

/// The runtime of all clients of a test binary.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Keys of the Scheduled Procedure Step Sequence; all others stand in the identifier itself.
const STEP_KEYS: [&str; 6] = [
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "Modality",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepID",
];
/// Attributes that every query of [`Scanner::worklist`] asks for.
const ASKED: [&str; 7] = [
    "PatientName",
    "PatientID",
    "AccessionNumber",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "PatientBirthDate",
];

/// What a performed step is told to be about.
#[derive(Debug, Clone)]
pub struct Pps {
    pub uid: String,
    pub patient_id: String,
    pub name: String,
    pub study: String,
    pub accession: String,
    pub procedure: String,
    pub step: String,
}

impl Pps {
    /// The performed step of a story's order.
    pub fn of(story: &Story) -> Self {
        Self {
            uid: format!("1.2.250.1.999.1.88.{}", story.n),
            patient_id: story.patient_id(),
            name: format!("{}^{}", story.family, story.given),
            study: story.study_uid(),
            accession: story.accession(),
            procedure: format!("RP{}", story.n),
            step: story.step_id(),
        }
    }
}

/// A scanner with its AE title.
#[derive(Debug, Clone)]
pub struct Scanner {
    pub peer: SocketAddr,
    pub ae: String,
}

impl Scanner {
    /// Asks with matching keys for [`ASKED`].
    pub fn worklist(&self, keys: &[(&str, &str)]) -> Vec<DataSet> {
        self.ask(&ASKED, keys, &STEP_KEYS)
    }

    /// Asks for attributes of the item and of its step, with matching keys.
    pub fn ask(&self, asked: &[&str], keys: &[(&str, &str)], step_asked: &[&str]) -> Vec<DataSet> {
        let found = self.find(asked, keys, step_asked);
        assert_eq!(found.status, 0x0000, "{:?}", found.comment);
        found.items
    }

    /// As [`Scanner::ask`], whatever the final status.
    pub fn find(&self, asked: &[&str], keys: &[(&str, &str)], step_asked: &[&str]) -> Found {
        let (mut query, mut step) = (DataSet::new(), DataSet::new());
        for keyword in asked {
            query.put_text(keyword, "");
        }
        for keyword in step_asked {
            step.put_text(keyword, "");
        }
        for (keyword, value) in keys {
            if STEP_KEYS.contains(keyword) {
                step.put_text(keyword, value);
            } else {
                query.put_text(keyword, value);
            }
        }
        query.put_items("ScheduledProcedureStepSequence", vec![step]);
        let found = runtime().block_on(async {
            let mut association = self.connect().await?;
            let found = association.find(&query).await?;
            association.release().await?;
            Ok::<_, ScuError>(found)
        });
        let found = found.unwrap();
        if let Some(comment) = &found.comment {
            evidence::told("dimse", comment);
        }
        found
    }

    /// N-CREATE, in progress; the status.
    pub fn create(&self, pps: &Pps) -> u16 {
        self.try_create(pps).status
    }

    /// As [`Scanner::create`], with everything that the response says.
    pub fn try_create(&self, pps: &Pps) -> Response {
        self.reach_create(pps).unwrap()
    }

    /// As [`Scanner::try_create`], if the product can be reached and answers.
    pub fn reach_create(&self, pps: &Pps) -> Result<Response, ScuError> {
        let mut scheduled = DataSet::new();
        scheduled.put_text("StudyInstanceUID", &pps.study);
        scheduled.put_text("AccessionNumber", &pps.accession);
        scheduled.put_text("RequestedProcedureID", &pps.procedure);
        scheduled.put_text("ScheduledProcedureStepID", &pps.step);
        let mut data = DataSet::new();
        data.put_items("ScheduledStepAttributesSequence", vec![scheduled]);
        for (keyword, value) in [
            ("PatientName", pps.name.as_str()),
            ("PatientID", &pps.patient_id),
            ("PerformedProcedureStepID", "PPS1"),
            ("PerformedStationAETitle", &self.ae),
            ("PerformedProcedureStepStartDate", "20260602"),
            ("PerformedProcedureStepStartTime", "084700"),
            ("PerformedProcedureStepStatus", "IN PROGRESS"),
            ("Modality", "CT"),
        ] {
            data.put_text(keyword, value);
        }
        data.put_items("PerformedSeriesSequence", vec![]);
        self.run(async |association| association.n_create(Some(&pps.uid), &data).await)
    }

    /// N-SET COMPLETED with one series of two images; the status.
    pub fn complete(&self, pps: &Pps) -> u16 {
        self.reach_complete(pps).unwrap().status
    }

    /// As [`Scanner::complete`], with everything that the response says, if the product can be reached and answers.
    pub fn reach_complete(&self, pps: &Pps) -> Result<Response, ScuError> {
        let images = (1..=2).map(|n| {
            let mut image = DataSet::new();
            image.put_text("ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2");
            image.put_text("ReferencedSOPInstanceUID", &format!("{}.1.{n}", pps.study));
            image
        });
        let mut series = DataSet::new();
        series.put_text("SeriesInstanceUID", &format!("{}.1", pps.study));
        series.put_text("ProtocolName", "THORAX");
        series.put_items("ReferencedImageSequence", images.collect());
        let mut data = ended("COMPLETED");
        data.put_items("PerformedSeriesSequence", vec![series]);
        self.set(pps, &data)
    }

    /// N-SET DISCONTINUED without images, with a reason (DCM code); the status.
    pub fn discontinue(&self, pps: &Pps, reason: &str) -> u16 {
        let mut code = DataSet::new();
        code.put_text("CodeValue", reason);
        code.put_text("CodingSchemeDesignator", "DCM");
        code.put_text("CodeMeaning", "Discontinued");
        let mut data = ended("DISCONTINUED");
        data.put_items(
            "PerformedProcedureStepDiscontinuationReasonCodeSequence",
            vec![code],
        );
        data.put_items("PerformedSeriesSequence", vec![]);
        self.set(pps, &data).unwrap().status
    }

    /// N-SET with whatever status, without series; the status of the response.
    pub fn end(&self, pps: &Pps, status: &str) -> u16 {
        self.set(pps, &ended(status)).unwrap().status
    }

    fn set(&self, pps: &Pps, data: &DataSet) -> Result<Response, ScuError> {
        self.run(async |association| association.n_set(&pps.uid, data).await)
    }

    /// One operation on an association of its own.
    fn run(
        &self,
        operation: impl AsyncFnOnce(&mut Association) -> Result<Response, ScuError>,
    ) -> Result<Response, ScuError> {
        runtime().block_on(async {
            let mut association = self.connect().await?;
            let response = operation(&mut association).await?;
            // What was answered counts, however the association ends.
            let _ = association.release().await;
            if let Some(comment) = &response.command.comment {
                evidence::told("dimse", comment);
            }
            Ok(response)
        })
    }

    async fn connect(&self) -> Result<Association, ScuError> {
        Association::connect(self.peer, &self.ae, "RELAIS", SCANNER).await
    }
}

fn ended(status: &str) -> DataSet {
    let mut data = DataSet::new();
    data.put_text("PerformedProcedureStepStatus", status);
    data.put_text("PerformedProcedureStepEndDate", "20260602");
    data.put_text("PerformedProcedureStepEndTime", "085900");
    data
}
