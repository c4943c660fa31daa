//! The fields themselves: one line each, by section.

use super::Bad::{Refuse, Warn};
use super::{
    DOCUMENT_KINDS, FieldDef, PPS_STATUS, PREGNANCY, PRIORITY, REPORT_STATUS, SEX, STEP_STATUS,
};
use crate::domain::value::Kind::{
    Address, Ae, Bool, Concept, Document, Entry, Identifier, Location, Name, Number, Organization,
    Person, Telecom, Text, Uid, When, Word,
};

/// A field a line: how many values, name, type, what an unreadable value does, meaning.
macro_rules! fields {
    ($($section:literal { $($count:ident $name:literal, $kind:expr, $bad:ident, $doc:literal;)* })*) => {
        &[$($(FieldDef {
            section: $section,
            name: $name,
            kind: $kind,
            list: fields!(@list $count),
            bad: $bad,
            doc: $doc,
        },)*)*]
    };
    (@list one) => { false };
    (@list many) => { true };
}

/// Every field, in the order of the reference page.
pub const FIELDS: &[FieldDef] = fields! {
    "command" {
        one "do", Text(0), Refuse, "what the message asks for; the words depend on the kind of message";
        one "at", When, Warn, "sender's time of the statement: decides what is older and what is newer";
        one "why", Text(0), Warn, "reason of a cancel or change (ORC-16)";
    }
    "patient" {
        one "id", Identifier(64), Refuse, "the local identifier, with its authority (PID-3; 0010,0020 and 0010,0021)";
        many "identifiers", Identifier(64), Refuse, "all identifiers (PID-3; 0010,1002)";
        many "merged_ids", Identifier(64), Refuse, "identifiers that this patient replaces (MRG-1)";
        one "ins", Identifier(64), Warn, "the French national health identifier, with its OID";
        one "name", Name, Warn, "the name on worklists (PID-5; 0010,0010)";
        one "birth_name", Name, Warn, "family name at birth with birth given names (PID-5 type L in France)";
        one "usual_name", Name, Warn, "name in use (PID-5 type D)";
        many "other_names", Name, Warn, "further names (0010,1001)";
        one "mother_name", Name, Warn, "mother's maiden name (PID-6; 0010,1060)";
        one "birth_date", When, Warn, "as written, with its precision (PID-7; 0010,0030)";
        one "birth_place", Text(0), Warn, "place of birth, in France its INSEE code (PID-23, PID-11 type BDL)";
        one "sex", Word(SEX), Warn, "administrative sex (PID-8; 0010,0040)";
        many "addresses", Address, Warn, "PID-11; 0010,1040";
        many "telecoms", Telecom, Warn, "PID-13, PID-14; 0010,2154";
        one "language", Concept, Warn, "PID-15; 0010,0101";
        one "deceased", Bool, Warn, "PID-30";
        one "death_at", When, Warn, "PID-29";
        many "comments", Text(0), Warn, "notes about the patient (NTE after PID; 0010,4000)";
        one "confidentiality", Text(64), Warn, "0040,3001";
        many "reliability", Text(0), Warn, "identity reliability codes (PID-32)";
        one "sharing", Text(0), Warn, "France: whether the patient opposes the feeding of the shared record (ZFA-9)";
        one "consultation", Text(0), Warn, "France: whether the patient consents to its consultation (ZFA-11)";
        one "ins_source", Text(0), Warn, "how the national identity was obtained (ZFD-5)";
        one "ins_date", When, Warn, "when the national identity was asked for (ZFD-6)";
    }
    "visit" {
        one "number", Identifier(64), Warn, "PV1-19; Admission ID 0038,0010";
        one "account", Identifier(64), Warn, "PID-18";
        one "class", Text(16), Warn, "PV1-2";
        one "location", Location, Warn, "PV1-3; 0038,0300";
        one "unit", Organization, Warn, "PV1-39, ZBE-7";
        one "attending_physician", Person, Warn, "PV1-7";
        one "referring_physician", Person, Warn, "PV1-8; 0008,0090";
        one "admitted_at", When, Warn, "PV1-44; 0038,0020";
        one "discharged_at", When, Warn, "PV1-45";
        one "vip", Text(16), Warn, "PV1-16";
        many "movement", Identifier(64), Warn, "ZBE-1";
        one "movement_at", When, Warn, "ZBE-2";
    }
    "order" {
        one "placer_number", Identifier(64), Refuse, "ORC-2; 0040,2016";
        one "filler_number", Identifier(64), Refuse, "ORC-3; 0040,2017";
        one "accession_number", Identifier(16), Refuse, "IPC-1, OBR-18; 0008,0050";
        one "group_number", Identifier(64), Warn, "ORC-4";
        one "parent_number", Identifier(64), Warn, "ORC-8";
        one "priority", Word(PRIORITY), Warn, "TQ1-9, ORC-7.6, OBR-5; 0040,1003";
        one "placed_at", When, Warn, "ORC-9; 0040,2004";
        one "requester", Person, Warn, "OBR-16, ORC-12; 0032,1032";
        one "entered_by", Person, Warn, "ORC-10; 0040,2008";
        one "verified_by", Person, Warn, "ORC-11";
        one "entered_at_location", Location, Warn, "ORC-13; 0040,2009";
        one "callback_phone", Text(0), Warn, "ORC-14; 0040,2010";
        one "requesting_service", Concept, Warn, "ORC-17; 0032,1033";
        one "institution", Organization, Warn, "ORC-21; 0008,0080";
        one "institution_code", Concept, Warn, "0008,0082";
        one "institution_address", Address, Warn, "ORC-22; 0008,0081";
        one "department", Organization, Warn, "0008,1040";
        many "reasons", Concept, Warn, "OBR-31; 0040,1002 and 0040,100A";
        one "indication", Text(0), Warn, "relevant clinical information (OBR-13)";
        many "history", Text(0), Warn, "medical history (OBX 11322-5)";
        one "transport_mode", Text(0), Warn, "OBR-30; 0040,1004";
        many "comments", Text(0), Warn, "0040,2400";
        many "confidentiality", Concept, Warn, "ORC-28; 0040,1008";
        one "clinical.weight_kg", Number, Warn, "0010,1030";
        one "clinical.height_m", Number, Warn, "0010,1020";
        one "clinical.pregnancy", Word(PREGNANCY), Warn, "0010,21C0";
        many "clinical.alerts", Text(0), Warn, "0010,2000";
        many "clinical.allergies", Text(0), Warn, "AL1-3; 0010,2110";
        one "clinical.special_needs", Text(0), Warn, "0038,0050";
        one "clinical.patient_state", Text(0), Warn, "OBR-12; 0038,0500";
    }
    "procedure" {
        one "id", Text(16), Refuse, "Requested Procedure ID (OBR-19, IPC-2; 0040,1001)";
        one "study_instance_uid", Uid, Refuse, "IPC-3, ZDS-1; 0020,000D";
        one "code", Concept, Warn, "OBR-44 or OBR-4; 0032,1064";
        one "description", Text(0), Warn, "0032,1060";
        many "comments", Text(0), Warn, "NTE after OBR; 0040,1400";
        many "body_sites", Concept, Warn, "OBR-15";
        one "topography", Concept, Warn, "side or part of the body site";
        one "viewer_url", Text(0), Warn, "where the images can be viewed";
        one "retention_days", Number, Warn, "how long the images are kept for the requester";
        many "products", Entry("product"), Warn, "products administered";
        many "devices", Entry("device"), Warn, "devices used";
    }
    "product" {
        one "code", Concept, Warn, "what was given (ATC)";
        one "lot", Text(0), Warn, "batch number";
        one "quantity", Text(0), Warn, "how much was given, with its unit";
    }
    "device" {
        one "serial", Text(0), Warn, "serial number";
        one "model", Text(0), Warn, "model";
        one "maker", Text(0), Warn, "manufacturer";
    }
    "step" {
        one "id", Text(16), Refuse, "Scheduled Procedure Step ID (OBR-20, IPC-4; 0040,0009)";
        one "modality", Text(16), Refuse, "OBR-24, IPC-5; 0008,0060";
        one "start", When, Refuse, "TQ1-7, ORC-7.4, OBR-36; 0040,0002 and 0040,0003";
        one "minutes", Number, Warn, "expected duration in minutes";
        many "station_aes", Ae, Refuse, "IPC-9; 0040,0001; several: any of them may take it";
        one "station_name", Text(0), Warn, "IPC-7; 0040,0010";
        one "location", Location, Warn, "IPC-8; 0040,0011";
        one "performer", Person, Warn, "OBR-34; 0040,0006";
        one "description", Text(0), Warn, "IPC-6.2; 0040,0007";
        many "protocol_codes", Concept, Warn, "IPC-6, OBR-4.4-6; 0040,0008";
        one "status", Word(STEP_STATUS), Refuse, "0040,0020; only where a message states it, the lifecycle rules";
        many "comments", Text(0), Warn, "0040,0400";
        one "premedication", Text(0), Warn, "0040,0012";
        one "contrast_agent", Text(0), Warn, "0032,1070";
    }
    "schedule" {
        one "id", Identifier(64), Warn, "SCH-1, SCH-2";
        one "status", Text(0), Warn, "SCH-25";
        one "reason", Text(0), Warn, "SCH-6";
    }
    "performed_step" {
        one "id", Text(16), Warn, "0040,0253";
        one "status", Word(PPS_STATUS), Refuse, "0040,0252";
        one "start", When, Warn, "0040,0244 and 0040,0245";
        one "end", When, Warn, "0040,0250 and 0040,0251";
        one "station_ae", Ae, Warn, "0040,0241";
        one "station_name", Text(0), Warn, "0040,0242";
        one "location", Text(0), Warn, "0040,0243";
        one "modality", Text(16), Warn, "0008,0060";
        one "study_id", Text(16), Warn, "0020,0010";
        one "description", Text(0), Warn, "0040,0254";
        one "type_description", Text(0), Warn, "0040,0255";
        many "procedure_codes", Concept, Warn, "0008,1032";
        many "protocol_codes", Concept, Warn, "0040,0260";
        one "discontinuation_reason", Concept, Warn, "0040,0281";
        one "comments", Text(0), Warn, "0040,0280";
        one "patient_id", Identifier(64), Warn, "the patient as the scanner states it (0010,0020)";
        one "patient_name", Name, Warn, "0010,0010 as the scanner states it";
    }
    "link" {
        one "study_instance_uid", Uid, Warn, "0040,0270 > 0020,000D";
        one "accession_number", Identifier(16), Warn, "0040,0270 > 0008,0050";
        one "placer_number", Identifier(64), Warn, "0040,0270 > 0040,2016";
        one "filler_number", Identifier(64), Warn, "0040,0270 > 0040,2017";
        one "procedure_id", Text(16), Warn, "0040,0270 > 0040,1001";
        one "step_id", Text(16), Warn, "0040,0270 > 0040,0009";
    }
    "series" {
        one "uid", Uid, Warn, "0040,0340 > 0020,000E";
        one "description", Text(0), Warn, "0008,103E";
        one "protocol", Text(0), Warn, "0018,1030";
        many "physicians", Person, Warn, "0008,1050";
        many "operators", Person, Warn, "0008,1070";
        many "retrieve_aes", Ae, Warn, "0008,0054";
    }
    "instance" {
        one "uid", Uid, Warn, "0008,1155";
        one "class", Uid, Warn, "0008,1150";
    }
    "report" {
        one "id", Identifier(0), Refuse, "stable over its versions (OBR-3, TXA-12)";
        many "identifiers", Identifier(0), Warn, "further identifiers";
        one "status", Word(REPORT_STATUS), Refuse, "OBR-25, OBX-11, TXA-17";
        one "code", Concept, Warn, "OBR-4";
        one "title", Text(0), Warn, "title of the report";
        one "observed_at", When, Warn, "OBR-7";
        one "issued_at", When, Warn, "OBR-22";
        many "interpreters", Person, Warn, "OBR-32";
        one "organization", Organization, Warn, "who answers for it";
        many "text", Text(0), Warn, "the whole text, one entry per OBX";
        many "impression", Text(0), Warn, "conclusion";
        many "addendum", Text(0), Warn, "additions";
        many "conclusion_codes", Concept, Warn, "coded conclusions";
        many "accession_numbers", Identifier(16), Refuse, "exams that it answers (OBR-18)";
        one "placer_number", Identifier(64), Warn, "OBR-2";
        one "filler_number", Identifier(64), Warn, "OBR-3";
        many "study_uids", Uid, Warn, "studies that it answers";
        one "replaces", Identifier(0), Warn, "the document that this one replaces (TXA-13)";
        one "set_id", Identifier(0), Warn, "what stays the same over its versions (CDA setId)";
        one "version", Number, Warn, "CDA versionNumber";
        one "author", Person, Warn, "who wrote or sent it (TXA-9, PRT SB)";
        one "transcriber", Person, Warn, "OBR-35, TXA-11";
        one "signed_at", When, Warn, "TXA-22, TXA-7";
        many "recipients", Entry("recipient"), Warn, "whom it is sent to";
        many "flags", Entry("flag"), Warn, "how it is to be shared and shown";
        many "mails", Entry("mail"), Warn, "texts of the mails that accompany it";
    }
    "recipient" {
        one "person", Person, Warn, "PRT-5";
        one "organization", Organization, Warn, "PRT-8";
        one "address", Text(0), Warn, "PRT-15";
        one "reply", Bool, Warn, "whether it is where answers go to";
    }
    "flag" {
        one "code", Text(0), Warn, "our word for the flag";
        one "value", Bool, Warn, "whether it is set";
    }
    "mail" {
        one "to", Text(0), Warn, "whom the text is for";
        one "body", Text(0), Warn, "the text";
    }
    "document" {
        one "kind", Word(DOCUMENT_KINDS), Warn, "what sort of document";
        one "content", Document, Warn, "the bytes (OBX-5 ED)";
        one "title", Text(0), Warn, "its title";
        one "type", Concept, Warn, "OBX-3";
        one "author", Person, Warn, "who wrote it";
        one "unique_id", Identifier(0), Warn, "identifier of this version (CDA id, TXA-12)";
        one "set_id", Identifier(0), Warn, "CDA setId";
        one "version", Number, Warn, "CDA versionNumber";
        one "replaces", Identifier(0), Warn, "CDA parentDocument";
    }
};
