//! The figures that alarms are made of (docs/alerts/relais.yml).

use crate::{
    Test,
    app::TestApp,
    harness::{messages::Story, mllp::accepted, scanner::Pps, wait},
};
use relais::clock::Clock;

pub const TESTS: &[Test] = &[(
    "h02_a_silent_link_or_device_an_empty_list_and_an_exam_without_end_are_seen_in_the_metrics",
    h02_a_silent_link_or_device_an_empty_list_and_an_exam_without_end_are_seen_in_the_metrics,
)];

/// The value of a metric with its labels, as the page writes them.
fn value(app: &TestApp, metric: &str) -> Option<f64> {
    let page = app.get("/metrics");
    let line = page.lines().find_map(|l| l.strip_prefix(metric))?;
    line.trim().parse().ok()
}

fn is(app: &TestApp, metric: &str, wanted: impl Fn(f64) -> bool) {
    wait::until_ok(metric, || match value(app, metric) {
        Some(found) if wanted(found) => Ok(()),
        found => Err(format!("{found:?}")),
    });
}

fn h02_a_silent_link_or_device_an_empty_list_and_an_exam_without_end_are_seen_in_the_metrics(
    app: &TestApp,
) {
    let device = |metric: &str| format!("{metric}{{device=\"CT1_SCANNER\"}}");
    let asked = device("relais_device_last_query_timestamp_seconds");
    let heard = "relais_link_last_message_timestamp_seconds{link=\"ris\"}";
    let started = Clock::System.now().seconds();
    // Silent since the start, which is known from the start.
    is(app, heard, |at| at <= started);
    is(app, &asked, |at| at <= started);
    is(app, "relais_exams_in_progress", |n| n == 0.0);

    // Two steps of today: one names the device, one is in its modality's pool. An exam of June was started and never ended.
    let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
    let today = Clock::System.now().local(&zone).0 / 1_000_000;
    let start: &'static str = Box::leak(format!("{today}120000").into_boxed_str());
    let mut ris = app.ris();
    for (n, station, start) in [
        (1, "CT1_SCANNER", start),
        (2, "", start),
        (3, "CT1_SCANNER", Story::default().start),
    ] {
        let story = Story {
            station,
            start,
            ..Story::of(n)
        };
        accepted(&ris.send(&story.order("NW", "20260602080000")));
    }
    is(app, heard, |at| at > started);
    let scanner = app.scanner("CT1_SCANNER");
    assert_eq!(scanner.create(&Pps::of(&Story::of(3))), 0);
    // It asks, with keys that fit nothing: answered and empty. Another one is nobody that the site knows.
    assert!(scanner.worklist(&[("Modality", "XA")]).is_empty());
    app.scanner("NOBODY_KNOWN").worklist(&[("Modality", "XA")]);
    is(app, &asked, |at| at > started);
    is(app, &device("relais_device_queries_total"), |n| n == 1.0);
    is(app, &device("relais_device_items_total"), |n| n == 0.0);
    is(app, "relais_device_queries_total{device=\"other\"}", |n| {
        n == 1.0
    });
    assert!(!app.get("/metrics").contains("NOBODY_KNOWN"));

    // The figures are read at the start and each half minute: a restart shows them now.
    let mut relais = app.relais.lock().unwrap();
    assert!(relais.terminate().success());
    relais.restart();
    drop(relais);
    is(app, &device("relais_device_scheduled_steps"), |n| n == 2.0);
    is(app, "relais_exams_in_progress", |n| n == 1.0);
    is(app, "relais_exams_in_progress_overdue", |n| n == 1.0);
}
