//! The department that every server of the benches is filled with: items with a station, a day, a patient of their own and a French
//! name, as HL7 orders for one kind of server and as worklist files for the other; and the query of a scanner at eight o'clock.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use relais::dicom::charset::Charset;
use relais::dicom::dataset::{Content, DataSet};
use relais::dicom::write::{Syntax, write};

/// The day that scanners ask for: day 0.
const TODAY: Date = date(2026, 6, 2);
const MODALITIES: [&str; 7] = ["CT", "MR", "CR", "US", "DX", "MG", "NM"];
const FAMILIES: [&str; 24] = [
    "MARTIN",
    "LEFÈVRE",
    "BÉRANGER",
    "N'DIAYE",
    "GARÇON",
    "MUÑOZ",
    "LE GOFF",
    "D'ALMÉIDA",
    "HUGUENIN",
    "NOËL",
    "CHÂTELAIN",
    "PELLEGRIN",
    "OUVRARD",
    "STÉPHAN",
    "RENÉ",
    "FOURNIER",
    "GUÉGUEN",
    "DURAND",
    "PICARD",
    "BÉNARD",
    "MÉNARD",
    "LOPEZ",
    "TRAORÉ",
    "MAÎTREJEAN",
];
const GIVEN: [&str; 20] = [
    "Aurélie",
    "Loïc",
    "Zoé",
    "Soazig",
    "Inès",
    "Ibrahima",
    "Chloé",
    "François",
    "Hélène",
    "Rémi",
    "Maël",
    "Léa",
    "Jérôme",
    "Noémie",
    "Gaël",
    "Anaïs",
    "Hervé",
    "Maïté",
    "Béatrice",
    "Paul",
];

/// How many items there are and over how many stations and days they are spread, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub items: usize,
    pub stations: usize,
    pub days: usize,
}

impl Layout {
    /// The layout of the published tables: 10 matches a station and day of 1 000 items, 16 or 17 of 10 000, 20 of a million.
    pub fn of(items: usize) -> Self {
        let (stations, days) = match items {
            0..=4_999 => (20, (items / 200).max(1)),
            5_000..=99_999 => (20, (items / 333).max(1)),
            _ => (50, items / 1_000),
        };
        Self {
            items,
            stations,
            days,
        }
    }

    /// How many items stand on the list of a station today.
    pub fn matches(&self, station: usize) -> usize {
        self.items
            .saturating_sub(station)
            .div_ceil(self.stations * self.days)
    }
}

/// AE title of a station.
pub fn station(s: usize) -> String {
    format!("AE{s:02}")
}

/// Modality of a station.
pub fn modality(s: usize) -> &'static str {
    MODALITIES[s % MODALITIES.len()]
}

/// One item.
#[derive(Debug, Clone)]
pub struct Item {
    pub n: usize,
    pub family: String,
    pub given: &'static str,
    pub station: usize,
    pub date: String,
    pub time: String,
}

impl Item {
    /// Item `n` of a layout.
    pub fn of(layout: &Layout, n: usize) -> Self {
        let slot = n / layout.stations;
        let (day, slot) = (slot % layout.days, slot / layout.days);
        Self::on(n, n % layout.stations, day, slot)
    }

    /// An item of a station and a day.
    pub fn on(n: usize, station: usize, day: usize, slot: usize) -> Self {
        let day = TODAY + i64::try_from(day).unwrap_or(0).days();
        let minute = slot % 36 * 15;
        Self {
            n,
            family: FAMILIES[n % FAMILIES.len()].to_owned(),
            given: GIVEN[n / 7 % GIVEN.len()],
            station,
            date: day.strftime("%Y%m%d").to_string(),
            time: format!("{:02}{:02}00", 8 + minute / 60, minute % 60),
        }
    }

    /// The ORM^O01 that places it. Everything that belongs to this item alone contains its number as eight digits.
    pub fn order(&self) -> Vec<u8> {
        let Self {
            n,
            family,
            given,
            date,
            time,
            ..
        } = self;
        let (s, modality) = (self.station, modality(self.station));
        format!(
            "MSH|^~\\&|BENCH|HOPA|RELAIS|HOPA|20260601080000||ORM^O01|B{n:08}|P|2.5|||||FRA|UNICODE UTF-8\r\
             PID|||{n:08}^^^HOPA&1.2.250.1.999.9.1&ISO^PI||{family}^{given}^^^^^L||1964{:02}{:02}|F|||1 rue de l'Évêché^^Lille^^59000^FRA\r\
             PV1||O|ROOM{s}^^^HOPA||||99999000013^N'DIAYE^Ibrahima|99999000021^MUÑOZ^Inès|||||||||||V{n:08}^^^HOPA\r\
             ORC|NW|P{n:08}^RIS|F{n:08}^RIS||SC||^^^{date}{time}^^R||20260601080000|||99999000021^MUÑOZ^Inès\r\
             OBR|1|P{n:08}^RIS|F{n:08}^RIS|ZBQH001^Scanner du thorax^CCAM|||||||||douleur thoracique|||||A{n:08}|RP{n:08}|SP{n:08}||||{modality}\r\
             ZDS|1.2.250.1.999.9.5.1{n:08}^^Application^DICOM\r",
            1 + n % 12,
            1 + n % 28,
        )
        .into_bytes()
    }

