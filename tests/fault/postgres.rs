//! PostgreSQL crashes and comes back, or drops every session, while messages come: promise A10.

use crate::{
    harness::{database::Cluster, endpoint::Endpoint, process::Process, wait},
    load::Load,
    oracle::{judge, print},
    storage::{is_refusing, recovers},
};

/// Orders of each part of the test.
const ORDERS: u32 = 10;
/// How often all sessions are dropped.
const DROPS: usize = 5;

#[test]
fn a10_a_database_that_goes_and_comes_back_loses_nothing_and_needs_no_hand() {
    let cluster = Cluster::start();
    let endpoint = Endpoint::start();
    let relais = Process::start(&cluster.database, Some(&endpoint.url));
    let load = Load::on(&relais);
    // It goes in the middle of the work, not in a pause.
    load.allow(100);
    wait::until("a first order is acknowledged", || {
        load.ledger(|l| !l.orders.is_empty()).then_some(())
    });
    cluster.halt();
    is_refusing(&relais, &load, "not available");
    cluster.resume();
    recovers(&relais);

    for _ in 0..DROPS {
        let before = load.ledger(|l| l.acknowledged());
        load.allow(ORDERS);
        wait::until("work goes on", || {
            (load.ledger(|l| l.acknowledged()) > before).then_some(())
        });
        cluster.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        );
    }
    load.allow(ORDERS);
    let promised = load.finish();
    let found = judge(&relais, &cluster.database, &endpoint, &promised);
    print(&format!(
        "PostgreSQL away: {found:?}, told {:?}",
        promised.0.kept
    ));
}
