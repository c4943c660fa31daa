//! What can go wrong in the store, sorted by what the caller does about it.

use sea_orm::{DbErr, RuntimeErr, sqlx};
use thiserror::Error;

/// Why the store did not do what was asked. The text names the operation and the database's own words, never a bound value: no
/// patient data can be in it.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The database cannot be reached or is busy, or its files cannot be read or written. Nothing was stored; later it may work.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The disk or the database's quota is full. Nothing was stored.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// Another writer was first: a unique key or a document version. Loading afresh and deciding again may work.
    #[error("another writer was first: {0}")]
    Conflict(String),
    /// This content cannot be stored or read, whenever it is tried: a text that the database refuses, a damaged document.
    #[error("the database cannot do this: {0}")]
    Other(String),
}

impl StoreError {
    /// True when the failure lies in what was to be stored, not in the database: the same statement fails again, others do not.
    pub fn is_of_content(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Other(_))
    }

    /// A stored document that does not read as what it should be.
    pub(super) fn damaged(table: &str, id: i64, error: &serde_json::Error) -> Self {
        // The JSON error names line and column, and may quote a value: only its place is repeated.
        Self::Other(format!(
            "the document {table} {id} cannot be read (line {}, column {})",
            error.line(),
            error.column()
        ))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let sqlx = match &error {
            DbErr::Conn(RuntimeErr::SqlxError(e))
            | DbErr::Exec(RuntimeErr::SqlxError(e))
            | DbErr::Query(RuntimeErr::SqlxError(e)) => e,
            DbErr::Type(_) | DbErr::TryIntoErr { .. } | DbErr::Json(_) => {
                return Self::Other(error.to_string());
            }
            _ => return Self::Unavailable(error.to_string()),
        };
        match sqlx.as_ref() {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                // PostgreSQL appends the offending key to `detail`, not to `message`: the message is free of values.
                of_code(&code, format!("{} ({code})", database.message()))
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
                Self::Other("a stored value has another type than its column".to_owned())
            }
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Sorts an error by its code: five characters are an SQLSTATE (PostgreSQL, Appendix A), else it is an extended SQLite result code.
///
/// What is not known to lie in the content counts as unavailable: the sender keeps such a message.
fn of_code(code: &str, text: String) -> StoreError {
    if code.len() == 5 {
        return match code {
            "23505" | "40001" | "40P01" | "55P03" => StoreError::Conflict(text),
            "53100" => StoreError::Full(text),
            _ if code.starts_with("22") || code.starts_with("23") || code.starts_with("54") => {
                StoreError::Other(text)
            }
            _ => StoreError::Unavailable(text),
        };
    }
    let extended: i64 = code.parse().unwrap_or_default();
    match (extended & 0xff, extended >> 8) {
        (13, _) => StoreError::Full(text),
        // SQLITE_CONSTRAINT with PRIMARYKEY, UNIQUE or ROWID.
        (19, 6 | 8 | 10) => StoreError::Conflict(text),
        // SQLITE_TOOBIG, _CONSTRAINT, _MISMATCH, _RANGE.
        (18 | 19 | 20 | 25, _) => StoreError::Other(text),
        _ => StoreError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_error_is_sorted_by_what_to_do_about_it() {
        for (code, expected) in [
            ("23505", "conflict"),
            ("40P01", "conflict"),
            ("22021", "other"),
            ("54000", "other"),
            ("53100", "full"),
            ("57P01", "away"),
            ("1555", "conflict"),
            ("2067", "conflict"),
            ("1299", "other"),
            ("13", "full"),
            ("5", "away"),
            ("266", "away"),
            ("", "away"),
        ] {
            let found = match of_code(code, String::new()) {
                StoreError::Conflict(_) => "conflict",
                StoreError::Other(_) => "other",
                StoreError::Full(_) => "full",
                StoreError::Unavailable(_) => "away",
            };
            assert_eq!(found, expected, "{code}");
        }
    }
}