    /// The same as a worklist file (PS3.10) for servers that read directories.
    pub fn file(&self) -> Vec<u8> {
        let n = self.n;
        let mut step = DataSet::new();
        for (keyword, text) in [
            ("ScheduledStationAETitle", station(self.station)),
            ("ScheduledProcedureStepStartDate", self.date.clone()),
            ("ScheduledProcedureStepStartTime", self.time.clone()),
            ("Modality", modality(self.station).to_owned()),
            ("ScheduledPerformingPhysicianName", "MUÑOZ^Inès".to_owned()),
            (
                "ScheduledProcedureStepDescription",
                "Scanner du thorax".to_owned(),
            ),
            ("ScheduledProcedureStepID", format!("SP{n:08}")),
            ("ScheduledStationName", format!("ROOM{}", self.station)),
            (
                "ScheduledProcedureStepLocation",
                format!("ROOM{}", self.station),
            ),
        ] {
            step.put_text(keyword, &text);
        }
        let mut item = DataSet::new();
        for (keyword, text) in [
            ("PatientName", format!("{}^{}", self.family, self.given)),
            ("PatientID", format!("{n:08}")),
            (
                "PatientBirthDate",
                format!("1964{:02}{:02}", 1 + n % 12, 1 + n % 28),
            ),
            ("PatientSex", "F".to_owned()),
            ("PatientWeight", "72".to_owned()),
            ("MedicalAlerts", String::new()),
            ("Allergies", String::new()),
            ("AccessionNumber", format!("A{n:08}")),
            ("ReferringPhysicianName", "MUÑOZ^Inès".to_owned()),
            ("RequestingPhysician", "MUÑOZ^Inès".to_owned()),
            ("RequestedProcedureID", format!("RP{n:08}")),
            (
                "RequestedProcedureDescription",
                "Scanner du thorax".to_owned(),
            ),
            ("StudyInstanceUID", format!("1.2.250.1.999.9.5.1{n:08}")),
            ("AdmissionID", format!("V{n:08}")),
            ("RequestedProcedurePriority", "ROUTINE".to_owned()),
        ] {
            item.put_text(keyword, &text);
        }
        item.put_items("ScheduledProcedureStepSequence", vec![step]);
        // Type 2: wlmscpfs would complain about every item, in every query.
        item.put_items("ReferencedStudySequence", vec![]);
        item.put_items("ReferencedPatientSequence", vec![]);
        let body = write(&item, Syntax::ExplicitLe, Charset::Latin1).expect("Latin-1 text");
        let mut meta = DataSet::new();
        meta.put("FileMetaInformationVersion", Content::Bytes(vec![0, 1]));
        meta.put_text("MediaStorageSOPClassUID", "1.2.276.0.7230010.3.1.0.1");
        meta.put_text(
            "MediaStorageSOPInstanceUID",
            &format!("1.2.250.1.999.9.6.1{n:08}"),
        );
        meta.put_text("TransferSyntaxUID", Syntax::ExplicitLe.uid());
        meta.put_text("ImplementationClassUID", "1.2.250.1.999.9.7");
        let meta = write(&meta, Syntax::ExplicitLe, Charset::Ascii).expect("ASCII");
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM\x02\0\0\0UL\x04\0");
        file.extend_from_slice(&(meta.len() as u32).to_le_bytes());
        file.extend_from_slice(&meta);
        file.extend_from_slice(&body);
        file
    }
}

/// What a scanner asks at eight: its station, today, 24 return keys. Implicit VR Little Endian.
pub fn query(s: usize) -> Vec<u8> {
    let mut step = DataSet::new();
    step.put_text("ScheduledStationAETitle", &station(s));
    step.put_text(
        "ScheduledProcedureStepStartDate",
        &TODAY.strftime("%Y%m%d").to_string(),
    );
    for keyword in [
        "Modality",
        "ScheduledProcedureStepStartTime",
        "ScheduledPerformingPhysicianName",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "ScheduledStationName",
        "ScheduledProcedureStepLocation",
    ] {
        step.put_text(keyword, "");
    }
    let mut asked = DataSet::new();
    for keyword in [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "PatientWeight",
        "MedicalAlerts",
        "Allergies",
        "AccessionNumber",
        "ReferringPhysicianName",
        "RequestingPhysician",
        "RequestedProcedureID",
        "RequestedProcedureDescription",
        "StudyInstanceUID",
        "AdmissionID",
        "RequestedProcedurePriority",
    ] {
        asked.put_text(keyword, "");
    }
    asked.put_items("ScheduledProcedureStepSequence", vec![step]);
    write(&asked, Syntax::ImplicitLe, Charset::Ascii).expect("ASCII")
}
