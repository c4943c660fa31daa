//! What is past its retention goes, from a database that an engine is working on; time is an argument of the purge.

use crate::{
    Test,
    app::TestApp,
    harness::{
        cli::relais,
        effort,
        messages::Story,
        mllp::{Sender, accepted},
        scanner::{Pps, runtime},
        wait,
    },
};
use relais::{
    clock::Clock,
    config::Retention,
    domain::time::Instant,
    retention::purge,
    store::{Kept, Store},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

pub const TESTS: &[Test] = &[
    (
        "h04_erased_bodies_leave_resend_detection_and_origins_until_the_journal_row_goes",
        h04_erased_bodies_leave_resend_detection_and_origins_until_the_journal_row_goes,
    ),
    (
        "h04_a_purge_under_load_harms_no_sender",
        h04_a_purge_under_load_harms_no_sender,
    ),
];

const AT: &str = "20260602080000";
const STATION: &str = "CT1_SCANNER";
const DAY: Duration = Duration::from_secs(86_400);

/// The shipped retention.
const SHIPPED: Retention = Retention {
    bodies: Duration::from_secs(90 * 86_400),
    journal: Duration::from_secs(730 * 86_400),
    queries: Duration::from_secs(14 * 86_400),
    attempts: Duration::from_secs(90 * 86_400),
    audit: Duration::from_secs(2_190 * 86_400),
};

fn after(days: u32) -> Instant {
    let later = Clock::manual(Clock::System.now());
    later.advance(DAY * days);
    later.now()
}

/// What a purge removes as if so many days had passed.
fn purged(app: &TestApp, days: u32) -> Vec<(Kept, u64)> {
    runtime().block_on(async {
        let store = Store::open_existing(&app.database.url).await.unwrap();
        let stop = CancellationToken::new();
        let removed = purge(&store, &SHIPPED, after(days), &stop).await.unwrap();
        store.close().await;
        removed
    })
}

fn rows<'d>(dump: &'d str, table: &str) -> Vec<&'d str> {
    let start = format!("{table} ");
    dump.lines().filter(|l| l.starts_with(&start)).collect()
}

fn h04_erased_bodies_leave_resend_detection_and_origins_until_the_journal_row_goes(app: &TestApp) {
    let story = Story::default();
    let order = story.order("NW", AT);
    let mut ris = app.ris();
    let first = ris.send(&order);
    accepted(&first);
    let scanner = app.scanner(STATION);
    assert_eq!(
        scanner
            .worklist(&[("ScheduledStationAETitle", STATION)])
            .len(),
        1
    );
    assert_eq!(scanner.create(&Pps::of(&story)), 0);
    app.drained();
    let record = app.dump();
    // Queries are journalled once a second.
    let before = wait::until("the query is journalled", || {
        let dump = app.whole_dump();
        (rows(&dump, "query_log").len() == 1).then_some(dump)
    });
    let bodies = rows(&before, "journal_body").len() as u64;
    let journal = rows(&before, "journal").len() as u64;
    let attempts = rows(&before, "attempt").len() as u64;
    assert!(bodies >= 4 && attempts >= 2, "{before}");
    assert!(
        record.contains("\\\"path\\\"") || record.contains("origin"),
        "{record}"
    );

    let told = relais(&app.database, &["purge", "--dry-run"]);
    assert_eq!(told.code, 0, "{}", told.text);
    assert!(told.text.contains("nothing removed"), "{}", told.text);
    assert_eq!(relais(&app.database, &["purge"]).code, 0);
    for table in ["journal", "journal_body", "query_log", "attempt"] {
        let now = app.whole_dump();
        assert_eq!(
            rows(&now, table),
            rows(&before, table),
            "nothing is past its time yet"
        );
    }

    // A day before its time nothing but the queries goes.
    let early = [
        (Kept::Bodies, 0),
        (Kept::Journal, 0),
        (Kept::Queries, 1),
        (Kept::Attempts, 0),
        (Kept::Audit, 0),
    ];
    assert_eq!(purged(app, 89), early);
    let due = [
        (Kept::Bodies, bodies),
        (Kept::Journal, 0),
        (Kept::Queries, 0),
        (Kept::Attempts, attempts),
        (Kept::Audit, 0),
    ];
    assert_eq!(purged(app, 91), due);
    let erased = app.whole_dump();
    assert!(rows(&erased, "journal_body").is_empty());
    assert_eq!(rows(&erased, "journal").len() as u64, journal);
    for row in rows(&erased, "journal") {
        assert!(!row.contains("body_erased_at=- "), "{row}");
    }
    assert_eq!(app.dump(), record, "the record and its origins stay");

    // The resend gets the acknowledgement of then, byte for byte, and changes nothing.
    assert_eq!(ris.send(&order), first);
    assert_eq!(app.dump(), record);

    // After two years nothing of the evidence is left but the resend of a moment ago: it was received "two years later".
    let (_, removed) = purged(app, 731)[1];
    assert!(removed >= journal, "{removed} of {journal}");
    assert_eq!(app.dump(), record);
    accepted(&ris.send(&order));
}

fn h04_a_purge_under_load_harms_no_sender(app: &TestApp) {
    const SENDERS: u32 = 4;
    let each = effort::pick(25, 2_000);
    let busy = AtomicBool::new(true);
    let mllp = app.relais.lock().unwrap().mllp;
    let removed = thread::scope(|scope| {
        let purging = scope.spawn(|| {
            let mut removed = 0;
            while busy.load(Ordering::SeqCst) {
                removed += purged(app, 91).iter().map(|(_, n)| n).sum::<u64>();
            }
            removed
        });
        let senders: Vec<_> = (0..SENDERS)
            .map(|at| {
                scope.spawn(move || {
                    let mut sender = Sender::connect(mllp);
                    for n in 0..each {
                        let story = Story::of(at * each + n + 1);
                        accepted(&sender.send(&story.order("NW", AT)));
                    }
                })
            })
            .collect();
        let ended: Vec<_> = senders.into_iter().map(|s| s.join()).collect();
        busy.store(false, Ordering::SeqCst);
        for sender in ended {
            sender.expect("every message of the sender was accepted");
        }
        purging.join().expect("the purge ended well")
    });
    assert!(
        removed > 0,
        "nothing was purged meanwhile: it proved nothing"
    );
    let dump = app.whole_dump();
    let orders = (SENDERS * each) as usize;
    assert_eq!(rows(&dump, "exam").len(), orders);
    assert_eq!(
        rows(&dump, "journal")
            .iter()
            .filter(|row| row.contains("dir=\"in\""))
            .count(),
        orders
    );
}
