//! The site of a page: a directory in which its files are written and its commands run, with an engine of its own if the page starts one.

use crate::wait;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Ports as the pages write them: HL7, DICOM, HTTP.
const PORTS: [u16; 3] = [2575, 11112, 8080];
/// What gives the engine others than those.
const LISTEN: [&str; 3] = [
    "RELAIS_MLLP_LISTEN",
    "RELAIS_DICOM_LISTEN",
    "RELAIS_HTTP_LISTEN",
];

/// A directory that is removed at the end.
pub struct Site {
    dir: PathBuf,
    /// What really stands in the place of [`PORTS`]: other tests run beside this one.
    ports: [u16; 3],
    engine: Option<Child>,
}

impl Site {
    /// An empty one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "relais-documents-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        // Held together until all three are known, so that they differ.
        let held = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.map(|l| l.local_addr().unwrap().port());
        Self {
            dir,
            ports,
            engine: None,
        }
    }

    /// Its path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.with_ports(text)).unwrap();
    }

    /// Runs a command line as a shell would, in the directory, with the built program in front; what it printed. With ` &` at its end it
    /// is the engine, which serves from then on.
    pub fn shell(&mut self, line: &str) -> String {
        let line = self.with_ports(line);
        let command = |line: &str| {
            let program = Path::new(env!("CARGO_BIN_EXE_relais"));
            let mut path = program.parent().unwrap().as_os_str().to_owned();
            path.push(":");
            path.push(std::env::var_os("PATH").unwrap_or_default());
            let mut command = Command::new("bash");
            command
                .args(["-c", line])
                .current_dir(&self.dir)
                .env("PATH", path)
                .env("RELAIS", env!("CARGO_MANIFEST_DIR"))
                .env("USER", "luc")
                .envs(
                    LISTEN
                        .iter()
                        .zip(&self.ports)
                        .map(|(name, port)| (*name, format!("127.0.0.1:{port}"))),
                )
                .stdin(Stdio::null());
            command
        };
        if let Some(serve) = line.strip_suffix('&') {
            let mut engine = command(&format!("exec {serve}"));
            let quiet = engine.stdout(Stdio::null()).stderr(Stdio::null());
            self.engine = Some(quiet.spawn().unwrap());
            self.wait_ready();
            return String::new();
        }
        let output = command(&format!("{{ {line}\n}} 2>&1")).output().unwrap();
        self.without_ports(&String::from_utf8_lossy(&output.stdout))
    }

    /// True if an engine runs: what it does shows after a while.
    pub fn serves(&self) -> bool {
        self.engine.is_some()
    }

    fn wait_ready(&mut self) {
        let http = SocketAddr::from(([127, 0, 0, 1], self.ports[2]));
        let engine = self.engine.as_mut().unwrap();
        wait::until("the engine of the page is ready", || {
            let ended = engine.try_wait().unwrap();
            assert!(ended.is_none(), "it ended at once: {ended:?}");
            let mut stream = TcpStream::connect(http).ok()?;
            stream
                .write_all(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
    }

    /// Ports stand behind the loopback address in everything that a page shows.
    fn with_ports(&self, text: &str) -> String {
        self.swapped(text, PORTS, self.ports)
    }

    fn without_ports(&self, text: &str) -> String {
        self.swapped(text, self.ports, PORTS)
    }

    fn swapped(&self, text: &str, from: [u16; 3], to: [u16; 3]) -> String {
        let mut text = text.to_owned();
        for (from, to) in from.iter().zip(to) {
            for mark in [':', '/', ' '] {
                text = text.replace(
                    &format!("127.0.0.1{mark}{from}"),
                    &format!("127.0.0.1{mark}{to}"),
                );
            }
        }
        text
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(engine) = &mut self.engine {
            let _ = engine.kill();
            let _ = engine.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
