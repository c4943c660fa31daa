//! The audit trail: who read or changed what. A row is on the disk before the answer leaves.

use super::super::sql::{Columns, Insert, Sql, opt_text, text};
use super::super::{Store, StoreError};
use super::{Page, between, equal, paged_by_id};
use crate::domain::time::Instant;
use sea_orm::QueryResult;

/// One access. Ids, never names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub id: i64,
    pub at: Instant,
    /// Name of the token; empty = none was valid.
    pub who: String,
    /// Its role; empty = none.
    pub role: String,
    /// IP address of the peer.
    pub peer: String,
    /// What was asked for: the operation of the API.
    pub action: String,
    /// What sort of thing: `exam`, `patient`, `message` ...
    pub subject: String,
    /// Ids of the things in the answer.
    pub ids: Vec<i64>,
    /// The parameters of the request.
    pub filter: String,
    /// `allowed`, `denied` or `refused`.
    pub outcome: String,
    /// Reason code, unless allowed.
    pub reason: Option<String>,
    /// How many things the answer held.
    pub n: i64,
}

/// Which accesses; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub who: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<String>,
    /// Only answers that held data of this patient.
    pub patient: Option<i64>,
    /// First and last moment, microseconds of UTC, both included.
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Store {
    /// Writes an access with the patients whose data the answer holds; returns when both are on the disk.
    ///
    /// # Errors
    /// As the database says; then nothing was kept, and the answer must not leave.
    pub async fn audit(&self, row: &AuditRow, patients: &[i64]) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        let written = async {
            let mut insert = Insert::into(
                "audit",
                &[
                    "id", "at", "who", "role", "peer", "action", "subject", "ids", "filter",
                    "outcome", "reason", "n",
                ],
            );
            let ids: Vec<String> = row.ids.iter().map(ToString::to_string).collect();
            insert.row([
                row.id.into(),
                row.at.0.into(),
                text(&row.who),
                text(&row.role),
                text(&row.peer),
                text(&row.action),
                text(&row.subject),
                ids.join(" ").into(),
                text(&row.filter),
                text(&row.outcome),
                opt_text(row.reason.as_deref()),
                row.n.into(),
            ]);
            insert.execute(&txn.tx, "").await?;
            let mut seen = Insert::into("audit_patient", &["patient_id", "audit_id"]);
            for patient in patients {
                seen.row([(*patient).into(), row.id.into()]);
            }
            seen.execute(&txn.tx, " ON CONFLICT DO NOTHING").await
        };
        let written = written.await.map(|_| ());
        txn.end(written).await
    }

    /// A page of the trail, latest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut sql = Sql::new(
            &self.read,
            "SELECT id, at, who, role, peer, action, subject, ids, filter, outcome, reason, n FROM audit WHERE 1 = 1",
        );
        for (column, value) in [
            ("who", &filter.who),
            ("action", &filter.action),
            ("outcome", &filter.outcome),
        ] {
            sql = equal(sql, column, value.as_deref().map(text));
        }
        if let Some(patient) = filter.patient {
            sql = sql
                .push(" AND id IN (SELECT audit_id FROM audit_patient WHERE patient_id = ")
                .bind(patient)
                .push(")");
        }
        sql = between(sql, "at", filter.from, filter.to);
        let rows = paged_by_id(sql, page).all(&self.read).await?;
        rows.iter().map(audit_row).collect()
    }
}

fn audit_row(row: &QueryResult) -> Result<AuditRow, StoreError> {
    let mut c = Columns::of(row);
    Ok(AuditRow {
        id: c.next()?,
        at: Instant(c.next()?),
        who: c.next()?,
        role: c.next()?,
        peer: c.next()?,
        action: c.next()?,
        subject: c.next()?,
        ids: c
            .next::<String>()?
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect(),
        filter: c.next()?,
        outcome: c.next()?,
        reason: c.next()?,
        n: c.next()?,
    })
}
