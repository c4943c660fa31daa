//! Performed steps: not decided yet.

use super::command::Record;
use super::deciding::Deciding;
use super::reason::{Reason, Refusal};

impl Deciding<'_, '_, '_> {
    /// N-CREATE.
    pub fn create_performed(
        &mut self,
        uid: &str,
        _ae: &str,
        _record: &Record,
    ) -> Result<(), Refusal> {
        self.set_performed(uid, _record)
    }

    /// N-SET.
    pub fn set_performed(&mut self, _uid: &str, _record: &Record) -> Result<(), Refusal> {
        Err(Refusal::new(
            Reason::Internal,
            "performed steps are not decided yet",
        ))
    }
}
