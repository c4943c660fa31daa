//! The parsers of bytes that come from outside, with what their inputs are made of.

use relais::domain::time::{Precision, When};
use relais::fuzzing::shape;

/// What the inputs of a target look like: which seeds and words suit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HL7 messages, one or several.
    Hl7,
    /// HL7 messages in MLLP frames, after a byte that says in which pieces they come.
    Mllp,
    /// Values of HL7 fields, after a byte of choices.
    Escape,
    /// Name of a character set, `|`, bytes.
    Charset,
    /// Times as HL7 writes them.
    Time,
    /// DICOM data sets, implicit VR.
    Implicit,
    /// DICOM data sets, explicit VR.
    Explicit,
    /// Data sets of performed steps, after a byte that says N-CREATE or N-SET.
    Mpps,
    /// DIMSE command sets.
    Command,
    /// Presentation data values.
    Pdata,
    /// Whole PDUs.
    Pdu,
    /// TOML: mapping files, case files, configuration.
    Toml,
    /// Rules of mapping files.
    Rule,
    /// Code tables.
    Csv,
    /// Answers of FHIR servers.
    Json,
    /// CDA documents.
    Xml,
    /// A tokens file, NUL, an Authorization header.
    Authorization,
    /// A byte that chooses a route, what stands in its path, `?`, a query.
    Parameters,
}

/// One parser.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    pub kind: Kind,
    /// Fed for the whole time: what the outside reaches first, and what a site writes.
    pub first: bool,
    /// Feeds it; gives the shape of the outcome.
    pub feed: fn(&[u8]) -> u64,
}

const fn first(name: &'static str, kind: Kind, feed: fn(&[u8]) -> u64) -> Target {
    Target {
        name,
        kind,
        first: true,
        feed,
    }
}

const fn second(name: &'static str, kind: Kind, feed: fn(&[u8]) -> u64) -> Target {
    Target {
        first: false,
        ..first(name, kind, feed)
    }
}

/// Every parser.
pub const TARGETS: &[Target] = &[
    first("mllp_frame", Kind::Mllp, relais::hl7::mllp::fuzz_mllp_frame),
    first(
        "hl7_message",
        Kind::Hl7,
        relais::hl7::message::fuzz_hl7_message,
    ),
    first("hl7_escape", Kind::Escape, relais::hl7::escape::fuzz_escape),
    first(
        "dimse_command",
        Kind::Command,
        relais::dicom::dimse::fuzz_command,
    ),
    first(
        "dataset_implicit",
        Kind::Implicit,
        relais::dicom::read::fuzz_dataset_implicit,
    ),
    first(
        "dataset_explicit",
        Kind::Explicit,
        relais::dicom::read::fuzz_dataset_explicit,
    ),
    first(
        "mapping_file",
        Kind::Toml,
        relais::mapping::fuzz_mapping_file,
    ),
    first("config", Kind::Toml, relais::config::read::fuzz_config),
    second("hl7_ack", Kind::Hl7, relais::hl7::ack::fuzz_ack),
    second(
        "hl7_charset",
        Kind::Charset,
        relais::hl7::charset::fuzz_charset,
    ),
    second("hl7_batch", Kind::Hl7, relais::hl7::batch::fuzz_batch),
    second("hl7_translate", Kind::Hl7, relais::mappings::fuzz_translate),
    second("mapping_capture", Kind::Hl7, relais::mappings::fuzz_capture),
    second("mapping_fmt", Kind::Toml, relais::mapping::fmt::fuzz_fmt),
    second("time", Kind::Time, feed_time),
    second("pdata", Kind::Pdata, relais::dicom::pdata::fuzz_pdata),
    second(
        "associate",
        Kind::Pdu,
        relais::dicom::association::fuzz_associate,
    ),
    second("query", Kind::Implicit, relais::worklist::keys::fuzz_query),
    second("mpps", Kind::Mpps, relais::mappings::fuzz_mpps),
    second("toml_file", Kind::Toml, relais::toml_file::fuzz_toml_file),
    second(
        "mapping_rule",
        Kind::Rule,
        relais::mapping::parser::fuzz_rule,
    ),
    second(
        "mapping_table",
        Kind::Csv,
        relais::mapping::table::fuzz_table,
    ),
    second("hl7_cda", Kind::Xml, relais::hl7::cda::fuzz_cda),
    first(
        "http_authorization",
        Kind::Authorization,
        relais::api::access::fuzz_authorization,
    ),
    first(
        "http_parameters",
        Kind::Parameters,
        relais::api::params::fuzz_parameters,
    ),
    second(
        "fhir_outcome",
        Kind::Json,
        relais::fhir::outcome::fuzz_outcome,
    ),
];

/// Any text as a time: what is read can be asked for everything, and is in the year that it says.
fn feed_time(data: &[u8]) -> u64 {
    let Ok(when) = str::from_utf8(data)
        .map_err(drop)
        .and_then(|text| When::parse(text).map_err(drop))
    else {
        return 0;
    };
    let start = when.civil_start();
    let year = when.digits.get(..4).and_then(|y| y.parse::<i16>().ok());
    assert_eq!(start.map(|s| s.year()), year, "another year than written");
    assert_eq!(
        when.date().is_some(),
        when.precision() >= Precision::Day,
        "a date without a day"
    );
    let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap_or(jiff::tz::TimeZone::UTC);
    shape((
        when.precision(),
        when.instant(&zone).is_some(),
        when.local(&zone).is_some(),
        when.time().map(str::len),
        when.offset.is_some(),
    ))
}
