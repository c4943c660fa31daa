//! The window: what each role may see, lists and pages, refusals, the trail, the stream of events.

use crate::{
    Test,
    app::TestApp,
    harness::{
        api::{Api, token},
        database::Engine,
        messages::Story,
        mllp::accepted,
        scanner::{Pps, runtime},
        wait,
    },
};
use relais::api::access::{Role, line};
use serde_json::Value;

pub const TESTS: &[Test] = &[
    (
        "every_route_answers_its_role_and_refuses_the_others",
        every_route_answers_its_role_and_refuses_the_others,
    ),
    (
        "a_list_page_by_page_is_the_whole_list",
        a_list_page_by_page_is_the_whole_list,
    ),
    ("each_filter_chooses", each_filter_chooses),
    (
        "an_exam_shows_where_every_value_came_from",
        an_exam_shows_where_every_value_came_from,
    ),
    (
        "a_message_shows_what_it_said_and_what_it_did",
        a_message_shows_what_it_said_and_what_it_did,
    ),
    (
        "what_is_asked_wrongly_is_refused_with_what_is_allowed",
        what_is_asked_wrongly_is_refused_with_what_is_allowed,
    ),
    (
        "the_worklist_of_a_station_is_what_it_gets_by_c_find",
        the_worklist_of_a_station_is_what_it_gets_by_c_find,
    ),
    (
        "a_listener_that_comes_back_misses_no_event",
        a_listener_that_comes_back_misses_no_event,
    ),
    (
        "a_revoked_token_is_refused_and_guessing_is_slowed_down",
        a_revoked_token_is_refused_and_guessing_is_slowed_down,
    ),
    (
        "h03_every_access_to_patient_data_is_on_the_audit_trail",
        h03_every_access_to_patient_data_is_on_the_audit_trail,
    ),
    (
        "h03_what_cannot_be_audited_is_not_answered",
        h03_what_cannot_be_audited_is_not_answered,
    ),
];

const AT: &str = "20260602080000";

pub fn order(app: &TestApp, story: &Story) {
    accepted(&app.ris().send(&story.order("NW", AT)));
}

pub fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap()
}

/// The first id of a list.
pub fn first(api: Api, list: &str) -> String {
    items(&api.get(list))[0]["id"].as_str().unwrap().to_owned()
}

/// One of everything that has a page of its own.
fn one_of_everything(app: &TestApp) {
    let story = Story::of(1);
    order(app, &story);
    let scanner = app.scanner(story.station);
    assert_eq!(scanner.create(&Pps::of(&story)), 0);
    scanner.worklist(&[("ScheduledStationAETitle", story.station)]);
    app.drained();
}

fn every_route_answers_its_role_and_refuses_the_others(app: &TestApp) {
    one_of_everything(app);
    let admin = app.api(Role::Admin);
    let lists = ["exams", "patients", "steps", "messages", "outbox"];
    let ids = lists.map(|l| (l, first(admin, &format!("/api/{l}"))));
    let mut served = 0;
    for (template, methods) in admin.description()["paths"].as_object().unwrap() {
        let list = ids
            .iter()
            .find(|(l, _)| template.starts_with(&format!("/api/{l}/")));
        let mut path = list.map_or(template.clone(), |(_, id)| template.replace("{id}", id));
        if template == "/api/worklist" {
            path.push_str("?station=CT1_SCANNER");
        }
        if template == "/api/mapping/explain" {
            path.push_str("?file=ihe_order");
        }
        if template == "/api/worklist/why-not" {
            path.push_str("?calling=CT1_SCANNER&number=DEMO00000001");
        }
        for (method, operation) in methods.as_object().unwrap() {
            served += 1;
            let method = method.to_uppercase();
            let described = operation["description"].as_str().unwrap();
            let needed = Role::ALL
                .into_iter()
                .find(|r| described.contains(&format!("role {}", r.word())));
            if method == "GET" && template != "/api/events" {
                let allowed = Api {
                    role: needed,
                    ..admin
                };
                assert_eq!(allowed.ask(&method, &path).status, 200, "{path}");
            }
            let Some(needed) = needed else { continue };
            let nobody = Api {
                role: None,
                ..admin
            };
            let refused = nobody.ask(&method, &path);
            assert_eq!(refused.status, 401, "{path}");
            assert!(refused.header("www-authenticate").is_some());
            for lower in Role::ALL.into_iter().filter(|r| *r < needed) {
                let refused = admin.as_role(lower).ask(&method, &path);
                assert_eq!(refused.status, 403, "{path} as {lower:?}");
                let allowed = refused.json()["allowed"].as_str().unwrap().to_owned();
                assert!(allowed.contains(needed.word()), "{allowed}");
            }
        }
    }
    assert!(served >= 25, "{served} operations");
}

