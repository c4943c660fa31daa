//! Fuzz targets that need the shipped files.

use super::{compile, sources};
use crate::dicom::read::{Limits, Syntax, read};
use crate::domain::ids::JournalId;
use crate::domain::reason::Refusal;
use crate::fuzzing;
use crate::hl7::message::{Message, Reading};
use crate::mapping::{LinkView, MappingSet, MppsOp, Translation};
use std::sync::{Arc, OnceLock};

/// The shipped files, compiled once for the fuzz targets.
fn shipped() -> &'static MappingSet {
    static SHIPPED: OnceLock<MappingSet> = OnceLock::new();
    SHIPPED.get_or_init(|| compile(sources(&[])).0)
}

/// Fuzz target: any bytes as a message of a link, read by the shipped files.
pub fn fuzz_translate(data: &[u8]) -> u64 {
    let message = match Message::parse(Arc::from(data), &Reading::default()) {
        Ok(message) => message,
        Err(refusal) => return fuzzing::shape((refusal.reason, &refusal.at)),
    };
    of_translation(shipped().translate_hl7(&message, &LinkView::default(), JournalId(0)))
}

/// Fuzz target: any bytes as a message to be made a case of, by the shipped files.
pub fn fuzz_capture(data: &[u8]) -> u64 {
    crate::mapping::capture::fuzz_capture(shipped(), data)
}

/// Fuzz target: any bytes as the data set of an N-CREATE (first byte even) or N-SET, read by the shipped files.
pub fn fuzz_mpps(data: &[u8]) -> u64 {
    let Some((&choice, data)) = data.split_first() else {
        return 0;
    };
    let Ok(set) = read(data, Syntax::ImplicitLe, Limits::default(), None) else {
        return 1;
    };
    let op = [MppsOp::Create, MppsOp::Set][usize::from(choice & 1)];
    let link = LinkView::default();
    of_translation(shipped().translate_mpps(op, "1.2.3", "CT1", &set, &link, JournalId(0)))
}

fn of_translation(translation: Result<Translation, Refusal>) -> u64 {
    match translation {
        Err(refusal) => fuzzing::shape((refusal.reason, &refusal.at)),
        Ok(found) => fuzzing::shape((
            found.file,
            found.ignored.is_some(),
            fuzzing::size(found.warnings.len()),
            found
                .commands
                .iter()
                .map(std::mem::discriminant)
                .take(4)
                .collect::<Vec<_>>(),
        )),
    }
}
