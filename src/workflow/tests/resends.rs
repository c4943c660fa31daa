//! What comes again: the same message, and one that was refused.

use super::*;

#[tokio::test]
async fn a_resend_is_answered_with_the_same_bytes_and_changes_nothing() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let first = new_order(1, "4711", "MARTIN", "202606020900");
        // The resend waits in the same batch as its original, and comes again later.
        let outcomes = door.burst(vec![first.clone(), again(&first, 2)]).await;
        let repeated = Outcome::Repeated {
            ack: Some(b"MSA|AA|M1".to_vec()),
        };
        assert!(is_applied(&outcomes[0]));
        assert_eq!(outcomes[1], repeated);
        let dump = store.dump(&LeaveOut::EVIDENCE).await.unwrap();
        assert_eq!(door.workflow.execute(again(&first, 3)).await, repeated);
        assert_eq!(store.dump(&LeaveOut::EVIDENCE).await.unwrap(), dump);
        let journal = store.journal(JournalId(3)).await.unwrap().unwrap();
        assert_eq!(
            (journal.outcome.as_str(), journal.cause),
            ("repeated", Some(JournalId(1)))
        );

        // The same control id with other content is another message.
        let mut other = again(&new_order(9, "4711", "MARTIN", "202606020900"), 4);
        other.journal.control_id = "M1".to_owned();
        let Outcome::Applied { warnings, .. } = door.workflow.execute(other).await else {
            panic!("applied")
        };
        assert_eq!(warnings.len(), 1);
        // Without recognition the domain decides: nothing differs, nothing happens.
        let unrecognised = Unit {
            detect_resend: false,
            ..again(&first, 5)
        };
        assert!(is_applied(&door.workflow.execute(unrecognised).await));
        door.close().await;
    }
}

#[tokio::test]
async fn a_resend_of_a_message_that_asked_for_no_answer_gets_none() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let mut first = new_order(1, "4711", "MARTIN", "202606020900");
        first.ack = None;
        let outcomes = door.burst(vec![first.clone(), again(&first, 2)]).await;
        assert!(is_applied(&outcomes[0]));
        let silent = Outcome::Repeated { ack: None };
        assert_eq!(outcomes[1], silent);
        assert_eq!(door.workflow.execute(again(&first, 3)).await, silent);
        door.close().await;
    }
}

#[tokio::test]
async fn a_refused_message_is_journalled_tried_again_and_costs_its_neighbours_nothing() {
    for Fresh { store, .. } in &stores().await {
        let door = Door::open(store);
        let bad = Unit {
            decision: Err(Refusal::new(Reason::FieldMissing, "no patient identifier")),
            ..unit(2, order(OrderAct::Schedule, ""))
        };
        let units = vec![
            new_order(1, "1", "MARTIN", "202606020900"),
            bad.clone(),
            new_order(3, "2", "DURAND", "202606020900"),
        ];
        let outcomes = door.burst(units).await;
        assert!(is_applied(&outcomes[0]) && is_applied(&outcomes[2]));
        assert!(matches!(&outcomes[1], Outcome::Refused(r) if r.reason == Reason::FieldMissing));
        let journal = store.journal(JournalId(2)).await.unwrap().unwrap();
        assert_eq!(journal.reason.as_deref(), Some("field.missing"));
        let mended = Unit {
            decision: new_order(2, "3", "PETIT", "202606020900").decision,
            ..again(&bad, 4)
        };
        assert!(is_applied(&door.workflow.execute(mended).await));
        door.close().await;
    }
}
