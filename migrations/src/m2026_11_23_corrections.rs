//! Operators' corrections: what was done about a message is found from the message; how long an entry of the outbox has been as it
//! is; targets that are paused.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Corrections;

impl MigrationName for Corrections {
    fn name(&self) -> &'static str {
        "m2026_11_23_corrections"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Corrections {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager.get_connection(), STATEMENTS).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE INDEX journal_cause ON journal (cause_id) WHERE cause_id IS NOT NULL",
    "ALTER TABLE outbox ADD COLUMN since {int} NOT NULL DEFAULT 0",
    "UPDATE outbox SET since = due",
    "CREATE TABLE target_pause (target {key} PRIMARY KEY NOT NULL, at {int} NOT NULL, journal_id {int} NOT NULL)",
];
