//! Mapping files changed while messages arrive: whole sets take effect, broken ones change nothing.

use crate::{
    Test,
    app::TestApp,
    harness::{api::token, messages::Story, mllp::accepted, wait},
};
use relais::api::access::Role;
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
    (
        "a_restart_with_broken_mapping_files_works_with_those_of_before_and_says_so",
        a_restart_with_broken_mapping_files_works_with_those_of_before_and_says_so,
    ),
    (
        "mapping_files_are_read_at_the_word_of_an_admin_and_it_is_on_the_trail",
        mapping_files_are_read_at_the_word_of_an_admin_and_it_is_on_the_trail,
    ),
    (
        "a_journalled_message_becomes_a_case_without_its_patient",
        a_journalled_message_becomes_a_case_without_its_patient,
    ),
    (
        "changed_files_are_tried_on_journalled_messages_before_they_are_put_in_force",
        changed_files_are_tried_on_journalled_messages_before_they_are_put_in_force,
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

fn a_restart_with_broken_mapping_files_works_with_those_of_before_and_says_so(app: &TestApp) {
    write_rule(app, r#"concat("A: ", OBR-4.2)"#);
    metric(app, r#"relais_mapping_reloads_total{outcome="changed"} 1"#);
    assert_eq!(description(app, 1), "A: Scanographie du thorax");
    let before = app.api(Role::Viewer).get("/api/mapping/status");
    assert!(before["refused"].is_null(), "{before}");

    let mut relais = app.relais.lock().unwrap();
    assert!(relais.terminate().success());
    write_rule(app, "OBR-444");
    relais.restart();
    drop(relais);
    metric(app, "relais_mapping_refused 1");
    assert_eq!(description(app, 2), "A: Scanographie du thorax");
    let now = app.api(Role::Viewer).get("/api/mapping/status");
    assert_eq!(now["revision"], before["revision"]);
    assert_eq!(now["refused"]["problems"][0]["code"], "M051");
    assert_eq!(now["refused"]["problems"][0]["file"], "inbound/ris.toml");
    let ready = app.get("/health/ready");
    assert!(
        ready.starts_with("ready\n") && ready.contains("refused since"),
        "{ready}"
    );
    let log = app.relais.lock().unwrap().log();
    assert!(
        log.contains("started with the mapping files of before"),
        "{log}"
    );

    write_rule(app, r#"concat("B: ", OBR-4.2)"#);
    metric(app, "relais_mapping_refused 0");
    assert_eq!(description(app, 3), "B: Scanographie du thorax");
    assert_eq!(app.get("/health/ready"), "ready\n");
}

fn mapping_files_are_read_at_the_word_of_an_admin_and_it_is_on_the_trail(app: &TestApp) {
    let admin = app.api(Role::Admin);
    let file = app.database.dir.join("admin-token");
    fs::write(&file, token(Role::Admin)).unwrap();
    let told = |act: &str| app.try_cli(&["mapping", act, "--token-file", file.to_str().unwrap()]);

    let (code, text) = told("status");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("is in force since"), "{text}");
    write_rule(app, "OBR-444");
    let (code, text) = told("reload");
    assert_eq!(code, 1, "{text}");
    assert!(
        text.starts_with("refused\n") && text.contains("inbound/ris.toml:3:"),
        "{text}"
    );
    write_rule(app, r#"concat("A: ", OBR-4.2)"#);
    // The watch may be first: then there is nothing left to do.
    let outcome = admin.post("/api/mapping/reload?because=mended")["outcome"].clone();
    assert!(
        ["changed", "unchanged"].map(Into::into).contains(&outcome),
        "{outcome}"
    );
    assert_eq!(description(app, 1), "A: Scanographie du thorax");

    assert_eq!(
        app.api(Role::Operator)
            .ask("POST", "/api/mapping/reload")
            .status,
        403
    );
    let trail = admin.get("/api/audit?action=reload_mapping");
    let outcomes: BTreeSet<&str> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, BTreeSet::from(["allowed", "asked", "denied"]));

    let explained = admin.get("/api/mapping/explain?file=ris");
    let rules = explained["rules"].as_array().unwrap();
    let rule = rules
        .iter()
        .find(|r| r["target"] == "procedure.description");
    assert_eq!(
        rule.unwrap()["text"],
        r#""A: " then OBR-4.2 in one text"#,
        "{explained}"
    );
    assert_eq!(rule.unwrap()["rule"], "inbound/ris.toml:3");
    let unknown = admin.ask("GET", "/api/mapping/explain?file=riss");
    assert_eq!(unknown.status, 404);

    // What was published names the revision that rendered it.
    app.drained();
    let sent = admin.get("/api/outbox?state=delivered&target=mes");
    let id = sent["items"][0]["id"].as_str().unwrap().to_owned();
    let publication = admin.get(&format!("/api/outbox/{id}"));
    assert_eq!(
        publication["tried"][0]["mapping_revision"],
        admin.get("/api/mapping/status")["revision"]
    );
}

fn a_journalled_message_becomes_a_case_without_its_patient(app: &TestApp) {
    let story = Story::of(1);
    accepted(&app.ris().send(&story.order("NW", AT)));
    let messages = app.api(Role::Viewer).get("/api/messages?direction=in");
    let id = messages["items"][0]["id"].as_str().unwrap().to_owned();
    let told = app.cli(&["mapping", "capture", &id]);
    let case = app
        .database
        .dir
        .join(format!("site/inbound/ihe_order.cases/captured_{id}"));
    assert!(told.contains("captured_"), "{told}");
    let message = fs::read_to_string(case.join("in.hl7")).unwrap();
    let sent = story.order("NW", AT);
    let text = String::from_utf8_lossy(&sent);
    let patient = text.split('\r').find(|l| l.starts_with("PID")).unwrap();
    for part in patient.split(['|', '^', '~', '&']).skip(2) {
        let identifies = part.len() > 4 && part.chars().any(char::is_alphanumeric);
        let is_oid = part.starts_with("1.2.250.1.213");
        assert!(!identifies || is_oid || !message.contains(part), "{part}");
    }
    assert!(message.contains("ORC|NW|"), "{message}");
    assert!(
        app.cli(&["mapping", "test", "captured"])
            .contains("1 cases: 0 failed")
    );
    // It is there: not made twice, and no other sort of message becomes one.
    assert_eq!(app.try_cli(&["mapping", "capture", &id]).0, 1);
    assert_eq!(app.try_cli(&["mapping", "capture", "1"]).0, 1);
}

fn changed_files_are_tried_on_journalled_messages_before_they_are_put_in_force(app: &TestApp) {
    let mut ris = app.ris();
    for n in 1..4 {
        accepted(&ris.send(&Story::of(n).order("NW", AT)));
    }
    let coverage = app.cli(&["mapping", "coverage", "--since", "1d"]);
    assert!(
        coverage.contains("inbound/ihe_order.toml: 3 message(s), 0 refused")
            && coverage.contains("never fired  visit."),
        "{coverage}"
    );
    let changed = app.database.dir.join("changed/inbound");
    fs::create_dir_all(&changed).unwrap();
    let text =
        "format = 1\nbase = \"ihe_order\"\nprocedure.description = 'concat(\"A: \", OBR-4.2)'\n";
    fs::write(changed.join("ris.toml"), text).unwrap();
    let with = app.database.dir.join("changed");
    let (code, told) = app.try_cli(&["mapping", "replay", "--with", with.to_str().unwrap()]);
    assert_eq!(code, 1, "{told}");
    assert!(
        told.contains("inbound/ris.toml:3 procedure.description: 3 exam(s), 3 time(s)")
            && told.contains("3 messages, 3 read otherwise; 0 could not be read again")
            && told.contains("masked"),
        "{told}"
    );
    let site = app.database.dir.join("site");
    let (code, told) = app.try_cli(&["mapping", "replay", "--with", site.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
}
