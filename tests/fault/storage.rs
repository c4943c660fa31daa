//! The disk fills up, turns read-only, or fails to sync, under the SQLite file and while messages come: promise A10.
//!
//! `disk.c` stands before the C library and fails the calls of the database's files on demand, so that no privileges are needed.

use crate::{
    harness::{
        database::{Database, Engine},
        endpoint::Endpoint,
        http,
        messages::Story,
        mllp::{Sender, accepted},
        process::Process,
        scanner::Scanner,
        wait,
    },
    load::Load,
    oracle::{judge, print},
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Orders before, during and after the fault.
const ORDERS: u32 = 10;
/// Refusals seen before the fault is lifted.
const REFUSALS: usize = 8;

/// How the disk fails, as `disk.c` is told.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Full,
    ReadOnly,
    Sync,
    /// Half a MiB is left.
    Little,
}

impl Fault {
    const NONE: &'static str = "-";

    fn letter(self) -> &'static str {
        match self {
            Self::Full => "F",
            Self::ReadOnly => "R",
            Self::Sync => "S",
            Self::Little => "L",
        }
    }
}

/// The library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("disk.so");
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fault/disk.c"))
            .arg("-ldl")
            .output()
            .expect("cc is there: SQLite is compiled with it too");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        library
    })
}

