//! One SQL text for both databases: placeholders, multi-row inserts and IN lists.
//!
//! The number of rows and list items varies with the load, and every other text is parsed afresh by the database: lists are padded to
//! powers of two and inserts are cut into powers of two, so that a handful of prepared statements serves all loads.

use super::error::StoreError;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

/// Most items of one IN list.
const LIST: usize = 512;
/// Most rows of one INSERT.
const ROWS: usize = 64;

/// A statement under construction.
pub(super) struct Sql {
    backend: DbBackend,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new<C: ConnectionTrait>(db: &C, text: &str) -> Self {
        Self {
            backend: db.get_database_backend(),
            text: text.to_owned(),
            values: vec![],
        }
    }

    /// Appends SQL.
    pub(super) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Puts SQL without placeholders before the rest.
    #[cfg(test)]
    pub(super) fn before(mut self, text: &str) -> Self {
        self.text.insert_str(0, text);
        self
    }

    /// Appends a placeholder with its value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.place(value.into());
        self
    }

    /// Appends `(?, ?, ...)`. The list must not be empty: `IN ()` is not SQL everywhere.
    pub(super) fn list<V: Into<Value> + Clone>(mut self, values: &[V]) -> Self {
        self.tuple(values, padded(values.len()));
        self
    }

    /// Appends `(VALUES (?, ?), (?, ?), ...)` of rows of `width` values; its columns are `column1`, `column2` ... on both databases.
    pub(super) fn values(mut self, values: &[Value], width: usize) -> Self {
        let rows = values.len() / width.max(1);
        self.text.push_str("(VALUES ");
        for i in 0..padded(rows) {
            if i > 0 {
                self.text.push(',');
            }
            let row = i.min(rows.saturating_sub(1)) * width;
            self.tuple(values.get(row..row + width).unwrap_or_default(), width);
        }
        self.text.push(')');
        self
    }

    fn tuple<V: Into<Value> + Clone>(&mut self, values: &[V], places: usize) {
        self.text.push('(');
        for i in 0..places {
            if i > 0 {
                self.text.push(',');
            }
            if let Some(value) = values.get(i).or(values.last()) {
                self.place(value.clone().into());
            }
        }
        self.text.push(')');
    }

    fn place(&mut self, value: Value) {
        self.values.push(value);
        if self.backend == DbBackend::Postgres {
            self.text.push('$');
            self.text.push_str(&self.values.len().to_string());
        } else {
            // Not `?1`: a named parameter makes SQLite search its name list at every bind.
            self.text.push('?');
        }
    }

    fn statement(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.text, self.values)
    }

    /// Runs it; the number of rows changed.
    pub(super) async fn execute<C: ConnectionTrait>(self, db: &C) -> Result<u64, StoreError> {
        Ok(db.execute_raw(self.statement()).await?.rows_affected())
    }

    /// Runs it; its rows.
    pub(super) async fn all<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Vec<QueryResult>, StoreError> {
        Ok(db.query_all_raw(self.statement()).await?)
    }

    /// Runs it; its first row.
    pub(super) async fn one<C: ConnectionTrait>(
        self,
        db: &C,
    ) -> Result<Option<QueryResult>, StoreError> {
        Ok(db.query_one_raw(self.statement()).await?)
    }
}

fn padded(n: usize) -> usize {
    n.max(1).next_power_of_two()
}

/// Rows to be inserted into one table.
pub(super) struct Insert {
    table: &'static str,
    columns: &'static [&'static str],
    values: Vec<Value>,
}

impl Insert {
    pub(super) fn into(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            table,
            columns,
            values: vec![],
        }
    }

    /// Adds a row, in the order of the columns.
    pub(super) fn row<const N: usize>(&mut self, values: [Value; N]) {
        debug_assert_eq!(N, self.columns.len(), "a row of {}", self.table);
        self.values.extend(values);
    }

    /// Writes all rows, a few statements at most; `tail` is an ON CONFLICT clause or nothing. The number of rows written: with a
    /// guarded upsert it is smaller than the number given if a guard did not hold.
    pub(super) async fn execute<C: ConnectionTrait>(
        self,
        db: &C,
        tail: &str,
    ) -> Result<u64, StoreError> {
        let width = self.columns.len();
        let head = format!(
            "INSERT INTO {} ({}) VALUES ",
            self.table,
            self.columns.join(",")
        );
        let mut written = 0;
        let mut values = self.values.into_iter();
        let mut left = values.len() / width.max(1);
        while left > 0 {
            // The largest power of two that is left.
            let rows = (1 << left.ilog2()).min(ROWS);
            let mut sql = Sql::new(db, &head);
            for row in 0..rows {
                sql.text.push_str(if row == 0 { "(" } else { ",(" });
                for (i, value) in values.by_ref().take(width).enumerate() {
                    if i > 0 {
                        sql.text.push(',');
                    }
                    sql.place(value);
                }
                sql.text.push(')');
            }
            written += sql.push(tail).execute(db).await?;
            left -= rows;
        }
        Ok(written)
    }
}

/// Cuts a list for several IN lists.
pub(super) fn chunks<T>(items: &[T]) -> std::slice::Chunks<'_, T> {
    items.chunks(LIST)
}

/// A text to be stored or looked up. PostgreSQL has no NUL in text; the visible symbol stands for it on both sides.
pub(super) fn text(text: &str) -> Value {
    if text.contains('\0') {
        text.replace('\0', "\u{2400}").into()
    } else {
        text.into()
    }
}

/// A text or NULL.
pub(super) fn opt_text(value: Option<&str>) -> Value {
    value.map_or(Value::String(None), text)
}

/// An integer or NULL.
pub(super) fn opt_int(value: Option<i64>) -> Value {
    Value::BigInt(value)
}

/// Bytes or NULL.
pub(super) fn opt_bytes(value: Option<&[u8]>) -> Value {
    Value::Bytes(value.map(<[u8]>::to_vec))
}

/// The columns of a row, read from left to right.
pub(super) struct Columns<'a> {
    row: &'a QueryResult,
    at: usize,
}

impl<'a> Columns<'a> {
    pub(super) fn of(row: &'a QueryResult) -> Self {
        Self { row, at: 0 }
    }

    /// The next column.
    pub(super) fn next<T: sea_orm::TryGetable>(&mut self) -> Result<T, StoreError> {
        let value = self.row.try_get_by_index(self.at)?;
        self.at += 1;
        Ok(value)
    }
}
