//! Exams by a bare accession number: a scanner states no issuer, and the primary key of `exam_key` leads by the issuer.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Accession;

impl MigrationName for Accession {
    fn name(&self) -> &'static str {
        "m2026_11_23_accession"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Accession {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "CREATE INDEX exam_key_accession ON exam_key (value) WHERE kind = 'accession'";
        ddl::run(manager.get_connection(), &[index]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