fn a_list_page_by_page_is_the_whole_list(app: &TestApp) {
    let api = app.api(Role::Viewer);
    let mut ris = app.ris();
    for n in 1..=40 {
        // Several exams share a start: the id decides among them.
        let start = ["20260602084500", "20260603100000", ""][n as usize % 3];
        let story = Story {
            start,
            ..Story::of(n)
        };
        accepted(&ris.send(&story.order("NW", AT)));
    }
    for list in [
        "exams?limit=7",
        "patients?limit=9",
        "messages?direction=in&limit=11",
        "outbox?limit=13",
    ] {
        let (path, _) = list.split_once("limit").unwrap();
        let whole = api.get(&format!("/api/{path}limit=500"));
        assert!(items(&whole).len() >= 40, "{list}: {}", items(&whole).len());
        assert_eq!(whole["next"], Value::Null);
        let (mut found, mut next) = (vec![], format!("/api/{list}"));
        loop {
            let page = api.get(&next);
            found.extend(items(&page).iter().map(|i| i["id"].clone()));
            match page["next"].as_str() {
                Some(link) => next = link.to_owned(),
                None => break,
            }
        }
        let expected: Vec<Value> = items(&whole).iter().map(|i| i["id"].clone()).collect();
        assert_eq!(found, expected, "{list}");
    }
    let starts = items(&api.get("/api/exams?limit=500"))
        .iter()
        .map(|i| i["start"].as_str().unwrap_or("").to_owned())
        .collect::<Vec<_>>();
    assert!(starts.is_sorted_by(|a, b| a >= b), "{starts:?}");
}

fn each_filter_chooses(app: &TestApp) {
    let api = app.api(Role::Viewer);
    order(app, &Story::of(1));
    let mr = Story {
        modality: "MR",
        station: "MR1_SCANNER",
        start: "20260605100000",
        ..Story::of(2)
    };
    order(app, &mr);
    let nowhere = Story {
        station: "",
        ..Story::of(3)
    };
    order(app, &nowhere);
    accepted(&app.ris().send(&Story::of(1).order("CA", "20260602090000")));
    let patient = first(
        api,
        &format!("/api/patients?identifier={}", mr.patient_id()),
    );
    for (list, expected) in [
        ("exams", 3),
        ("exams?status=canceled", 1),
        ("exams?status=scheduled", 2),
        ("exams?modality=MR", 1),
        ("exams?modality=M", 0),
        ("exams?station=MR1_SCANNER", 1),
        ("exams?station=CT1_SCANNER&status=canceled", 1),
        ("exams?from=2026-06-03", 1),
        ("exams?to=2026-06-03", 2),
        ("exams?from=2026-06-05&to=2026-06-05", 1),
        ("exams?accession=DEMO00000002", 1),
        ("exams?accession=demo00000002", 0),
        ("exams?incomplete=true", 1),
        (&format!("exams?patient={patient}"), 1),
        ("patients?identifier=80000003", 1),
        ("patients?identifier=nobody", 0),
        ("patients?name=maitre", 3),
        ("patients?name=MA%C3%8ETREJEAN%5Elo", 3),
        ("patients?name=maitrejean%5Ez", 0),
        ("patients?name=trejean", 0),
        ("patients?name=maitre&identifier=80000003", 1),
        ("messages?control_id=NW2", 1),
        ("messages?outcome=applied&link=ris&direction=in", 4),
        ("messages?outcome=refused", 0),
        ("messages?link=nobody", 0),
        ("messages?open=true", 0),
        ("messages?to=2026-01-01T00:00:00Z&direction=in", 0),
        ("steps?unlinked=true", 0),
        ("outbox?subject=nothing", 0),
    ] {
        let page = api.get(&format!("/api/{list}"));
        assert_eq!(items(&page).len(), expected, "{list}: {page}");
    }
    let incomplete = api.get("/api/exams?incomplete=true");
    assert_eq!(items(&incomplete)[0]["incomplete"][0]["what"], "station");
}

