//! One publication in flight per patient: two exams of a new patient must not both create it.

use crate::domain::ids::PatientId;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The patients in flight to one target.
#[derive(Debug, Default)]
pub struct Gate {
    busy: Mutex<BTreeSet<PatientId>>,
    freed: Notify,
}

/// The right to publish what concerns a patient; dropped, the next one may.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    patient: PatientId,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<PatientId>> {
        // A task that died in here left a set that is still whole.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing of the patient is in flight. Documents that were read before may be old.
    pub async fn pass(&self, patient: PatientId) -> Pass<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that a pass given back in between is not missed.
            freed.as_mut().enable();
            if self.lock().insert(patient) {
                return Pass {
                    gate: self,
                    patient,
                };
            }
            freed.await;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.lock().remove(&self.patient);
        self.gate.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_patient_passes_alone_and_others_pass_beside() {
        let gate = Gate::default();
        let first = gate.pass(PatientId(1)).await;
        let _other = gate.pass(PatientId(2)).await;
        let next = gate.pass(PatientId(1));
        tokio::pin!(next);
        tokio::select! {
            biased;
            _ = &mut next => panic!("passed beside the first"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        let _pass = next.await;
    }
}
