//! The servers under test as processes on loopback: Relais and its peers, each in a directory of its own, stopped by their process id
//! when dropped. `make bench-deps` installs the peers.

use crate::mwl::Association;
use std::fs::{self, File};
use std::io::{self, Error};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time for a server to come up: some read every file first.
const START: Duration = Duration::from_secs(90);
/// Worklist plugin of Orthanc as Debian packages it.
const ORTHANC_PLUGIN_DIR: &str = "/usr/lib/orthanc";

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Process whose resources are counted: below `strace` it is another than the child.
    pub pid: u32,
    pub addr: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM first: `wlmscpfs` has children, `strace` a tracee.
        let _ = Command::new("kill").arg(self.pid.to_string()).status();
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port of the loopback interface.
pub fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn start(command: &mut Command, log: &Path, addr: SocketAddr) -> io::Result<Server> {
    let out = File::create(log)?;
    let child = command
        // A group of its own: wlmscpfs stops by a signal to its whole group.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .map_err(|e| {
            let program = command.get_program().to_string_lossy().into_owned();
            Error::new(e.kind(), format!("{program}: {e}; run `make bench-deps`"))
        })?;
    Ok(Server {
        pid: child.id(),
        child,
        addr,
    })
}

impl Server {
    fn until(mut self, log: &Path, mut up: impl FnMut() -> bool) -> io::Result<Self> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(Error::other(format!("{status}: {said}")));
            }
            if up() {
                return Ok(self);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(Error::other(format!(
            "not up in {START:?}: {}",
            log.display()
        )))
    }

    fn with_worklist(self, log: &Path, called: &str) -> io::Result<Self> {
        let addr = self.addr;
        self.until(log, || {
            Association::connect(addr, "AE00", called, true).is_ok_and(|a| a.release().is_ok())
        })
    }

    fn with_port(self, log: &Path) -> io::Result<Self> {
        let addr = self.addr;
        self.until(log, || TcpStream::connect(addr).is_ok())
    }

    /// Processor time used so far, children that have ended included.
    pub fn cpu(&self) -> Duration {
        cpu_of(&self.pid.to_string())
    }

    /// Largest resident memory so far, MiB.
    pub fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }
}

