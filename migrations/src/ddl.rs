//! DDL for both databases: four column types, spelled per backend.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Runs statements in which `{id}`, `{int}`, `{key}` and `{bytes}` stand for column types.
///
/// * `{id}`: a 64-bit primary key; on SQLite the row id itself, so that it costs no index.
/// * `{int}`: a 64-bit integer.
/// * `{key}`: text that is searched and sorted by its bytes, on PostgreSQL whatever the locale of the cluster.
/// * `{bytes}`: bytes.
pub async fn run<C: ConnectionTrait>(db: &C, statements: &[&str]) -> Result<(), DbErr> {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    for statement in statements {
        db.execute_unprepared(&spell(statement, sqlite)).await?;
    }
    Ok(())
}

fn spell(statement: &str, sqlite: bool) -> String {
    let types = if sqlite {
        ["INTEGER PRIMARY KEY NOT NULL", "INTEGER", "TEXT", "BLOB"]
    } else {
        [
            "BIGINT PRIMARY KEY",
            "BIGINT",
            "TEXT COLLATE \"C\"",
            "BYTEA",
        ]
    };
    ["{id}", "{int}", "{key}", "{bytes}"]
        .iter()
        .zip(types)
        .fold(statement.to_owned(), |text, (name, spelled)| {
            text.replace(name, spelled)
        })
}

#[cfg(test)]
mod tests {
    use super::spell;

    #[test]
    fn a_column_type_is_spelled_for_each_database() {
        let ddl = "CREATE TABLE t (id {id}, name {key} NOT NULL, n {int}, b {bytes})";
        assert_eq!(
            spell(ddl, true),
            "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, n INTEGER, b BLOB)"
        );
        assert_eq!(
            spell(ddl, false),
            "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT COLLATE \"C\" NOT NULL, n BIGINT, b BYTEA)"
        );
    }
}
