//! Schema of the Relais store: one set of migrations that yields the same tables on SQLite and PostgreSQL.
//!
//! Every migration is explicit DDL: deriving tables from today's structs would rewrite history tomorrow. README.md says how a
//! migration is added and what it may do to a running node.

pub use sea_orm_migration::sea_orm;
pub use sea_orm_migration::{DbErr, MigratorTrait};
use sea_orm_migration::{MigrationTrait, async_trait};

mod ddl;
mod m2026_11_23_accession;
mod m2026_11_23_corrections;
mod m2026_11_23_initial;
mod m2026_11_23_leases;
mod m2026_11_23_links;
mod m2026_11_23_waiting;
mod m2026_11_23_window;
mod m2026_11_24_names;
mod m2026_11_24_steps;

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m2026_11_23_initial::Initial),
            Box::new(m2026_11_23_leases::Leases),
            Box::new(m2026_11_23_accession::Accession),
            Box::new(m2026_11_23_window::Window),
            Box::new(m2026_11_23_corrections::Corrections),
            Box::new(m2026_11_23_waiting::Waiting),
            Box::new(m2026_11_23_links::Links),
            Box::new(m2026_11_24_steps::Steps),
            Box::new(m2026_11_24_names::Names),
        ]
    }
}
