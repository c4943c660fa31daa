//! Operators correct over HTTP: each correction does what it says, is refused where it makes no sense, and is on the audit trail.

use crate::{
    Test,
    api::{first, items, order},
    app::TestApp,
    harness::{chaos::Mode, endpoint::is, messages::Story, mllp::accepted, wait},
};
use relais::api::access::Role;
use serde_json::Value;

pub const TESTS: &[Test] = &[
    (
        "operators_correct_through_the_one_door",
        operators_correct_through_the_one_door,
    ),
    (
        "g07_what_is_held_is_sent_by_a_retry_over_http_or_given_up",
        g07_what_is_held_is_sent_by_a_retry_over_http_or_given_up,
    ),
    (
        "g08_a_target_paused_over_http_gets_nothing_until_it_is_resumed",
        g08_a_target_paused_over_http_gets_nothing_until_it_is_resumed,
    ),
    (
        "refused_messages_leave_the_list_of_open_ones_when_they_are_dealt_with",
        refused_messages_leave_the_list_of_open_ones_when_they_are_dealt_with,
    ),
];

/// What came of an action on the trail, latest first, all of it by the operator.
fn trail(app: &TestApp, action: &str) -> Vec<String> {
    let page = app
        .api(Role::Admin)
        .get(&format!("/api/audit?action={action}"));
    let rows = items(&page).iter();
    rows.inspect(|row| assert_eq!(row["who"], "operator", "{row}"))
        .map(|row| row["outcome"].as_str().unwrap().to_owned())
        .collect()
}

fn listed(page: &Value) -> Vec<String> {
    let ids = items(page).iter();
    ids.map(|i| i["id"].as_str().unwrap().to_owned()).collect()
}

