//! Exams by a bare Scheduled Procedure Step ID, as somebody reads it off a screen: the primary key of `exam_key` leads by the issuer.
//! Of two columns and covering, as `exam_key_accession` is.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Steps;

impl MigrationName for Steps {
    fn name(&self) -> &'static str {
        "m2026_11_24_steps"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Steps {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index =
            "CREATE INDEX exam_key_step ON exam_key (kind, value, exam_id) WHERE kind = 'step'";
        ddl::run(manager.get_connection(), &[index]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
