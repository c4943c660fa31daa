//! The script of a morning in the fictional department: a RIS and twelve scanners play it against a running Relais over real sockets.
//!
//! One line is printed per step: what was sent, the acknowledgement or DIMSE status, and what changed, as the peers see it: the scanner
//! on its worklist, a FHIR client at the endpoint ([`observe`]). What each exam must have become is noted on the way and compared in the
//! end with all that the endpoint holds ([`super::outcome`]).

mod exams;
mod observe;

pub use observe::EndpointError;

use super::{
    department::{Department, Exam, Patient, Station},
    outcome::{Difference, Expected},
    ris::{Ris, RisError, Say, Sent},
    scanner::{Item, Scanner, ScannerError},
};
use observe::Endpoint;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::SocketAddr,
};

/// The morning ends here (HHMM): later exams of the department are not played.
const END: &str = "0930";
/// The newborn whose given name is corrected, and the name then.
const CORRECTED: (&str, &str) = ("80011443", "Gaspard");
/// Exams that get a preliminary report before the final one.
const PRELIMINARY_FIRST: [&str; 3] = ["DEMO26000007", "DEMO26000006", "DEMO26000034"];
/// The exam whose preliminary report comes once more after the final one.
const LATE_PRELIMINARY: &str = "DEMO26000007";

/// Where the peers of the script are.
#[derive(Debug, Clone)]
pub struct Peers {
    pub mllp: SocketAddr,
    pub dicom: SocketAddr,
    /// Relais's AE title.
    pub ae_title: String,
    /// Base address of the FHIR endpoint that Relais publishes to.
    pub fhir: String,
    /// The day that is played, YYYYMMDD.
    pub day: String,
}

/// What was played.
#[derive(Debug, Default)]
pub struct Summary {
    pub messages: usize,
    pub queries: usize,
    /// N-CREATE and N-SET.
    pub performed: usize,
    /// What the endpoint must hold.
    pub expected: Expected,
}

