//! Messages of one link, latest first: without it the list of a link that is quiet reads the journal of all others.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Links;

impl MigrationName for Links {
    fn name(&self) -> &'static str {
        "m2026_11_23_links"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Links {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "CREATE INDEX journal_link ON journal (link, at)";
        ddl::run(manager.get_connection(), &[index]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
