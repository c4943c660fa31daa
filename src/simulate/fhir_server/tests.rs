//! The server's semantics over real HTTP.

use super::*;
use crate::fhir::client::{Client, install_provider};
use crate::publish::retry::{Response, TransportError};
use std::time::Duration;

fn server() -> FhirServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    FhirServer::start(listener, Clock::System).unwrap()
}

fn http() -> reqwest::Client {
    install_provider();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn send(method: &str, url: String, body: Option<Json>) -> (u16, Json) {
    let method = method.parse().unwrap();
    let mut request = http().request(method, url);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/fhir+json")
            .body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn patient(value: &str, family: &str) -> Json {
    json!({"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2", "value": value}], "name": [{"family": family}]})
}

fn study(reference: &str) -> Json {
    json!({"resourceType": "ImagingStudy", "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "status": "registered", "subject": {"reference": reference}})
}

fn entry(url: &str, resource: &Json, method: &str, request: &str) -> Json {
    json!({"fullUrl": url, "resource": resource, "request": {"method": method, "url": request}})
}

fn bundle(entries: &[Json]) -> Json {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

/// Patient and study, both conditional updates.
fn pair(family: &str) -> Json {
    bundle(&[
        entry(
            "urn:uuid:p",
            &patient("1", family),
            "PUT",
            "Patient?identifier=urn:oid:1.2%7C1",
        ),
        entry(
            "urn:uuid:s",
            &study("urn:uuid:p"),
            "PUT",
            "ImagingStudy?identifier=urn:dicom:uid|urn:oid:1.2.3",
        ),
    ])
}

#[tokio::test]
async fn a_transaction_creates_then_updates_and_a_resend_changes_nothing() {
    let server = server();
    let post = |body: Json| send("POST", server.url.clone(), Some(body));
    let statuses = |answer: &Json| {
        let entries = answer["entry"].as_array().unwrap();
        entries
            .iter()
            .map(|e| e["response"]["status"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (status, answer) = post(pair("Lefèvre")).await;
    assert_eq!(
        (status, statuses(&answer)),
        (
            200,
            vec!["201 Created".to_owned(), "201 Created".to_owned()]
        )
    );
    let first = server.resources();
    assert_eq!(
        server.of_type("ImagingStudy")[0]["subject"]["reference"],
        "Patient/1"
    );
    let (_, answer) = post(pair("Lefèvre")).await;
    assert_eq!(statuses(&answer), ["200 OK", "200 OK"]);
    assert_eq!(server.resources(), first);
    post(pair("Lefèvre-Nuñez")).await;
    let patients = server.of_type("Patient");
    assert_eq!(patients.len(), 1);
    assert_eq!(patients[0]["meta"]["versionId"], "2");
    assert_eq!(server.of_type("ImagingStudy")[0]["meta"]["versionId"], "1");
    server.stop().await;
}

#[tokio::test]
async fn a_transaction_is_done_whole_or_not_at_all() {
    let server = server();
    let good = entry("urn:uuid:p", &patient("1", "A"), "POST", "Patient");
    let put = |r: &Json| {
        entry(
            "urn:uuid:s",
            r,
            "PUT",
            "ImagingStudy?identifier=urn:dicom:uid|urn:oid:1.2.3",
        )
    };
    let check = async |second: Json, status: u16, code: &str| {
        let (got, outcome) = send(
            "POST",
            server.url.clone(),
            Some(bundle(&[good.clone(), second])),
        )
        .await;
        assert_eq!(
            (got, outcome["issue"][0]["code"].as_str()),
            (status, Some(code)),
            "{outcome}"
        );
        assert!(server.resources().is_empty());
    };
    check(put(&study("urn:uuid:other")), 400, "not-found").await;
    check(put(&study("Patient/77")), 400, "not-found").await;
    check(
        put(&study("Patient?identifier=urn:oid:9|9")),
        412,
        "not-found",
    )
    .await;
    check(
        put(&json!({"resourceType": "ImagingStudy", "status": "registered"})),
        422,
        "structure",
    )
    .await;
    check(put(&patient("1", "A")), 400, "invalid").await;
    check(
        entry("urn:uuid:x", &patient("1", "A"), "DELETE", "Patient/1"),
        400,
        "not-supported",
    )
    .await;
    check(
        entry("urn:uuid:x", &patient("1", "A"), "PUT", "Patient?"),
        412,
        "invalid",
    )
    .await;
    check(
        entry("urn:uuid:p", &patient("2", "A"), "POST", "Patient"),
        400,
        "invalid",
    )
    .await;
    server.stop().await;
}

#[tokio::test]
async fn several_matches_are_refused_with_412() {
    let server = server();
    for _ in 0..2 {
        send(
            "POST",
            format!("{}/Patient", server.url),
            Some(patient("1", "A")),
        )
        .await;
    }
    let url = format!("{}/Patient?identifier=urn:oid:1.2%7C1", server.url);
    let (status, outcome) = send("PUT", url.clone(), Some(patient("1", "B"))).await;
    assert_eq!(
        (status, outcome["issue"][0]["code"].as_str()),
        (412, Some("multiple-matches"))
    );
    let (_, found) = send("GET", url, None).await;
    assert_eq!(found["total"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_conditional_create_makes_one_and_then_points_at_it() {
    let server = server();
    let create = || {
        let mut e = entry("urn:uuid:p", &patient("1", "A"), "POST", "Patient");
        e["request"]["ifNoneExist"] = json!("identifier=urn:oid:1.2|1");
        let s = entry(
            "urn:uuid:s",
            &study("urn:uuid:p"),
            "PUT",
            "ImagingStudy?identifier=urn:dicom:uid|urn:oid:1.2.3",
        );
        send("POST", server.url.clone(), Some(bundle(&[e, s])))
    };
    create().await;
    let (_, answer) = create().await;
    assert_eq!(
        answer["entry"][0]["response"]["location"],
        "Patient/1/_history/1"
    );
    assert_eq!(server.resources().len(), 2);
    let (status, read) = send("GET", format!("{}/Patient/1", server.url), None).await;
    assert_eq!(
        (status, read["name"][0]["family"].as_str()),
        (200, Some("A"))
    );
    assert_eq!(
        send("GET", format!("{}/Patient/2", server.url), None)
            .await
            .0,
        404
    );
    assert_eq!(
        send("GET", format!("{}/metadata", server.url), None)
            .await
            .1["fhirVersion"],
        "4.0.1"
    );
    server.stop().await;
}

#[tokio::test]
async fn two_entries_may_not_make_the_same_resource() {
    let server = server();
    let one = |url: &str| {
        entry(
            url,
            &patient("1", "A"),
            "PUT",
            "Patient?identifier=urn:oid:1.2|1",
        )
    };
    let (status, _) = send(
        "POST",
        server.url.clone(),
        Some(bundle(&[one("urn:uuid:a"), one("urn:uuid:b")])),
    )
    .await;
    assert_eq!(status, 400);
    assert!(server.resources().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn the_client_tells_every_sort_of_failure() {
    let server = server();
    let client = Client::new(&server.url, Duration::from_secs(20)).unwrap();
    let hasty = Client::new(&server.url, Duration::from_millis(300)).unwrap();
    let body = pair("A").to_string().into_bytes();
    let send = async || {
        client
            .transact(body.clone(), 2, jiff::Timestamp::UNIX_EPOCH)
            .await
    };
    server.fail(Failure::Status(429, Some(7)), 1);
    assert_eq!(
        send().await,
        Ok(Response {
            status: 429,
            retry_after: Some(Duration::from_secs(7)),
            detail: "error exception".to_owned(),
        })
    );
    server.fail(Failure::Hang, 1);
    let hung = hasty
        .transact(body.clone(), 2, jiff::Timestamp::UNIX_EPOCH)
        .await;
    assert_eq!(hung, Err(TransportError::Timeout));
    assert!(server.resources().is_empty());
    // It took effect, though the client cannot know: the resend must change nothing.
    server.fail(Failure::Cut, 1);
    let cut = send().await;
    assert!(matches!(cut, Err(TransportError::Closed(_))), "{cut:?}");
    let after = server.resources();
    assert_eq!(after.len(), 2);
    assert_eq!(send().await.map(|r| r.status), Ok(200));
    assert_eq!(server.resources(), after);
    let wrong = client
        .transact(body.clone(), 3, jiff::Timestamp::UNIX_EPOCH)
        .await;
    assert!(matches!(wrong, Err(TransportError::Unreadable(_))));
    server.stop().await;
    let refused = send().await;
    assert!(
        matches!(
            refused,
            Err(TransportError::Connect(_) | TransportError::Closed(_))
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_control_address_makes_it_fail() {
    let server = server();
    let base = server.url.trim_end_matches("/fhir").to_owned();
    let control = |order: Json| send("POST", format!("{base}/control/fail"), Some(order));
    assert_eq!(control(json!({"status": 503, "times": 1})).await.0, 204);
    assert_eq!(
        send("GET", format!("{}/Patient", server.url), None).await.0,
        503
    );
    assert_eq!(
        send("GET", format!("{}/Patient", server.url), None).await.0,
        200
    );
    assert_eq!(control(json!({"status": 200})).await.0, 400);
    server.stop().await;
}
