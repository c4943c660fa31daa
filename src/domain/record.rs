//! The catalogue of the record: every field that a mapping file may write or read, declared once.
//!
//! The static checks of mapping files, the merge, the reference page and the error texts all read this table. A field that is not
//! here does not exist, except under `extra.`, where a mapping file declares its own. A new field is one line in `record/fields.rs` and
//! one line in a mapping file.

mod fields;

pub use fields::FIELDS;

use super::value::Kind;

/// What happens to a value that cannot be read as its field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// The message is refused, with the place: identifiers, codes of state, the start of a step.
    Refuse,
    /// The field is left absent with a warning: demographics and prose.
    Warn,
}

/// One field of the record.
#[derive(Debug)]
pub struct FieldDef {
    /// Section, also the scope name in expressions: `patient`, `order`, `step` ...
    pub section: &'static str,
    /// Name inside its section; may have a dot (`clinical.weight_kg`).
    pub name: &'static str,
    /// Type of each value.
    pub kind: Kind,
    /// True if it holds a list; a list that is said replaces the list.
    pub list: bool,
    /// What an unreadable value does.
    pub bad: Bad,
    /// Meaning, with the HL7 and DICOM home, for the reference page.
    pub doc: &'static str,
}

/// A section that repeats inside another: `step` in an order, `series` in a performed step.
#[derive(Debug)]
pub struct ListDef {
    /// Section of its items.
    pub section: &'static str,
    /// The section it stands in, `""` for the message's row.
    pub parent: &'static str,
    /// Name under which expressions see the list (`performed_step.series`).
    pub plural: &'static str,
    /// True if its items become the values of the field `plural` of the section `parent`: what the record only carries and shows.
    pub carried: bool,
}

const fn listed(section: &'static str, parent: &'static str, plural: &'static str) -> ListDef {
    ListDef {
        section,
        parent,
        plural,
        carried: false,
    }
}

const fn carried(section: &'static str, parent: &'static str, plural: &'static str) -> ListDef {
    ListDef {
        section,
        parent,
        plural,
        carried: true,
    }
}

/// Sections that hold one set of fields per row of a message.
pub const SECTIONS: &[&str] = &[
    "command",
    "patient",
    "visit",
    "order",
    "procedure",
    "schedule",
    "performed_step",
    "report",
    "extra",
];

/// Sections that are lists.
pub const LISTS: &[ListDef] = &[
    listed("step", "", "steps"),
    listed("link", "performed_step", "links"),
    listed("series", "performed_step", "series"),
    listed("instance", "series", "instances"),
    listed("document", "report", "documents"),
    carried("product", "procedure", "products"),
    carried("device", "procedure", "devices"),
    carried("recipient", "report", "recipients"),
    carried("flag", "report", "flags"),
    carried("mail", "report", "mails"),
];

/// The words of `command.do` for orders: closed; `note` and `alert` give no command, `refuse` refuses the message.
pub const ORDER_ACTS: &[&str] = &[
    "schedule",
    "change",
    "hold",
    "release",
    "cancel",
    "cancel_request",
    "discontinue",
    "complete",
    "start",
    "note",
    "alert",
    "refuse",
];
/// The words of `command.do` for patient messages.
pub const PATIENT_ACTS: &[&str] = &[
    "admit",
    "update",
    "arrive",
    "leave",
    "cancel_visit",
    "merge",
    "change_id",
    "note",
    "refuse",
];
/// The words of `command.do` for reports.
pub const REPORT_ACTS: &[&str] = &["report", "note", "refuse"];
/// The words of `command.do` for performed steps.
pub const PERFORMED_ACTS: &[&str] = &["create", "set"];

/// Administrative sex, HL7 table 0001.
pub const SEX: &[&str] = &["M", "F", "O", "U", "A", "N"];
/// Status of a scheduled step: DICOM's terms (0040,0020) and our final ones.
pub const STEP_STATUS: &[&str] = &[
    "scheduled",
    "arrived",
    "ready",
    "started",
    "completed",
    "discontinued",
    "canceled",
];
/// Status of a performed step (0040,0252).
pub const PPS_STATUS: &[&str] = &["in_progress", "completed", "discontinued"];
/// Status of a report, lowest to highest rank as `report.rs` orders them.
pub const REPORT_STATUS: &[&str] = &[
    "registered",
    "partial",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "appended",
    "cancelled",
    "entered_in_error",
];
/// Priority of an order.
pub const PRIORITY: &[&str] = &["stat", "high", "routine", "medium", "low"];
/// Pregnancy status, in DICOM's four meanings (0010,21C0).
pub const PREGNANCY: &[&str] = &[
    "not_pregnant",
    "possibly_pregnant",
    "definitely_pregnant",
    "unknown",
];
/// Kind of a report's document.
pub const DOCUMENT_KINDS: &[&str] = &["pdf", "text", "cda", "image", "other"];

/// The fields of a section, in the order of the reference page.
pub fn fields_of(section: &str) -> impl Iterator<Item = &'static FieldDef> {
    FIELDS.iter().filter(move |f| f.section == section)
}

/// The field of a section by its name (`clinical.weight_kg` included).
pub fn field(section: &str, name: &str) -> Option<&'static FieldDef> {
    fields_of(section).find(|f| f.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Kind::Entry;

    #[test]
    fn lists_nest_at_most_three_deep_and_carried_ones_have_their_field() {
        for list in LISTS {
            let mut depth = 1;
            let mut at = list;
            while let Some(outer) = LISTS.iter().find(|l| l.section == at.parent) {
                (depth, at) = (depth + 1, outer);
            }
            assert!(depth <= 3, "{}", list.section);
            let kept = field(list.parent, list.plural);
            let as_entry = kept.is_some_and(|f| matches!(f.kind, Entry(s) if s == list.section));
            assert_eq!(list.carried, as_entry, "{}", list.section);
        }
    }

    #[test]
    fn every_field_stands_once_in_a_declared_section() {
        for (i, f) in FIELDS.iter().enumerate() {
            assert!(
                SECTIONS.contains(&f.section) || LISTS.iter().any(|l| l.section == f.section),
                "{}",
                f.section
            );
            assert!(!f.doc.is_empty());
            assert!(
                FIELDS[..i]
                    .iter()
                    .all(|o| (o.section, o.name) != (f.section, f.name)),
                "{}.{} twice",
                f.section,
                f.name
            );
        }
    }
}
