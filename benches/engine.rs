//! The engine at its ports: durable orders over MLLP, and worklist queries over fresh associations, on loopback.
//!
//! `cargo bench --bench engine [-- ORDERS STEPS QUERIES]`. Everything goes through real sockets into a SQLite file with the product's
//! own settings; what is counted was acknowledged, and an acknowledgement follows its commit. Compare with `--bench limit`, run on the
//! same machine at the same time: only the ratio says something.

use relais::app::App;
use relais::config::{Config, read};
use relais::dicom::dataset::{Content, DataSet};
use relais::dicom::dimse::sop_class::MODALITY_WORKLIST_FIND;
use relais::dicom::scu::Association;
use relais::hl7::sender::MllpClient;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const STATIONS: usize = 50;
/// Steps of one station on one day: what the query finds.
const A_DAY: usize = 20;
const WITHIN: Duration = Duration::from_secs(30);

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Fallible<()> {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let number = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(number(0, 20_000), number(1, 100_000), number(2, 1_000)))
}

async fn run(orders: usize, steps: usize, queries: usize) -> Fallible<()> {
    for connections in [1, 16] {
        let place = Place::new(&format!("intake-{connections}"))?;
        let app = App::start(place.config()?).await?;
        if connections == 1 {
            println!("store:");
            for (name, value) in app.core.store.pragmas().await? {
                println!("  {name} = {value}");
            }
        }
        let n = if connections == 1 {
            orders / 10
        } else {
            orders
        };
        let before = groups();
        let took = send(&app, n, connections, 0).await?;
        let after = groups();
        let commits = (after.1 - before.1).max(1.0);
        println!(
            "intake, {connections:>2} connections: {n} orders in {:.2} s = {:.0} orders/s; {commits:.0} commits, {:.1} messages each",
            took.as_secs_f64(),
            n as f64 / took.as_secs_f64(),
            (after.0 - before.0) / commits
        );
        app.stop().await;
    }

    let place = Place::new("worklist")?;
    let app = App::start(place.config()?).await?;
    let took = send(&app, steps, 16, 0).await?;
    let visible = app.core.store.worklist_size().await?;
    println!(
        "worklist: {visible} steps stored ({:.0} s through the port)",
        took.as_secs_f64()
    );
    let mut times = Vec::with_capacity(queries);
    let mut found = 0;
    for n in 0..queries {
        let asked = query(n % STATIONS);
        let start = Instant::now();
        let mut association = Association::connect(
            app.dicom,
            &station(n % STATIONS),
            "RELAIS",
            &[MODALITY_WORKLIST_FIND],
        )
        .await?;
        let answer = association.find(&asked).await?;
        association.release().await?;
        times.push(start.elapsed());
        assert_eq!(answer.status, 0, "the query succeeds");
        found = found.max(answer.items.len());
        assert!(
            answer.items.len() >= 10,
            "at least ten matches, found {}",
            answer.items.len()
        );
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!(
        "C-FIND, one station, one day, 24 return keys, {found} matches, fresh association: p50 {:.2} ms, p99 {:.2} ms ({queries} queries)",
        at(0.5),
        at(0.99)
    );
    app.stop().await;
    Ok(())
}

/// A fresh directory, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Fallible<Self> {
        let dir = std::env::temp_dir().join(format!("relais-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(dir.join("mappings/tables"))?;
        let mut stations = "key:station,ae,modality,room,charset,comment\n".to_owned();
        for s in 0..STATIONS {
            let _ = writeln!(stations, "ROOM{s},{},CT,Salle {s},,", station(s));
        }
        std::fs::write(dir.join("mappings/tables/stations.csv"), stations)?;
        Ok(Self(dir))
    }

    fn config(&self) -> Fallible<Config> {
        let text = "[site]\nname = \"Bench\"\noid_root = \"1.2.250.1.999.9\"\n[store]\nurl = \"sqlite://bench.db\"\n\
                    [mllp]\nlisten = \"127.0.0.1:0\"\n[dicom]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
                    [mappings]\ndirs = [\"mappings\"]\n\
                    [[link]]\nname = \"default\"\ndefault_issuer = { name = \"HOPA\", oid = \"1.2.250.1.999.9.1\" }\n";
        read::read("bench.toml", text, Path::new(&self.0), &[]).map_err(|p| format!("{p:?}").into())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn station(s: usize) -> String {
    format!("CT{s}")
}

/// Order `n`: a patient of its own, a station, a day (`A_DAY` orders per station and day).
fn order(n: usize) -> Vec<u8> {
    let (s, slot) = (n % STATIONS, n / STATIONS);
    let (day, minute) = (slot / A_DAY, slot % A_DAY);
    let (month, day) = (1 + (day / 28) % 12, 1 + day % 28);
    format!(
        "MSH|^~\\&|BENCH|HOPA|RELAIS|HOPA|20260101080000||ORM^O01|B{n}|P|2.5|||||FRA|UNICODE UTF-8\r\
         PID|||{n:08}^^^HOPA&1.2.250.1.999.9.1&ISO^PI||LEFÈVRE^Aurélie^^^^^L||19640730|F|||1 rue de l'Évêché^^Lille^^59000^FRA\r\
         PV1||O|ROOM{s}^^^HOPA||||99999000013^N'DIAYE^Ibrahima|99999000021^MUÑOZ^Inès|||||||||||V{n}^^^HOPA\r\
         ORC|NW|P{n}^RIS|F{n}^RIS||SC||^^^2026{month:02}{day:02}{:02}{:02}00^^R||20260101080000|||99999000021^MUÑOZ^Inès\r\
         OBR|1|P{n}^RIS|F{n}^RIS|ZBQH001^Scanner du thorax^CCAM|||||||||douleur thoracique||||||A{n}|RP{n}|SP{n}||||CT\r\
         ZDS|1.2.250.1.999.9.5.{n}^^Application^DICOM\r",
        8 + minute / 4,
        minute % 4 * 15,
    )
    .into_bytes()
}

async fn send(app: &App, n: usize, connections: usize, from: usize) -> Fallible<Duration> {
    let address = app.mllp;
    let start = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|c| {
            tokio::spawn(async move {
                let mut client = MllpClient::connect(address, WITHIN).await?;
                for i in (from + c..from + n).step_by(connections) {
                    let ack = client.send(&order(i)).await?;
                    if !contains(&ack, b"MSA|AA|") {
                        return Err::<(), Box<dyn std::error::Error + Send + Sync>>(
                            format!("order {i} was answered {}", String::from_utf8_lossy(&ack))
                                .into(),
                        );
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(start.elapsed())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

/// What a CT asks at eight: its station, the day, 24 return keys.
fn query(s: usize) -> DataSet {
    let mut step = DataSet::new();
    step.put_text("ScheduledStationAETitle", &station(s));
    step.put_text("ScheduledProcedureStepStartDate", "20260101");
    step.put_text("Modality", "CT");
    for keyword in [
        "ScheduledProcedureStepStartTime",
        "ScheduledPerformingPhysicianName",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "ScheduledStationName",
        "ScheduledProcedureStepLocation",
    ] {
        step.put(keyword, Content::Text(vec![]));
    }
    let mut asked = DataSet::new();
    for keyword in [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "PatientWeight",
        "MedicalAlerts",
        "Allergies",
        "AccessionNumber",
        "ReferringPhysicianName",
        "RequestingPhysician",
        "RequestedProcedureID",
        "RequestedProcedureDescription",
        "StudyInstanceUID",
        "AdmissionID",
        "RequestedProcedurePriority",
    ] {
        asked.put(keyword, Content::Text(vec![]));
    }
    asked.put_items("ScheduledProcedureStepSequence", vec![step]);
    asked
}

/// Sum and count of the group sizes seen so far, from the product's own metrics.
fn groups() -> (f64, f64) {
    let text = relais::telemetry::metrics().render();
    let value = |name: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(name))
            .and_then(|v| v.trim().parse().ok())
            .unwrap_or(0.0)
    };
    (
        value("relais_workflow_group_size_sum"),
        value("relais_workflow_group_size_count"),
    )
}
