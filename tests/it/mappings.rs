//! Mapping files changed while messages arrive: whole sets take effect, broken ones change nothing.

use crate::{
    Test,
    app::TestApp,
    harness::{messages::Story, mllp::accepted, wait},
};
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub const TESTS: &[Test] = &[
    (
        "a_mapping_broken_under_traffic_changes_nothing_and_the_mended_one_takes_effect",
        a_mapping_broken_under_traffic_changes_nothing_and_the_mended_one_takes_effect,
    ),
    (
        "a_mapping_whose_case_fails_is_not_put_in_force",
        a_mapping_whose_case_fails_is_not_put_in_force,
    ),
];

const AT: &str = "20260602080000";

/// Writes the site's file of orders; the rule says how the description on the worklist begins.
fn write_rule(app: &TestApp, rule: &str) {
    let inbound = app.database.dir.join("site/inbound");
    fs::create_dir_all(&inbound).unwrap();
    let text = format!("format = 1\nbase = \"ihe_order\"\nprocedure.description = '{rule}'\n");
    fs::write(inbound.join("ris.toml"), text).unwrap();
}

/// Waits for a line of the metrics.
fn metric(app: &TestApp, line: &str) {
    wait::until(line, || {
        let page = app.get("/metrics");
        page.lines().any(|l| l == line).then_some(())
    });
}

/// What the scanner is told about a new order.
fn description(app: &TestApp, n: u32) -> String {
    let story = Story::of(n);
    accepted(&app.ris().send(&story.order("NW", AT)));
    let found = app.scanner(story.station).ask(
        &["RequestedProcedureDescription"],
        &[("AccessionNumber", &story.accession())],
        &[],
    );
    assert_eq!(found.len(), 1);
    found[0]
        .text("RequestedProcedureDescription")
        .unwrap_or("")
        .to_owned()
}

fn a_mapping_broken_under_traffic_changes_nothing_and_the_mended_one_takes_effect(app: &TestApp) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut ris = app.ris();
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                sent += 1;
                accepted(&ris.send(&Story::of(5000 + sent).order("NW", AT)));
            }
            sent
        });
        assert_eq!(description(app, 1), "Scanographie du thorax");
        write_rule(app, r#"concat("A: ", OBR-4.2)"#);
        metric(app, r#"relais_mapping_reloads_total{outcome="changed"} 1"#);
        assert_eq!(description(app, 2), "A: Scanographie du thorax");

        write_rule(app, "OBR-444");
        metric(app, "relais_mapping_refused 1");
        assert_eq!(description(app, 3), "A: Scanographie du thorax");
        let log = app.relais.lock().unwrap().log();
        assert!(
            log.contains("M051") && log.contains("inbound/ris.toml"),
            "{log}"
        );

        write_rule(app, r#"concat("B: ", OBR-4.2)"#);
        metric(app, "relais_mapping_refused 0");
        assert_eq!(description(app, 4), "B: Scanographie du thorax");
        done.store(true, Ordering::Relaxed);
        assert!(traffic.join().unwrap() > 0);
    });
    // Three sets were in force, the broken one is none of them, and each journal row names the one that read it.
    let dump = app.whole_dump();
    let named = |table: &str, column: &str| -> BTreeSet<String> {
        let rows = dump.lines().filter(|l| l.split(' ').next() == Some(table));
        let value = |l: &str| {
            Some(
                l.split_once(&format!(" {column}="))?
                    .1
                    .split(' ')
                    .next()?
                    .to_owned(),
            )
        };
        rows.filter_map(value).collect()
    };
    let stored = named("mapping_revision", "hash");
    assert_eq!(stored.len(), 3, "{stored:?}");
    assert_eq!(named("journal", "mapping_rev"), stored);
}

fn a_mapping_whose_case_fails_is_not_put_in_force(app: &TestApp) {
    let case = app.database.dir.join("site/inbound/ris.cases/described");
    fs::create_dir_all(&case).unwrap();
    fs::write(case.join("in.hl7"), Story::of(1).order("NW", AT)).unwrap();
    fs::write(case.join("want.toml"), "# something else\n").unwrap();
    write_rule(app, r#"concat("A: ", OBR-4.2)"#);
    metric(app, "relais_mapping_refused 1");
    assert_eq!(description(app, 1), "Scanographie du thorax");
    let log = app.relais.lock().unwrap().log();
    assert!(
        log.contains("M081") && log.contains("ris.cases/described"),
        "{log}"
    );
    // SIGHUP reads at once what did not change, and refuses it again.
    app.relais.lock().unwrap().hang_up();
    metric(app, r#"relais_mapping_reloads_total{outcome="refused"} 2"#);
    fs::remove_dir_all(&case).unwrap();
    metric(app, "relais_mapping_refused 0");
    assert_eq!(description(app, 2), "A: Scanographie du thorax");
}
