//! A canonical dump of the tables as text: two stores with the same content give the same lines, on both databases. The promise
//! "everything sent a second time changes nothing" is checked with it.

use super::journal::hex;
use super::schema::{TABLES, Table, Type};
use super::sql::Sql;
use super::{Store, StoreError};
use sea_orm::QueryResult;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What a dump leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveOut {
    pub tables: &'static [&'static str],
    /// `table.column`.
    pub columns: &'static [&'static str],
}

impl LeaveOut {
    /// Nothing.
    pub const NOTHING: Self = Self {
        tables: &[],
        columns: &[],
    };

    /// What receiving the same messages again may change: the evidence that they came, the log of queries, delivery attempts,
    /// leases, the node's heartbeat, and the trail of who read.
    pub const EVIDENCE: Self = Self {
        tables: &[
            "journal",
            "journal_body",
            "query_log",
            "attempt",
            "node",
            "audit",
            "audit_patient",
        ],
        columns: &["outbox.lease_token", "outbox.leased_until", "outbox.since"],
    };
}

impl Store {
    /// All rows, one line each: `table column=value ...`, in the order of the keys; text as JSON strings, bytes as SHA-256 and length.
    ///
    /// # Errors
    /// As the database says.
    pub async fn dump(&self, leave_out: &LeaveOut) -> Result<String, StoreError> {
        let mut lines = String::new();
        for table in TABLES
            .iter()
            .filter(|t| !leave_out.tables.contains(&t.name))
        {
            let columns: Vec<&(&str, Type)> = table
                .columns
                .iter()
                .filter(|(c, _)| {
                    !leave_out
                        .columns
                        .contains(&format!("{}.{c}", table.name).as_str())
                })
                .collect();
            for row in self.rows(table, &columns).await? {
                lines.push_str(table.name);
                for (at, (name, kind)) in columns.iter().enumerate() {
                    let value = show(&row, at, *kind)?;
                    // Writing to a String cannot fail.
                    let _ = write!(lines, " {name}={value}");
                }
                lines.push('\n');
            }
        }
        Ok(lines)
    }

    async fn rows(
        &self,
        table: &Table,
        columns: &[&(&str, Type)],
    ) -> Result<Vec<QueryResult>, StoreError> {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        Sql::new(
            &self.read,
            &format!(
                "SELECT {} FROM {} ORDER BY {}",
                names.join(", "),
                table.name,
                table.order
            ),
        )
        .all(&self.read)
        .await
    }
}

fn show(row: &QueryResult, at: usize, kind: Type) -> Result<String, StoreError> {
    let shown = match kind {
        Type::Int => row
            .try_get_by_index::<Option<i64>>(at)?
            .map(|n| n.to_string()),
        Type::Text => row
            .try_get_by_index::<Option<String>>(at)?
            .map(|t| serde_json::Value::String(t).to_string()),
        Type::Bytes => row
            .try_get_by_index::<Option<Vec<u8>>>(at)?
            .map(|b| format!("sha256:{}/{}", hex(&Sha256::digest(&b)), b.len())),
    };
    Ok(shown.unwrap_or_else(|| "-".to_owned()))
}
