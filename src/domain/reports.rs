//! Reports: not decided yet.

use super::command::Record;
use super::deciding::Deciding;
use super::reason::{Reason, Refusal};

impl Deciding<'_, '_, '_> {
    /// A report.
    pub fn report(&mut self, _record: &Record) -> Result<(), Refusal> {
        Err(Refusal::new(
            Reason::Internal,
            "reports are not decided yet",
        ))
    }
}
