//! The fictional department of the demo: patients, physicians, stations and the exams of one morning, read from the CSV files beside.
//!
//! Every person and number is made up; national identifiers stand under the test OID. The rows are the script's cast,
//! [`super::morning`] gives them their parts.

use std::collections::BTreeMap;

/// Authority of the hospital's patient identifiers (IPP).
pub const HOSPITAL: [&str; 3] = ["HOPA", "1.2.250.1.999.1.1", "ISO"];
/// Authority of national identifiers for tests.
pub const INS_TEST: [&str; 3] = ["ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.10", "ISO"];

/// Files of the site's own mapping layer (its stations), by path below the layer's directory.
pub const SITE_FILES: &[(&str, &str)] = &[(
    "tables/stations.csv",
    include_str!("department/site/tables/stations.csv"),
)];

/// A patient of the department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Local identifier.
    pub ipp: String,
    pub family: String,
    pub given: String,
    /// Name in use, if another than the family name.
    pub used_name: String,
    pub sex: String,
    /// YYYYMMDD.
    pub birth_date: String,
    /// National identifier for tests; empty where there is none.
    pub ins: String,
    /// PID-32: VALI, PROV.
    pub reliability: String,
}

/// A physician.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Physician {
    pub rpps: String,
    pub family: String,
    pub given: String,
}

/// A scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// The RIS's word for it.
    pub code: String,
    pub ae: String,
    pub modality: String,
    /// Specific Character Set of its queries; empty = none said.
    pub charset: String,
    /// True if it reports what it does by MPPS.
    pub mpps: bool,
}

/// An exam of the morning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exam {
    /// HHMM.
    pub time: String,
    pub ipp: String,
    /// CCAM code and label of the procedure.
    pub code: String,
    pub label: String,
    /// The RIS's word for the station.
    pub station: String,
    pub accession: String,
    pub priority: String,
    /// What becomes of it: `done`, `cancelled` ...
    pub story: String,
    /// Code of a discontinuation (DCM).
    pub reason: String,
    pub referring: String,
    pub radiologist: String,
}

/// Everybody and everything.
#[derive(Debug, Clone)]
pub struct Department {
    pub patients: BTreeMap<String, Patient>,
    pub physicians: BTreeMap<String, Physician>,
    pub stations: BTreeMap<String, Station>,
    /// In order of time.
    pub exams: Vec<Exam>,
}

impl Department {
    /// Reads the files that the binary carries.
    pub fn load() -> Self {
        let patients = rows(include_str!("department/patients.csv")).map(|mut row| Patient {
            ipp: row.take("ipp"),
            family: row.take("family"),
            given: row.take("given"),
            used_name: row.take("used_name"),
            sex: row.take("sex"),
            birth_date: row.take("birth_date"),
            ins: row.take("ins"),
            reliability: row.take("reliability"),
        });
        let physicians = rows(include_str!("department/physicians.csv")).map(|mut row| Physician {
            rpps: row.take("rpps"),
            family: row.take("family"),
            given: row.take("given"),
        });
        let stations = rows(include_str!("department/stations.csv")).map(|mut row| Station {
            code: row.take("station"),
            ae: row.take("ae"),
            modality: row.take("modality"),
            charset: row.take("charset"),
            mpps: row.take("mpps") == "yes",
        });
        let exams = rows(include_str!("department/exams.csv")).map(|mut row| Exam {
            time: row.take("time").replace(':', ""),
            ipp: row.take("ipp"),
            code: row.take("code"),
            label: row.take("label"),
            station: row.take("station"),
            accession: row.take("accession"),
            priority: row.take("priority"),
            story: row.take("story"),
            reason: row.take("reason"),
            referring: row.take("referring"),
            radiologist: row.take("radiologist"),
        });
        Self {
            patients: patients.map(|p| (p.ipp.clone(), p)).collect(),
            physicians: physicians.map(|p| (p.rpps.clone(), p)).collect(),
            stations: stations.map(|s| (s.code.clone(), s)).collect(),
            exams: exams.collect(),
        }
    }
}

/// One line of a file, by column name.
struct Row(BTreeMap<String, String>);

impl Row {
    /// A cell; empty if there is no such column.
    fn take(&mut self, column: &str) -> String {
        self.0.remove(column).unwrap_or_default()
    }
}

fn rows(text: &'static str) -> impl Iterator<Item = Row> {
    let mut lines = text.lines();
    let header = cells(lines.next().unwrap_or(""));
    lines
        .filter(|line| !line.is_empty())
        .map(move |line| Row(header.iter().cloned().zip(cells(line)).collect()))
}

/// The cells of a line; quoted cells may hold commas and doubled quotes.
fn cells(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let last = found.len() - 1;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                found[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(String::new()),
            other => found[last].push(other),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exam_names_people_and_stations_that_exist() {
        let department = Department::load();
        assert!(department.exams.len() >= 40);
        for exam in &department.exams {
            assert!(department.patients.contains_key(&exam.ipp), "{exam:?}");
            assert!(department.stations.contains_key(&exam.station), "{exam:?}");
            assert!(
                department.physicians.contains_key(&exam.referring),
                "{exam:?}"
            );
            assert!(
                department.physicians.contains_key(&exam.radiologist),
                "{exam:?}"
            );
            assert!(
                exam.time.len() == 4 && exam.accession.len() <= 16,
                "{exam:?}"
            );
        }
    }

    #[test]
    fn quoted_cells_hold_commas_and_quotes() {
        assert_eq!(cells(r#"a,"b, ""c""",,d"#), ["a", r#"b, "c""#, "", "d"]);
    }
}
