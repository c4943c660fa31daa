//! The second half of the script: the exams themselves, their reports, and garbage.

use super::{LATE_PRELIMINARY, List, Morning, MorningError, PRELIMINARY_FIRST};
use crate::simulate::{
    department::{Exam, Station},
    outcome::became,
    ris::{Say, filler},
    scanner::{Ending, Item},
};
use std::collections::BTreeMap;

impl Morning<'_> {
    pub(super) async fn scans(
        &mut self,
        exams: &[Exam],
        lists: &BTreeMap<String, List>,
    ) -> Result<(), MorningError> {
        self.title("Exams")?;
        for exam in exams.iter().filter(|e| e.story != "cancelled") {
            let Some(station) = self.station(exam).cloned() else {
                continue;
            };
            let item = lists
                .get(&exam.station)
                .and_then(|list| list.get(&exam.accession));
            match item {
                Some(item) if station.mpps => self.scan(exam, &station, item).await?,
                _ => self.told_by_the_ris(exam).await?,
            }
        }
        Ok(())
    }

    /// A scanner without MPPS: the RIS says how the exam ended.
    async fn told_by_the_ris(&mut self, exam: &Exam) -> Result<(), MorningError> {
        let (control, status, end) = match exam.story.as_str() {
            "discontinued" => ("DC", "", "revoked"),
            _ => ("SC", "CM", "completed"),
        };
        let say = Say {
            control,
            status,
            at: &exam.time,
        };
        let sent = self.ris.order(exam, say).await?;
        let step = format!("ORM^O01 {control} {status} {} (no MPPS)", exam.accession);
        let told = self.acknowledged(&step, &sent, &["AA"])?;
        let change = self.on_list(exam, false).await?;
        let held = self.seen_as("ServiceRequest", &exam.accession, end).await?;
        let change = format!("{change}; {held}");
        self.summary.expected.order(&exam.accession, end);
        self.line(&exam.time, &step, &told, &change)
    }

    async fn scan(
        &mut self,
        exam: &Exam,
        station: &Station,
        item: &Item,
    ) -> Result<(), MorningError> {
        let scanner = self.scanner(station);
        let uid = format!(
            "1.2.250.1.999.1.9.{}",
            exam.accession.trim_start_matches("DEMO")
        );
        let step = format!("N-CREATE {} {} IN PROGRESS", station.ae, exam.accession);
        let told = scanner.start(&uid, item, &exam.time).await?;
        let told = self.performed(&step, told)?;
        let change = self.on_list(exam, false).await?;
        let study = format!("urn:oid:{}", item.study);
        let held = self.seen_as("ImagingStudy", &study, "registered").await?;
        self.line(&exam.time, &step, &told, &format!("{change}; {held}"))?;

        // With images what was begun stays discontinued; without any, and after a wrong choice, the step is offered again.
        let how = match (exam.story.as_str(), exam.reason.as_str()) {
            ("discontinued", reason) => Ending::Discontinued {
                reason,
                images: reason == "110515",
            },
            _ => Ending::Completed,
        };
        let back = matches!(how, Ending::Discontinued { images: false, .. });
        let step = format!("N-SET    {} {} {how}", station.ae, exam.accession);
        let told = scanner.end(&uid, item, how, &exam.time).await?;
        let told = self.performed(&step, told)?;
        let change = self.on_list(exam, back).await?;
        self.summary
            .expected
            .scan(&exam.accession, &item.study, how);
        let (order, status) = became(how);
        let held = format!(
            "{}, {}",
            self.seen_as("ServiceRequest", &exam.accession, order)
                .await?,
            self.seen_as("ImagingStudy", &study, status).await?
        );
        self.line(&exam.time, &step, &told, &format!("{change}; {held}"))
    }

    fn performed(&mut self, step: &str, status: u16) -> Result<String, MorningError> {
        self.summary.performed += 1;
        if status == 0 {
            return Ok("0000".to_owned());
        }
        Err(MorningError::Answer {
            step: step.to_owned(),
            got: format!("{status:04X}"),
            wanted: "0000".to_owned(),
        })
    }

    pub(super) async fn reports(&mut self, exams: &[Exam]) -> Result<(), MorningError> {
        self.title("Reports")?;
        for exam in exams {
            if !self.summary.expected.is_scanned(&exam.accession) {
                continue;
            }
            if PRELIMINARY_FIRST.contains(&exam.accession.as_str()) {
                self.report(exam, "P", "1000", "preliminary").await?;
            }
            self.report(exam, "F", "1030", "final").await?;
            if exam.accession == LATE_PRELIMINARY {
                self.late_preliminary(exam).await?;
            }
        }
        Ok(())
    }

    async fn report(
        &mut self,
        exam: &Exam,
        status: &str,
        at: &str,
        then: &'static str,
    ) -> Result<(), MorningError> {
        let sent = self.ris.report(exam, status, at).await?;
        let step = format!("ORU^R01 {status} {}", exam.accession);
        let told = self.acknowledged(&step, &sent, &["AA"])?;
        self.summary
            .expected
            .report(&exam.accession, &filler(exam), then);
        let change = self
            .seen_as("DiagnosticReport", &filler(exam), then)
            .await?;
        self.line(at, &step, &told, &change)
    }

    /// It was dictated before the final report and comes after it.
    async fn late_preliminary(&mut self, exam: &Exam) -> Result<(), MorningError> {
        let before = self.held("DiagnosticReport", &filler(exam)).await?;
        let sent = self.ris.report(exam, "P", "1005").await?;
        let step = format!("ORU^R01 P {}, late", exam.accession);
        let told = self.acknowledged(&step, &sent, &["AA"])?;
        let change = self.still(&filler(exam), &before).await?;
        self.line("1005", &step, &told, &change)
    }

    pub(super) async fn garbage(&mut self, exams: &[Exam]) -> Result<(), MorningError> {
        self.title("Garbage")?;
        let lie = b"MSH|^~\\&|RISX|HOPA|RELAIS|HOPA|20260602110000||ADT^A08|G4|P|2.5||||||8859/1\rEVN||20260602110000\rPID|1||80010037^^^HOPA||ZO\xc3\x8b\r";
        let garbage: [(&str, &[u8]); 4] = [
            ("bytes that are no message", b"\x00\xff garbage \x7f"),
            ("a header cut short", b"MSH|^~\\&|RISX"),
            (
                "a type that nobody reads",
                b"MSH|^~\\&|RISX|HOPA|RELAIS|HOPA|20260602110000||QQQ^Q99|G3|P|2.5\r",
            ),
            ("UTF-8 declared as ISO 8859-1", lie),
        ];
        let before = self.count().await?;
        for (what, bytes) in garbage {
            let sent = self.ris.send(bytes).await?;
            let told = self.acknowledged(what, &sent, &["AE", "AR"])?;
            let change = self.still_count(before).await?;
            self.line("1100", what, &told, &change)?;
        }
        // The connection lives on.
        if let Some(exam) = exams.iter().find(|e| e.accession == LATE_PRELIMINARY) {
            self.report(exam, "C", "1105", "corrected").await?;
        }
        Ok(())
    }
}
