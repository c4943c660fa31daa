//! What a message asks for. A mapping yields [`Record`]s, a record becomes one [`Command`]; all commands of a message succeed or
//! fail together.

use super::fields::Patch;
use super::value::Value;
use std::collections::BTreeMap;

/// One row of a message in the record's words: sections of single fields, and lists of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// By section name of the catalogue.
    pub sections: BTreeMap<&'static str, Patch>,
    /// By section name of the list's items (`step`, `series` ...).
    pub lists: BTreeMap<&'static str, Vec<Record>>,
}

impl Record {
    /// The patch of a section; empty if nothing is said.
    pub fn section(&self, name: &str) -> &Patch {
        static NOTHING: Patch = Patch(BTreeMap::new());
        self.sections.get(name).unwrap_or(&NOTHING)
    }

    /// The items of a list.
    pub fn list(&self, name: &str) -> &[Record] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    /// The patch of a section, to be written.
    pub fn section_mut(&mut self, name: &'static str) -> &mut Patch {
        self.sections.entry(name).or_default()
    }

    /// The first value of `section.name`.
    pub fn first(&self, section: &str, name: &str) -> Option<&Value> {
        self.section(section).first(name)
    }
}

/// What an order message asks for (the words of `record::ORDER_ACTS`; `note` and `alert` yield no command).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderAct {
    Schedule,
    Change,
    Hold,
    Release,
    Cancel,
    /// A placer's wish: judged by the transition table (C8).
    CancelRequest,
    Discontinue,
    Complete,
    Start,
}

impl OrderAct {
    /// Every act.
    pub const ALL: [Self; 9] = [
        Self::Schedule,
        Self::Change,
        Self::Hold,
        Self::Release,
        Self::Cancel,
        Self::CancelRequest,
        Self::Discontinue,
        Self::Complete,
        Self::Start,
    ];

    /// The word in `order_control.csv`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Change => "change",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::CancelRequest => "cancel_request",
            Self::Discontinue => "discontinue",
            Self::Complete => "complete",
            Self::Start => "start",
        }
    }

    /// The act of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.word() == word)
    }
}

/// What a patient message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatientAct {
    /// A01, A04, A05, A28: demographics and visit.
    Admit,
    /// A08, A31: demographics, visit.
    Update,
    /// A10: the patient is here.
    Arrive,
    /// A03: discharge.
    Leave,
    /// A11, A38: the visit is dropped, orders stay.
    CancelVisit,
    /// A40.
    Merge,
    /// A47.
    ChangeId,
}

/// One thing that a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Sections `patient`, `visit`.
    Patient(PatientAct, Record),
    /// Sections `patient`, `visit`, `order`, `procedure`, `extra`; list `step`.
    Order(OrderAct, Record),
    /// N-CREATE of a performed step: SOP Instance UID, AE title, sections `performed_step`, lists `link` and `series`/`instance`.
    CreatePerformed {
        uid: String,
        ae: String,
        record: Record,
    },
    /// N-SET of a performed step.
    SetPerformed { uid: String, record: Record },
    /// Sections `patient`, `visit`, `report` (and `order` if it names one); list `document`.
    Report(Record),
}

impl Command {
    /// The record that the command carries.
    pub fn record(&self) -> &Record {
        match self {
            Self::Patient(_, r) | Self::Order(_, r) | Self::Report(r) => r,
            Self::CreatePerformed { record, .. } | Self::SetPerformed { record, .. } => record,
        }
    }
}
