//! Files that hold patients or secrets belong to one user. The harness starts the product with umask 000.

use crate::{
    Test,
    app::TestApp,
    harness::{cli::relais, messages::Story, mllp::accepted},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

pub const TESTS: &[Test] = &[
    (
        "h02_what_holds_patients_or_secrets_is_made_for_its_owner_alone",
        h02_what_holds_patients_or_secrets_is_made_for_its_owner_alone,
    ),
    (
        "a_file_that_others_may_read_is_told_at_the_start",
        a_file_that_others_may_read_is_told_at_the_start,
    ),
];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Each file of the test's directory that is made by the product, with its mode.
fn made(app: &TestApp) -> Vec<(String, u32)> {
    let of_the_test = ["relais.toml", "relais.log", "site"];
    let entries = fs::read_dir(&app.database.dir).unwrap();
    let mut found: Vec<(String, u32)> = entries
        .map(|e| e.unwrap())
        .map(|e| {
            (
                e.file_name().to_string_lossy().into_owned(),
                mode(&e.path()),
            )
        })
        .filter(|(name, _)| !of_the_test.contains(&name.as_str()))
        .collect();
    found.sort();
    found
}

fn h02_what_holds_patients_or_secrets_is_made_for_its_owner_alone(app: &TestApp) {
    let dir = &app.database.dir;
    accepted(&app.ris().send(&Story::of(1).order("NW", "20260602080000")));
    // Tokens: the file is made anew.
    fs::remove_file(dir.join("tokens")).unwrap();
    let new = ["token", "new", "--name", "anne", "--role", "viewer"];
    let token = relais(&app.database, &new);
    assert_eq!(token.code, 0, "{}", token.text);
    let mut expected = vec!["tokens"];
    if !app.database.is_postgres() {
        let backup = dir.join("copy.db");
        let told = relais(&app.database, &["backup", backup.to_str().unwrap()]);
        assert_eq!(told.code, 0, "{}", told.text);
        expected = vec![
            "copy.db",
            "relais.db",
            "relais.db-shm",
            "relais.db-wal",
            "relais.db.lock",
            "tokens",
        ];
    }
    let found = made(app);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected);
    assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
    if app.database.is_postgres() {
        return;
    }
    // A backup that was copied about with a wider mode comes back as narrow as it was made.
    let backup = dir.join("copy.db");
    fs::set_permissions(&backup, Permissions::from_mode(0o644)).unwrap();
    let mut engine = app.relais.lock().unwrap();
    assert!(engine.terminate().success());
    // So does one that takes the place of a database of a wider mode, which is kept as it was.
    fs::set_permissions(dir.join("relais.db"), Permissions::from_mode(0o666)).unwrap();
    let told = relais(&app.database, &["restore", backup.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{}", told.text);
    engine.restart();
    drop(engine);
    let found = made(app);
    let wide: Vec<(&str, u32)> = found
        .iter()
        .filter(|(_, mode)| *mode != 0o600)
        .map(|(name, mode)| (name.split("-restore-").next().unwrap_or(name), *mode))
        .collect();
    let kept = "relais.db.before";
    assert_eq!(wide, [("copy.db", 0o644), (kept, 0o666)], "{found:?}");
}

fn a_file_that_others_may_read_is_told_at_the_start(app: &TestApp) {
    let mut engine = app.relais.lock().unwrap();
    let told = |log: &str| -> Vec<String> {
        log.lines()
            .filter_map(|line| line.split_once("others than its owner may use it"))
            .map(|(before, _)| before.rsplit_once('/').unwrap().1.to_owned())
            .collect()
    };
    assert_eq!(told(&engine.log()), [""; 0], "nothing is wide");
    assert!(engine.terminate().success());
    let mut expected = vec!["tokens has mode 0644: "];
    let widen = |name: &str, mode| {
        let file = app.database.dir.join(name);
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    };
    widen("tokens", 0o644);
    widen("relais.toml", 0o644);
    if app.database.is_postgres() {
        // Only a password makes the configuration a secret.
        let file = app.database.dir.join("relais.toml");
        let config = fs::read_to_string(&file).unwrap();
        let config = config.replace("://postgres@", "://postgres:secret@");
        fs::write(&file, config).unwrap();
        expected.insert(
            0,
            "relais.toml has mode 0644 and holds the password of the database: ",
        );
    } else {
        widen("relais.db", 0o640);
        // What SQLite makes beside it is as wide as it is.
        expected = vec![
            "relais.db has mode 0640: ",
            "relais.db-wal has mode 0640: ",
            "relais.db-shm has mode 0640: ",
            "tokens has mode 0644: ",
        ];
    }
    engine.restart();
    assert_eq!(told(&engine.log()), expected);
    assert!(engine.log().contains("chmod 600"));
    assert!(!engine.log().contains("postgres:secret"));
    assert_eq!(
        mode(&app.database.dir.join("tokens")),
        0o644,
        "left as it is"
    );
}
