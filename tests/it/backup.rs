//! `relais backup` while orders arrive, and `relais restore`. On PostgreSQL both name the programs to use.

use crate::{
    Test,
    app::TestApp,
    harness::{
        cli::relais,
        database::Database,
        effort,
        messages::Story,
        mllp::{Sender, accepted},
        scanner::runtime,
        wait,
    },
};
use relais::store::{LeaveOut, Store};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

pub const TESTS: &[Test] = &[
    (
        "h04_a_backup_under_load_restores_everything_acknowledged_before_it_and_nothing_half",
        h04_a_backup_under_load_restores_everything_acknowledged_before_it_and_nothing_half,
    ),
    (
        "h04_a_backup_is_checked_and_a_wrong_one_is_not_restored",
        h04_a_backup_is_checked_and_a_wrong_one_is_not_restored,
    ),
];

const AT: &str = "20260602080000";

/// Accession number -> how often a scanner sees it on the whole list.
fn listed(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let keys = [("ScheduledStationAETitle", Story::default().station)];
    for item in app.scanner("CT1_SCANNER").worklist(&keys) {
        let accession = item.text("AccessionNumber").unwrap_or_default();
        *counts.entry(accession.to_owned()).or_default() += 1;
    }
    counts
}

/// PostgreSQL's own programs do it; the command that is shown works as it stands.
fn shown_commands_work(database: &Database) {
    let file = database.dir.join("relais.backup");
    let told = relais(database, &["backup", file.to_str().unwrap()]);
    assert_eq!(told.code, 2, "{}", told.text);
    let command = |what: &str| {
        let line = told.text.lines().find_map(|l| l.trim().strip_prefix(what));
        line.unwrap_or_else(|| panic!("no `{what}` in {}", told.text))
            .trim()
            .to_owned()
    };
    let run = |command: &str| {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}\n{said}");
    };
    run(&command("back up:"));
    let (_, restore) = command("restore:")
        .split_once("then ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    run(&restore);
}

fn h04_a_backup_under_load_restores_everything_acknowledged_before_it_and_nothing_half(
    app: &TestApp,
) {
    const SENDERS: usize = 3;
    let file = app.database.dir.join("backup.db");
    let name = file.to_str().unwrap();
    if app.database.is_postgres() {
        accepted(&app.ris().send(&Story::default().order("NW", AT)));
        app.drained();
        let before = app.dump();
        let mut relais = app.relais.lock().unwrap();
        assert!(relais.terminate().success());
        shown_commands_work(&app.database);
        relais.restart();
        drop(relais);
        assert_eq!(app.dump(), before);
        return;
    }

    let (enough, most) = (effort::pick(60, 2_000), 900);
    let acknowledged = Mutex::new(Vec::new());
    let (next, busy) = (AtomicU32::new(1), AtomicBool::new(true));
    let mllp = app.relais.lock().unwrap().mllp;
    let before = thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut sender = Sender::connect(mllp);
                while busy.load(Ordering::SeqCst) {
                    let story = Story::of(next.fetch_add(1, Ordering::SeqCst));
                    accepted(&sender.send(&story.order("NW", AT)));
                    acknowledged.lock().unwrap().push(story.n);
                    if story.n > most {
                        return;
                    }
                }
            });
        }
        wait::until("enough orders are acknowledged", || {
            (acknowledged.lock().unwrap().len() >= enough).then_some(())
        });
        let before = acknowledged.lock().unwrap().clone();
        let made = relais(&app.database, &["backup", name]);
        assert_eq!(made.code, 0, "{}", made.text);
        assert!(made.text.contains("whole"), "{}", made.text);
        let after = acknowledged.lock().unwrap().len();
        busy.store(false, Ordering::SeqCst);
        assert!(
            after > before.len(),
            "no load while it was made: it proved nothing"
        );
        before
    });
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = relais(&app.database, &["backup", name]);
    assert_eq!(again.code, 1, "{}", again.text);
    assert!(
        again.text.contains("nothing is overwritten"),
        "{}",
        again.text
    );

    let refused = relais(&app.database, &["restore", name]);
    assert_eq!(refused.code, 1, "{}", refused.text);
    assert!(refused.text.contains("stop it first"), "{}", refused.text);
    let mut engine = app.relais.lock().unwrap();
    assert!(engine.terminate().success());
    let restored = relais(&app.database, &["restore", name]);
    assert_eq!(restored.code, 0, "{}", restored.text);
    engine.restart();
    drop(engine);

    let found = listed(app);
    for n in &before {
        assert_eq!(found.get(&Story::of(*n).accession()), Some(&1), "{n}");
    }
    assert!(found.values().all(|n| *n == 1));
    // Nothing half: each message of the journal has its exam, and its item.
    let dump = app.whole_dump();
    let rows = |table: &str| {
        let start = format!("{table} ");
        dump.lines().filter(|l| l.starts_with(&start)).count()
    };
    let incoming = dump
        .lines()
        .filter(|l| l.starts_with("journal ") && l.contains("dir=\"in\""))
        .count();
    assert_eq!(
        [rows("exam"), rows("worklist_item"), found.len()],
        [incoming; 3]
    );
    // What is not in it is sent again, as senders do: nothing comes twice.
    let all = acknowledged.into_inner().unwrap();
    let mut ris = app.ris();
    for n in &all {
        accepted(&ris.send(&Story::of(*n).order("NW", AT)));
    }
    assert_eq!(listed(app).len(), all.len());

    let aside = fs::read_dir(&app.database.dir).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        name.starts_with("relais.db.before-restore-") && !name.ends_with("-wal")
    });
    assert!(aside, "the database of before is kept");
}

fn h04_a_backup_is_checked_and_a_wrong_one_is_not_restored(app: &TestApp) {
    if app.database.is_postgres() {
        let told = relais(&app.database, &["restore", "relais.backup"]);
        assert_eq!(told.code, 2);
        assert!(told.text.contains("pg_restore --clean"), "{}", told.text);
        return;
    }
    for n in 1..=30 {
        accepted(&app.ris().send(&Story::of(n).order("NW", AT)));
    }
    app.drained();
    let good = app.database.dir.join("good.db");
    let made = relais(&app.database, &["backup", good.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{}", made.text);
    // At rest the copy is the database, row by row.
    let copy = runtime().block_on(async {
        let store = Store::open(&format!("sqlite://{}", good.display()))
            .await
            .unwrap();
        let dump = store.dump(&LeaveOut::EVIDENCE).await.unwrap();
        store.close().await;
        dump
    });
    assert_eq!(copy, app.dump());

    assert!(app.relais.lock().unwrap().terminate().success());
    let before = app.whole_dump();
    let bytes = fs::read(&good).unwrap();
    let mut holed = bytes.clone();
    let middle = holed.len() / 2 / 4096 * 4096;
    holed[middle..middle + 4096].fill(0xff);
    let wrong: [(&str, &[u8]); 4] = [
        ("half.db", &bytes[..bytes.len() / 2]),
        ("holed.db", &holed),
        ("empty.db", b""),
        ("text.db", b"not a database, however long this text may be: it goes on and on ............................."),
    ];
    for (name, bytes) in wrong {
        let file = app.database.dir.join(name);
        fs::write(&file, bytes).unwrap();
        let told = relais(&app.database, &["restore", file.to_str().unwrap()]);
        assert_eq!(told.code, 1, "{name}: {}", told.text);
        assert!(told.text.contains(name), "{}", told.text);
        assert_eq!(app.whole_dump(), before, "{name}");
    }
}
