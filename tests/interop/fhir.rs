//! FHIR programs of other makers: a server that takes what we publish, and two validators that judge it.

use crate::harness::{
    chaos::{Chaos, Mode},
    database::{Database, Engine},
    http,
    messages::Story,
    mllp::{Sender, accepted},
    process::Process,
    scanner::{Pps, Scanner},
    tools::{node, peer, run},
    wait,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Exams that are published while the engine is killed.
const EXAMS: u32 = 12;
/// A killed engine's leases run out after the target's timeout and 15 seconds.
const AFTER_A_KILL: Duration = Duration::from_secs(60);

/// Medplum's router with its in-memory repository, which also judges what comes. Ends with the test.
struct Medplum {
    child: Child,
    addr: SocketAddr,
}

impl Medplum {
    fn start(options: &[&str]) -> Self {
        let mut child = node("server.cjs")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("server.cjs prints its port");
        Self {
            child,
            addr: ([127, 0, 0, 1], port).into(),
        }
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = http::get(self.addr, path).expect("an HTTP answer");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What a search by identifier finds.
    fn find(&self, kind: &str, identifier: &str) -> Vec<Value> {
        let found = self.get(&format!("/fhir/{kind}?identifier={identifier}"));
        let entries = found["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|e| e["resource"].clone()).collect()
    }

    /// Waits until the search finds one resource whose status is as wanted.
    fn sole(&self, kind: &str, identifier: &str, status: &str) -> Value {
        let what = format!("{kind} {identifier} {status}");
        wait::within(AFTER_A_KILL, &what, || {
            let mut found = self.find(kind, identifier);
            assert!(found.len() < 2, "{kind} {identifier} is there twice");
            found.pop().filter(|r| r["status"] == status)
        })
    }

    /// The resource that a reference leads to.
    fn follow(&self, reference: &Value) -> Value {
        self.get(&format!(
            "/fhir/{}",
            reference["reference"].as_str().unwrap()
        ))
    }

    fn count(&self, kind: &str) -> u64 {
        self.get(&format!("/fhir/{kind}"))["total"]
            .as_u64()
            .unwrap()
    }
}

impl Drop for Medplum {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Order, exam and report of a story.
fn play(relais: &Process, story: &Story, complete: bool) {
    let mut ris = Sender::connect(relais.mllp);
    accepted(&ris.send(&story.order("NW", "20260602080000")));
    let scanner = Scanner {
        peer: relais.dicom,
        ae: story.station.to_owned(),
    };
    let pps = Pps::of(story);
    assert_eq!(scanner.create(&pps), 0x0000);
    if complete {
        assert_eq!(scanner.complete(&pps), 0x0000);
        accepted(&ris.send(&story.report("F", "20260602110000")));
    }
}

fn drained(relais: &Process) {
    wait::within(AFTER_A_KILL, "nothing waits to be published", || {
        let (code, listed) = relais.command(&["outbox", "list"]);
        assert_eq!(code, 0, "{listed}");
        assert!(!listed.contains(" held "), "{listed}");
        listed.contains("\n0 entries").then_some(())
    });
}

#[test]
fn g01_a_foreign_fhir_server_holds_the_exam_as_it_was() {
    // With transactions, and where they are not switched on.
    for options in [&[][..], &["batch"]] {
        holds_the_exam_as_it_was(options);
    }
}

fn holds_the_exam_as_it_was(options: &[&str]) {
    let (database, medplum) = (Database::new(Engine::Sqlite), Medplum::start(options));
    let url = format!("http://{}/fhir", medplum.addr);
    let relais = Process::start(&database, Some(&url));
    let story = Story::default();
    play(&relais, &story, true);

    let study = format!("urn:dicom:uid%7Curn:oid:{}", story.study_uid());
    let study = medplum.sole("ImagingStudy", &study, "available");
    assert_eq!(study["numberOfInstances"], 2);
    let order = medplum.follow(&study["basedOn"][0]);
    assert_eq!(order["resourceType"], "ServiceRequest");
    assert!(order["identifier"].to_string().contains(&story.accession()));
    drained(&relais);
    assert_eq!(medplum.follow(&study["basedOn"][0])["status"], "completed");
    let reports = medplum.get("/fhir/DiagnosticReport");
    assert_eq!(reports["total"], 1);
    let report = &reports["entry"][0]["resource"];
    assert_eq!(report["status"], "final");
    assert_eq!(
        medplum.follow(&report["imagingStudy"][0])["id"],
        study["id"]
    );
    let patient = medplum.follow(&report["subject"]);
    assert_eq!(patient["name"][0]["family"], story.family);
    assert_eq!(patient["birthDate"], "1987-03-14");
}

#[test]
fn g01_a_foreign_fhir_server_gets_each_exam_once_though_answers_are_lost_and_the_engine_is_killed()
{
    let (database, medplum) = (Database::new(Engine::Sqlite), Medplum::start(&[]));
    let chaos = Chaos::before(medplum.addr);
    let url = format!("http://{}/fhir", chaos.addr);
    let mut relais = Process::start(&database, Some(&url));
    // The server carries these out, and no answer comes back.
    chaos.set(Mode::NoAnswer);
    for n in 1..=EXAMS {
        play(&relais, &Story::of(n), n % 2 == 0);
    }
    wait::until("some were carried out without an answer", || {
        (medplum.count("ServiceRequest") >= 2).then_some(())
    });
    relais.kill();
    chaos.set(Mode::Pass);
    relais.restart();
    drained(&relais);
    let (code, told) = relais.command(&["outbox", "resend", "--target", "mes"]);
    assert_eq!(code, 0, "{told}");
    drained(&relais);
    for (kind, wanted) in [
        ("Patient", EXAMS),
        ("ServiceRequest", EXAMS),
        ("ImagingStudy", EXAMS),
        ("DiagnosticReport", EXAMS / 2),
    ] {
        assert_eq!(medplum.count(kind), u64::from(wanted), "{kind}");
    }
    println!(
        "{} requests for {EXAMS} exams, nothing twice",
        chaos.requests()
    );
}

/// Every Bundle that the demo publishes, as it left, for an endpoint that wants these profile packs.
fn bundles_of_the_demo(dir: &Path, packs: &[&str]) -> Vec<PathBuf> {
    run(Command::new(env!("CARGO_BIN_EXE_relais"))
        .args(["--log", "error", "demo", "--bundles"])
        .arg(dir)
        .args(packs.iter().flat_map(|pack| ["--profile", pack])));
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A Bundle of the demo in which the second resource lost its status and its identifier's system is no URI.
fn spoiled(bundle: &Path) -> PathBuf {
    let mut json: Value = serde_json::from_slice(&std::fs::read(bundle).unwrap()).unwrap();
    let resource = json["entry"][1]["resource"].as_object_mut().unwrap();
    resource.remove("status").expect("a status");
    resource["identifier"][0]["system"] = "no uri".into();
    let file = bundle.with_file_name("spoiled.json");
    std::fs::write(&file, json.to_string()).unwrap();
    file
}

#[test]
fn g04_two_foreign_validators_find_no_error_in_any_bundle_of_the_demo() {
    let database = Database::new(Engine::Sqlite);
    let mut files = bundles_of_the_demo(&database.dir.join("bundles"), &[]);
    assert!(files.len() > 100, "{} Bundles", files.len());
    let packs = ["fr-core@2.2.0", "eu-imaging@1.0.0-ballot"];
    let with_packs = bundles_of_the_demo(&database.dir.join("profiled"), &packs);
    let claims = |file: &&PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        text.contains("/fr-core-patient\"")
    };
    assert!(with_packs.iter().filter(claims).count() > 100);
    files.extend(with_packs);
    let judged = run(node("validate.cjs").args(&files));
    assert!(judged.ends_with(" 0 errors\n"), "{judged}");
    println!("fhir: {judged}");
    let judged = run(peer("fhirkit").arg("validate").args(&files));
    let ok = judged.lines().filter(|l| l.ends_with(": ok")).count();
    assert_eq!(ok, files.len(), "{judged}");
    println!("fhirkit: {ok} files, 0 errors");

    // Both look into the entries of a Bundle.
    let with_order = files.iter().find(|f| {
        let name = f.file_name().unwrap().to_string_lossy().into_owned();
        name.contains("-report-")
    });
    let spoiled = spoiled(with_order.unwrap());
    for mut validator in [node("validate.cjs"), peer("fhirkit")] {
        if validator
            .get_program()
            .to_string_lossy()
            .ends_with("fhirkit")
        {
            validator.arg("validate");
        }
        let output = validator.arg(&spoiled).output().unwrap();
        assert!(!output.status.success(), "{validator:?} sees no error");
    }
}
