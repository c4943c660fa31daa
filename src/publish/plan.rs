//! What a committed message makes Relais send, and where: events in, intents out. Pure.

/// One outbox row to be queued: in state mode the row of (target, subject) is wanted once more; in event mode a row is added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Intent {
    /// Name of the target in the configuration.
    pub target: String,
    /// `patient/1`, `exam/2`, `study/<uid>`, `report/3`: publications of one subject leave in order.
    pub subject: String,
    /// 0 in state mode; the event's id in event mode.
    pub seq: i64,
}
