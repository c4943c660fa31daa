//! The catalogue of the record: every field that a mapping file may write or read, declared once.
//!
//! The static checks of mapping files, the merge, the reference page and the error texts all read this table. A field that is not
//! here does not exist, except under `extra.`, where a mapping file declares its own. A new field is one line here and one line in a
//! mapping file.

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

const fn one(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    bad: Bad,
    doc: &'static str,
) -> FieldDef {
    FieldDef {
        section,
        name,
        kind,
        list: false,
        bad,
        doc,
    }
}
const fn many(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    bad: Bad,
    doc: &'static str,
) -> FieldDef {
    FieldDef {
        section,
        name,
        kind,
        list: true,
        bad,
        doc,
    }
}

use Bad::{Refuse, Warn};
use Kind::{
    Address, Ae, Bool, Concept, Document, Entry, Identifier, Location, Name, Number, Organization,
    Person, Telecom, Text, Uid, When, Word,
};

/// Every field.
pub const FIELDS: &[FieldDef] = &[
    one(
        "command",
        "do",
        Text(0),
        Refuse,
        "what the message asks for; the words depend on the kind of message",
    ),
    one(
        "command",
        "at",
        When,
        Warn,
        "sender's time of the statement: decides what is older and what is newer",
    ),
    one(
        "command",
        "why",
        Text(0),
        Warn,
        "reason of a cancel or change (ORC-16)",
    ),
    //
    one(
        "patient",
        "id",
        Identifier(64),
        Refuse,
        "the local identifier, with its authority (PID-3; 0010,0020 and 0010,0021)",
    ),
    many(
        "patient",
        "identifiers",
        Identifier(64),
        Refuse,
        "all identifiers (PID-3; 0010,1002)",
    ),
    many(
        "patient",
        "merged_ids",
        Identifier(64),
        Refuse,
        "identifiers that this patient replaces (MRG-1)",
    ),
    one(
        "patient",
        "ins",
        Identifier(64),
        Warn,
        "the French national health identifier, with its OID",
    ),
    one(
        "patient",
        "name",
        Name,
        Warn,
        "the name on worklists (PID-5; 0010,0010)",
    ),
    one(
        "patient",
        "birth_name",
        Name,
        Warn,
        "family name at birth with birth given names (PID-5 type L in France)",
    ),
    one(
        "patient",
        "usual_name",
        Name,
        Warn,
        "name in use (PID-5 type D)",
    ),
    many(
        "patient",
        "other_names",
        Name,
        Warn,
        "further names (0010,1001)",
    ),
    one(
        "patient",
        "mother_name",
        Name,
        Warn,
        "mother's maiden name (PID-6; 0010,1060)",
    ),
    one(
        "patient",
        "birth_date",
        When,
        Warn,
        "as written, with its precision (PID-7; 0010,0030)",
    ),
    one(
        "patient",
        "birth_place",
        Text(0),
        Warn,
        "place of birth, in France its INSEE code (PID-23, PID-11 type BDL)",
    ),
    one(
        "patient",
        "sex",
        Word(SEX),
        Warn,
        "administrative sex (PID-8; 0010,0040)",
    ),
    many("patient", "addresses", Address, Warn, "PID-11; 0010,1040"),
    many(
        "patient",
        "telecoms",
        Telecom,
        Warn,
        "PID-13, PID-14; 0010,2154",
    ),
    one("patient", "language", Concept, Warn, "PID-15; 0010,0101"),
    one("patient", "deceased", Bool, Warn, "PID-30"),
    one("patient", "death_at", When, Warn, "PID-29"),
    many(
        "patient",
        "comments",
        Text(0),
        Warn,
        "notes about the patient (NTE after PID; 0010,4000)",
    ),
    one("patient", "confidentiality", Text(64), Warn, "0040,3001"),
    many(
        "patient",
        "reliability",
        Text(0),
        Warn,
        "identity reliability codes (PID-32)",
    ),
    one(
        "patient",
        "sharing",
        Text(0),
        Warn,
        "France: whether the patient opposes the feeding of the shared record (ZFA-9)",
    ),
    one(
        "patient",
        "consultation",
        Text(0),
        Warn,
        "France: whether the patient consents to its consultation (ZFA-11)",
    ),
    one(
        "patient",
        "ins_source",
        Text(0),
        Warn,
        "how the national identity was obtained (ZFD-5)",
    ),
    one(
        "patient",
        "ins_date",
        When,
        Warn,
        "when the national identity was asked for (ZFD-6)",
    ),
    //
    one(
        "visit",
        "number",
        Identifier(64),
        Warn,
        "PV1-19; Admission ID 0038,0010",
    ),
    one("visit", "account", Identifier(64), Warn, "PID-18"),
    one("visit", "class", Text(16), Warn, "PV1-2"),
    one("visit", "location", Location, Warn, "PV1-3; 0038,0300"),
    one("visit", "unit", Organization, Warn, "PV1-39, ZBE-7"),
    one("visit", "attending_physician", Person, Warn, "PV1-7"),
    one(
        "visit",
        "referring_physician",
        Person,
        Warn,
        "PV1-8; 0008,0090",
    ),
    one("visit", "admitted_at", When, Warn, "PV1-44; 0038,0020"),
    one("visit", "discharged_at", When, Warn, "PV1-45"),
    one("visit", "vip", Text(16), Warn, "PV1-16"),
    many("visit", "movement", Identifier(64), Warn, "ZBE-1"),
    one("visit", "movement_at", When, Warn, "ZBE-2"),
    //
    one(
        "order",
        "placer_number",
        Identifier(64),
        Refuse,
        "ORC-2; 0040,2016",
    ),
    one(
        "order",
        "filler_number",
        Identifier(64),
        Refuse,
        "ORC-3; 0040,2017",
    ),
    one(
        "order",
        "accession_number",
        Identifier(16),
        Refuse,
        "IPC-1, OBR-18; 0008,0050",
    ),
    one("order", "group_number", Identifier(64), Warn, "ORC-4"),
    one("order", "parent_number", Identifier(64), Warn, "ORC-8"),
    one(
        "order",
        "priority",
        Word(PRIORITY),
        Warn,
        "TQ1-9, ORC-7.6, OBR-5; 0040,1003",
    ),
    one("order", "placed_at", When, Warn, "ORC-9; 0040,2004"),
    one(
        "order",
        "requester",
        Person,
        Warn,
        "OBR-16, ORC-12; 0032,1032",
    ),
    one("order", "entered_by", Person, Warn, "ORC-10; 0040,2008"),
    one("order", "verified_by", Person, Warn, "ORC-11"),
    one(
        "order",
        "entered_at_location",
        Location,
        Warn,
        "ORC-13; 0040,2009",
    ),
    one(
        "order",
        "callback_phone",
        Text(0),
        Warn,
        "ORC-14; 0040,2010",
    ),
    one(
        "order",
        "requesting_service",
        Concept,
        Warn,
        "ORC-17; 0032,1033",
    ),
    one(
        "order",
        "institution",
        Organization,
        Warn,
        "ORC-21; 0008,0080",
    ),
    one("order", "institution_code", Concept, Warn, "0008,0082"),
    one(
        "order",
        "institution_address",
        Address,
        Warn,
        "ORC-22; 0008,0081",
    ),
    one("order", "department", Organization, Warn, "0008,1040"),
    many(
        "order",
        "reasons",
        Concept,
        Warn,
        "OBR-31; 0040,1002 and 0040,100A",
    ),
    one(
        "order",
        "indication",
        Text(0),
        Warn,
        "relevant clinical information (OBR-13)",
    ),
    many(
        "order",
        "history",
        Text(0),
        Warn,
        "medical history (OBX 11322-5)",
    ),
    one(
        "order",
        "transport_mode",
        Text(0),
        Warn,
        "OBR-30; 0040,1004",
    ),
    many("order", "comments", Text(0), Warn, "0040,2400"),
    many(
        "order",
        "confidentiality",
        Concept,
        Warn,
        "ORC-28; 0040,1008",
    ),
    one("order", "clinical.weight_kg", Number, Warn, "0010,1030"),
    one("order", "clinical.height_m", Number, Warn, "0010,1020"),
    one(
        "order",
        "clinical.pregnancy",
        Word(PREGNANCY),
        Warn,
        "0010,21C0",
    ),
    many("order", "clinical.alerts", Text(0), Warn, "0010,2000"),
    many(
        "order",
        "clinical.allergies",
        Text(0),
        Warn,
        "AL1-3; 0010,2110",
    ),
    one(
        "order",
        "clinical.special_needs",
        Text(0),
        Warn,
        "0038,0050",
    ),
    one(
        "order",
        "clinical.patient_state",
        Text(0),
        Warn,
        "OBR-12; 0038,0500",
    ),
    //
    one(
        "procedure",
        "id",
        Text(16),
        Refuse,
        "Requested Procedure ID (OBR-19, IPC-2; 0040,1001)",
    ),
    one(
        "procedure",
        "study_instance_uid",
        Uid,
        Refuse,
        "IPC-3, ZDS-1; 0020,000D",
    ),
    one(
        "procedure",
        "code",
        Concept,
        Warn,
        "OBR-44 or OBR-4; 0032,1064",
    ),
    one("procedure", "description", Text(0), Warn, "0032,1060"),
    many(
        "procedure",
        "comments",
        Text(0),
        Warn,
        "NTE after OBR; 0040,1400",
    ),
    many("procedure", "body_sites", Concept, Warn, "OBR-15"),
    one(
        "procedure",
        "topography",
        Concept,
        Warn,
        "side or part of the body site",
    ),
    one(
        "procedure",
        "viewer_url",
        Text(0),
        Warn,
        "where the images can be viewed",
    ),
    one(
        "procedure",
        "retention_days",
        Number,
        Warn,
        "how long the images are kept for the requester",
    ),
    many(
        "procedure",
        "products",
        Entry("product"),
        Warn,
        "products administered",
    ),
    many(
        "procedure",
        "devices",
        Entry("device"),
        Warn,
        "devices used",
    ),
    //
    one("product", "code", Concept, Warn, "what was given (ATC)"),
    one("product", "lot", Text(0), Warn, "batch number"),
    one(
        "product",
        "quantity",
        Text(0),
        Warn,
        "how much was given, with its unit",
    ),
    one("device", "serial", Text(0), Warn, "serial number"),
    one("device", "model", Text(0), Warn, "model"),
    one("device", "maker", Text(0), Warn, "manufacturer"),
    //
    one(
        "step",
        "id",
        Text(16),
        Refuse,
        "Scheduled Procedure Step ID (OBR-20, IPC-4; 0040,0009)",
    ),
    one(
        "step",
        "modality",
        Text(16),
        Refuse,
        "OBR-24, IPC-5; 0008,0060",
    ),
    one(
        "step",
        "start",
        When,
        Refuse,
        "TQ1-7, ORC-7.4, OBR-36; 0040,0002 and 0040,0003",
    ),
    one(
        "step",
        "minutes",
        Number,
        Warn,
        "expected duration in minutes",
    ),
    many(
        "step",
        "station_aes",
        Ae,
        Refuse,
        "IPC-9; 0040,0001; several: any of them may take it",
    ),
    one("step", "station_name", Text(0), Warn, "IPC-7; 0040,0010"),
    one("step", "location", Location, Warn, "IPC-8; 0040,0011"),
    one("step", "performer", Person, Warn, "OBR-34; 0040,0006"),
    one("step", "description", Text(0), Warn, "IPC-6.2; 0040,0007"),
    many(
        "step",
        "protocol_codes",
        Concept,
        Warn,
        "IPC-6, OBR-4.4-6; 0040,0008",
    ),
    one(
        "step",
        "status",
        Word(STEP_STATUS),
        Refuse,
        "0040,0020; only where a message states it, the lifecycle rules",
    ),
    many("step", "comments", Text(0), Warn, "0040,0400"),
    one("step", "premedication", Text(0), Warn, "0040,0012"),
    one("step", "contrast_agent", Text(0), Warn, "0032,1070"),
    //
    one("schedule", "id", Identifier(64), Warn, "SCH-1, SCH-2"),
    one("schedule", "status", Text(0), Warn, "SCH-25"),
    one("schedule", "reason", Text(0), Warn, "SCH-6"),
    //
    one("performed_step", "id", Text(16), Warn, "0040,0253"),
    one(
        "performed_step",
        "status",
        Word(PPS_STATUS),
        Refuse,
        "0040,0252",
    ),
    one(
        "performed_step",
        "start",
        When,
        Warn,
        "0040,0244 and 0040,0245",
    ),
    one(
        "performed_step",
        "end",
        When,
        Warn,
        "0040,0250 and 0040,0251",
    ),
    one("performed_step", "station_ae", Ae, Warn, "0040,0241"),
    one("performed_step", "station_name", Text(0), Warn, "0040,0242"),
    one("performed_step", "location", Text(0), Warn, "0040,0243"),
    one("performed_step", "modality", Text(16), Warn, "0008,0060"),
    one("performed_step", "study_id", Text(16), Warn, "0020,0010"),
    one("performed_step", "description", Text(0), Warn, "0040,0254"),
    one(
        "performed_step",
        "type_description",
        Text(0),
        Warn,
        "0040,0255",
    ),
    many(
        "performed_step",
        "procedure_codes",
        Concept,
        Warn,
        "0008,1032",
    ),
    many(
        "performed_step",
        "protocol_codes",
        Concept,
        Warn,
        "0040,0260",
    ),
    one(
        "performed_step",
        "discontinuation_reason",
        Concept,
        Warn,
        "0040,0281",
    ),
    one("performed_step", "comments", Text(0), Warn, "0040,0280"),
    one(
        "performed_step",
        "patient_id",
        Identifier(64),
        Warn,
        "the patient as the scanner states it (0010,0020)",
    ),
    one(
        "performed_step",
        "patient_name",
        Name,
        Warn,
        "0010,0010 as the scanner states it",
    ),
    one(
        "link",
        "study_instance_uid",
        Uid,
        Warn,
        "0040,0270 > 0020,000D",
    ),
    one(
        "link",
        "accession_number",
        Identifier(16),
        Warn,
        "0040,0270 > 0008,0050",
    ),
    one(
        "link",
        "placer_number",
        Identifier(64),
        Warn,
        "0040,0270 > 0040,2016",
    ),
    one(
        "link",
        "filler_number",
        Identifier(64),
        Warn,
        "0040,0270 > 0040,2017",
    ),
    one(
        "link",
        "procedure_id",
        Text(16),
        Warn,
        "0040,0270 > 0040,1001",
    ),
    one("link", "step_id", Text(16), Warn, "0040,0270 > 0040,0009"),
    one("series", "uid", Uid, Warn, "0040,0340 > 0020,000E"),
    one("series", "description", Text(0), Warn, "0008,103E"),
    one("series", "protocol", Text(0), Warn, "0018,1030"),
    many("series", "physicians", Person, Warn, "0008,1050"),
    many("series", "operators", Person, Warn, "0008,1070"),
    many("series", "retrieve_aes", Ae, Warn, "0008,0054"),
    one("instance", "uid", Uid, Warn, "0008,1155"),
    one("instance", "class", Uid, Warn, "0008,1150"),
    //
    one(
        "report",
        "id",
        Identifier(0),
        Refuse,
        "stable over its versions (OBR-3, TXA-12)",
    ),
    many(
        "report",
        "identifiers",
        Identifier(0),
        Warn,
        "further identifiers",
    ),
    one(
        "report",
        "status",
        Word(REPORT_STATUS),
        Refuse,
        "OBR-25, OBX-11, TXA-17",
    ),
    one("report", "code", Concept, Warn, "OBR-4"),
    one("report", "title", Text(0), Warn, "title of the report"),
    one("report", "observed_at", When, Warn, "OBR-7"),
    one("report", "issued_at", When, Warn, "OBR-22"),
    many("report", "interpreters", Person, Warn, "OBR-32"),
    one(
        "report",
        "organization",
        Organization,
        Warn,
        "who answers for it",
    ),
    many(
        "report",
        "text",
        Text(0),
        Warn,
        "the whole text, one entry per OBX",
    ),
    many("report", "impression", Text(0), Warn, "conclusion"),
    many("report", "addendum", Text(0), Warn, "additions"),
    many(
        "report",
        "conclusion_codes",
        Concept,
        Warn,
        "coded conclusions",
    ),
    many(
        "report",
        "accession_numbers",
        Identifier(16),
        Refuse,
        "exams that it answers (OBR-18)",
    ),
    one("report", "placer_number", Identifier(64), Warn, "OBR-2"),
    one("report", "filler_number", Identifier(64), Warn, "OBR-3"),
    many("report", "study_uids", Uid, Warn, "studies that it answers"),
    one(
        "report",
        "replaces",
        Identifier(0),
        Warn,
        "the document that this one replaces (TXA-13)",
    ),
    one(
        "report",
        "set_id",
        Identifier(0),
        Warn,
        "what stays the same over its versions (CDA setId)",
    ),
    one("report", "version", Number, Warn, "CDA versionNumber"),
    one(
        "report",
        "author",
        Person,
        Warn,
        "who wrote or sent it (TXA-9, PRT SB)",
    ),
    one("report", "transcriber", Person, Warn, "OBR-35, TXA-11"),
    one("report", "signed_at", When, Warn, "TXA-22, TXA-7"),
    many(
        "report",
        "recipients",
        Entry("recipient"),
        Warn,
        "whom it is sent to",
    ),
    many(
        "report",
        "flags",
        Entry("flag"),
        Warn,
        "how it is to be shared and shown",
    ),
    many(
        "report",
        "mails",
        Entry("mail"),
        Warn,
        "texts of the mails that accompany it",
    ),
    //
    one("recipient", "person", Person, Warn, "PRT-5"),
    one("recipient", "organization", Organization, Warn, "PRT-8"),
    one("recipient", "address", Text(0), Warn, "PRT-15"),
    one(
        "recipient",
        "reply",
        Bool,
        Warn,
        "whether it is where answers go to",
    ),
    one("flag", "code", Text(0), Warn, "our word for the flag"),
    one("flag", "value", Bool, Warn, "whether it is set"),
    one("mail", "to", Text(0), Warn, "whom the text is for"),
    one("mail", "body", Text(0), Warn, "the text"),
    //
    one(
        "document",
        "kind",
        Word(DOCUMENT_KINDS),
        Warn,
        "what sort of document",
    ),
    one(
        "document",
        "content",
        Document,
        Warn,
        "the bytes (OBX-5 ED)",
    ),
    one("document", "title", Text(0), Warn, "its title"),
    one("document", "type", Concept, Warn, "OBX-3"),
    one("document", "author", Person, Warn, "who wrote it"),
    one(
        "document",
        "unique_id",
        Identifier(0),
        Warn,
        "identifier of this version (CDA id, TXA-12)",
    ),
    one("document", "set_id", Identifier(0), Warn, "CDA setId"),
    one("document", "version", Number, Warn, "CDA versionNumber"),
    one(
        "document",
        "replaces",
        Identifier(0),
        Warn,
        "CDA parentDocument",
    ),
];

/// The field of a section by its name (`clinical.weight_kg` included).
pub fn field(section: &str, name: &str) -> Option<&'static FieldDef> {
    FIELDS
        .iter()
        .find(|f| f.section == section && f.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
