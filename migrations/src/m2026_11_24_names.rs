//! Patients by the beginning of their name, folded as worklists fold it. Only Rust folds: rows of before are filled by the start that
//! applies this, and the writer keeps the column with every save.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Names;

impl MigrationName for Names {
    fn name(&self) -> &'static str {
        "m2026_11_24_names"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Names {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager.get_connection(), STATEMENTS).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // NULL: not folded yet. A node of the previous release that shares the database writes such rows; the next start fills them.
    "ALTER TABLE patient ADD COLUMN name_fold {key}",
    "CREATE INDEX patient_name ON patient (name_fold, id)",
];
