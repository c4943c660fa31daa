//! What operators may correct, with `relais messages` and `relais outbox` beside the running engine.

use crate::{
    Test,
    app::TestApp,
    harness::{chaos::Mode, endpoint::is, messages::Story, mllp::accepted, scanner::Pps, wait},
};
use relais::api::access::Role;

pub const TESTS: &[Test] = &[
    (
        "a_refused_message_is_replayed_after_its_mapping_is_mended",
        a_refused_message_is_replayed_after_its_mapping_is_mended,
    ),
    (
        "a_replay_never_edits_the_journal_and_overwrites_nothing_newer",
        a_replay_never_edits_the_journal_and_overwrites_nothing_newer,
    ),
    (
        "what_a_scanner_said_too_late_is_replayed_and_refused_again",
        what_a_scanner_said_too_late_is_replayed_and_refused_again,
    ),
    (
        "what_a_scanner_has_said_better_since_leaves_the_list",
        what_a_scanner_has_said_better_since_leaves_the_list,
    ),
    (
        "a_refused_message_is_marked_as_handled_with_who_and_why",
        a_refused_message_is_marked_as_handled_with_who_and_why,
    ),
    (
        "g07_an_operator_retries_resends_and_skips_what_is_published",
        g07_an_operator_retries_resends_and_skips_what_is_published,
    ),
    (
        "g08_a_paused_target_waits_over_a_restart_and_the_queue_says_why",
        g08_a_paused_target_waits_over_a_restart_and_the_queue_says_why,
    ),
];

const AT: &str = "20260602080000";

/// The site learns the order control code that nobody knew.
fn mend(app: &TestApp) {
    let shipped = include_str!("../../mappings/tables/order_control.csv");
    let table = app.database.dir.join("site/tables/order_control.csv");
    std::fs::write(table, format!("{shipped}QQ,*,*,schedule,of this RIS\n")).unwrap();
}

