//! What the benches share: a fresh directory, the machine's own rate of durable writes, percentiles, what machine it is.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The result of a bench that any error ends.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A directory of this run, removed when dropped. On the disk under test: `target/`, not a RAM disk.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A new, empty directory.
    pub fn new(name: &str) -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        let dir = target.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("target/bench is writable");
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How often per second this disk makes a small append durable: the ceiling of one message per commit.
pub fn fdatasync_rate(dir: &Path, during: Duration) -> f64 {
    let path = dir.join("fdatasync");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("a file in the scratch directory");
    let block = [0x5a_u8; 4096];
    let started = Instant::now();
    let mut n = 0_u32;
    while started.elapsed() < during {
        file.write_all(&block).expect("space on the disk");
        file.sync_data().expect("fdatasync");
        n += 1;
    }
    f64::from(n) / started.elapsed().as_secs_f64()
}

/// The value below which `share` of the samples lie; samples in any order.
pub fn percentile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    samples.get(at).copied().unwrap_or_default()
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Processor, cores, memory, kernel and system, as the published page names them.
pub fn description() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name));
        line.and_then(|l| {
            Some(
                l.split_once([':', '='])?
                    .1
                    .trim()
                    .trim_matches('"')
                    .to_owned(),
            )
        })
        .unwrap_or_default()
    };
    let (cpu, memory, system) = (
        read("/proc/cpuinfo"),
        read("/proc/meminfo"),
        read("/etc/os-release"),
    );
    let cores = cpu.lines().filter(|l| l.starts_with("processor")).count();
    let kib: u64 = field(&memory, "MemTotal")
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    format!(
        "{cores} x {}, {} GiB, Linux {}, {}",
        field(&cpu, "model name"),
        kib.div_ceil(1 << 20),
        read("/proc/sys/kernel/osrelease").trim(),
        field(&system, "PRETTY_NAME"),
    )
}
