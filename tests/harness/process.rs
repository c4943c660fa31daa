//! The product as it is run: `relais serve` in a process of its own, which can be killed.

use super::{database::Database, http, wait};
use relais::simulate::department::SITE_FILES;
use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running `relais serve`. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    config: PathBuf,
    pub mllp: SocketAddr,
    pub dicom: SocketAddr,
    pub http: SocketAddr,
}

impl Process {
    /// Writes a configuration for `database` with the stations of the fictional department, publishing to `target` (the FHIR base URL) if one is given, and starts the product.
    pub fn start(database: &Database, target: Option<&str>) -> Self {
        let [mllp, dicom, http] = free_addresses();
        let config = database.dir.join("relais.toml");
        for (name, text) in SITE_FILES {
            let file = database.dir.join("site").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        std::fs::write(
            &config,
            configuration(&database.url, [mllp, dicom, http], target),
        )
        .unwrap();
        let mut started = Self {
            child: spawn(&config),
            config,
            mllp,
            dicom,
            http,
        };
        started.wait_ready();
        started
    }

    /// `kill -9`: no handler runs, no buffer is flushed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again with the same configuration after [`Process::kill`].
    pub fn restart(&mut self) {
        self.child = spawn(&self.config);
        self.wait_ready();
    }

    /// Asks it to end (SIGTERM) and waits until it has drained.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        wait::until("the process ends after SIGTERM", || {
            self.child.try_wait().unwrap()
        })
    }

    /// Runs another command of the product on the same configuration, to its end: exit code and what it printed.
    pub fn command(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_relais"))
            .args(["--log", "warn"])
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env("USER", "luc")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = text(&output.stdout) + &text(&output.stderr);
        (output.status.code().unwrap_or(-1), told)
    }

    /// Memory that it holds, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let number = line.and_then(|l| l.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).expect("VmRSS in KiB")
    }

    /// Everything that it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.config)).unwrap()
    }

    fn wait_ready(&mut self) {
        let log = log_of(&self.config);
        let Self { child, http, .. } = self;
        wait::until("relais serve is ready", || {
            if let Some(status) = child.try_wait().unwrap() {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("relais serve ended at once: {status}\n{log}");
            }
            http::get(*http, "/health/ready").filter(|(status, _)| *status == 200)
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_of(config))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_relais"))
        .arg("serve")
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Where the process prints, beside its configuration.
fn log_of(config: &Path) -> PathBuf {
    config.with_file_name("relais.log")
}

/// Addresses that were free a moment ago: the product takes its ports from its configuration.
fn free_addresses() -> [SocketAddr; 3] {
    let bound = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}

/// A configuration like `relais.toml`, for a test.
pub fn configuration(
    store: &str,
    [mllp, dicom, http]: [SocketAddr; 3],
    target: Option<&str>,
) -> String {
    let target = target.map_or_else(String::new, |url| {
        format!(
            "[[target]]\nname = \"mes\"\nkind = \"fhir\"\nurl = \"{url}\"\ntimeout_seconds = 2\n"
        )
    });
    format!(
        r#"[site]
name = "CHU Exemple"
oid_root = "1.2.250.1.999.1"
timezone = "Europe/Paris"
[store]
url = "{store}"
[mllp]
listen = "{mllp}"
[dicom]
listen = "{dicom}"
ae_title = "RELAIS"
[http]
listen = "{http}"
[mappings]
dirs = ["site"]
[[link]]
name = "ris"
match = {{ msh3 = "RISX" }}
charset = "8859/1"
default_issuer = {{ name = "HOPA", oid = "1.2.250.1.999.1.1" }}
{target}"#
    )
}
