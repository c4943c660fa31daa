//! The outbox on SQLite, and on PostgreSQL when one is at hand.

use super::super::sql::Sql;
use super::super::testing::{Fresh, stores};
use super::super::*;
use crate::domain::ids::JournalId;
use crate::domain::time::Instant;

async fn queue(store: &Store, id: i64, subject: &str, seq: i64, now: Instant) {
    let txn = store.begin().await.unwrap();
    let row = Queue {
        id,
        target: "mes".to_owned(),
        subject: subject.to_owned(),
        seq,
        times: 1,
    };
    txn.queue(&[row], now).await.unwrap();
    txn.commit().await.unwrap();
}

/// An operator's act at a time.
fn by_operator(at: i64, kind: &str) -> JournalEntry {
    JournalEntry {
        id: JournalId(at),
        received: Instant(at),
        port: "cli".to_owned(),
        link: String::new(),
        peer: "luc@pacs".to_owned(),
        kind: kind.to_owned(),
        control_id: String::new(),
        hash: [0; 32],
        charset: String::new(),
        zone: String::new(),
        mapping_rev: String::new(),
    }
}

async fn steer(store: &Store, steer: Steer, filter: &OutboxFilter, at: i64) -> Vec<i64> {
    let mut next = at * 10;
    let mint = || {
        next += 1;
        next
    };
    let entry = by_operator(at, "outbox");
    let changed = store
        .steer_outbox(steer, filter, entry, "asked", mint)
        .await;
    changed.unwrap()
}

#[tokio::test]
async fn g08_nothing_of_a_paused_target_is_claimed_until_it_is_resumed() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        let pause = by_operator(11, "target.pause");
        assert!(store.pause_target("mes", &pause, "move").await.unwrap());
        let again = by_operator(12, "target.pause");
        assert!(!store.pause_target("mes", &again, "twice").await.unwrap());
        assert_eq!(
            store.pauses().await.unwrap(),
            [Pause {
                target: "mes".to_owned(),
                at: Instant(11),
                who: "luc@pacs".to_owned(),
                because: "move".to_owned(),
            }]
        );
        let claims = store.claim("mes", 9, 100, Instant(20), 5).await.unwrap();
        assert_eq!(claims, []);
        assert_eq!(store.next_due("mes").await.unwrap(), None);
        let resume = by_operator(13, "target.resume");
        assert!(store.resume_target("mes", &resume, "").await.unwrap());
        let claims = store.claim("mes", 9, 100, Instant(20), 5).await.unwrap();
        assert_eq!(claims.len(), 1);
    }
}

fn attempt(id: i64) -> Attempt<'static> {
    Attempt {
        id,
        at: Instant(id),
        ms: 3,
        status: "200".to_owned(),
        journal: None,
    }
}

async fn state(store: &Store) -> Vec<(i64, i64, String)> {
    let rows = store.outbox(&OutboxFilter::default(), 100).await.unwrap();
    rows.into_iter()
        .map(|r| (r.wanted, r.done, r.state))
        .collect()
}

