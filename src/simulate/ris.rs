//! A simulated RIS: admissions, orders and reports of the fictional department as HL7 v2.5 messages over MLLP.
//!
//! It sends what a French RIS sends: PAM-like ADT, ORM^O01 with the station in ORC-18, ORU^R01 with text and a PDF; partly in
//! ISO 8859-1, partly in UTF-8 where a name needs it. It knows nothing of Relais but its address.

use super::{
    department::{Department, Exam, HOSPITAL, INS_TEST, Patient},
    pdf,
};
use crate::hl7::{
    build::{self, OutSegment, Part, Unencodable, segment},
    charset::Charset,
    sender::{MllpClient, SendError},
};
use base64::Engine as _;
use std::{net::SocketAddr, time::Duration};

/// Time allowed for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message and what came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message as it left.
    pub message: Vec<u8>,
    /// The acknowledgement as it came.
    pub ack: Vec<u8>,
}

impl Sent {
    /// MSA-1: AA, AE, AR; empty if there is none.
    pub fn code(&self) -> String {
        self.field("MSA", 1)
    }

    /// Place and code of the first error (ERR-2, ERR-3), or its text before version 2.5.
    pub fn error(&self) -> String {
        let (place, code) = (self.field("ERR", 2), self.field("ERR", 3));
        let plain = code.split('^').take(2).collect::<Vec<_>>().join(" ");
        format!("{place} {plain}").trim().to_owned()
    }

    fn field(&self, id: &str, n: usize) -> String {
        String::from_utf8_lossy(&self.ack)
            .split('\r')
            .find(|line| line.starts_with(id))
            .and_then(|line| line.split('|').nth(n))
            .unwrap_or("")
            .to_owned()
    }
}

/// Why the RIS cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RisError {
    /// The receiver did not answer.
    #[error("send a message")]
    Send(#[from] SendError),
    /// The message has a character that UTF-8 lacks: never.
    #[error("write a message")]
    Write(#[from] Unencodable),
}

/// What an order message says beside the exam itself.
#[derive(Debug, Clone, Copy)]
pub struct Say<'a> {
    /// ORC-1.
    pub control: &'a str,
    /// ORC-5, may be empty.
    pub status: &'a str,
    /// HHMM of the statement.
    pub at: &'a str,
}

/// The RIS with its connection.
#[derive(Debug)]
pub struct Ris<'d> {
    client: MllpClient,
    department: &'d Department,
    /// YYYYMMDD.
    day: String,
    sent: u32,
}

impl<'d> Ris<'d> {
    /// Connects.
    ///
    /// # Errors
    /// [`RisError::Send`] if nobody listens.
    pub async fn connect(
        address: SocketAddr,
        department: &'d Department,
        day: &str,
    ) -> Result<Self, RisError> {
        Ok(Self {
            client: MllpClient::connect(address, PATIENCE).await?,
            department,
            day: day.to_owned(),
            sent: 0,
        })
    }

    /// Sends bytes as they are: a resend, or garbage.
    ///
    /// # Errors
    /// [`RisError::Send`] if no answer comes.
    pub async fn send(&mut self, message: &[u8]) -> Result<Sent, RisError> {
        Ok(Sent {
            ack: self.client.send(message).await?,
            message: message.to_vec(),
        })
    }

    /// ADT of an event.
    ///
    /// # Errors
    /// [`RisError`] if no answer comes.
    pub async fn admission(
        &mut self,
        event: &str,
        patient: &Patient,
        at: &str,
    ) -> Result<Sent, RisError> {
        let segments = vec![
            segment("EVN").text(2, &self.time(at)),
            person(patient),
            visit(patient),
        ];
        let structure = if event == "A08" { "ADT_A01" } else { "ADT_A04" };
        self.deliver(["ADT", event, structure], at, segments, latin(patient))
            .await
    }

