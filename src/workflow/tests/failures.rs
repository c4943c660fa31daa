//! What cannot be stored is not acknowledged, leaves nothing, and costs its neighbours nothing.

use super::*;

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_refused_alone() {
    let Fresh { store, .. } = &sqlite().await;
    let door = Door::open(store);
    // Two rows of one id: the batch is refused by the database, then each unit stands for itself.
    let twin = again(&new_order(2, "2", "DURAND", "202606020900"), 1);
    let units = vec![
        new_order(1, "1", "MARTIN", "202606020900"),
        twin,
        new_order(3, "3", "PETIT", "202606020900"),
    ];
    let outcomes = door.burst(units).await;
    assert!(
        is_applied(&outcomes[0]) && is_applied(&outcomes[2]),
        "{outcomes:?}"
    );
    assert!(matches!(&outcomes[1], Outcome::Refused(r) if r.reason == Reason::Internal));
    door.close().await;
}

#[tokio::test]
async fn a_panic_while_writing_refuses_its_message_alone_and_the_writer_lives_on() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let first = new_order(1, "1", "MARTIN", "202606020900");
        assert!(is_applied(&door.workflow.execute(first).await));
        // The next version of this patient is out of range: saving it overflows.
        let damage = format!("UPDATE patient SET version = {}", i64::MAX);
        store.tamper(&damage).await;
        let renamed = "patient.id=1^HOPA patient.name=MARTINEZ^Zoé";
        let units = vec![
            new_order(2, "2", "DURAND", "202606020900"),
            unit(3, adt(PatientAct::Update, renamed)),
            new_order(4, "3", "PETIT", "202606020900"),
        ];
        let outcomes = door.burst(units).await;
        assert!(
            is_applied(&outcomes[0]) && is_applied(&outcomes[2]),
            "{outcomes:?}"
        );
        assert!(matches!(&outcomes[1], Outcome::Refused(r) if r.reason == Reason::Internal));
        let journal = store.journal(JournalId(3)).await.unwrap().unwrap();
        assert_eq!(journal.outcome, "refused");
        assert!(door.workflow.is_alive());
        door.close().await;
    }
}

#[tokio::test]
async fn a10_a_store_that_is_away_keeps_nothing_and_says_so() {
    let Fresh { store, .. } = &sqlite().await;
    let door = Door::open(store);
    store.close().await;
    let outcome = door
        .workflow
        .execute(new_order(1, "1", "MARTIN", "202606020900"))
        .await;
    assert_eq!(outcome, Outcome::Away(Reason::StorageAway));
    door.close().await;
}

#[tokio::test]
async fn nothing_of_a_message_is_stored_when_its_outbox_rows_cannot_be() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let first = new_order(1, "1", "MARTIN", "202606020900");
        assert!(is_applied(&door.workflow.execute(first).await));
        let dump = store.dump(&LeaveOut::NOTHING).await.unwrap();
        let second = new_order(2, "2", "DURAND", "202606020900");
        store.tamper("ALTER TABLE outbox RENAME TO hidden").await;
        let outcome = door.workflow.execute(second.clone()).await;
        assert_eq!(outcome, Outcome::Away(Reason::StorageAway));
        store.tamper("ALTER TABLE hidden RENAME TO outbox").await;
        // No exam, no journal row, no event, no worklist row.
        let after = store.dump(&LeaveOut::NOTHING).await.unwrap();
        assert_eq!(difference(&after, &dump), None);
        assert!(is_applied(&door.workflow.execute(second).await));
        assert_ne!(store.dump(&LeaveOut::NOTHING).await.unwrap(), dump);
        door.close().await;
    }
}

#[tokio::test]
async fn what_fails_at_the_commit_itself_is_not_acknowledged() {
    let Fresh { store, .. } = &sqlite().await;
    let door = Door::open(store);
    let dump = store.dump(&LeaveOut::NOTHING).await.unwrap();
    // A reference that is looked at when the transaction ends: every statement succeeds, the commit does not.
    for sql in [
        "CREATE TABLE there (id INTEGER PRIMARY KEY)",
        "CREATE TABLE late (id INTEGER REFERENCES there (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER late AFTER INSERT ON journal BEGIN INSERT INTO late VALUES (1); END",
    ] {
        store.tamper(sql).await;
    }
    let order = new_order(1, "1", "MARTIN", "202606020900");
    let outcome = door.workflow.execute(order.clone()).await;
    assert!(!is_applied(&outcome), "{outcome:?}");
    let after = store.dump(&LeaveOut::NOTHING).await.unwrap();
    assert_eq!(difference(&after, &dump), None);
    store.tamper("DROP TRIGGER late").await;
    assert!(is_applied(&door.workflow.execute(order).await));
    door.close().await;
}

#[tokio::test]
async fn a10_a_full_disk_keeps_nothing_of_the_group_and_is_survived() {
    let Fresh { store, .. } = &sqlite().await;
    let door = Door::open(store);
    assert!(is_applied(
        &door
            .workflow
            .execute(new_order(1, "1", "MARTIN", "202606020900"))
            .await
    ));
    let dump = store.dump(&LeaveOut::NOTHING).await.unwrap();
    store.limit_growth(Some(2)).await;
    let units: Vec<Unit> = (2..40)
        .map(|n| new_order(n, "1", "MARTIN", "202606020900"))
        .collect();
    let away = Outcome::Away(Reason::StorageAway);
    let outcomes = door.burst(units.clone()).await;
    assert!(outcomes.iter().all(|o| *o == away), "{outcomes:?}");
    assert_eq!(
        difference(&store.dump(&LeaveOut::NOTHING).await.unwrap(), &dump),
        None
    );
    // The senders kept their messages; when there is room again, they are applied.
    store.limit_growth(None).await;
    assert!(door.burst(units).await.iter().all(is_applied));
    door.close().await;
}