fn an_exam_shows_where_every_value_came_from(app: &TestApp) {
    one_of_everything(app);
    let api = app.api(Role::Operator);
    let exam = api.get(&format!("/api/exams/{}", first(api, "/api/exams")));
    let accession = &exam["order"]["accession_number"];
    assert_eq!(accession["values"][0]["value"], "DEMO00000001");
    let origin = &accession["origins"][0];
    assert_eq!(origin["path"], "IPC-1");
    assert!(
        origin["rule"]
            .as_str()
            .unwrap()
            .starts_with("inbound/ihe_order.toml:"),
        "{origin}"
    );
    let message = origin["message"].as_str().unwrap();
    let span = origin["span"].as_array().unwrap();
    let (from, length) = (span[0].as_u64().unwrap(), span[1].as_u64().unwrap());
    let bytes = api
        .ask("GET", &format!("/api/messages/{message}/body"))
        .body;
    let said = &bytes[from as usize..(from + length) as usize];
    assert_eq!(String::from_utf8_lossy(said), "DEMO00000001");
    let events: Vec<&str> = exam["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(events[0], "order.placed");
    assert!(events.contains(&"exam.performed"), "{events:?}");
    assert_eq!(exam["status"], "started");
    let step = api.get(&format!("/api/steps/{}", first(api, "/api/steps")));
    assert_eq!(step["links"][0]["exam"], exam["id"]);
    let patient = exam["patient"]["id"].as_str().unwrap();
    let patient = api.get(&format!("/api/patients/{patient}"));
    assert_eq!(
        patient["fields"]["name"]["values"][0]["family"],
        "MAÎTREJEAN"
    );
    assert_eq!(patient["exams"][0], exam["id"]);
}

fn a_message_shows_what_it_said_and_what_it_did(app: &TestApp) {
    let story = Story::of(1);
    order(app, &story);
    let refused = String::from_utf8(story.order("NW", AT)).unwrap();
    let refused = refused
        .replace("|NW1|P|", "|BAD1|P|")
        .replace("ORC|NW", "ORC|ZZ");
    let ack = app.ris().send(refused.as_bytes());
    assert_eq!(ack.code(), "AE");
    let scanner = app.scanner(story.station);
    assert_eq!(scanner.create(&Pps::of(&story)), 0);
    let api = app.api(Role::Operator);
    let one = |query: &str| {
        let id = first(api, &format!("/api/messages?{query}"));
        api.get(&format!("/api/messages/{id}"))
    };
    let applied = one("control_id=NW1");
    let said = |path: &str| {
        let all = applied["segments"].as_array().unwrap().iter();
        let mut fields = all.flat_map(|s| s["fields"].as_array().unwrap());
        let found = fields.find(|f| f["path"] == path);
        found.map(|f| f["text"].as_str().unwrap().to_owned())
    };
    assert_eq!(said("PID-5.1").as_deref(), Some("MAÎTREJEAN"));
    assert_eq!(said("PID-3.4.2").as_deref(), Some("1.2.250.1.999.1.1"));
    assert_eq!(said("PID-3[2].1").as_deref(), Some("287037505690001"));
    assert!(applied["ack"].as_str().unwrap().contains("MSA|AA|NW1"));
    assert_eq!(applied["outcome"], "applied");
    let events = applied["events"].as_array().unwrap();
    assert!(events.iter().any(|e| e["event"] == "order.placed"));
    let revision = api.get("/api/mapping")["revision"].clone();
    assert_eq!(applied["mapping_revision"], revision);
    let bad = one("control_id=BAD1");
    assert_eq!(
        (&bad["outcome"], &bad["reason"]),
        (&"refused".into(), &"order.control".into())
    );
    assert!(bad["detail"].as_str().unwrap().contains("ORC-1"), "{bad}");
    assert_eq!(
        items(&api.get("/api/messages?reason=order.control")).len(),
        1
    );
    let created = one("link=default");
    assert_eq!(
        created["data_set"]["PerformedStationAETitle"][0],
        story.station
    );
    app.drained();
    let sent = one("direction=out");
    assert_eq!(sent["json"]["resourceType"], "Bundle");
    let publication = first(api, "/api/outbox?state=delivered");
    let publication = api.get(&format!("/api/outbox/{publication}"));
    assert_eq!(publication["tried"][0]["outcome"], "delivered");
}

fn what_is_asked_wrongly_is_refused_with_what_is_allowed(app: &TestApp) {
    let api = app.api(Role::Admin);
    for (method, path, status, code, says) in [
        (
            "GET",
            "/api/exams?stauts=held",
            400,
            "request.parameter",
            "status, from, to",
        ),
        (
            "GET",
            "/api/exams?status=hold",
            400,
            "request.parameter",
            "mentioned, scheduled",
        ),
        (
            "GET",
            "/api/exams?limit=1000000",
            400,
            "request.parameter",
            "1 to 500",
        ),
        (
            "GET",
            "/api/exams?cursor=%27%20OR%201=1",
            400,
            "request.parameter",
            "next",
        ),
        (
            "GET",
            "/api/exams?from=2026-13-01",
            400,
            "request.parameter",
            "YYYY-MM-DD",
        ),
        ("GET", "/api/exams/abc", 400, "request.parameter", "decimal"),
        (
            "GET",
            "/api/exams/99999999999999999999",
            400,
            "request.parameter",
            "decimal",
        ),
        ("GET", "/api/exams/1", 404, "record.unknown", ""),
        ("GET", "/api/patients/1", 404, "record.unknown", ""),
        ("GET", "/api/steps/1", 404, "record.unknown", ""),
        ("GET", "/api/messages/1", 404, "record.unknown", ""),
        ("GET", "/api/messages/1/body", 404, "record.unknown", ""),
        ("GET", "/api/outbox/1", 404, "record.unknown", ""),
        ("GET", "/api/worklist", 400, "request.parameter", "1 to 16"),
        (
            "GET",
            "/api/worklist/why-not?calling=CT2&number=A1&query=Modalty=CT",
            400,
            "request.parameter",
            "KEYWORD=VALUE",
        ),
        (
            "GET",
            "/api/mapping?x=1",
            400,
            "request.parameter",
            "no parameters",
        ),
        ("GET", "/api/nothing", 404, "request.path", "/api/docs"),
        ("DELETE", "/api/exams", 405, "request.method", "GET"),
        (
            "GET",
            "/api/messages/1/replay",
            405,
            "request.method",
            "POST",
        ),
        ("POST", "/api/messages/1/replay", 404, "record.unknown", ""),
        (
            "POST",
            "/api/outbox/1/skip",
            400,
            "request.parameter",
            "1 to 200",
        ),
        (
            "POST",
            "/api/outbox/1/skip?because=gone",
            409,
            "correction.impossible",
            "",
        ),
    ] {
        let answer = api.ask(method, path);
        let problem = answer.json();
        assert_eq!(answer.status, status, "{method} {path}: {problem}");
        assert_eq!(problem["code"], code, "{method} {path}: {problem}");
        let allowed = problem["allowed"].as_str().unwrap_or("");
        assert!(allowed.contains(says), "{method} {path}: {problem}");
    }
    let body = "content-length: 2\r\n\r\n{}";
    let answer = api.raw(
        "POST",
        "/api/outbox/1/retry",
        Some(&token(Role::Admin)),
        body,
    );
    assert_eq!(answer.status, 413, "{}", answer.text());
    let page = api.raw("GET", "/api/docs", None, "");
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(page.text().contains("/api/exams/{id}"));
}

fn the_worklist_of_a_station_is_what_it_gets_by_c_find(app: &TestApp) {
    for n in 1..=3 {
        order(app, &Story::of(n));
    }
    let tomorrow = Story {
        start: "20260603084500",
        ..Story::of(4)
    };
    order(app, &tomorrow);
    let pool = Story {
        station: "",
        ..Story::of(5)
    };
    order(app, &pool);
    let elsewhere = Story {
        station: "CT2_URG",
        ..Story::of(6)
    };
    order(app, &elsewhere);
    let api = app.api(Role::Viewer);
    for (station, day, expected) in [
        ("CT1_SCANNER", "20260602", 4),
        ("CT1_SCANNER", "20260603", 1),
        ("CT2_URG", "20260602", 2),
        ("NOBODY", "20260602", 0),
    ] {
        let keys = [
            ("ScheduledStationAETitle", station),
            ("ScheduledProcedureStepStartDate", day),
        ];
        let mut found: Vec<String> = app
            .scanner(station)
            .worklist(&keys)
            .iter()
            .map(|item| item.text("AccessionNumber").unwrap().to_owned())
            .collect();
        let (year, rest) = day.split_at(4);
        let (month, day) = rest.split_at(2);
        let seen = api.get(&format!(
            "/api/worklist?station={station}&date={year}-{month}-{day}"
        ));
        let mut shown: Vec<String> = items(&seen)
            .iter()
            .map(|i| {
                i["attributes"]["AccessionNumber"][0]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        found.sort();
        shown.sort();
        assert_eq!(shown, found, "{station} {day}");
        assert_eq!(found.len(), expected, "{station} {day}");
        for item in items(&seen) {
            let step = &item["attributes"]["ScheduledProcedureStepSequence"][0];
            assert_eq!(step["ScheduledStationAETitle"][0], station);
        }
    }
    let asked = || {
        let page = api.get("/api/queries?device=CT1_SCANNER");
        (items(&page).len() >= 2).then(|| items(&page).to_vec())
    };
    let queries = wait::until("the queries are journalled", asked);
    let keys = queries[0]["keys"].as_str().unwrap();
    assert!(
        keys.contains("ScheduledStationAETitle=CT1_SCANNER"),
        "{keys}"
    );
    // What people look at is no query of the station.
    assert_eq!(
        queries
            .iter()
            .map(|q| q["count"].as_i64().unwrap())
            .sum::<i64>(),
        2
    );
}

fn a_listener_that_comes_back_misses_no_event(app: &TestApp) {
    let api = app.api(Role::Viewer);
    let mut listener = api.events(None);
    order(app, &Story::of(1));
    let (mut seen, mut last) = (vec![], String::new());
    while seen.last().map(String::as_str) != Some("order.placed") {
        let (id, name, data) = listener.next();
        assert_eq!(data["id"], id.as_str());
        assert_eq!(data["event"], name.as_str());
        assert!(!data.to_string().contains("MAÎTREJEAN"), "{data}");
        seen.push(name);
        last = id;
    }
    assert_eq!(seen, ["patient.created", "order.placed"]);
    drop(listener);
    order(app, &Story::of(2));
    accepted(&app.ris().send(&Story::of(1).order("CA", "20260602090000")));
    let mut back = api.events(Some(&last));
    let again: Vec<String> = (0..3).map(|_| back.next().1).collect();
    assert_eq!(again, ["patient.created", "order.placed", "order.changed"]);
    let wrong = api.raw(
        "GET",
        "/api/events",
        Some(&token(Role::Viewer)),
        "last-event-id: x\r\n",
    );
    assert_eq!(wrong.status, 400);
}

fn a_revoked_token_is_refused_and_guessing_is_slowed_down(app: &TestApp) {
    let api = app.api(Role::Viewer);
    let file = app.database.dir.join("tokens");
    api.get("/api/exams");
    let kept = line("admin", Role::Admin, &token(Role::Admin));
    std::fs::write(&file, format!("# only one is left\n{kept}\n")).unwrap();
    assert_eq!(api.ask("GET", "/api/exams").status, 401);
    let admin = app.api(Role::Admin);
    admin.get("/api/exams");
    let guess = || api.raw("GET", "/api/exams", Some("relais_guessed"), "");
    let waiting = wait::until("guessing is refused", || {
        Some(guess()).filter(|answer| answer.status == 429)
    });
    let seconds: u64 = waiting.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(api.raw("GET", "/health/live", None, "").status, 200);
}

fn h03_every_access_to_patient_data_is_on_the_audit_trail(app: &TestApp) {
    one_of_everything(app);
    let (viewer, operator, admin) = (
        app.api(Role::Viewer),
        app.api(Role::Operator),
        app.api(Role::Admin),
    );
    let exam = items(&viewer.get("/api/exams?accession=DEMO00000001"))[0].clone();
    let (exam, patient) = (
        &exam["id"].as_str().unwrap(),
        &exam["patient"]["id"].as_str().unwrap(),
    );
    viewer.get(&format!("/api/exams/{exam}"));
    viewer.get("/api/worklist?station=CT1_SCANNER");
    let message = first(operator, "/api/messages?control_id=NW1");
    operator.ask("GET", &format!("/api/messages/{message}/body"));
    viewer.ask("GET", &format!("/api/messages/{message}/body"));
    viewer.ask("GET", "/api/exams/1");
    Api {
        role: None,
        ..viewer
    }
    .ask("GET", &format!("/api/patients/{patient}"));
    let trail = admin.get("/api/audit");
    let rows: Vec<(&str, &str, &str)> = items(&trail)
        .iter()
        .rev()
        .map(|r| {
            let text = |name: &str| r[name].as_str().unwrap();
            (text("who"), text("action"), text("outcome"))
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("viewer", "list_exams", "allowed"),
            ("viewer", "get_exam", "allowed"),
            ("viewer", "get_worklist", "allowed"),
            ("operator", "list_messages", "allowed"),
            ("operator", "get_message_body", "allowed"),
            ("viewer", "get_message_body", "denied"),
            ("viewer", "get_exam", "refused"),
            ("", "get_patient", "denied"),
        ]
    );
    let newest = items(&trail);
    assert_eq!(newest[0]["reason"], "access.token");
    assert_eq!(newest[0]["filter"], format!("/api/patients/{patient}"));
    assert_eq!(newest[7]["filter"], "accession=DEMO00000001");
    assert_eq!(newest[7]["ids"][0], *exam);
    assert!(!trail.to_string().contains("MAÎTREJEAN"));
    // Who has seen this patient: three of exam and list, and the bytes of the message that changed it.
    let seen = admin.get(&format!("/api/audit?patient={patient}&outcome=allowed"));
    let actions: Vec<&str> = items(&seen)
        .iter()
        .map(|r| r["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions[0], "get_message_body");
    assert!(
        actions.contains(&"get_exam") && actions.contains(&"list_exams"),
        "{actions:?}"
    );
    assert_eq!(items(&admin.get("/api/audit?action=list_audit")).len(), 2);
}

fn h03_what_cannot_be_audited_is_not_answered(app: &TestApp) {
    order(app, &Story::of(1));
    let api = app.api(Role::Viewer);
    let exam = first(api, "/api/exams");
    let path = format!("/api/exams/{exam}");
    let refused = match app.database.engine() {
        Engine::Sqlite => {
            // Somebody else holds the only writer's lock for longer than a request waits.
            let store = app.store();
            let txn = runtime().block_on(store.begin()).unwrap();
            let refused = api.ask("GET", &path);
            runtime().block_on(txn.rollback(None));
            refused
        }
        Engine::Postgres => {
            let database = &app.database;
            database.tamper("ALTER TABLE audit RENAME TO audit_away");
            let refused = api.ask("GET", &path);
            database.tamper("ALTER TABLE audit_away RENAME TO audit");
            refused
        }
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(!refused.text().contains("DEMO00000001"));
    let problem = refused.json();
    assert!(
        problem["detail"].as_str().unwrap().contains("audit"),
        "{problem}"
    );
    assert_eq!(api.ask("GET", &path).status, 200);
}