/// Why the morning cannot go on, or ends wrong.
#[derive(Debug, thiserror::Error)]
pub enum MorningError {
    #[error("play the RIS")]
    Ris(#[from] RisError),
    #[error("play a scanner")]
    Scanner(#[from] ScannerError),
    #[error("look at the endpoint")]
    Endpoint(#[from] EndpointError),
    #[error("write the story")]
    Output(#[from] io::Error),
    /// A peer was told or shown something else than the script says.
    #[error("{step}: got {got}, the script says {wanted}")]
    Answer {
        step: String,
        got: String,
        wanted: String,
    },
    #[error("the endpoint does not hold what the morning made: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    EndState(Vec<Difference>),
}

/// Plays the morning.
///
/// # Errors
/// [`MorningError`] as soon as an answer is not the one that the script expects.
pub async fn run(peers: &Peers, out: &mut (dyn Write + Send)) -> Result<Summary, MorningError> {
    let department = Department::load();
    let exams: Vec<Exam> = department
        .exams
        .iter()
        .filter(|exam| exam.time.as_str() <= END && exam.story != "unscheduled")
        .cloned()
        .collect();
    let mut morning = Morning {
        ris: Ris::connect(peers.mllp, &department, &peers.day).await?,
        department: &department,
        peers,
        endpoint: Endpoint::new(&peers.fhir)?,
        out,
        summary: Summary::default(),
    };
    morning.admissions(&exams).await?;
    let orders = morning.orders(&exams).await?;
    morning.resends(&exams, &orders).await?;
    let exams = morning.changes(exams).await?;
    let lists = morning.worklists().await?;
    morning.correction().await?;
    morning.scans(&exams, &lists).await?;
    morning.reports(&exams).await?;
    morning.garbage(&exams).await?;
    Ok(morning.summary)
}

struct Morning<'a> {
    ris: Ris<'a>,
    department: &'a Department,
    peers: &'a Peers,
    endpoint: Endpoint,
    out: &'a mut (dyn Write + Send),
    summary: Summary,
}

/// A station's worklist by accession number.
type List = BTreeMap<String, Item>;

impl Morning<'_> {
    fn title(&mut self, text: &str) -> Result<(), MorningError> {
        Ok(writeln!(self.out, "\n{text}")?)
    }

    /// One line: time, what was sent, answer, change.
    fn line(
        &mut self,
        at: &str,
        sent: &str,
        answer: &str,
        change: &str,
    ) -> Result<(), MorningError> {
        let (hour, minute) = at.split_at(2.min(at.len()));
        Ok(writeln!(
            self.out,
            "  {hour}:{minute}  {sent:<64} {answer:<24} {change}"
        )?)
    }

    /// Notes an acknowledgement, which must have one of the codes.
    fn acknowledged(
        &mut self,
        step: &str,
        sent: &Sent,
        wanted: &[&str],
    ) -> Result<String, MorningError> {
        self.summary.messages += 1;
        let code = sent.code();
        let told = format!("{code} {}", sent.error()).trim().to_owned();
        if wanted.contains(&code.as_str()) {
            return Ok(told);
        }
        Err(MorningError::Answer {
            step: step.to_owned(),
            got: told,
            wanted: wanted.join(" or "),
        })
    }

    fn station(&self, exam: &Exam) -> Option<&Station> {
        self.department.stations.get(&exam.station)
    }

    fn scanner(&self, station: &Station) -> Scanner {
        Scanner::new(self.peers, station)
    }

    async fn list(&mut self, station: &Station) -> Result<List, MorningError> {
        self.summary.queries += 1;
        let items = self.scanner(station).worklist().await?;
        Ok(items
            .into_iter()
            .map(|i| (i.accession.clone(), i))
            .collect())
    }

    /// What a scanner's list says of an exam, in words.
    async fn on_list(&mut self, exam: &Exam, wanted: bool) -> Result<String, MorningError> {
        let Some(station) = self.station(exam).cloned() else {
            return Ok(String::new());
        };
        let list = self.list(&station).await?;
        if list.contains_key(&exam.accession) != wanted {
            return Err(MorningError::Answer {
                step: format!("{} on the list of {}", exam.accession, station.ae),
                got: (!wanted).to_string(),
                wanted: wanted.to_string(),
            });
        }
        let word = if wanted { "on" } else { "off" };
        Ok(format!(
            "{word} the list of {} ({} there)",
            station.ae,
            list.len()
        ))
    }

    async fn admissions(&mut self, exams: &[Exam]) -> Result<(), MorningError> {
        self.title("Admissions")?;
        let mut admitted: Vec<&Patient> = Vec::new();
        for exam in exams {
            let Some(patient) = self.department.patients.get(&exam.ipp) else {
                continue;
            };
            if admitted.contains(&patient) {
                continue;
            }
            admitted.push(patient);
            let sent = self.ris.admission("A04", patient, "0700").await?;
            let step = format!("ADT^A04 {} {}", patient.family, patient.given);
            let told = self.acknowledged(&step, &sent, &["AA"])?;
            self.summary.expected.patient(patient);
            let change = self.seen("Patient", &patient.ipp, "one", |_| true).await?;
            self.line("0700", &step, &told, &change)?;
        }
        Ok(())
    }

    /// Sends every order; the messages by accession number, for the resends.
    async fn orders(&mut self, exams: &[Exam]) -> Result<BTreeMap<String, Sent>, MorningError> {
        self.title("Orders")?;
        let mut messages = BTreeMap::new();
        for exam in exams {
            let say = Say {
                control: "NW",
                status: "",
                at: "0710",
            };
            let sent = self.ris.order(exam, say).await?;
            let step = format!(
                "ORM^O01 NW {} {} {}",
                exam.accession, exam.station, exam.label
            );
            let told = self.acknowledged(&step, &sent, &["AA"])?;
            let change = self.on_list(exam, true).await?;
            let change = format!(
                "{change}; {}",
                self.seen_as("ServiceRequest", &exam.accession, "active")
                    .await?
            );
            self.summary.expected.order(&exam.accession, "active");
            self.line("0710", &cut(&step), &told, &change)?;
            messages.insert(exam.accession.clone(), sent);
        }
        Ok(messages)
    }

    async fn resends(
        &mut self,
        exams: &[Exam],
        orders: &BTreeMap<String, Sent>,
    ) -> Result<(), MorningError> {
        self.title("Sent again, byte for byte")?;
        for exam in exams.iter().filter(|e| e.story == "resend") {
            let Some(first) = orders.get(&exam.accession) else {
                continue;
            };
            for _ in 0..2 {
                let before = self.held("ServiceRequest", &exam.accession).await?;
                let again = self.ris.send(&first.message).await?;
                let step = format!("ORM^O01 NW {} again", exam.accession);
                let told = self.acknowledged(&step, &again, &["AA"])?;
                if again.ack != first.ack {
                    return Err(MorningError::Answer {
                        step,
                        got: "another acknowledgement".to_owned(),
                        wanted: "the first one again".to_owned(),
                    });
                }
                let change = self.still(&exam.accession, &before).await?;
                let change = format!("the same acknowledgement; {change}");
                self.line("0712", &step, &told, &change)?;
            }
        }
        Ok(())
    }

    /// Cancels and changes before the exams begin; the exams as they are then.
    async fn changes(&mut self, exams: Vec<Exam>) -> Result<Vec<Exam>, MorningError> {
        self.title("Cancelled and changed")?;
        let mut after = Vec::new();
        for mut exam in exams {
            let control = match exam.story.as_str() {
                "cancelled" => "CA",
                "changed" => {
                    exam.code = "MGQK003".to_owned();
                    exam.label = "Radiographie du poignet selon 1 ou 2 incidences".to_owned();
                    "XO"
                }
                "wrong_station" => {
                    exam.station = "RX1".to_owned();
                    "XO"
                }
                _ => {
                    after.push(exam);
                    continue;
                }
            };
            let say = Say {
                control,
                status: "",
                at: "0740",
            };
            let sent = self.ris.order(&exam, say).await?;
            let step = format!(
                "ORM^O01 {control} {} {} {}",
                exam.accession, exam.station, exam.label
            );
            let told = self.acknowledged(&step, &sent, &["AA"])?;
            let change = self.on_list(&exam, control == "XO").await?;
            let status = if control == "CA" { "revoked" } else { "active" };
            let held = self
                .seen("ServiceRequest", &exam.accession, status, |r| {
                    // A change of station alone is none of the request.
                    r["status"] == status && r["code"].to_string().contains(&exam.code)
                })
                .await?;
            let change = format!("{change}; {held}");
            self.summary.expected.order(&exam.accession, status);
            self.line("0740", &cut(&step), &told, &change)?;
            after.push(exam);
        }
        Ok(after)
    }

    async fn worklists(&mut self) -> Result<BTreeMap<String, List>, MorningError> {
        self.title("Every scanner asks its worklist")?;
        let mut lists = BTreeMap::new();
        for station in self.department.stations.values() {
            let list = self.list(station).await?;
            let names: Vec<&str> = list.values().map(|i| i.name.as_str()).collect();
            let found = format!("{}: {}", names.len(), names.join(", "));
            self.line(
                "0755",
                &format!("C-FIND {} {}", station.ae, station.charset),
                "0000",
                &found,
            )?;
            lists.insert(station.code.clone(), list);
        }
        Ok(lists)
    }

    /// The newborn gets a name.
    async fn correction(&mut self) -> Result<(), MorningError> {
        self.title("A name corrected")?;
        let (ipp, given) = CORRECTED;
        let exams: Vec<Exam> = self
            .department
            .exams
            .iter()
            .filter(|e| e.ipp == ipp)
            .cloned()
            .collect();
        let (Some(patient), Some(exam)) = (self.department.patients.get(ipp), exams.first()) else {
            return Ok(());
        };
        let patient = Patient {
            given: given.to_owned(),
            ..patient.clone()
        };
        let sent = self.ris.admission("A08", &patient, "0758").await?;
        let step = format!("ADT^A08 {} {}", patient.family, patient.given);
        let told = self.acknowledged(&step, &sent, &["AA"])?;
        self.summary.expected.patient(&patient);
        let Some(station) = self.station(exam).cloned() else {
            return Ok(());
        };
        let list = self.list(&station).await?;
        let shown = list
            .get(&exam.accession)
            .map_or("", |i| i.name.as_str())
            .to_owned();
        if !shown.contains(given) {
            return Err(MorningError::Answer {
                step,
                got: format!("{} still shows the old name", station.ae),
                wanted: "the new name".to_owned(),
            });
        }
        let held = self
            .seen("Patient", ipp, given, |r| {
                r["name"].to_string().contains(given)
            })
            .await?;
        self.line(
            "0758",
            &step,
            &told,
            &format!("{} shows {shown}; {held} named {given}", station.ae),
        )
    }
}

/// The beginning of a long step, so that lines stay lines.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
