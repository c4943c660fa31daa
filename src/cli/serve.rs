//! `relais serve` and `relais check`.

use super::backup::without_password;
use super::{FAILED, WRONG, block_on, load_config};
use crate::app::{App, read_tokens};
use crate::config::Config;
use crate::diagnostic::{Severity, did_you_mean};
use crate::mapping::MappingSet;
use crate::mapping::model::Model;
use crate::mappings::{compile, render_all, sources};
use crate::private::{Exposed, exposed};
use std::path::Path;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the engine until SIGTERM or SIGINT, then drains.
pub fn serve(path: &Path) -> ExitCode {
    let config = match load_config(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    warn_of_exposed_password(path, &config);
    block_on(async {
        let app = match App::start(config).await {
            Ok(app) => app,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::from(FAILED);
            }
        };
        tracing::info!(mllp = %app.mllp, dicom = %app.dicom, http = %app.http, "relais is ready");
        wait_for_signal().await;
        tracing::info!("stopping: no new connections, finishing what is in hand");
        app.stop().await;
        ExitCode::SUCCESS
    })
}

/// The configuration may be anybody's reading, but not with the password of the database in it. Its group counts for nobody: it is the
/// usual way by which a file of root's is read by the user that Relais runs as.
fn warn_of_exposed_password(path: &Path, config: &Config) {
    let elsewhere = std::env::var_os("RELAIS_STORE_URL").is_some();
    if elsewhere || without_password(&config.store_url) == config.store_url {
        return;
    }
    for Exposed { path, mode } in exposed([path.to_owned()]) {
        if mode & 0o007 != 0 {
            let file = path.display();
            tracing::warn!(
                "{file} has mode {mode:04o} and holds the password of the database: others than its owner may use it; `chmod o= {file}` \
                 keeps it to the user and the group that Relais runs as"
            );
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn wait_for_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received; stop with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Reports all problems of a configuration and of the mappings that it names.
pub fn check(path: &Path) -> ExitCode {
    let config = match load_config(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let found = sources(&config.mapping_dirs);
    let files = found.files.clone();
    let (set, problems) = compile(found);
    eprint!("{}", render_all(&problems, &files));
    let mut wrong = problems.iter().any(|p| p.severity == Severity::Error);
    for problem in beyond_the_file(&config, &set) {
        eprintln!("error: {problem}");
        wrong = true;
    }
    if wrong {
        return ExitCode::from(WRONG);
    }
    println!("{}: no problem found", path.display());
    println!(
        "mapping revision {} from {} files",
        set.revision(),
        set.files().len()
    );
    ExitCode::SUCCESS
}

/// What the configuration names and the disk or the mappings do not have.
fn beyond_the_file(config: &Config, set: &MappingSet) -> Vec<String> {
    let inbound: Vec<&str> = set
        .models()
        .filter(|m| m.name.starts_with("inbound/"))
        .map(Model::stem)
        .collect();
    let mut problems = Vec::new();
    for link in &config.links {
        for rival in set.rivals(&link.inbound) {
            let text = render_all(std::slice::from_ref(&rival), set.files());
            problems.push(format!("link `{}` is read by two files\n{text}", link.name));
        }
        for name in link
            .inbound
            .iter()
            .filter(|name| !inbound.contains(&name.as_str()))
        {
            let hint = did_you_mean(name, inbound.iter().copied())
                .map(|h| format!("; {h}"))
                .unwrap_or_default();
            problems.push(format!(
                "link `{}`: no mapping file inbound/{name}.toml; there are {}{hint}",
                link.name,
                inbound.join(", ")
            ));
        }
    }
    for target in &config.targets {
        let missing = set.missing_pack(&target.profiles);
        problems.extend(missing.map(|why| format!("target `{}`: {why}", target.name)));
    }
    if let Err(error) = read_tokens(config) {
        problems.push(format!("{error:#}"));
    }
    problems
}
