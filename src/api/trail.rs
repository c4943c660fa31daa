//! The audit trail of one request. What cannot be written to it is not answered.

use super::ApiState;
use super::access::Who;
use super::gate::Seen;
use super::params::Params;
use super::problem::Problem;
use super::routes::Route;
use crate::domain::reason::{Reason, Refusal};
use crate::store::AuditRow;
use std::net::IpAddr;

/// What is known of a request so far.
pub struct Trail<'s> {
    state: &'s ApiState,
    row: AuditRow,
}

impl<'s> Trail<'s> {
    /// A request of a route has come.
    pub fn begin(state: &'s ApiState, route: &Route, peer: IpAddr, path: &str) -> Self {
        let row = AuditRow {
            id: state.minter.mint(),
            at: state.clock.now(),
            who: String::new(),
            role: String::new(),
            peer: peer.to_string(),
            action: route.name.to_owned(),
            subject: route.subject.to_owned(),
            ids: vec![],
            // Until the parameters are read: what somebody tried who was not let in.
            filter: path.chars().take(200).collect(),
            outcome: String::new(),
            reason: None,
            n: 0,
        };
        Self { state, row }
    }

    /// Whose token it bears.
    pub fn of(&mut self, who: Option<&Who>) {
        if let Some(who) = who {
            self.row.who.clone_from(&who.name);
            self.row.role = who.role.word().to_owned();
        }
    }

    /// What it is about.
    pub fn about(&mut self, params: &Params) {
        self.row.filter = params.shown();
        self.row.ids.extend(params.number("id"));
    }

    /// Something will be changed.
    pub async fn asked(&mut self) -> Result<(), Problem> {
        "asked".clone_into(&mut self.row.outcome);
        self.write(&[]).await?;
        self.row.id = self.state.minter.mint();
        Ok(())
    }

    /// It is answered, with data of these.
    pub async fn allowed(mut self, seen: &Seen) -> Result<(), Problem> {
        "allowed".clone_into(&mut self.row.outcome);
        if !seen.ids.is_empty() {
            self.row.ids.clone_from(&seen.ids);
        }
        self.row.n = i64::try_from(seen.ids.len()).unwrap_or(i64::MAX);
        let patients: Vec<i64> = seen.patients.iter().copied().collect();
        self.write(&patients).await
    }

    /// It is `denied` to this one, or `refused` as it is. Returns the problem that is answered: this one, or that it cannot be written.
    pub async fn refused(mut self, outcome: &str, problem: Problem) -> Problem {
        // Beyond the limit of attempts nothing is written: nobody fills the trail by guessing.
        if problem.refusal.reason == Reason::AccessAttempts {
            return problem;
        }
        outcome.clone_into(&mut self.row.outcome);
        self.row.reason = Some(problem.refusal.reason.code().to_owned());
        match self.write(&[]).await {
            Ok(()) => problem,
            Err(unwritten) => unwritten,
        }
    }

    async fn write(&self, patients: &[i64]) -> Result<(), Problem> {
        let written = self.state.store.audit(&self.row, patients).await;
        written.map_err(|error| {
            metrics::counter!("relais_http_audit_failed_total").increment(1);
            tracing::error!(%error, action = %self.row.action, "an access cannot be written to the audit trail and is refused");
            let refusal = Refusal::new(Reason::StorageAway, "the audit trail cannot be written");
            refusal.hint("try again later").into()
        })
    }
}
