//! What a CDA R2 document says of itself in its header: whose it is, which exam it answers, which document it replaces.
//!
//! Only the header is read: reading stops at the body, which may be large. The document comes from outside: a document type
//! declaration is refused, no entity but the five of XML is known, and size, depth and number of elements are bounded.
//! Elements are told apart by their local names and their place, so that a prefixed document reads like any other.

use crate::fuzzing;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::borrow::Cow;

/// Largest document, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 64;
/// Most elements of a header.
pub const MAX_ELEMENTS: usize = 20_000;
/// Most identifiers of one sort, and longest one in characters.
const MAX_IDS: usize = 64;
const MAX_TEXT: usize = 256;

/// An instance identifier (II): a root OID or UUID, and the number inside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceId {
    pub root: String,
    pub extension: Option<String>,
}

/// What the header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `id`: of this version.
    pub id: Option<InstanceId>,
    /// `setId`: the same over all versions.
    pub set_id: Option<InstanceId>,
    /// `versionNumber`.
    pub version: Option<String>,
    /// `recordTarget/patientRole/id`.
    pub patient: Vec<InstanceId>,
    /// `inFulfillmentOf/order/accessionNumber` (PS3.20).
    pub accession: Vec<InstanceId>,
    /// `documentationOf/serviceEvent/id`: the studies (PS3.20: Study Instance UID).
    pub study_uid: Vec<InstanceId>,
    /// `relatedDocument[@typeCode="RPLC"]/parentDocument/id`.
    pub replaces: Vec<InstanceId>,
}

/// Why a document could not be read. Describes, never quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CdaError {
    #[error("{0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    #[error("no CDA: the first element is not ClinicalDocument")]
    NotCda,
    #[error("a document type declaration, which a CDA never has")]
    DocType,
    #[error("elements nest deeper than {MAX_DEPTH}")]
    Depth,
    #[error("a header of more than {MAX_ELEMENTS} elements")]
    Elements,
    #[error("no well-formed XML near byte {0}")]
    Xml(u64),
    #[error("neither UTF-8 nor a declared Latin-1")]
    Charset,
}