#[tokio::test]
async fn a_state_row_coalesces_and_is_delivered_again_when_more_was_wanted_meanwhile() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        queue(store, 2, "exam/1", 0, Instant(11)).await;
        assert_eq!(
            store.claim("mes", 9, 100, Instant(10), 5).await.unwrap(),
            []
        );
        let claims = store.claim("mes", 9, 100, Instant(11), 6).await.unwrap();
        assert_eq!(
            claims
                .iter()
                .map(|c| (c.id, c.wanted, c.done))
                .collect::<Vec<_>>(),
            [(1, 2, 0)]
        );
        assert_eq!(
            store.claim("mes", 9, 100, Instant(50), 7).await.unwrap(),
            []
        );
        queue(store, 3, "exam/1", 0, Instant(12)).await;
        assert!(
            store
                .settle_delivered(&claims[0], &attempt(1))
                .await
                .unwrap()
        );
        assert_eq!(state(store).await, [(3, 2, "queued".to_owned())]);
        let again = store.claim("mes", 9, 100, Instant(60), 8).await.unwrap();
        assert!(
            store
                .settle_delivered(&again[0], &attempt(2))
                .await
                .unwrap()
        );
        assert_eq!(state(store).await, [(3, 3, "delivered".to_owned())]);
        assert_eq!(store.next_due("mes").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_served_by_one_node_at_a_time() {
    for Fresh { store, .. } in &stores().await {
        let minter = |node| crate::clock::Minter::new(crate::clock::Clock::System, node);
        let (one, two) = (minter(0), minter(1));
        let claim = async |minter: &crate::clock::Minter, n, now| {
            let token = minter.token();
            let claims = store.claim("mes", n, 100, Instant(now), token).await;
            claims.unwrap()
        };
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        queue(store, 2, "exam/2", 0, Instant(10)).await;
        let first = claim(&one, 1, 10).await;
        assert_eq!(first.len(), 1);
        assert_eq!(claim(&two, 9, 10).await, []);
        // The same node goes on; the other one is next when it has settled, or its lease has run out.
        assert_eq!(claim(&one, 9, 10).await.len(), 1);
        assert_eq!(claim(&two, 9, 110).await.len(), 2);
        assert_eq!(claim(&one, 9, 110).await, []);
        for round in 0..20 {
            let now = 1000 * (round + 1);
            let (a, b) = tokio::join!(claim(&one, 1, now), claim(&two, 1, now));
            assert_eq!(a.len() + b.len(), 1, "round {round}");
        }
    }
}

#[tokio::test]
async fn rows_of_a_dead_process_are_free_before_their_lease_ends_and_nothing_passes_them() {
    let other = 1 << 53;
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        let dead = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        queue(store, 2, "exam/2", 0, Instant(10)).await;
        // Another node's start does not touch them.
        assert_eq!(store.orphan("mes", other, Instant(60)).await.unwrap(), 0);
        assert_eq!(store.orphan("mes", 6, Instant(60)).await.unwrap(), 1);
        assert_eq!(store.orphan("mes", 6, Instant(60)).await.unwrap(), 0);
        for token in [7, other] {
            let early = store.claim("mes", 9, 100, Instant(59), token).await;
            assert_eq!(early.unwrap(), []);
        }
        // Should it live after all, its claim is lost.
        assert!(!store.settle_delivered(&dead[0], &attempt(1)).await.unwrap());
        let next = store.claim("mes", 9, 100, Instant(60), 8).await.unwrap();
        assert_eq!(next.len(), 2);
    }
}

#[tokio::test]
async fn a_row_that_is_settled_while_another_node_waits_for_it_is_not_claimed_again() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        // The first node is late: its lease is over, its settlement is written and not yet committed.
        let txn = store.begin().await.unwrap();
        let settle = "UPDATE outbox SET state = 'delivered', done = wanted, lease_token = NULL, leased_until = NULL";
        Sql::new(&txn.tx, settle).execute(&txn.tx).await.unwrap();
        let waiting = {
            let store = store.clone();
            let other = 1 << 53;
            tokio::spawn(async move { store.claim("mes", 9, 100, Instant(200), other).await })
        };
        // On SQLite it waits for the one writer; on PostgreSQL until the row's lock is free.
        let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while !store.is_sqlite() {
            let row = Sql::new(&store.read, waits).one(&store.read).await.unwrap();
            if row.unwrap().try_get_by_index::<i64>(0).unwrap() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        txn.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), []);
    }
}

