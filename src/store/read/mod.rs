//! Reads for the window: lists with filters, paged by key, and what a detail page needs beside a document.
//!
//! A page is the rows after a key in a fixed order, never an offset: rows that arrive meanwhile shift nothing. Every list is bounded
//! by its caller. Which index serves which filter is tested in `tests.rs` by the plans of both databases.

mod audit;
mod events;
mod exams;
mod mapping;
mod messages;
mod outbox;
mod patients;
mod performed;
mod queries;
#[cfg(test)]
mod tests;

pub use audit::{AuditFilter, AuditRow};
pub use exams::{ExamFilter, ListedExam};
pub use mapping::RevisionRow;
pub use messages::{MessageFilter, MessageRow};
pub use outbox::{AttemptRow, Depth, OutboxList};
pub use patients::{ListedPatient, PatientFilter};
pub use performed::{ListedPerformed, PerformedFilter};
pub use queries::QueryFilter;

use super::sql::Sql;

/// Where a page begins and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Sort key and id of the last row of the page before; `None` = from the start.
    pub after: Option<(i64, i64)>,
    /// Most rows.
    pub limit: u32,
}

/// Ends a list: after the page's key, newest first, `limit` rows. `order` is the sort key (an expression), `id` the id column.
fn paged(sql: Sql, page: Page, order: &str, id: &str) -> Sql {
    let mut sql = sql;
    if let Some((key, row)) = page.after {
        // Said twice: no planner finds the index range of an expression in the row comparison alone.
        sql = sql
            .push(&format!(" AND {order} <= "))
            .bind(key)
            .push(&format!(" AND ({order} < "))
            .bind(key)
            .push(&format!(" OR {id} < "))
            .bind(row)
            .push(")");
    }
    sql.push(&format!(" ORDER BY {order} DESC, {id} DESC LIMIT "))
        .bind(i64::from(page.limit))
}

/// As [`paged`] for lists whose only key is the id.
fn paged_by_id(sql: Sql, page: Page) -> Sql {
    let mut sql = sql;
    if let Some((_, row)) = page.after {
        sql = sql.push(" AND id < ").bind(row);
    }
    sql.push(" ORDER BY id DESC LIMIT ")
        .bind(i64::from(page.limit))
}

/// Adds ` AND column = value` if there is a value.
fn equal(sql: Sql, column: &str, value: Option<impl Into<sea_orm::Value>>) -> Sql {
    match value {
        Some(value) => sql.push(&format!(" AND {column} = ")).bind(value),
        None => sql,
    }
}

/// Adds both ends of a range, included.
fn between(sql: Sql, column: &str, from: Option<i64>, to: Option<i64>) -> Sql {
    let mut sql = sql;
    for (end, sign) in [(from, ">="), (to, "<=")] {
        if let Some(end) = end {
            sql = sql.push(&format!(" AND {column} {sign} ")).bind(end);
        }
    }
    sql
}