/// Reads the header of a document.
///
/// # Errors
/// [`CdaError`] if it is no CDA, or goes beyond a bound.
pub fn header(bytes: &[u8]) -> Result<Header, CdaError> {
    if bytes.len() > MAX_BYTES {
        return Err(CdaError::TooLarge(bytes.len()));
    }
    let text = decoded(bytes)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut path: Vec<Step> = Vec::new();
    let mut found = Header::default();
    let mut elements = 0;
    loop {
        let event = reader.read_event();
        let event = event.map_err(|_| CdaError::Xml(reader.error_position()))?;
        let (start, stays_open) = match &event {
            Event::Start(start) => (start, true),
            Event::Empty(start) => (start, false),
            Event::End(_) => {
                path.pop();
                if path.is_empty() {
                    return Ok(found);
                }
                continue;
            }
            Event::DocType(_) => return Err(CdaError::DocType),
            // Text of the header is of no interest here, so an entity in it is no concern either.
            Event::Eof if path.is_empty() => return Err(CdaError::NotCda),
            Event::Eof => return Err(CdaError::Xml(reader.error_position())),
            _ => continue,
        };
        elements += 1;
        if elements > MAX_ELEMENTS {
            return Err(CdaError::Elements);
        }
        let step = Step::of(start);
        if path.is_empty() && step.name != "ClinicalDocument" {
            return Err(CdaError::NotCda);
        }
        // The body: everything that is asked for stands before it.
        if path.len() == 1 && step.name == "component" {
            return Ok(found);
        }
        if path.len() >= MAX_DEPTH {
            return Err(CdaError::Depth);
        }
        path.push(step);
        take(&mut found, &path, start);
        if !stays_open {
            path.pop();
            if path.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// The text of a document: UTF-8, or Latin-1 if it says so.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, CdaError> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let head = bytes.get(..200.min(bytes.len())).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let single = ["iso-8859-1", "iso-8859-15", "windows-1252", "latin1"];
    match single.iter().any(|name| head.contains(name)) {
        true => Ok(encoding_rs::mem::decode_latin1(bytes)),
        false => Err(CdaError::Charset),
    }
}

/// An open element.
struct Step {
    name: String,
    /// `typeCode`, for `relatedDocument`.
    type_code: Option<String>,
}

impl Step {
    fn of(start: &BytesStart<'_>) -> Self {
        let name = start.local_name();
        let name: &str = name.as_ref();
        Self {
            name: name.chars().take(64).collect(),
            type_code: attribute(start, "typeCode"),
        }
    }
}

/// An attribute by its name; absent if it is empty, too long, or not readable.
fn attribute(start: &BytesStart<'_>, wanted: &str) -> Option<String> {
    let mut all = start.attributes();
    let mut named = all.with_checks(false).flatten().filter(|a| {
        let key: &str = a.key.as_ref();
        key == wanted
    });
    let value = named.next()?;
    let value = value.normalized_value(XmlVersion::Implicit1_0).ok()?;
    let value = value.trim();
    (!value.is_empty() && value.chars().count() <= MAX_TEXT).then(|| value.to_owned())
}

fn instance_id(start: &BytesStart<'_>) -> Option<InstanceId> {
    let root = attribute(start, "root")?;
    let root = root.strip_prefix("urn:oid:").unwrap_or(&root).to_owned();
    let extension = attribute(start, "extension");
    Some(InstanceId { root, extension })
}

fn take(found: &mut Header, path: &[Step], start: &BytesStart<'_>) {
    let names: Vec<&str> = path.iter().skip(1).map(|s| s.name.as_str()).collect();
    let list = match names.as_slice() {
        ["id"] => return found.id = found.id.take().or_else(|| instance_id(start)),
        ["setId"] => return found.set_id = found.set_id.take().or_else(|| instance_id(start)),
        ["versionNumber"] => {
            let version = attribute(start, "value");
            return found.version = version.filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
        }
        ["recordTarget", "patientRole", "id"] => &mut found.patient,
        ["inFulfillmentOf", "order", "accessionNumber"] => &mut found.accession,
        ["documentationOf", "serviceEvent", "id"] => &mut found.study_uid,
        ["relatedDocument", "parentDocument", "id"] => {
            let replaces = path.get(1).and_then(|s| s.type_code.as_deref());
            if replaces != Some("RPLC") {
                return;
            }
            &mut found.replaces
        }
        _ => return,
    };
    let new = instance_id(start).filter(|id| !list.contains(id));
    if list.len() < MAX_IDS {
        list.extend(new);
    }
}

/// Fuzz target: any bytes as a CDA.
pub fn fuzz_cda(data: &[u8]) -> u64 {
    let found = header(data);
    let shape = found.as_ref().map(|h| {
        (
            (h.id.is_some(), h.set_id.is_some(), h.version.is_some()),
            fuzzing::size(h.patient.len()),
            fuzzing::size(h.accession.len()),
            fuzzing::size(h.study_uid.len()),
            fuzzing::size(h.replaces.len()),
        )
    });
    let error = found.as_ref().err().map(std::mem::discriminant);
    fuzzing::shape((shape.ok(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- header only -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:ps3-20="urn:dicom-org:ps3-20">
  <templateId root="1.2.250.1.213.1.1.1.1"/>
  <id root="1.2.250.1.999.7.2"/>
  <title>CR d’imagerie &amp; suite</title>
  <setId root="1.2.250.1.999.7.1"/><versionNumber value="2"/>
  <recordTarget><patientRole>
    <id extension="279035121518989" root="1.2.250.1.213.1.4.10"/><id extension="IPP&#55;" root="1.2.250.1.999.1"/>
    <patient><id root="9.9" extension="not this one"/></patient>
  </patientRole></recordTarget>
  <inFulfillmentOf><order><id root="1.2.250.1.999.3" extension="P7"/><ps3-20:accessionNumber root="1.2.250.1.999.2" extension="ACC7"/></order></inFulfillmentOf>
  <documentationOf><serviceEvent><id root="1.2.250.1.999.5.1"/></serviceEvent></documentationOf>
  <documentationOf><serviceEvent><id root="1.2.250.1.999.5.2"/></serviceEvent></documentationOf>
  <relatedDocument typeCode="APND"><parentDocument><id root="1.1"/></parentDocument></relatedDocument>
  <relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.999.7.1"/></parentDocument></relatedDocument>
  <component><nonXMLBody><text mediaType="application/pdf" representation="B64">JVBERi0x</text></nonXMLBody></component>
  <id root="after the body, and not even well-formed
"#;

    fn id(root: &str, extension: Option<&str>) -> InstanceId {
        InstanceId {
            root: root.into(),
            extension: extension.map(str::to_owned),
        }
    }

    #[test]
    fn the_header_is_read_up_to_the_body() {
        let found = header(DOCUMENT.as_bytes()).expect("a CDA");
        assert_eq!(
            found,
            Header {
                id: Some(id("1.2.250.1.999.7.2", None)),
                set_id: Some(id("1.2.250.1.999.7.1", None)),
                version: Some("2".into()),
                patient: vec![
                    id("1.2.250.1.213.1.4.10", Some("279035121518989")),
                    id("1.2.250.1.999.1", Some("IPP7")),
                ],
                accession: vec![id("1.2.250.1.999.2", Some("ACC7"))],
                study_uid: vec![id("1.2.250.1.999.5.1", None), id("1.2.250.1.999.5.2", None)],
                replaces: vec![id("1.2.250.1.999.7.1", None)],
            }
        );
        let latin1: Vec<u8> = DOCUMENT
            .replace("UTF-8", "ISO-8859-1")
            .replace('’', "é")
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect();
        assert_eq!(header(&latin1), Ok(found));
    }

    #[test]
    fn a_document_beyond_a_bound_or_with_a_doctype_is_refused() {
        let check = |text: &str, expected: CdaError| {
            let shown: String = text.chars().take(60).collect();
            assert_eq!(header(text.as_bytes()), Err(expected), "{shown}");
        };
        let deep = format!("<ClinicalDocument>{}", "<a>".repeat(10_000));
        check(&deep, CdaError::Depth);
        let wide = format!("<ClinicalDocument>{}", "<a/>".repeat(MAX_ELEMENTS + 1));
        check(&wide, CdaError::Elements);
        let entity = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><ClinicalDocument/>";
        check(entity, CdaError::DocType);
        check("<html/>", CdaError::NotCda);
        check("", CdaError::NotCda);
        check("%PDF-1.4", CdaError::NotCda);
        assert_eq!(
            header(b"<ClinicalDocument>\xe9</ClinicalDocument>"),
            Err(CdaError::Charset)
        );
        assert!(matches!(
            header(b"<ClinicalDocument><id root="),
            Err(CdaError::Xml(_))
        ));
        // An entity of nobody's: the attribute says nothing, the document is read on.
        let unknown =
            br#"<ClinicalDocument><id root="&x;"/><setId root="1.2"/></ClinicalDocument>"#;
        let found = header(unknown).expect("read");
        assert_eq!((found.id, found.set_id), (None, Some(id("1.2", None))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz_cda(&bytes);
        }

        #[test]
        fn any_pieces_of_a_document_are_read_or_refused(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "<ClinicalDocument>", "</ClinicalDocument>", "<id root=\"1.2\"/>", "<id root='", "&amp;", "&#xD800;", "<![CDATA[", "]]>",
                    "<order>", "<inFulfillmentOf>", "</order>", "<p:accessionNumber extension=\"A\" root=\"1\"/>", "<!--", "-->", "<?x?>", "é",
                    "<recordTarget><patientRole>", "<!DOCTYPE a>", "<component>", "\"", ">", "<relatedDocument typeCode=\"RPLC\"><parentDocument>",
                ]),
                0..40,
            ),
        ) {
            fuzz_cda(pieces.concat().as_bytes());
            fuzz_cda(format!("<ClinicalDocument>{}", pieces.concat()).as_bytes());
        }
    }
}
