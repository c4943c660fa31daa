//! The product as it is run: `relais serve` in a process of its own, which can be killed.

use super::{api::write_tokens, database::Database, evidence, http, wait};
use relais::simulate::department::SITE_FILES;
use std::{
    fs::{File, Permissions},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Lines of its log that a failed test shows.
const LAST_LINES: usize = 40;

/// A running `relais serve`. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    config: PathBuf,
    environment: Vec<(&'static str, String)>,
    pub mllp: SocketAddr,
    pub dicom: SocketAddr,
    pub http: SocketAddr,
}

impl Process {
    /// Writes a configuration for `database` with the stations of the fictional department, publishing to `target` (the FHIR base URL) if one is given, and starts the product.
    pub fn start(database: &Database, target: Option<&str>) -> Self {
        Self::start_with(database, target, Vec::new())
    }

    /// As [`Process::start`], with variables in its environment, then and after every [`Process::restart`].
    pub fn start_with(
        database: &Database,
        target: Option<&str>,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let mut started = Self::spawn(database, target, environment);
        started.wait_ready();
        started
    }

    /// As [`Process::start_with`], not waiting until it is ready: it may be told to die before.
    pub fn spawn(
        database: &Database,
        target: Option<&str>,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let [mllp, dicom, http] = free_addresses();
        let config = database.dir.join("relais.toml");
        for (name, text) in SITE_FILES {
            let file = database.dir.join("site").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        write_tokens(&database.dir.join("tokens"));
        std::fs::write(
            &config,
            configuration(&database.url, [mllp, dicom, http], target),
        )
        .unwrap();
        // A test's PostgreSQL may have a password.
        std::fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
        Self {
            child: spawn(&config, &environment),
            config,
            environment,
            mllp,
            dicom,
            http,
        }
    }

    /// `kill -9`: no handler runs, no buffer is flushed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again with the same configuration after [`Process::kill`]; how long it took until it was ready.
    pub fn restart(&mut self) -> Duration {
        let started = Instant::now();
        self.child = spawn(&self.config, &self.environment);
        self.wait_ready();
        started.elapsed()
    }

    /// Starts again with another environment, not waiting until it is ready.
    pub fn respawn(&mut self, environment: Vec<(&'static str, String)>) {
        self.environment = environment;
        self.child = spawn(&self.config, &self.environment);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// True if it says that it can take work.
    pub fn is_ready(&self) -> bool {
        matches!(http::get(self.http, "/health/ready"), Some((200, _)))
    }

    /// Asks it to end (SIGTERM) and waits until it has drained.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        wait::until("the process ends after SIGTERM", || {
            self.child.try_wait().unwrap()
        })
    }

    /// Runs another command of the product on the same configuration, to its end: exit code and what it printed.
    pub fn command(&self, arguments: &[&str]) -> (i32, String) {
        let output = program()
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
        self.memory("VmRSS:")
    }

    /// The most memory that it held since it started, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let number = line.and_then(|l| l.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).expect("a size in KiB")
    }

    /// A metric of the running process by its name and labels as Prometheus writes them; 0 if it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let page = http::get(self.http, "/metrics").map(|(_, page)| page);
        let page = page.unwrap_or_default();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|v| v.parse().ok()).unwrap_or(0.0)
    }

    /// Asks it to read its mapping files again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
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
        let by_itself = self.ended();
        // The last it says of itself; nothing if it has ended, or hangs.
        let metrics = http::get(self.http, "/metrics").unwrap_or_default();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if metrics.0 == 200 {
            evidence::keep("metrics", metrics.1.as_bytes());
        }
        let log = std::fs::read(log_of(&self.config)).unwrap_or_default();
        evidence::keep("log", &log);
        if std::thread::panicking() {
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(LAST_LINES);
            if let Some(status) = by_itself {
                eprintln!("the product has ended by itself: {status}");
            }
            eprintln!("the product's last lines:\n{}", lines[tail..].join("\n"));
        }
    }
}

/// The product, about to be started with the widest umask: what only its owner may read, it makes so itself.
pub fn program() -> Command {
    let mut shell = Command::new("sh");
    let start = "umask 000; exec \"$0\" \"$@\"";
    shell.args(["-c", start, env!("CARGO_BIN_EXE_relais")]);
    shell
}

fn spawn(config: &Path, environment: &[(&'static str, String)]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_of(config))
        .unwrap();
    program()
        .args(["--log", "info,relais=debug", "serve"])
        .arg("--config")
        .arg(config)
        .envs(environment.iter().map(|(name, value)| (name, value)))
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

/// Addresses that were free a moment ago: the product takes its ports from its configuration. They lie below the ports that the system
/// gives to clients: while the product is down, a client that keeps trying could else be given the very port that it calls, and talk
/// to itself.
fn free_addresses() -> [SocketAddr; 3] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    [(); 3].map(|()| {
        wait::until("a free port", || {
            let nth = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
            let port = u16::try_from(10_000 + nth % 20_000).expect("below 30 000");
            TcpListener::bind(("127.0.0.1", port))
                .and_then(|listener| listener.local_addr())
                .ok()
        })
    })
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
tokens_file = "tokens"
[mappings]
dirs = ["site"]
[[link]]
name = "ris"
match = {{ msh3 = "RISX" }}
charset = "8859/1"
default_issuer = {{ name = "HOPA", oid = "1.2.250.1.999.1.1" }}
[[link]]
name = "lenient"
match = {{ msh3 = "LENIENT" }}
charset_contradiction = "utf8"
unsupported = "accept"
{target}"#
    )
}