fn operators_correct_through_the_one_door(app: &TestApp) {
    let story = Story::of(1);
    order(app, &story);
    app.drained();
    let bad = String::from_utf8(story.order("XO", "20260602090000")).unwrap();
    let bad = bad.replace("ORC|XO", "ORC|ZZ");
    assert_eq!(app.ris().send(bad.as_bytes()).code(), "AE");
    let api = app.api(Role::Operator);
    let refused = first(api, "/api/messages?outcome=refused");
    let again = api.post(&format!(
        "/api/messages/{refused}/replay?because=table%20mended"
    ));
    assert_eq!(again["outcome"], "refused");
    assert_eq!(again["problem"]["code"], "order.control");
    let row = again["message"].as_str().unwrap();
    let row = api.get(&format!("/api/messages/{row}"));
    assert_eq!(row["cause"], refused.as_str());
    let noted = api.post(&format!(
        "/api/messages/{refused}/discard?because=sent%20by%20mistake"
    ));
    assert_eq!(noted["of"], refused.as_str());
    let publication = first(api, "/api/outbox?state=delivered");
    let touched = api.post(&format!("/api/outbox/{publication}/resend"));
    assert_eq!(touched["publications"][0], publication.as_str());
    app.drained();
    let tried = api.get(&format!("/api/outbox/{publication}"))["tried"].clone();
    assert!(tried.as_array().unwrap().len() >= 2, "{tried}");
    let trail = app
        .api(Role::Admin)
        .get("/api/audit?action=resend_publication");
    let outcomes: Vec<&str> = items(&trail)
        .iter()
        .map(|r| r["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["allowed", "asked"]);
}

fn g07_what_is_held_is_sent_by_a_retry_over_http_or_given_up(app: &TestApp) {
    let api = app.api(Role::Operator);
    app.endpoint.chaos.set(Mode::Status(422));
    for n in 1..=2 {
        order(app, &Story::of(n));
    }
    let held = wait::until("both orders are held", || {
        let held = listed(&api.get("/api/outbox?state=held"));
        let waiting = listed(&api.get("/api/outbox?state=queued"));
        (held.len() >= 2 && waiting.is_empty()).then_some(held)
    });
    app.endpoint.chaos.set(Mode::Pass);
    let (given_up, sent) = held.split_last().unwrap();
    let skipped = api.post(&format!("/api/outbox/{given_up}/skip?because=not%20wanted"));
    assert_eq!(skipped["publications"][0], given_up.as_str());
    for id in sent {
        let touched = api.post(&format!("/api/outbox/{id}/retry?because=server%20mended"));
        assert_eq!(touched["publications"][0], id.as_str());
    }
    app.endpoint.sole("ServiceRequest", is("status", "active"));
    for id in sent {
        wait::until("the publication is delivered", || {
            let shown = api.get(&format!("/api/outbox/{id}"));
            (shown["state"] == "delivered").then_some(())
        });
        let shown = api.get(&format!("/api/outbox/{id}"));
        let tried = shown["tried"].as_array().unwrap();
        let retry = tried.iter().find(|t| t["outcome"] == "retry").unwrap();
        let said = retry["status"].as_str().unwrap();
        assert!(
            said.contains("operator") && said.contains("server mended"),
            "{said}"
        );
    }
    let shown = api.get(&format!("/api/outbox/{given_up}"));
    assert_eq!(shown["state"], "discarded");
    let done = vec!["allowed", "asked"];
    assert_eq!(trail(app, "retry_publication"), done.repeat(sent.len()));
    assert_eq!(trail(app, "skip_publication"), done);
    // What is delivered waits for no retry: that was asked, and refused.
    let refused = api.ask("POST", &format!("/api/outbox/{}/retry", sent[0]));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(trail(app, "retry_publication")[..2], ["refused", "asked"]);
}

fn g08_a_target_paused_over_http_gets_nothing_until_it_is_resumed(app: &TestApp) {
    let api = app.api(Role::Operator);
    let steer = |path: &str, paused: bool, changed: bool| {
        let told = api.post(path);
        assert_eq!(told["target"], "mes");
        assert_eq!(told["paused"], paused, "{path}: {told}");
        assert_eq!(told["changed"], changed, "{path}: {told}");
    };
    let pause = "/api/targets/mes/pause?because=moves%20tonight";
    steer(pause, true, true);
    steer(pause, true, false);
    order(app, &Story::of(1));
    for sign in [
        "relais_outbox_entries{target=\"mes\",state=\"queued\"} 1",
        "relais_target_paused{target=\"mes\"} 1",
    ] {
        wait::until(sign, || app.get("/metrics").contains(sign).then_some(()));
    }
    assert_eq!(app.endpoint.chaos.requests(), 0);
    assert_eq!(listed(&api.get("/api/outbox?state=queued")).len(), 1);
    steer("/api/targets/mes/resume", false, true);
    app.endpoint.sole("ServiceRequest", is("status", "active"));
    app.drained();
    steer("/api/targets/mes/resume", false, false);
    let unknown = api.ask("POST", "/api/targets/nobody/pause?because=x");
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    let done = ["allowed", "asked"];
    assert_eq!(trail(app, "resume_target"), done.repeat(2));
    let paused = trail(app, "pause_target");
    assert_eq!(paused, [vec!["refused", "asked"], done.repeat(2)].concat());
}

fn refused_messages_leave_the_list_of_open_ones_when_they_are_dealt_with(app: &TestApp) {
    let api = app.api(Role::Operator);
    let open = || listed(&api.get("/api/messages?open=true"));
    let story = Story::of(1);
    let good = String::from_utf8(story.order("NW", "20260602080000")).unwrap();
    let bad = good
        .replace("ORC|NW", "ORC|ZZ")
        .replace("|NW1|P|", "|BAD1|P|");
    let worse = bad.replace("|BAD1|P|", "|BAD2|P|");
    for message in [&bad, &worse] {
        assert_eq!(app.ris().send(message.as_bytes()).code(), "AE");
    }
    accepted(&app.ris().send(good.as_bytes()));
    let [late, early] = open().try_into().unwrap();
    assert_eq!(
        listed(&api.get("/api/messages?open=true&control_id=BAD2")),
        [late.as_str()]
    );
    assert_eq!(
        listed(&api.get("/api/messages?open=true&outcome=applied")),
        [""; 0]
    );
    // A replay that is refused again leaves it where it is, and is no refused message of its own.
    let again = api.post(&format!("/api/messages/{early}/replay"));
    assert_eq!(again["outcome"], "refused");
    assert_eq!(open(), [late.as_str(), early.as_str()]);
    api.post(&format!("/api/messages/{early}/discard?because=a%20test"));
    assert_eq!(open(), [late.as_str()]);
    assert_eq!(trail(app, "discard_message"), ["allowed", "asked"]);
    let all = listed(&api.get("/api/messages?outcome=refused&direction=in"));
    assert!(all.contains(&early) && all.contains(&late), "{all:?}");
}