    /// ORM^O01 of an exam.
    ///
    /// # Errors
    /// [`RisError`] if no answer comes.
    pub async fn order(&mut self, exam: &Exam, say: Say<'_>) -> Result<Sent, RisError> {
        let Some(patient) = self.department.patients.get(&exam.ipp) else {
            return self.send(b"").await;
        };
        let requester = self.physician(&exam.referring);
        let requester: Vec<&str> = requester.iter().map(String::as_str).collect();
        let start = self.time(&exam.time);
        let (placer, filler) = (placer(exam), filler(exam));
        let common = segment("ORC")
            .text(1, say.control)
            .parts(2, &[placer.as_str(), "HOPA"])
            .parts(3, &[filler.as_str(), "RISX"])
            .text(5, say.status)
            .parts(7, &["", "", "", start.as_str(), "", priority(exam)])
            .text(9, &self.time(say.at))
            .parts(12, &requester)
            .text(18, &exam.station);
        let request = segment("OBR")
            .text(1, "1")
            .parts(2, &[placer.as_str(), "HOPA"])
            .parts(3, &[filler.as_str(), "RISX"])
            .parts(4, &[exam.code.as_str(), exam.label.as_str(), "CCAM"])
            .parts(16, &requester)
            .text(18, &exam.accession)
            .text(
                24,
                self.department
                    .stations
                    .get(&exam.station)
                    .map_or("", |s| &s.modality),
            )
            .parts(27, &["", "", "", start.as_str(), "", priority(exam)]);
        let segments = vec![person(patient), visit(patient), common, request];
        self.deliver(["ORM", "O01", "ORM_O01"], say.at, segments, latin(patient))
            .await
    }

    /// ORU^R01 of an exam: text and a PDF, with a result status (table 0123).
    ///
    /// # Errors
    /// [`RisError`] if no answer comes.
    pub async fn report(&mut self, exam: &Exam, status: &str, at: &str) -> Result<Sent, RisError> {
        let Some(patient) = self.department.patients.get(&exam.ipp) else {
            return self.send(b"").await;
        };
        let reader = self.physician(&exam.radiologist);
        let reader: Vec<&str> = reader.iter().take(3).map(String::as_str).collect();
        let (placer, filler) = (placer(exam), filler(exam));
        let title = format!("{} - compte rendu {}", exam.label, word(status));
        let document = base64::engine::general_purpose::STANDARD.encode(pdf::page(&title));
        let segments = vec![
            person(patient),
            visit(patient),
            segment("ORC")
                .text(1, "RE")
                .parts(2, &[placer.as_str(), "HOPA"])
                .parts(3, &[filler.as_str(), "RISX"]),
            segment("OBR")
                .text(1, "1")
                .parts(2, &[placer.as_str(), "HOPA"])
                .parts(3, &[filler.as_str(), "RISX"])
                .parts(4, &[exam.code.as_str(), exam.label.as_str(), "CCAM"])
                .text(7, &self.time(&exam.time))
                .text(18, &exam.accession)
                .text(22, &self.time(at))
                .text(25, status)
                .parts(32, &[Part::Sub(&reader)]),
            segment("OBX")
                .text(1, "1")
                .text(2, "TX")
                .parts(3, &["18782-3", "Compte rendu", "LN"])
                .text(
                    5,
                    &format!("Pas d'anomalie décelée. Compte rendu {}.", word(status)),
                )
                .text(11, status),
            segment("OBX")
                .text(1, "2")
                .text(2, "ED")
                .parts(3, &["18748-4", "Compte rendu d'imagerie", "LN"])
                .parts(5, &["", "application", "pdf", "Base64", document.as_str()])
                .text(11, status),
        ];
        self.deliver(["ORU", "R01", "ORU_R01"], at, segments, latin(patient))
            .await
    }

