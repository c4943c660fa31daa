//! Messages of a fictional RIS, written out as bytes would be on the wire.
//!
//! Each order, patient and report is numbered; numbers of different tests may be the same, each test has its own database.

/// What varies in the messages of one exam.
#[derive(Debug, Clone)]
pub struct Story {
    /// Numbers patient, order and control ids.
    pub n: u32,
    pub family: &'static str,
    pub given: &'static str,
    /// Station AE title, `""` for an order that names none.
    pub station: &'static str,
    pub modality: &'static str,
    /// Start of the step, local time: `20260602084500`.
    pub start: &'static str,
    /// MSH-18.
    pub charset: &'static str,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            n: 1,
            family: "MAÎTREJEAN",
            given: "Loïc",
            station: "CT1_SCANNER",
            modality: "CT",
            start: "20260602084500",
            charset: "UNICODE UTF-8",
        }
    }
}

impl Story {
    /// The story of exam `n`.
    pub fn of(n: u32) -> Self {
        Self {
            n,
            ..Self::default()
        }
    }

    /// Accession number.
    pub fn accession(&self) -> String {
        format!("DEMO{:08}", self.n)
    }

    /// Local patient identifier.
    pub fn patient_id(&self) -> String {
        format!("8{:07}", self.n)
    }

    /// Study Instance UID.
    pub fn study_uid(&self) -> String {
        format!("1.2.250.1.999.1.77.{}", self.n)
    }

    /// SPS ID (OBR-20).
    pub fn step_id(&self) -> String {
        format!("S{:07}", self.n)
    }

    fn header(&self, event: &str, control: &str, at: &str) -> String {
        format!(
            "MSH|^~\\&|RISX|HOPA|RELAIS|HOPA|{at}||{event}|{control}|P|2.5|||||FRA|{}\r",
            self.charset
        )
    }

    fn patient(&self) -> String {
        format!(
            "PID|1||{id}^^^HOPA&1.2.250.1.999.1.1&ISO^PI~28703750569{n:04}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||{family}^{given}^^^^^L||19870314|F\r",
            id = self.patient_id(),
            n = self.n,
            family = self.family,
            given = self.given
        )
    }

    /// ORM^O01 with the order control code `control` (NW, XO, CA ...), said at `at`.
    pub fn order(&self, control: &str, at: &str) -> Vec<u8> {
        let n = self.n;
        let text = format!(
            "{header}{patient}PV1|1|O|RADIO^^^HOPA||||||||||||||||V{n}\r\
             ORC|{control}|P{n}^RISX|F{n}^RISX||||^^^{start}^^R||{at}|||99999000112^FRANÇOIS^Zoé\r\
             OBR|1|P{n}^RISX|F{n}^RISX|ZBQH001^Scanographie du thorax^CCAM||||||||||||99999000112^FRANÇOIS^Zoé||{accession}|RP{n}|{step}||||{modality}|||^^^{start}^^R\r{zds}{station}",
            header = self.header("ORM^O01^ORM_O01", &format!("{control}{n}"), at),
            patient = self.patient(),
            start = self.start,
            accession = self.accession(),
            step = self.step_id(),
            modality = self.modality,
            zds = format_args!("ZDS|{}^RISX^Application^DICOM\r", self.study_uid()),
            station = self.station_segment(),
        );
        self.bytes(&text)
    }

    /// IPC gives the station its standard place; an order without one names none.
    fn station_segment(&self) -> String {
        if self.station.is_empty() {
            return String::new();
        }
        format!(
            "IPC|{}|RP{n}|{}|{}|{}||||{}\r",
            self.accession(),
            self.study_uid(),
            self.step_id(),
            self.modality,
            self.station,
            n = self.n,
        )
    }

    /// ADT of an event (A04, A08), said at `at`, with a family name.
    pub fn admission(&self, event: &str, at: &str, family: &'static str) -> Vec<u8> {
        let named = Self {
            family,
            ..self.clone()
        };
        let text = format!(
            "{header}EVN||{at}\r{patient}PV1|1|O|RADIO^^^HOPA||||||||||||||||V{n}\r",
            header = named.header(
                &format!("ADT^{event}"),
                &format!("{event}{}{at}", self.n),
                at
            ),
            patient = named.patient(),
            n = self.n,
        );
        self.bytes(&text)
    }

    /// ADT^A40 that merges the patient of another story into this one's.
    pub fn merge(&self, other: &Self, at: &str) -> Vec<u8> {
        let text = format!(
            "{header}EVN||{at}\r{patient}MRG|{id}^^^HOPA&1.2.250.1.999.1.1&ISO^PI\r",
            header = self.header("ADT^A40^ADT_A39", &format!("A40{}{at}", self.n), at),
            patient = self.patient(),
            id = other.patient_id(),
        );
        self.bytes(&text)
    }

    /// ORU^R01 with a PDF, of a result status (OBR-25: P, F, C ...), said at `at`.
    pub fn report(&self, status: &str, at: &str) -> Vec<u8> {
        let n = self.n;
        let text = format!(
            "{header}{patient}PV1|1|O|RADIO^^^HOPA||||||||||||||||V{n}\r\
             ORC|RE|P{n}^RISX|F{n}^RISX\r\
             OBR|1|P{n}^RISX|F{n}^RISX|ZBQH001^Scanographie du thorax^CCAM|||{at}|||||||||||{accession}||||{at}|||{status}|||||||99999000013&LEFÈVRE&Aurélie\r\
             OBX|1|TX|18782-3^Compte rendu^LN||Compte rendu {status} de l'examen||||||{status}\r\
             OBX|2|ED|18748-4^Compte rendu d'imagerie^LN||^application^pdf^Base64^JVBERi0xLjQKJSBmaWN0aWYK||||||{status}\r",
            header = self.header("ORU^R01^ORU_R01", &format!("R{status}{n}{at}"), at),
            patient = self.patient(),
            accession = self.accession(),
        );
        self.bytes(&text)
    }

    /// The text in the charset that MSH-18 names.
    fn bytes(&self, text: &str) -> Vec<u8> {
        match self.charset {
            "8859/1" => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).expect("a Latin-1 character"))
                .collect(),
            _ => text.as_bytes().to_vec(),
        }
    }
}
