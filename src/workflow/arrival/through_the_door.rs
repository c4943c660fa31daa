//! The door's form of the property: units of the day through [`Workflow`] on SQLite, in batches as they happen to wait, each batch
//! loading by keys what it needs. The end state, read back from the tables, is that of the pure form.

use super::super::tests::Door;
use super::*;
use crate::store::testing::sqlite;
use crate::workflow::{JournalEntry, Outcome, Unit};
use sha2::{Digest, Sha256};
use std::sync::Arc;

fn unit(day: &Day, copy: Copy, n: i64) -> Unit {
    let said = &day.said[copy.said];
    let journal = JournalId(n);
    let words: Vec<String> = said.commands.iter().map(coverage::in_words).collect();
    let body: Arc<[u8]> = words.join(" AND ").into_bytes().into();
    let scanner = matches!(said.voice, day::Voice::Scanner(_));
    let renamed = if copy.renamed { " again" } else { "" };
    Unit {
        journal: JournalEntry {
            id: journal,
            received: Instant(DAWN + copy.slot * MINUTE),
            port: if scanner { "dicom" } else { "mllp" }.to_owned(),
            link: "day".to_owned(),
            peer: "127.0.0.1".to_owned(),
            kind: said.kind.to_owned(),
            control_id: format!("{}{renamed}", copy.said),
            hash: Sha256::digest(&body).into(),
            charset: "UTF-8".to_owned(),
            zone: "UTC".to_owned(),
            mapping_rev: "r1".to_owned(),
        },
        body,
        as_of: as_of(day, copy, journal),
        decision: Ok(said.commands.clone()),
        zone: TimeZone::UTC,
        policy: day.policy,
        ack: None,
        warnings: vec![],
        detect_resend: !scanner,
        replay: None,
    }
}

/// Plays the whole day, resends too, through a door whose batches hold at most `group` messages.
async fn through(day: &Day, group: usize) -> Result<World, String> {
    let fresh = sqlite().await;
    let door = Door::with(&fresh.store, 0, group);
    let copies = day.arrivals.iter().zip(1..);
    let outcomes = door
        .burst(copies.map(|(c, n)| unit(day, *c, n)).collect())
        .await;
    door.close().await;
    for (outcome, copy) in outcomes.iter().zip(&day.arrivals) {
        let scanner = matches!(day.said[copy.said].voice, day::Voice::Scanner(_));
        match outcome {
            Outcome::Applied { .. } | Outcome::Repeated { .. } => {}
            Outcome::Refused(_) if scanner => {}
            other => return Err(format!("{:?}: {other:?}", day.said[copy.said])),
        }
    }
    let before = fresh.store.dump(&crate::store::LeaveOut::NOTHING).await;
    let before = before.map_err(|e| e.to_string())?;
    let rebuilt = fresh.store.rebuild_worklist(&TimeZone::UTC).await;
    rebuilt.map_err(|e| e.to_string())?;
    let after = fresh.store.dump(&crate::store::LeaveOut::NOTHING).await;
    if Ok(before) != after.map_err(|e| e.to_string()) {
        return Err("the worklist rows are not those of the documents".to_owned());
    }
    fresh.store.whole_world().await.map_err(|e| e.to_string())
}

/// A sixteenth of PROPTEST_CASES days, at most 20 000.
#[test]
fn the_door_ends_a_day_as_the_pure_form_does() {
    // A day through a store costs more than twenty pure ones.
    let cases = super::config().cases.div_ceil(16).min(20_000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 200,
        ..super::config()
    };
    let result = TestRunner::new(config).run(&(days(), 1_usize..9), |(genes, group)| {
        let fair = fair(&Day::of(&genes))?;
        let stored = runtime
            .block_on(through(&fair.day, group))
            .map_err(TestCaseError::fail)?;
        let expected = play(&fair.day, &fair.reference).world;
        match difference(&picture(&stored), &picture(&expected)) {
            None => Ok(()),
            Some(difference) => Err(TestCaseError::fail(format!(
                "group {group}: {difference}\narrived:\n{}\n{genes:?}",
                told(&fair.day, &fair.day.arrivals)
            ))),
        }
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