/// Processor time that a process (`self` for this one) has used so far, children that have ended included.
pub fn cpu_of(pid: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields 14 to 17, counted after the name in brackets; 100 ticks a second.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(4);
    Duration::from_millis(ticks.filter_map(|t| t.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// A directory of worklist files as DCMTK and Orthanc read it: `dir/WL`, with a lock file.
pub fn wlmscpfs(dir: &Path, nodelay: bool) -> io::Result<Server> {
    let addr = free_port()?;
    let log = dir.join("wlmscpfs.log");
    let mut command = Command::new("/usr/bin/wlmscpfs");
    command.arg("-dfp").arg(dir).arg(addr.port().to_string());
    set_nodelay(&mut command, nodelay);
    start(&mut command, &log, addr)?.with_worklist(&log, "WL")
}

/// Orthanc with its sample worklist plugin over `dir/WL`.
pub fn orthanc(dir: &Path, nodelay: bool) -> io::Result<Server> {
    let addr = free_port()?;
    let log = dir.join("orthanc.log");
    let plugin = fs::read_dir(ORTHANC_PLUGIN_DIR)
        .ok()
        .and_then(|entries| {
            let mut names = entries.flatten().map(|e| e.path());
            names.find(|p| p.to_string_lossy().contains("libModalityWorklists.so"))
        })
        .ok_or_else(|| {
            Error::other("Orthanc's worklist plugin is missing; run `make bench-deps`")
        })?;
    let config = serde_json::json!({
        "Name": "bench",
        "StorageDirectory": dir.join("orthanc"),
        "IndexDirectory": dir.join("orthanc"),
        "Plugins": [plugin],
        "HttpServerEnabled": false,
        "DicomServerEnabled": true,
        "DicomAet": "WL",
        "DicomThreadsCount": 16,
        "DicomPort": addr.port(),
        "DicomCheckCalledAet": false,
        "DicomAlwaysAllowFind": true,
        "DicomAlwaysAllowFindWorklist": true,
        "Worklists": { "Enable": true, "Database": dir.join("WL"), "LimitAnswers": 0 },
    });
    let file = dir.join("orthanc.json");
    fs::write(&file, config.to_string())?;
    let mut command = Command::new("/usr/sbin/Orthanc");
    command.arg(&file);
    set_nodelay(&mut command, nodelay);
    start(&mut command, &log, addr)?.with_worklist(&log, "WL")
}

fn set_nodelay(command: &mut Command, nodelay: bool) {
    command.env_remove("TCP_NODELAY");
    if nodelay {
        // Both are built on DCMTK, which takes the socket option from here.
        command.env("TCP_NODELAY", "1");
    }
}

fn benches() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// What `make bench-deps` installed.
pub fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/bench-peers")
        .join(path)
}

/// pynetdicom with all items in memory.
pub fn pynetdicom(dir: &Path) -> io::Result<Server> {
    let addr = free_port()?;
    let log = dir.join("pynetdicom.log");
    let mut command = Command::new(installed("python/bin/python"));
    command
        .arg(benches().join("mwl_scp.py"))
        .arg(dir.join("WL"))
        .arg(addr.port().to_string());
    start(&mut command, &log, addr)?.with_worklist(&log, "WL")
}

/// The ports of a running Relais.
#[derive(Debug)]
pub struct Relais {
    pub server: Server,
    pub mllp: SocketAddr,
    pub http: SocketAddr,
}

/// `relais serve` on a SQLite file in `dir` (kept if it is there) with a table of stations.
pub fn relais(
    dir: &Path,
    stations: usize,
    item_cache_mib: Option<usize>,
    tracer: Option<&Path>,
) -> io::Result<Relais> {
    let (mllp, dicom, http) = (free_port()?, free_port()?, free_port()?);
    fs::create_dir_all(dir.join("mappings/tables"))?;
    let mut table = "key:station,ae,modality,room,charset,comment\n".to_owned();
    for s in 0..stations {
        let (ae, modality) = (crate::data::station(s), crate::data::modality(s));
        table += &format!("ROOM{s},{ae},{modality},Salle {s},,\n");
    }
    fs::write(dir.join("mappings/tables/stations.csv"), table)?;
    let cache = item_cache_mib
        .map(|mib| format!("item_cache_mib = {mib}\n"))
        .unwrap_or_default();
    let config = format!(
        "[site]\nname = \"Bench\"\noid_root = \"1.2.250.1.999.9\"\n[store]\nurl = \"sqlite://relais.db\"\n\
         [mllp]\nlisten = \"{mllp}\"\n[dicom]\nlisten = \"{dicom}\"\nae_title = \"WL\"\n{cache}[http]\nlisten = \"{http}\"\n\
         [mappings]\ndirs = [\"mappings\"]\n\
         [[link]]\nname = \"default\"\ndefault_issuer = {{ name = \"HOPA\", oid = \"1.2.250.1.999.9.1\" }}\n"
    );
    fs::write(dir.join("relais.toml"), config)?;
    let log = dir.join("relais.log");
    let mut command = traced(tracer, Path::new(env!("CARGO_BIN_EXE_relais")));
    command
        .args(["--log", "warn", "serve", "--config"])
        .arg(dir.join("relais.toml"));
    let server = start(&mut command, &log, dicom)?.with_worklist(&log, "WL")?;
    Ok(Relais { server, mllp, http })
}

/// simple-hl7 with a SQLite table, synced before each acknowledgement.
pub fn simple_hl7(dir: &Path, tracer: Option<&Path>) -> io::Result<Server> {
    let addr = free_port()?;
    let log = dir.join("simple-hl7.log");
    let mut command = traced(tracer, Path::new("node"));
    command
        .env("NODE_PATH", installed("node_modules"))
        .arg(benches().join("hl7_sqlite.js"))
        .arg(dir.join("simple-hl7.db"))
        .arg(addr.port().to_string());
    start(&mut command, &log, addr)?.with_port(&log)
}

/// hl7v2-fhir-bridge, writing one Bundle a message into a directory.
pub fn hl7v2_fhir_bridge(dir: &Path, tracer: Option<&Path>) -> io::Result<Server> {
    let addr = free_port()?;
    let log = dir.join("bridge.log");
    let mut command = traced(tracer, &installed("python/bin/hl7v2-fhir-bridge"));
    command
        .args(["serve", "--port"])
        .arg(addr.port().to_string())
        .arg("--out")
        .arg(dir.join("bundles"));
    start(&mut command, &log, addr)?.with_port(&log)
}

/// The program, or the program below `strace`, which writes what is synced into a file.
fn traced(tracer: Option<&Path>, program: &Path) -> Command {
    let Some(out) = tracer else {
        return Command::new(program);
    };
    let mut command = Command::new("strace");
    // -D: the tracer is a grandchild, so that the child we stop is the server.
    command
        .args([
            "-D",
            "-f",
            "-qq",
            "-e",
            "trace=fsync,fdatasync,sync_file_range,msync,openat",
            "-o",
        ])
        .arg(out)
        .arg(program);
    command
}