    /// In ISO 8859-1 if `latin` is wished and it can carry the text, else in UTF-8.
    async fn deliver(
        &mut self,
        event: [&str; 3],
        at: &str,
        body: Vec<OutSegment>,
        latin: bool,
    ) -> Result<Sent, RisError> {
        self.sent += 1;
        let control_id = format!("RISX{}{:05}", self.day, self.sent);
        let write = |charset: Charset, code: &str| {
            let header = segment("MSH")
                .text(3, "RISX")
                .text(4, "HOPA")
                .text(5, "RELAIS")
                .text(6, "HOPA")
                .text(7, &self.time(at))
                .parts(9, &event)
                .text(10, &control_id)
                .text(11, "P")
                .text(12, "2.5")
                .text(17, "FRA")
                .text(18, code);
            let all: Vec<OutSegment> = std::iter::once(header)
                .chain(body.iter().cloned())
                .collect();
            build::message(charset, &all)
        };
        let message = match latin.then(|| write(Charset::Latin1, "8859/1")) {
            Some(Ok(message)) => message,
            _ => write(Charset::Utf8, "UNICODE UTF-8")?,
        };
        self.send(&message).await
    }

    /// HHMM as HL7 writes it on the department's day.
    fn time(&self, at: &str) -> String {
        format!("{}{at}00", self.day)
    }

    /// A physician as XCN or CNN: number, family, given, authority, type.
    fn physician(&self, rpps: &str) -> Vec<String> {
        let found = self.department.physicians.get(rpps);
        let name = found.map_or(["", ""], |p| [p.family.as_str(), p.given.as_str()]);
        [
            rpps,
            name[0],
            name[1],
            "",
            "",
            "",
            "",
            "",
            "ASIP-SANTE-PS",
            "D",
            "",
            "",
            "RPPS",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

/// Placer order number: the prescriber's.
fn placer(exam: &Exam) -> String {
    exam.accession.replace("DEMO", "P")
}

/// Filler order number: the RIS's.
pub(super) fn filler(exam: &Exam) -> String {
    exam.accession.replace("DEMO", "F")
}

/// Every second patient's messages are written in ISO 8859-1 where that can carry them.
fn latin(patient: &Patient) -> bool {
    patient
        .ipp
        .bytes()
        .next_back()
        .is_some_and(|digit| digit % 2 == 0)
}

fn priority(exam: &Exam) -> &'static str {
    match exam.priority.as_str() {
        "STAT" => "S",
        "HIGH" => "A",
        _ => "R",
    }
}

/// The French word of a result status.
fn word(status: &str) -> &'static str {
    match status {
        "P" => "provisoire",
        "C" => "corrigé",
        _ => "définitif",
    }
}

fn person(patient: &Patient) -> OutSegment {
    let mut pid = segment("PID")
        .text(1, "1")
        .parts(3, &identifier(&patient.ipp, &HOSPITAL, "PI"));
    if !patient.ins.is_empty() {
        pid = pid.parts(3, &identifier(&patient.ins, &INS_TEST, "INS"));
    }
    let legal = [
        patient.family.as_str(),
        patient.given.as_str(),
        "",
        "",
        "",
        "",
        "L",
    ];
    pid = pid.parts(5, &legal);
    if !patient.used_name.is_empty() {
        pid = pid.parts(
            5,
            &[
                patient.used_name.as_str(),
                patient.given.as_str(),
                "",
                "",
                "",
                "",
                "D",
            ],
        );
    }
    pid.text(7, &patient.birth_date)
        .text(8, &patient.sex)
        .text(32, &patient.reliability)
}

fn identifier<'a>(value: &'a str, authority: &'a [&'a str], kind: &'a str) -> [Part<'a>; 5] {
    [
        Part::Text(value),
        Part::Text(""),
        Part::Text(""),
        Part::Sub(authority),
        Part::Text(kind),
    ]
}

fn visit(patient: &Patient) -> OutSegment {
    let number = format!("V{}", patient.ipp);
    segment("PV1")
        .text(1, "1")
        .text(2, "O")
        .parts(3, &["RADIO", "", "", "HOPA"])
        .parts(19, &identifier(&number, &HOSPITAL, "VN"))
}
