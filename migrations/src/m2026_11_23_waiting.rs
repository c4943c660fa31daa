//! Performed steps that wait for their order: by the numbers that their scanner named, so that the order finds them when it comes.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Waiting;

impl MigrationName for Waiting {
    fn name(&self) -> &'static str {
        "m2026_11_23_waiting"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Waiting {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            // A bare value: scanners state no issuer, and the domain decides what fits.
            "CREATE TABLE performed_wait (
                value {key} NOT NULL, kind {key} NOT NULL, performed_id {int} NOT NULL,
                PRIMARY KEY (value, kind, performed_id))",
            "CREATE INDEX performed_wait_performed ON performed_wait (performed_id)",
        ];
        ddl::run(manager.get_connection(), &statements).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
