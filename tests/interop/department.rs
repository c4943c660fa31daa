//! Six exams on four scanners, sent as OMI^O23 over MLLP, and the two foreign scanners that ask for them.

use crate::harness::{
    mllp::{Sender, accepted},
    tools::{dcmtk, run, script},
};
use serde_json::{Map, Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// An exam of the fixtures; its accession number is `ACCn`.
struct Exam {
    n: u32,
    /// PID-5 without type.
    name: &'static str,
    birth: &'static str,
    sex: &'static str,
    /// AE titles, repeated with `~`; empty: any scanner of the modality.
    stations: &'static str,
    modality: &'static str,
    start: &'static str,
    /// OBR-34.1.
    performer: &'static str,
    priority: &'static str,
}

const fn exam(
    n: u32,
    [name, birth, sex]: [&'static str; 3],
    [stations, modality, start]: [&'static str; 3],
    [performer, priority]: [&'static str; 2],
) -> Exam {
    Exam {
        n,
        name,
        birth,
        sex,
        stations,
        modality,
        start,
        performer,
        priority,
    }
}

const LEFEVRE: &str = "99999000013&LEFÈVRE&Aurélie";

/// In no order; by start they are 1 3 6 4 2 5.
const EXAMS: [Exam; 6] = [
    exam(
        1,
        ["MAÎTREJEAN^Loïc", "19870314", "M"],
        ["CT1_SCANNER", "CT", "20260602084500"],
        [LEFEVRE, "S"],
    ),
    exam(
        2,
        ["GUÉGUEN^Soazig", "19900101", "F"],
        ["CT1_SCANNER", "CT", "20260603141500"],
        [LEFEVRE, "R"],
    ),
    exam(
        3,
        ["GUEGUEN^Anne-Marie", "19551231", "F"],
        ["MR1_15T", "MR", "20260602100000"],
        ["99999000021&N'DIAYE&Ibrahima", "R"],
    ),
    exam(
        4,
        ["ŒUVRARD^Zoé", "20010203", "F"],
        ["CT2_URG", "CT", "20260602235900"],
        ["", "R"],
    ),
    // Neither birth date nor station.
    exam(
        5,
        ["O'NEILL^Éamon", "", "M"],
        ["", "CT", "20260604073000"],
        ["", "R"],
    ),
    // Two scanners may take it; its start has no seconds.
    exam(
        6,
        ["DE LA TOUR^Théo", "19700707", "M"],
        ["MR1_15T~MR2_3T", "MR", "202606021530"],
        ["", "A"],
    ),
];

fn message(exam: &Exam) -> String {
    let Exam {
        n,
        name,
        birth,
        sex,
        stations,
        modality,
        start,
        performer,
        priority,
    } = exam;
    [
        format!("MSH|^~\\&|RISX|HOPA|RELAIS|HOPA|20260601080000||OMI^O23^OMI_O23|O{n}|P|2.5.1|||||FRA|UNICODE UTF-8"),
        format!("PID|1||8000{n}^^^HOPA&1.2.250.1.999.1.1&ISO^PI||{name}^^^^^L||{birth}|{sex}"),
        format!("PV1|1|O|RADIO^12^2^HOPA|||||99999000112^FRANÇOIS^Zoé|||||||||||V{n}^^^HOPA"),
        format!("ORC|NW|P{n}^RISX|F{n}^RISX||SC||||20260601080000|||99999000112^FRANÇOIS^Zoé"),
        format!("TQ1|1||||||{start}||{priority}"),
        format!("OBR|1|P{n}^RISX|F{n}^RISX|ZBQH001^Scanographie du thorax^CCAM|||||||||À jeun|||99999000112^FRANÇOIS^Zoé||||||||||||||||||{performer}"),
        format!("IPC|ACC{n}|RP{n}|1.2.250.1.999.1.77.{n}|SPS{n}|{modality}|THX^Thorax sans injection^99HOPA|SALLE {n}||{stations}\r"),
    ]
    .join("\r")
}

/// Sends the six orders.
pub fn order_all(mllp: SocketAddr) {
    let mut ris = Sender::connect(mllp);
    for exam in &EXAMS {
        accepted(&ris.send(message(exam).as_bytes()));
    }
}

/// One key with its value. `>` before a keyword: in the Scheduled Procedure Step Sequence, as Table K.6-1 writes it.
pub type Key<'a> = (&'a str, &'a str);

/// What a foreign scanner was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered {
    /// Numbers of the exams, in the order of the responses: `1 3`.
    pub exams: String,
    /// Statuses of the responses with an item: FF00, FF01.
    pub pending: Vec<String>,
    /// The final status.
    pub status: String,
}

/// The identifier of some keys; the accession number is always asked for, the step sequence where a key is in it.
/// `Sequence[0].Keyword` stands in the only item of a sequence.
pub fn identifier(keys: &[Key<'_>]) -> Value {
    let (mut root, mut step) = (Map::new(), Map::new());
    root.insert("AccessionNumber".into(), json!(""));
    for (path, value) in keys {
        let (place, path) = match path.strip_prefix('>') {
            Some(path) => (&mut step, path),
            None => (&mut root, *path),
        };
        match path.split_once("[0].") {
            Some((sequence, keyword)) => place.insert(sequence.into(), json!([{ keyword: value }])),
            None => place.insert(path.into(), json!(value)),
        };
    }
    if !step.is_empty() {
        root.insert("ScheduledProcedureStepSequence".into(), json!([step]));
    }
    Value::Object(root)
}

/// pynetdicom as a scanner that keeps its associations; one process for many requests.
pub struct Pynetdicom {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Pynetdicom {
    /// A script that reads one JSON object a line and answers each with one.
    pub fn start(name: &str, dicom: SocketAddr) -> Self {
        let mut child = script(name)
            .arg(dicom.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            asks: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Asks as the script says.
    pub fn ask(&mut self, query: &Value) -> Value {
        let mut line = query.to_string();
        line.push('\n');
        self.asks
            .as_mut()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("no answer to {query}: {}", self.errors()))
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            let _ = std::io::Read::read_to_string(stderr, &mut text);
        }
        text
    }

    /// Echoes on and releases every association; fails if one was lost.
    pub fn finish(mut self) {
        drop(self.asks.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}", self.errors());
    }
}

impl Drop for Pynetdicom {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer of pynetdicom in the common form.
pub fn answered(answer: &Value) -> Answered {
    let texts = |name: &str| -> Vec<String> {
        let values = answer[name].as_array().into_iter().flatten();
        values
            .map(|v| v.as_str().unwrap_or("").to_owned())
            .collect()
    };
    let numbers: Vec<&str> = answer["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| number(item["AccessionNumber"].as_str().unwrap_or("")))
        .collect();
    Answered {
        exams: numbers.join(" "),
        pending: texts("pending"),
        status: answer["status"].as_str().unwrap_or("").to_owned(),
    }
}

fn number(accession: &str) -> &str {
    accession.trim().strip_prefix("ACC").unwrap_or(accession)
}

/// DCMTK's findscu with the same keys.
pub fn findscu(dicom: SocketAddr, options: &[&str], keys: &[Key<'_>]) -> Answered {
    parse(&run(&mut findscu_command(dicom, options, keys)))
}

/// The command itself, for tests that end it otherwise.
pub fn findscu_command(dicom: SocketAddr, options: &[&str], keys: &[Key<'_>]) -> Command {
    let mut command = dcmtk("findscu");
    command
        .args(["-d", "-W", "-aet", "CT1_SCANNER", "-aec", "RELAIS"])
        .args(options)
        .args([
            "-k",
            "SpecificCharacterSet=ISO_IR 192",
            "-k",
            "AccessionNumber",
        ]);
    for (keyword, value) in keys {
        let path = match keyword.strip_prefix('>') {
            Some(keyword) => format!("ScheduledProcedureStepSequence[0].{keyword}"),
            None => (*keyword).to_owned(),
        };
        command.args([
            "-k",
            &if value.is_empty() {
                path
            } else {
                format!("{path}={value}")
            },
        ]);
    }
    command.args(["127.0.0.1", &dicom.port().to_string()]);
    command
}

/// Reads what findscu prints at debug level: per response its status and its data set.
pub fn parse(printed: &str) -> Answered {
    let mut answered = Answered {
        exams: String::new(),
        pending: vec![],
        status: String::new(),
    };
    // The request is printed at another level.
    for line in printed.lines().filter(|line| line.starts_with("D:")) {
        if let Some((_, status)) = line.split_once("DIMSE Status") {
            let status = status
                .trim_start_matches([' ', ':'])
                .trim_start_matches("0x");
            let status: String = status.chars().take(4).collect::<String>().to_uppercase();
            if status.starts_with("FF") {
                if !answered.pending.contains(&status) {
                    answered.pending.push(status);
                }
            } else {
                answered.status = status;
            }
        } else if let Some((_, value)) = line.split_once("(0008,0050) SH [ACC") {
            let value = value.split(']').next().unwrap_or("").trim();
            if !answered.exams.is_empty() {
                answered.exams.push(' ');
            }
            answered.exams.push_str(value);
        }
    }
    answered
}
