//! `relais demo`: a fresh engine, a simulated department around it, one morning over real sockets, and a check of what came out.

use super::serve::wait_for_signal;
use super::{FAILED, block_on};
use crate::app::App;
use crate::clock::{Clock, Minter};
use crate::config::{Config, read};
use crate::simulate::department::SITE_FILES;
use crate::simulate::fhir_server::FhirServer;
use crate::simulate::morning::{self, MorningError, Peers, Summary};
use crate::simulate::outcome::Difference;
use crate::store::{MessageFilter, Page, Store};
use anyhow::{Context, anyhow};
use clap::Args;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long everything that was published may take to reach the endpoint.
const PUBLISHED: Duration = Duration::from_secs(60);

/// Play a morning in a fictional department against a fresh engine, and check what came out.
#[derive(Debug, Args)]
pub struct Demo {
    /// Go on serving afterwards, on the usual ports, until interrupted.
    #[arg(long)]
    keep: bool,
    /// Leave every published Bundle in this directory, one file each, in the order of publication.
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
    /// Profile packs that the endpoint wants: fr-core@2.2.0.
    #[arg(long, value_name = "NAME@VERSION")]
    profile: Vec<String>,
}

/// Runs the demo. Exit code 1 if anything is not as the script says.
pub fn run(demo: &Demo) -> ExitCode {
    match block_on(play(demo)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn play(demo: &Demo) -> anyhow::Result<()> {
    let (keep, bundles) = (demo.keep, demo.bundles.as_deref());
    let clock = Clock::default();
    let now = clock.now();
    let dir = std::env::temp_dir().join(format!(
        "relais-demo-{}",
        Minter::new(clock.clone(), 0).mint()
    ));
    let endpoint = TcpListener::bind(if keep {
        "127.0.0.1:8090"
    } else {
        "127.0.0.1:0"
    })
    .context("cannot open the port of the simulated endpoint")?;
    let fhir = FhirServer::start(endpoint, clock.clone())
        .context("cannot start the simulated endpoint")?;
    let config = configuration(&dir, &fhir.url, keep, &demo.profile)?;
    let day = now.hl7(&config.site.zone).chars().take(8).collect();
    let ae_title = config.dicom.ae_title.clone();
    let app = App::start(config).await?;
    println!(
        "Relais: MLLP {}, DICOM {} ({ae_title}), HTTP http://{}",
        app.mllp, app.dicom, app.http
    );
    println!("Simulated endpoint: {}", fhir.url);
    println!("Directory: {}\n", dir.display());

    let peers = Peers {
        mllp: app.mllp,
        dicom: app.dicom,
        ae_title,
        fhir: fhir.url.clone(),
        day,
    };
    let outcome = morning_and_check(&peers, &app, &fhir).await;
    match &outcome {
        Ok(summary) => conclude(summary, &app, &fhir, &dir, keep),
        Err(_) => println!(
            "\nThe demo's directory is kept for a look: {}",
            dir.display()
        ),
    }
    if let Some(bundles) = bundles {
        let written = write_bundles(&app.core.store, bundles).await?;
        println!("{written} Bundles are in {}", bundles.display());
    }
    if keep && outcome.is_ok() {
        wait_for_signal().await;
    }
    app.stop().await;
    fhir.stop().await;
    if outcome.is_ok() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    outcome.map(|_| ()).map_err(|error| anyhow!(error))
}

/// Plays the script, waits until the outbox is empty, and compares what the endpoint holds with what the script did.
async fn morning_and_check(
    peers: &Peers,
    app: &App,
    fhir: &FhirServer,
) -> Result<Summary, MorningError> {
    let mut out = std::io::stdout();
    let summary = morning::run(peers, &mut out).await?;
    writeln!(out, "\nWaiting until everything is published ...")?;
    let deadline = tokio::time::Instant::now() + PUBLISHED;
    let mut committed = app.core.workflow.committed();
    while tokio::time::Instant::now() < deadline {
        let counts = app.core.store.outbox_counts().await.unwrap_or_default();
        if counts.iter().all(|(_, state, _)| state != "queued") {
            break;
        }
        let _ = tokio::time::timeout(Duration::from_millis(200), committed.changed()).await;
    }
    let mut differences = summary.expected.differences(&fhir.resources());
    if let Ok(counts) = app.core.store.outbox_counts().await {
        let waiting = counts
            .into_iter()
            .filter(|(_, state, _)| state != "delivered");
        differences.extend(waiting.map(|(target, state, n)| Difference {
            what: format!("{n} publications to {target}"),
            found: state,
            wanted: "delivered".to_owned(),
        }));
    }
    if differences.is_empty() {
        Ok(summary)
    } else {
        Err(MorningError::EndState(differences))
    }
}

/// Writes every Bundle that left, as it left; one that left twice is written once. Their number.
async fn write_bundles(store: &Store, dir: &Path) -> anyhow::Result<usize> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let filter = MessageFilter {
        direction: Some("out".to_owned()),
        ..MessageFilter::default()
    };
    let mut sent = vec![];
    let mut page = Page {
        after: None,
        limit: 500,
    };
    loop {
        let rows = store.list_messages(&filter, page).await?;
        let Some(last) = rows.last() else { break };
        page.after = Some((last.at.0, last.id.0));
        sent.extend(rows.into_iter().filter(|row| row.cause.is_none()));
    }
    // The list is newest first.
    sent.reverse();
    for (n, row) in (1..).zip(&sent) {
        let body = store.journal(row.id).await?.and_then(|view| view.body);
        let file = dir.join(format!("{n:03}-{}.json", row.control_id.replace('/', "-")));
        std::fs::write(&file, body.unwrap_or_default())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(sent.len())
}

fn conclude(summary: &Summary, app: &App, fhir: &FhirServer, dir: &Path, keep: bool) {
    let count = |type_: &str| fhir.of_type(type_).len();
    println!(
        "\n{} HL7 messages, {} worklist queries, {} MPPS messages. The endpoint holds {} Patient, {} ServiceRequest, {} ImagingStudy, \
         {} DiagnosticReport, as the script says.",
        summary.messages,
        summary.queries,
        summary.performed,
        count("Patient"),
        count("ServiceRequest"),
        count("ImagingStudy"),
        count("DiagnosticReport"),
    );
    if keep {
        println!("\nStill serving. Look at:");
        println!(
            "  findscu -W -k 0008,0050 -k 0010,0010 -k \"0040,0100[0].0008,0060\" -aec RELAIS {} {}",
            app.dicom.ip(),
            app.dicom.port()
        );
        println!("  curl {}/DiagnosticReport", fhir.url);
        println!("  curl http://{}/metrics", app.http);
        println!(
            "  relais outbox list --all --config {}",
            dir.join("relais.toml").display()
        );
        println!("Stop with Ctrl-C.");
    } else {
        println!(
            "\nWhere to look next: `relais demo --keep` goes on serving; mappings/README.md says how a message becomes a record;"
        );
        println!("docs/life-of-an-order.md follows one order through the code.");
    }
}

/// Writes the demo's own configuration and site layer, and reads it as `relais serve` would.
fn configuration(
    dir: &Path,
    endpoint: &str,
    keep: bool,
    profiles: &[String],
) -> anyhow::Result<Config> {
    let port = |usual: u16| if keep { usual } else { 0 };
    let mut text = String::new();
    write!(
        text,
        r#"[site]
name = "CHU Exemple"
oid_root = "1.2.250.1.999.1"
timezone = "Europe/Paris"
[store]
url = "sqlite://relais.db"
[mllp]
listen = "127.0.0.1:{}"
[dicom]
listen = "127.0.0.1:{}"
ae_title = "RELAIS"
[http]
listen = "127.0.0.1:{}"
[mappings]
dirs = ["mappings"]
[[link]]
name = "ris"
match = {{ msh3 = "RISX" }}
charset = "8859/1"
default_issuer = {{ name = "HOPA", oid = "1.2.250.1.999.1.1" }}
ins_authorities = ["1.2.250.1.213.1.4.10"]
[[target]]
name = "mes"
kind = "fhir"
url = "{endpoint}"
profiles = {profiles:?}
"#,
        port(2575),
        port(11112),
        port(8080)
    )?;
    for (path, content) in SITE_FILES {
        let path: PathBuf = dir.join("mappings").join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
        std::fs::write(&path, content)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let file = dir.join("relais.toml");
    std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    read::read(&file.display().to_string(), &text, dir, &[]).map_err(|problems| {
        anyhow!(
            "the demo's configuration is wrong: {}",
            problems
                .iter()
                .map(|p| p.message.as_str())
                .collect::<Vec<_>>()
                .join("; ")
        )
    })
}