#[tokio::test]
async fn a_lost_lease_settles_nothing() {
    for Fresh { store, .. } in &stores().await {
        queue(store, 1, "exam/1", 0, Instant(10)).await;
        let lost = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        assert_eq!(store.next_due("mes").await.unwrap(), Some(Instant(110)));
        let held = store.claim("mes", 9, 100, Instant(110), 6).await.unwrap();
        assert!(!store.settle_delivered(&lost[0], &attempt(1)).await.unwrap());
        assert_eq!(state(store).await, [(1, 0, "queued".to_owned())]);
        assert!(
            store
                .settle_held(&held[0], &attempt(2), "fhir.invalid", "x")
                .await
                .unwrap()
        );
        assert_eq!(state(store).await, [(1, 0, "held".to_owned())]);
        assert_eq!(store.attempts_at(1, 9).await.unwrap().len(), 2);
        // An operator's retry, then a temporary failure.
        let all = OutboxFilter::default();
        assert!(steer(store, Steer::Resend, &all, 199).await.is_empty());
        assert_eq!(steer(store, Steer::Retry, &all, 200).await, [1]);
        let claim = store.claim("mes", 9, 100, Instant(200), 7).await.unwrap();
        let due = Instant(900);
        assert!(
            store
                .settle_retry(&claim[0], &attempt(3), due, "http.503", "")
                .await
                .unwrap()
        );
        assert_eq!(store.next_due("mes").await.unwrap(), Some(due));
        assert_eq!(steer(store, Steer::Skip, &all, 300).await, [1]);
        assert_eq!(state(store).await, [(1, 0, "discarded".to_owned())]);
        let attempts = store.attempts_at(1, 9).await.unwrap();
        let told: Vec<(&str, &str)> = attempts
            .iter()
            .map(|a| (a.outcome.as_str(), a.status.as_str()))
            .filter(|(_, status)| status.starts_with("luc@pacs"))
            .collect();
        assert_eq!(
            told,
            [("discard", "luc@pacs: asked"), ("retry", "luc@pacs: asked")]
        );
    }
}

#[tokio::test]
async fn delivered_rows_do_not_crowd_out_what_is_held() {
    for Fresh { store, .. } in &stores().await {
        for (id, subject) in [(1, "exam/1"), (2, "exam/2")] {
            queue(store, id, subject, 0, Instant(10)).await;
        }
        let claims = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        let (first, second) = (attempt(1), attempt(2));
        assert!(store.settle_delivered(&claims[0], &first).await.unwrap());
        let held = store.settle_held(&claims[1], &second, "r", "d").await;
        assert!(held.unwrap());
        let filter = OutboxFilter {
            undelivered: true,
            ..OutboxFilter::default()
        };
        let rows = store.outbox(&filter, 1).await.unwrap();
        assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [2]);
    }
}

#[tokio::test]
async fn g05_events_of_a_subject_leave_in_order_and_a_held_one_blocks_its_subject_only() {
    for Fresh { store, .. } in &stores().await {
        for (id, subject, seq) in [(1, "exam/1", 7), (2, "exam/1", 8), (3, "exam/2", 9)] {
            queue(store, id, subject, seq, Instant(10)).await;
        }
        let claims = store.claim("mes", 9, 100, Instant(10), 5).await.unwrap();
        assert_eq!(claims.iter().map(|c| c.seq).collect::<Vec<_>>(), [7, 9]);
        assert!(
            store
                .settle_held(&claims[0], &attempt(1), "r", "d")
                .await
                .unwrap()
        );
        assert!(
            store
                .settle_delivered(&claims[1], &attempt(2))
                .await
                .unwrap()
        );
        assert_eq!(
            store.claim("mes", 9, 100, Instant(10), 6).await.unwrap(),
            []
        );
        let first = OutboxFilter {
            id: Some(1),
            ..OutboxFilter::default()
        };
        assert_eq!(steer(store, Steer::Skip, &first, 10).await, [1]);
        let next = store.claim("mes", 9, 100, Instant(10), 7).await.unwrap();
        assert_eq!(next.iter().map(|c| c.seq).collect::<Vec<_>>(), [8]);
    }
}