/// A metric's value, `None` if it is not there.
pub fn metric(relais: &Process, name: &str) -> Option<f64> {
    let (_, text) = http::get(relais.http, "/metrics")?;
    let line = text.lines().find(|l| l.starts_with(&format!("{name} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// While the store cannot be written: nobody is told that a message is safe, and everybody who looks can see why.
pub fn is_refusing(relais: &Process, load: &Load, why: &str) {
    let acknowledged = load.ledger(|l| l.acknowledged());
    load.allow(ORDERS);
    wait::until("senders are told to keep their messages", || {
        let (now, kept) = load.ledger(|l| (l.acknowledged(), l.kept.values().sum::<usize>()));
        assert_eq!(now, acknowledged, "acknowledged and not on the disk");
        (kept >= REFUSALS).then_some(())
    });
    load.ledger(|l| {
        let known = ["AR 207", "N-CREATE 0110", "N-SET 0110"];
        assert!(l.kept.keys().all(|k| known.contains(&k.as_str())), "{l:?}");
    });
    wait::until("readiness says why", || {
        let (status, text) = http::get(relais.http, "/health/ready")?;
        (status == 503 && text.contains(why)).then_some(())
    });
    assert_eq!(metric(relais, "relais_store_writable"), Some(0.0));
    assert!(
        relais
            .log()
            .lines()
            .any(|l| l.contains("ERROR") && l.contains("the store cannot be written")),
        "no alarm in the log"
    );
}

/// After it: no hand, no restart.
pub fn recovers(relais: &Process) {
    wait::until("it is ready again", || relais.is_ready().then_some(()));
    assert_eq!(metric(relais, "relais_store_writable"), Some(1.0));
}

/// The file that says how the disk is.
struct Disk(PathBuf);

impl Disk {
    /// Written over, never cut: the product has it mapped.
    fn tell(&self, letter: &str) {
        let mut file = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.0)
            .unwrap();
        file.write_all(letter.as_bytes()).unwrap();
    }
}

/// A disk that is well, under the files of a database, and what the product's environment has for it.
fn disk(database: &Database) -> (Disk, Vec<(&'static str, String)>) {
    let disk = Disk(database.dir.join("disk"));
    disk.tell(Fault::NONE);
    let files = database.dir.join("relais.db");
    let environment = vec![
        ("LD_PRELOAD", library().display().to_string()),
        ("RELAIS_TEST_DISK_FILES", files.display().to_string()),
        ("RELAIS_TEST_DISK_MODE", disk.0.display().to_string()),
    ];
    (disk, environment)
}

fn outlives(fault: Fault, why: &str) {
    let database = Database::new(Engine::Sqlite);
    let endpoint = Endpoint::start();
    let (disk, environment) = disk(&database);
    let mut relais = Process::start_with(&database, Some(&endpoint.url), environment);
    let load = Load::on(&relais);
    load.allow(ORDERS);
    wait::until("a first order is acknowledged", || {
        load.ledger(|l| !l.orders.is_empty()).then_some(())
    });
    wait::until("what came is answered", || load.is_idle().then_some(()));

    disk.tell(fault.letter());
    is_refusing(&relais, &load, why);
    let story = Story::of(1);
    let scanner = Scanner {
        peer: relais.dicom,
        ae: story.station.to_owned(),
    };
    let seen = scanner.worklist(&[("AccessionNumber", &story.accession())]);
    assert_eq!(seen.len(), 1, "what is stored is still shown");

    disk.tell(Fault::NONE);
    recovers(&relais);
    load.allow(ORDERS);
    let promised = load.finish();
    // What was promised during and after the fault is on the disk, not only in the process.
    relais.kill();
    relais.restart();
    let found = judge(&relais, &database, &endpoint, &promised);
    print(&format!("{fault:?}: {found:?}, told {:?}", promised.0.kept));
}

#[test]
fn a10_a_full_disk_acknowledges_nothing_and_recovers_by_itself() {
    outlives(Fault::Full, "full");
}

#[test]
fn a10_a_read_only_file_system_acknowledges_nothing_and_recovers_by_itself() {
    outlives(Fault::ReadOnly, "not available");
}

#[test]
fn a10_a_disk_that_fails_to_sync_acknowledges_nothing_and_recovers_by_itself() {
    outlives(Fault::Sync, "not available");
}

/// Text that no compression makes much shorter.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let letters = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 58) as u8)
    });
    letters
        .filter(|c| !"\\^|~&".contains(*c))
        .take(length)
        .collect()
}

/// What a sender is told; after a silence it calls again.
fn told(ris: &mut Sender, relais: &Process, message: &[u8]) -> String {
    match ris.try_send(message) {
        Some(ack) => ack.code().to_owned(),
        None => {
            *ris = Sender::connect(relais.mllp);
            "silence".to_owned()
        }
    }
}

#[test]
fn a10_an_order_that_does_not_fit_any_more_is_kept_by_its_sender_and_smaller_ones_are_taken() {
    let database = Database::new(Engine::Sqlite);
    let (disk, environment) = disk(&database);
    let mut relais = Process::start_with(&database, None, environment);
    let mut ris = Sender::connect(relais.mllp);
    let order = |n| Story::of(n).order("NW", "20260602080000");
    accepted(&ris.send(&order(1)));
    // Two MiB in a segment that nothing reads: the journal keeps it all the same.
    let rest = format!("ZZZ|{}\r", noise(2 << 20));
    let large = [order(2), rest.into_bytes()].concat();
    disk.tell(Fault::Little.letter());
    let mut seen = vec![];
    for _ in 0..3 {
        seen.push(told(&mut ris, &relais, &large));
    }
    // What is left of the disk holds this one, and nobody had to do anything.
    wait::until("a small order is taken", || {
        let code = told(&mut ris, &relais, &order(3));
        let taken = code == "AA";
        seen.extend(Some(code).filter(|_| !taken));
        taken.then_some(())
    });
    seen.push(told(&mut ris, &relais, &large));
    let kept = |code: &String| code == "AR" || code == "silence";
    assert!(seen.iter().all(kept), "{seen:?}");
    disk.tell(Fault::NONE);
    wait::until("the large order is taken", || {
        (told(&mut ris, &relais, &large) == "AA").then_some(())
    });
    // On the disk, not only in the process, and each once.
    relais.kill();
    relais.restart();
    let scanner = Scanner {
        peer: relais.dicom,
        ae: Story::of(1).station.to_owned(),
    };
    for n in 1..=3 {
        let found = scanner.worklist(&[("AccessionNumber", &Story::of(n).accession())]);
        assert_eq!(found.len(), 1, "order {n}");
    }
    print(&format!("Little: told {seen:?}"));
}
