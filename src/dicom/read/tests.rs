use super::*;
use crate::dicom::write::write;
use proptest::prelude::*;

fn read_all(bytes: &[u8], syntax: Syntax) -> Result<DataSet, ReadError> {
    read(bytes, syntax, Limits::default(), None)
}

fn refused(bytes: &[u8], syntax: Syntax, what: &'static str) {
    assert_eq!(read_all(bytes, syntax).map_err(|e| e.what), Err(what),);
}

#[test]
fn a_claimed_length_allocates_nothing() {
    refused(
        b"\x10\0\x10\0\xFE\xFF\xFF\xFFAB",
        Syntax::ImplicitLe,
        "value runs past the end",
    );
    refused(
        b"\x10\0\x10\0\xFF\xFF\xFF\xFFAB",
        Syntax::ImplicitLe,
        "undefined length outside a sequence",
    );
    refused(
        b"\x10\0\x10",
        Syntax::ImplicitLe,
        "data set ends inside an element header",
    );
    refused(
        b"\x10\0\x10\0pn\x02\0AB",
        Syntax::ExplicitLe,
        "no value representation where one must be",
    );
    refused(
        b"\x10\0\xC0\x21US\x03\0ABC",
        Syntax::ExplicitLe,
        "length is no multiple of the value size",
    );
}

#[test]
fn deep_nesting_ends_in_an_error_and_not_in_a_crash() {
    let one = b"\x40\0\0\x01\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF";
    let bytes = one.repeat(20_000);
    refused(
        &bytes,
        Syntax::ImplicitLe,
        "sequences nested deeper than the limit",
    );
}

#[test]
fn undefined_lengths_private_elements_and_group_lengths_are_read() {
    let mut bytes = Vec::new();
    bytes.extend(b"\x08\0\0\0\x04\0\0\0\x63\0\0\0");
    bytes.extend(b"\x09\0\x01\x10\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    bytes.extend(b"\x40\0\0\x01\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF");
    bytes.extend(b"\x08\0\x60\0\x02\0\0\0CT\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    let ds = read_all(&bytes, Syntax::ImplicitLe).expect("reads");
    assert_eq!(ds.len(), 2);
    assert_eq!(
        ds.items("ScheduledProcedureStepSequence")[0].text("Modality"),
        Some("CT")
    );
    assert_eq!(
        ds.get(Tag(0x0009, 0x1001)).map(|e| e.bytes().len()),
        Some(8)
    );
}

#[test]
fn text_follows_the_declared_character_set_and_is_mended_with_a_warning() {
    let with = |label: &str, name: &[u8]| {
        let mut bytes = Vec::new();
        if !label.is_empty() {
            bytes.extend(b"\x08\0\x05\0");
            bytes.extend((label.len() as u32).to_le_bytes());
            bytes.extend(label.as_bytes());
        }
        bytes.extend(b"\x10\0\x10\0");
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend(name);
        let ds = read_all(&bytes, Syntax::ImplicitLe).expect("reads");
        (
            ds.text("PatientName").map(str::to_owned),
            ds.warnings().len(),
        )
    };
    for (label, name, text, warnings) in [
        ("ISO_IR 100", &b"L\xE9a "[..], "Léa", 0),
        ("ISO_IR 192", b"L\xC3\xA9a", "Léa", 0),
        ("ISO_IR 192", b"L\xE9a ", "Léa", 1),
        ("ISO_IR 203", b"B\xBDuf", "Bœuf", 0),
        ("", b"L\xE9a\0", "Léa", 1),
        ("", b"L\xC3\xA9a", "Léa", 1),
        ("ISO_IR 100", b"L\xE9a", "Léa", 1),
        ("BOGUS ", b"Lea ", "Lea", 1),
        ("\\ISO 2022 IR 100", b"\x1B-AL\xE9a", "Léa", 0),
        ("\\ISO 2022 IR 87 ", b"A\x1B$B;\x1B(B", "A\x1B$B;\x1B(B", 2),
    ] {
        let (found, n) = with(label, name);
        assert_eq!(found.as_deref(), Some(text), "{label}");
        assert_eq!(n, warnings, "{label}");
    }
}

#[test]
fn un_is_read_by_the_dictionary() {
    let bytes = b"\x10\0\x20\0UN\0\0\x04\0\0\0IPP1";
    let ds = read_all(bytes, Syntax::ExplicitLe).expect("reads");
    assert_eq!(ds.text("PatientID"), Some("IPP1"));
}

fn text() -> impl Strategy<Value = String> {
    "[A-Za-zéèçœŁ山0-9^=.,'-]([ A-Za-zéèçœŁ山0-9^=.,'-]{0,12}[A-Za-zé0-9])?"
}

fn data_set(depth: u32) -> BoxedStrategy<DataSet> {
    let leaf = prop::collection::vec(
        (
            prop::sample::select(vec![
                "PatientName",
                "PatientID",
                "PatientComments",
                "OtherPatientNames",
                "RequestingService",
            ]),
            text(),
        ),
        0..5,
    )
    .prop_map(|pairs| {
        let mut ds = DataSet::new();
        pairs.iter().for_each(|(k, v)| ds.put_text(k, v));
        ds
    });
    if depth == 0 {
        return leaf.boxed();
    }
    (leaf, prop::collection::vec(data_set(depth - 1), 0..3))
        .prop_map(|(mut ds, items)| {
            ds.put_items("ScheduledProcedureStepSequence", items);
            ds.put("PregnancyStatus", Content::Bytes(vec![4, 0]));
            ds
        })
        .boxed()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(ds in data_set(2), explicit in any::<bool>()) {
        let syntax = if explicit { Syntax::ExplicitLe } else { Syntax::ImplicitLe };
        let fitted = crate::dicom::charset::fit(&ds, None);
        let bytes = write(&fitted.data, syntax, fitted.charset).expect("fits");
        prop_assert_eq!(bytes.len() % 2, 0);
        let mut back = read_all(&bytes, syntax).expect("reads");
        back.remove(SPECIFIC_CHARACTER_SET);
        prop_assert_eq!(back.warnings(), &[]);
        prop_assert_eq!(back, ds);
    }

    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_dataset_implicit(&data);
        fuzz_dataset_explicit(&data);
    }

    #[test]
    fn a_damaged_data_set_is_read_or_refused(ds in data_set(2), at in any::<prop::sample::Index>(), b in any::<u8>(), explicit in any::<bool>()) {
        let syntax = if explicit { Syntax::ExplicitLe } else { Syntax::ImplicitLe };
        let mut bytes = write(&ds, syntax, Charset::Utf8).expect("fits");
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = b;
        }
        fuzz(&bytes, syntax);
    }
}
