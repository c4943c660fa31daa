//! Encapsulated data (ED, v2.5.1 2.A.24): the bytes of a document inside a message, decoded and hashed.
//!
//! ED is `source^type^subtype^encoding^data`. Senders also put bare Base64 into the first component, leave the encoding out, or
//! send plain text with delimiters in it; all three are read. The media type comes from the bytes where they are unmistakable.

use super::{BadValue, DataType, composite::Composite};
use crate::domain::value::Document;
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, fmt::Write, sync::Arc};

/// Standard alphabet; padding as the sender likes, since line-wrapping senders often lose it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads a document from an ED, or from a text that is a document itself.
pub fn read(c: Composite<'_>, as_: DataType) -> Result<Option<Document>, BadValue> {
    if as_ == DataType::Rp {
        return Err(BadValue::new(
            "a reference pointer (RP)",
            "the document itself (ED)",
        ));
    }
    if as_ != DataType::Ed {
        let text = c.whole();
        return Ok(
            (!text.trim().is_empty()).then(|| document(text.as_bytes().to_vec(), "text/plain"))
        );
    }
    let declared = media_type(c.part(2).as_deref(), c.part(3).as_deref());
    let Some(data) = c.part(5) else {
        // Bare Base64 in ED.1, nothing else.
        return match c
            .part(1)
            .filter(|_| c.part(2).is_none() && c.part(3).is_none())
        {
            Some(data) => Ok(Some(document(base64(&data)?, &declared))),
            None => Ok(None),
        };
    };
    let encoding = c.part(4).unwrap_or_default().to_ascii_uppercase();
    match encoding.as_str() {
        "BASE64" | "BASE-64" | "B64" => Ok(Some(document(base64(&data)?, &declared))),
        "HEX" => Ok(Some(document(hex(&data)?, &declared))),
        // Table 0299 `A`: no encoding; delimiters of the text belong to it.
        "A" | "ASCII" => Ok(c
            .after(4)
            .map(|text| document(text.into_bytes(), text_or(&declared)))),
        "" => match base64(&data) {
            Ok(bytes) if sniff(&bytes).is_some() => Ok(Some(document(bytes, &declared))),
            _ => Ok(c
                .after(4)
                .map(|text| document(text.into_bytes(), text_or(&declared)))),
        },
        _ => Err(BadValue::new(
            "an encoding of ED.4 that is not known",
            "Base64, Hex or A (table 0299)",
        )),
    }
}

fn text_or(declared: &str) -> &str {
    if declared == UNKNOWN {
        "text/plain"
    } else {
        declared
    }
}

fn document(bytes: Vec<u8>, declared: &str) -> Document {
    let media_type = sniff(&bytes).unwrap_or(declared).to_owned();
    Document {
        sha256: hex_text(&Sha256::digest(&bytes)),
        media_type,
        size: bytes.len() as u64,
        bytes: Some(Arc::from(bytes)),
    }
}

fn hex_text(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

const UNKNOWN: &str = "application/octet-stream";

/// The media type of tables 0191 and 0291, as far as the record needs one; words that are no media type are not repeated.
fn media_type(type_: Option<&str>, subtype: Option<&str>) -> Cow<'static, str> {
    let word = |text: Option<&str>| text.unwrap_or_default().to_ascii_lowercase();
    let (type_, subtype) = (word(type_), word(subtype));
    let subtype = subtype.rsplit('/').next().unwrap_or_default();
    let known = match subtype {
        "" if type_.ends_with("pdf") => "application/pdf",
        "pdf" => "application/pdf",
        "html" | "htm" => "text/html",
        "xml" | "x-hl7-cda-level-one" | "x-hl7-cda-level-two" | "x-hl7-cda-level-three" => {
            "text/xml"
        }
        "rtf" => "application/rtf",
        "jpeg" | "jpg" => "image/jpeg",
        "png" => "image/png",
        "tiff" | "tif" => "image/tiff",
        "gif" => "image/gif",
        "dicom" => "application/dicom",
        "plain" | "txt" | "text" => "text/plain",
        "" if matches!(type_.as_str(), "tx" | "ft" | "text") => "text/plain",
        _ => UNKNOWN,
    };
    Cow::Borrowed(known)
}

/// The media type that the first bytes prove.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 7] = [
        (b"%PDF-", "application/pdf"),
        (b"{\\rtf", "application/rtf"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"\x89PNG\r\n\x1A\n", "image/png"),
        (b"<?xml", "text/xml"),
        (b"\xEF\xBB\xBF<?xml", "text/xml"),
        (b"<ClinicalDocument", "text/xml"),
    ];
    MAGIC
        .iter()
        .find(|(start, _)| bytes.starts_with(start))
        .map(|(_, media_type)| *media_type)
}

fn base64(text: &str) -> Result<Vec<u8>, BadValue> {
    let is_blank = |b: u8| b.is_ascii_whitespace();
    let data: Cow<'_, [u8]> = if text.bytes().any(is_blank) {
        Cow::Owned(text.bytes().filter(|&b| !is_blank(b)).collect())
    } else {
        Cow::Borrowed(text.as_bytes())
    };
    BASE64.decode(&data).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _)
            | base64::DecodeError::InvalidLastSymbol(at, _)
            | base64::DecodeError::InvalidLength(at) => format!(" at character {}", at + 1),
            base64::DecodeError::InvalidPadding => " in its padding".to_owned(),
        };
        BadValue::new(
            format!("{} characters that stop being Base64{at}", data.len()),
            "Base64 (RFC 4648, standard alphabet)",
        )
    })
}

fn hex(text: &str) -> Result<Vec<u8>, BadValue> {
    let digits: Option<Vec<u8>> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        })
        .collect();
    let bad = || {
        BadValue::new(
            "data that is not hexadecimal",
            "an even number of hexadecimal digits",
        )
    };
    let digits = digits
        .filter(|d| d.len().is_multiple_of(2))
        .ok_or_else(bad)?;
    Ok(digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| (sum << 4) | digit))
        .collect())
}
