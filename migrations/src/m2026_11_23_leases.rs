//! Rows in flight are found without reading the whole queue: each claim asks whether another node has any of the target.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Leases;

impl MigrationName for Leases {
    fn name(&self) -> &'static str {
        "m2026_11_23_leases"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Leases {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager.get_connection(), STATEMENTS).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] =
    &["CREATE INDEX outbox_leased ON outbox (target, leased_until) WHERE lease_token IS NOT NULL"];
