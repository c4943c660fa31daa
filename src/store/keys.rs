//! Natural keys: how a message finds the documents that it is about.

use super::sql::{Columns, Insert, Sql, chunks, text};
use super::{Store, StoreError, Txn};
use crate::domain::ids::{ExamId, Key, KeyKind, PatientId};
use sea_orm::{ConnectionTrait, Value};
use std::collections::BTreeSet;

fn values(keys: &[Key]) -> Vec<Value> {
    keys.iter()
        .flat_map(|k| [k.kind.word().into(), text(&k.issuer), text(&k.value)])
        .collect()
}

/// The owners of keys in `patient_key` or `exam_key`, as the rows say.
async fn owners<C: ConnectionTrait>(
    db: &C,
    table: &str,
    owner: &str,
    keys: &[Key],
) -> Result<BTreeSet<(Key, i64)>, StoreError> {
    let mut found = BTreeSet::new();
    for chunk in chunks(keys) {
        let rows = Sql::new(db, &format!("SELECT k.kind, k.issuer, k.value, k.{owner} FROM "))
            .values(&values(chunk), 3)
            .push(&format!(
                " AS w CROSS JOIN {table} k WHERE k.kind = w.column1 AND k.issuer = w.column2 AND k.value = w.column3"
            ))
            .all(db)
            .await?;
        for row in &rows {
            let mut c = Columns::of(row);
            let word: String = c.next()?;
            let kind = KeyKind::of_word(&word).ok_or_else(|| {
                StoreError::Other(format!("{table} holds the unknown kind {word}"))
            })?;
            let key = Key {
                kind,
                issuer: c.next()?,
                value: c.next()?,
            };
            found.insert((key, c.next()?));
        }
    }
    Ok(found)
}

impl Txn {
    /// The patients that these keys name.
    pub(crate) async fn patients_of_keys(
        &self,
        keys: &[Key],
    ) -> Result<Vec<(Key, PatientId)>, StoreError> {
        let found = owners(&self.tx, "patient_key", "patient_id", keys).await?;
        Ok(found
            .into_iter()
            .map(|(key, id)| (key, PatientId(id)))
            .collect())
    }

    /// The exams that these keys name.
    pub(crate) async fn exams_of_keys(
        &self,
        keys: &[Key],
    ) -> Result<Vec<(Key, ExamId)>, StoreError> {
        let found = owners(&self.tx, "exam_key", "exam_id", keys).await?;
        Ok(found
            .into_iter()
            .map(|(key, id)| (key, ExamId(id)))
            .collect())
    }

    /// The exams of these accession numbers, whoever issued them.
    pub(crate) async fn exams_of_accessions(
        &self,
        numbers: &[&str],
    ) -> Result<Vec<ExamId>, StoreError> {
        let mut found = vec![];
        for chunk in chunks(numbers) {
            let numbers: Vec<Value> = chunk.iter().map(|n| text(n)).collect();
            // The kind is written out: the partial index serves only statements that name it.
            let rows = Sql::new(
                &self.tx,
                "SELECT DISTINCT exam_id FROM exam_key WHERE kind = 'accession' AND value IN ",
            )
            .list(&numbers)
            .all(&self.tx)
            .await?;
            for row in &rows {
                found.push(ExamId(Columns::of(row).next()?));
            }
        }
        Ok(found)
    }

    /// Gives keys to patients. `taken` keys belong to somebody already (a merge moves them); a new key that another writer gave away
    /// meanwhile is a conflict.
    pub(crate) async fn save_patient_keys(
        &self,
        new: &[(&Key, PatientId)],
        taken: &[(&Key, PatientId)],
    ) -> Result<(), StoreError> {
        const MOVE: &str =
            " ON CONFLICT (kind, issuer, value) DO UPDATE SET patient_id = excluded.patient_id";
        for (keys, tail) in [(new, ""), (taken, MOVE)] {
            let mut insert =
                Insert::into("patient_key", &["kind", "issuer", "value", "patient_id"]);
            for (key, patient) in keys {
                insert.row([
                    key.kind.word().into(),
                    text(&key.issuer),
                    text(&key.value),
                    patient.0.into(),
                ]);
            }
            insert.execute(&self.tx, tail).await?;
        }
        Ok(())
    }

    /// Adds keys of exams; one that is there already stays.
    pub(crate) async fn save_exam_keys(&self, keys: &[(&Key, ExamId)]) -> Result<(), StoreError> {
        let mut insert = Insert::into("exam_key", &["kind", "issuer", "value", "exam_id"]);
        for (key, exam) in keys {
            insert.row([
                key.kind.word().into(),
                text(&key.issuer),
                text(&key.value),
                exam.0.into(),
            ]);
        }
        insert.execute(&self.tx, " ON CONFLICT DO NOTHING").await?;
        Ok(())
    }

    /// Holds other nodes off these keys until the end of the transaction, so that two nodes do not place one order twice. SQLite has
    /// one writer and needs no lock.
    pub(crate) async fn lock<'k>(
        &self,
        keys: impl Iterator<Item = (&'k str, &'k str, &'k str)>,
    ) -> Result<(), StoreError> {
        if self.tx.get_database_backend() != sea_orm::DbBackend::Postgres {
            return Ok(());
        }
        // Sorted: two batches that share keys take them in the same order and cannot wait for each other in a circle.
        let hashes: BTreeSet<i64> = keys.map(|(k, i, v)| lock_id(&[k, i, v])).collect();
        let hashes: Vec<Value> = hashes.into_iter().map(Value::from).collect();
        for chunk in chunks(&hashes) {
            Sql::new(&self.tx, "SELECT pg_advisory_xact_lock(w.column1) FROM ")
                .values(chunk, 1)
                .push(" AS w")
                .execute(&self.tx)
                .await?;
        }
        Ok(())
    }
}

/// FNV-1a over the parts, each ended by a byte that no text holds. Two keys that share an id only wait for each other.
fn lock_id(parts: &[&str]) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    i64::from_ne_bytes(hash.to_ne_bytes())
}

impl Store {
    /// The exams that a key names.
    ///
    /// # Errors
    /// As the database says.
    pub async fn exam_ids(&self, key: &Key) -> Result<Vec<ExamId>, StoreError> {
        let key = std::slice::from_ref(key);
        let found = owners(&self.read, "exam_key", "exam_id", key).await?;
        Ok(found.into_iter().map(|(_, id)| ExamId(id)).collect())
    }

    /// The patient that a key names.
    ///
    /// # Errors
    /// As the database says.
    pub async fn patient_id(&self, key: &Key) -> Result<Option<PatientId>, StoreError> {
        let key = std::slice::from_ref(key);
        let found = owners(&self.read, "patient_key", "patient_id", key).await?;
        Ok(found.first().map(|(_, id)| PatientId(*id)))
    }
}

#[cfg(test)]
mod tests {
    use super::lock_id;

    #[test]
    fn a_key_is_locked_as_a_whole() {
        assert_ne!(
            lock_id(&["placer", "a", "bc"]),
            lock_id(&["placer", "ab", "c"])
        );
        assert_eq!(
            lock_id(&["placer", "a", "b"]),
            lock_id(&["placer", "a", "b"])
        );
    }
}
