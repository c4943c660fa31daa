//! How messages are grouped into commits never shows in what is stored.

use super::*;

/// A morning: admissions, orders, a move, a cancel, an exam performed, a name corrected, a merge, a refusal.
fn morning() -> Vec<Unit> {
    let mut units = vec![];
    let mut say = |command: Command| units.push(unit(units.len() as i64 + 1, command));
    say(adt(
        PatientAct::Admit,
        "patient.id=1^HOPA patient.name=MARTIN^Zoé patient.sex=F",
    ));
    for n in 1..=4 {
        let text = format!(
            "patient.id={}^HOPA order.placer_number=P{n}^HIS order.accession_number=A{n}^RIS / step id=S{n} modality=CT \
             start=20260602090{n} station_aes=CT2",
            n % 2 + 1
        );
        say(order(OrderAct::Schedule, &text));
    }
    say(order(
        OrderAct::Change,
        "patient.id=2^HOPA order.placer_number=P1^HIS / step id=S1 start=202606021000",
    ));
    say(order(
        OrderAct::Cancel,
        "patient.id=1^HOPA order.placer_number=P2^HIS",
    ));
    say(create(
        "1.2.3.1",
        "performed_step.status=in_progress performed_step.patient_id=2^HOPA / link accession_number=A3^RIS step_id=S3",
    ));
    say(set(
        "1.2.3.1",
        "performed_step.status=completed / series uid=1.2.3.9 // instance uid=1.2.3.10",
    ));
    say(adt(
        PatientAct::Update,
        "patient.id=2^HOPA patient.name=DURAND^Anne",
    ));
    say(adt(
        PatientAct::Merge,
        "patient.id=1^HOPA patient.merged_ids=2^HOPA",
    ));
    units
}

/// What a store holds after a morning in groups of at most `group`, twice if `twice`.
async fn after_the_morning(group: usize, twice: bool, units: &[Unit]) -> String {
    /// A batch saves a document and queues a row once, however many of its messages change it.
    const LEAVE_OUT: LeaveOut = LeaveOut {
        tables: LeaveOut::EVIDENCE.tables,
        columns: &[
            "outbox.lease_token",
            "outbox.leased_until",
            "outbox.id",
            "patient.version",
            "exam.version",
            "performed.version",
            "report.version",
        ],
    };
    let Fresh { store, .. } = &sqlite().await;
    let door = Door::with(store, 0, group);
    let outcomes = door.burst(units.to_vec()).await;
    let refused = outcomes.iter().enumerate().find(|(_, o)| !is_applied(o));
    assert!(!twice || refused.is_none(), "{refused:?}");
    if twice {
        let resends = units
            .iter()
            .map(|u| again(u, u.journal.id.0 + 1000))
            .collect();
        door.burst(resends).await;
    }
    let dump = door.store.dump(&LEAVE_OUT).await.unwrap();
    door.close().await;
    dump
}

#[tokio::test]
async fn a_group_of_n_leaves_what_n_groups_of_one_leave_and_a_second_morning_leaves_nothing() {
    let units = morning();
    let alone = after_the_morning(1, false, &units).await;
    assert!(alone.lines().count() > 30);
    assert_eq!(
        difference(&after_the_morning(64, false, &units).await, &alone),
        None
    );
    assert_eq!(
        difference(&after_the_morning(3, true, &units).await, &alone),
        None
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn grouping_never_shows(order in Just((0..11).collect::<Vec<usize>>()).prop_shuffle(), group in 2_usize..12) {
        let all = morning();
        let units: Vec<Unit> = order
            .iter()
            .enumerate()
            .map(|(n, i)| again(&all[*i], n as i64 + 1))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (alone, grouped) = runtime.block_on(async {
            (after_the_morning(1, false, &units).await, after_the_morning(group, false, &units).await)
        });
        prop_assert_eq!(difference(&grouped, &alone), None);
    }
}