/// The ids in the first column of a list.
fn ids(listed: &str) -> Vec<String> {
    listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.len() > 10 && word.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

fn journal(app: &TestApp) -> Vec<String> {
    let dump = app.whole_dump();
    dump.lines()
        .filter(|line| line.starts_with("journal"))
        .map(str::to_owned)
        .collect()
}

fn a_refused_message_is_replayed_after_its_mapping_is_mended(app: &TestApp) {
    let story = Story::default();
    let ack = app.ris().send(&story.order("QQ", AT));
    assert_eq!(ack.code(), "AE");
    let listed = app.cli(&["messages", "list"]);
    assert!(listed.contains("order.control"), "{listed}");
    let id = &ids(&listed)[0];

    let (code, told) = app.try_cli(&["messages", "replay", id]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("refused again"), "{told}");
    mend(app);
    let told = app.cli(&[
        "messages",
        "replay",
        "--reason",
        "order.control",
        "--because",
        "code QQ added",
    ]);
    assert!(
        told.contains("applied: ") && told.contains("order.placed"),
        "{told}"
    );
    assert!(told.ends_with("1 of 1 applied\n"), "{told}");

    // The running engine shows it and publishes it; the list of errors is empty; who and why are kept.
    let found = app
        .scanner(story.station)
        .worklist(&[("AccessionNumber", story.accession().as_str())]);
    assert_eq!(found.len(), 1);
    app.endpoint.sole("ServiceRequest", is("status", "active"));
    assert_eq!(app.cli(&["messages", "list"]), "0 messages, 1000 at most\n");
    let listed = app.cli(&["messages", "list", "--all"]);
    let replays: Vec<&str> = listed.lines().filter(|l| l.starts_with("  ")).collect();
    assert_eq!(replays.len(), 2, "{listed}");
    assert!(replays[0].contains(" refused by "), "{listed}");
    assert!(
        replays[1].contains(" applied by ") && replays[1].contains("code QQ added"),
        "{listed}"
    );
}

fn a_replay_never_edits_the_journal_and_overwrites_nothing_newer(app: &TestApp) {
    let story = Story::default();
    let mut ris = app.ris();
    accepted(&ris.send(&story.admission("A04", "20260602075000", story.family)));
    accepted(&ris.send(&story.order("NW", AT)));
    accepted(&ris.send(&story.admission("A08", "20260602083000", "LE GOFF")));
    accepted(&ris.send(&story.order("CA", "20260602084000")));
    app.drained();
    let (before, dump) = (journal(app), app.dump());
    let received: Vec<String> = before
        .iter()
        .filter(|line| line.contains(" port=\"mllp\""))
        .map(|line| {
            let (_, rest) = line.split_once("journal id=").unwrap();
            rest.split(' ').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(received.len(), 4);
    for id in &received {
        let told = app.cli(&["messages", "replay", id]);
        assert!(told.ends_with("1 of 1 applied\n"), "{told}");
    }
    app.drained();
    let after = journal(app);
    for line in &before {
        assert!(after.contains(line), "{line}");
    }
    for id in &received {
        let replays = after
            .iter()
            .filter(|line| line.contains(&format!(" cause_id={id} ")))
            .count();
        assert_eq!(replays, 1, "{id}");
    }
    // No bytes are kept twice, and the record says what it said.
    let bodies = |lines: &[String]| {
        let received = |line: &&String| line.starts_with("journal_body ");
        lines.iter().filter(received).count()
    };
    assert_eq!(bodies(&before), bodies(&after));
    let names = |dump: &str| {
        let rows = dump.lines().filter(|line| line.starts_with("patient "));
        rows.map(|line| line.contains("LE GOFF"))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&app.dump()), names(&dump));
    app.endpoint.sole("ServiceRequest", is("status", "revoked"));
    app.endpoint
        .sole("Patient", |p| p["name"][0]["family"] == "LE GOFF");
}

fn what_a_scanner_said_too_late_is_replayed_and_refused_again(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", AT)));
    let scanner = app.scanner(story.station);
    let pps = Pps::of(&story);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(scanner.complete(&pps), 0x0000);
    assert_eq!(scanner.discontinue(&pps, "110501"), 0x0110);
    let listed = app.cli(&["messages", "list", "--reason", "mpps.final"]);
    let (code, told) = app.try_cli(&["messages", "replay", &ids(&listed)[0]]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("refused again: "), "{told}");
    assert!(told.ends_with("0 of 1 applied\n"), "{told}");
    app.drained();
    app.endpoint.sole("ImagingStudy", is("status", "available"));
}

fn what_a_scanner_has_said_better_since_leaves_the_list(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", AT)));
    let scanner = app.scanner(story.station);
    let pps = Pps::of(&story);
    let open = |expected: usize| {
        let listed = app.cli(&["messages", "list"]);
        assert_eq!(ids(&listed).len(), expected, "{listed}");
        let shown = app.api(Role::Viewer).get("/api/messages?open=true");
        assert_eq!(shown["items"].as_array().map(Vec::len), Some(expected));
    };
    assert_eq!(scanner.create(&pps), 0x0000);
    // Sent again because the answer was lost: nothing is left to do.
    assert_eq!(scanner.create(&pps), 0x0111);
    open(0);
    assert_ne!(scanner.end(&pps, "FINISHED"), 0x0000);
    open(1);
    assert_eq!(scanner.complete(&pps), 0x0000);
    open(0);
    let refused = app
        .api(Role::Viewer)
        .get("/api/messages?outcome=refused&direction=in");
    assert_eq!(refused["items"].as_array().map(Vec::len), Some(2));
    // Nothing that follows can make this true: somebody must look at it.
    assert_eq!(scanner.discontinue(&pps, "110501"), 0x0110);
    open(1);
}

fn a_refused_message_is_marked_as_handled_with_who_and_why(app: &TestApp) {
    let story = Story::default();
    assert_eq!(app.ris().send(&story.order("QQ", AT)).code(), "AE");
    let id = ids(&app.cli(&["messages", "list"])).remove(0);
    let before = journal(app);
    let told = app.cli(&["messages", "discard", &id, "--because", "a test of the RIS"]);
    assert!(told.contains("marked as handled by "), "{told}");
    assert_eq!(app.cli(&["messages", "list"]), "0 messages, 1000 at most\n");
    let listed = app.cli(&["messages", "list", "--all"]);
    assert!(listed.contains("discarded by "), "{listed}");
    assert!(listed.contains("a test of the RIS"), "{listed}");
    let after = journal(app);
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|line| after.contains(line)));

    let (code, told) = app.try_cli(&["messages", "discard", &id, "--because", "again"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("handled already"), "{told}");
    let (code, told) = app.try_cli(&["messages", "discard", "4711", "--because", "x"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("there is no message 4711"), "{told}");
}

fn g07_an_operator_retries_resends_and_skips_what_is_published(app: &TestApp) {
    let story = Story::default();
    app.endpoint.chaos.set(Mode::Status(422));
    accepted(&app.ris().send(&story.order("NW", AT)));
    let held = wait::until("the order is held", || {
        let listed = app.cli(&["outbox", "list"]);
        let rows = listed.lines().filter(|line| line.contains(" held "));
        let held: Vec<String> = rows.flat_map(ids).collect();
        (!held.is_empty() && !listed.contains(" queued ")).then_some(held)
    });
    app.cli(&["outbox", "discard", &held[0], "--because", "not wanted"]);
    let listed = app.cli(&["outbox", "list"]);
    assert!(listed.contains(" discarded "), "{listed}");
    app.endpoint.chaos.set(Mode::Pass);
    app.cli(&["outbox", "retry", "--target", "mes", "--because", "mended"]);
    app.endpoint.sole("ServiceRequest", is("status", "active"));
    app.drained();
    let (before, requests) = (app.endpoint.all(), app.endpoint.chaos.requests());
    app.cli(&["outbox", "resend", "--target", "mes"]);
    app.drained();
    assert!(app.endpoint.chaos.requests() > requests);
    assert_eq!(app.endpoint.all(), before, "a repetition changes nothing");
    let (code, told) = app.try_cli(&["outbox", "discard", &held[0]]);
    assert_eq!(code, 1, "what is delivered cannot be given up: {told}");

    let acts = journal(app);
    for kind in ["outbox.discard", "outbox.retry", "outbox.resend"] {
        let rows = acts
            .iter()
            .filter(|line| line.contains(&format!(" kind=\"{kind}\"")));
        assert_eq!(rows.count(), 1, "{kind}");
    }
}

fn g08_a_paused_target_waits_over_a_restart_and_the_queue_says_why(app: &TestApp) {
    let story = Story::default();
    app.cli(&["outbox", "pause", "mes", "--because", "moves tonight"]);
    {
        let mut relais = app.relais.lock().unwrap();
        relais.kill();
        relais.restart();
    }
    accepted(&app.ris().send(&story.order("NW", AT)));
    let listed = app.cli(&["outbox", "list"]);
    assert!(listed.contains(" queued "), "{listed}");
    assert!(listed.contains("mes is paused since "), "{listed}");
    assert!(listed.contains(": moves tonight"), "{listed}");
    assert_eq!(app.endpoint.chaos.requests(), 0);
    for sign in [
        "relais_outbox_entries{target=\"mes\",state=\"queued\"} 1",
        "relais_target_paused{target=\"mes\"} 1",
    ] {
        wait::until(sign, || app.get("/metrics").contains(sign).then_some(()));
    }
    let (code, told) = app.try_cli(&["outbox", "pause", "nobody", "--because", "x"]);
    assert_eq!(code, 1);
    assert!(
        told.contains("no target is named nobody; configured: mes"),
        "{told}"
    );
    app.cli(&["outbox", "resume", "mes"]);
    app.endpoint.sole("ServiceRequest", is("status", "active"));
}
