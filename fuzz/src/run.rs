//! One target fed in this process, and what is done with what is found.

use crate::memory::Memory;
use crate::mutate::{self, Random, mutate};
use crate::seeds;
use crate::targets::Target;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Most inputs that are kept because they went a new way.
const CORPUS: usize = 4096;
/// An input that takes more processor time is a finding.
const SLOW: Duration = Duration::from_secs(1);
/// Stack of the engine's own threads (tokio's default): what overflows here overflows there.
const STACK: usize = 2 << 20;
/// After so many findings the rest is more of the same.
const ENOUGH: usize = 20;

/// How a target is fed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub time: Duration,
    pub seed: u64,
}

/// What is wrong with an input.
#[derive(Debug)]
pub enum Finding {
    /// A panic, or an invariant that does not hold; where.
    Panic(String),
    /// Processor time.
    Slow(Duration),
    /// Address space in KiB.
    Memory(u64),
    /// The process ended by a signal: a stack overflow, mostly.
    Died(String),
    Hangs,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(place) => write!(f, "panics at {place}"),
            Self::Slow(time) => write!(f, "takes {} ms of processor time", time.as_millis()),
            Self::Memory(kib) => write!(f, "takes {} MiB of address space", kib >> 10),
            Self::Died(status) => write!(f, "ends the process: {status}"),
            Self::Hangs => f.write_str("never ends"),
        }
    }
}

/// Where the last panic was.
static PANICKED_AT: Mutex<String> = Mutex::new(String::new());

fn note_panics() {
    std::panic::set_hook(Box::new(|info| {
        if let (Ok(mut place), Some(location)) = (PANICKED_AT.lock(), info.location()) {
            *place = location.to_string();
        }
    }));
}

/// Feeds a target until its time is over; true if nothing was found. Prints what was done.
pub fn fuzz(target: &'static Target, options: &Options) -> bool {
    let options = *options;
    note_panics();
    let thread = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || Run::new(target).map(|run| run.feed_until(&options)));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(well))) => well,
        Ok(Ok(Err(error))) | Err(error) => {
            println!("{}: cannot run: {error}", target.name);
            false
        }
        Ok(Err(_)) => {
            println!("{}: the fuzzer itself panicked", target.name);
            false
        }
    }
}

/// Plays one input again, in a way that shows the panic; true if all is well with it.
pub fn replay(target: &'static Target, file: &Path) -> bool {
    let input = match fs::read(file) {
        Ok(input) => input,
        Err(error) => {
            println!("{}: {error}", file.display());
            return false;
        }
    };
    let memory = Memory::new();
    let start = Instant::now();
    let thread = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || (target.feed)(&input));
    let well = thread.is_ok_and(|t| t.join().is_ok());
    let grown = memory.map_or(0, |m| m.grown());
    println!(
        "{}: {} in {} ms, {} KiB more address space",
        target.name,
        if well { "read" } else { "panicked" },
        start.elapsed().as_millis(),
        grown
    );
    well && start.elapsed() < SLOW && grown < Memory::LIMIT_KIB
}

/// Says that the process was at its last input when it died; false, for it is a finding.
pub fn report_last(target: &Target, finding: Finding) -> bool {
    match Last::read(target) {
        Ok(input) => report(target, &finding, &input),
        Err(error) => println!(
            "{}: {finding}; its last input is not known: {error}",
            target.name
        ),
    }
    false
}

fn directory() -> PathBuf {
    seeds::root().join("target/fuzz")
}

fn report(target: &Target, finding: &Finding, input: &[u8]) {
    let name = target.name;
    let file = directory().join(format!("{name}-{:016x}", relais::fuzzing::shape(input)));
    if let Err(error) = fs::write(&file, input) {
        println!("{}: {error}", file.display());
    }
    println!("{name}: {finding} ({} bytes)", input.len());
    println!(
        "    again: cargo run -p relais-fuzz -- {name} --input {}",
        file.display()
    );
}

/// The input in hand, in a file, so that it is known when the process dies of it.
struct Last(File);

impl Last {
    fn path(target: &Target) -> PathBuf {
        directory().join(format!("{}.last", target.name))
    }

    fn create(target: &Target) -> io::Result<Self> {
        fs::create_dir_all(directory())?;
        File::create(Self::path(target)).map(Self)
    }

    fn write(&self, buffer: &mut Vec<u8>, input: &[u8]) -> io::Result<()> {
        buffer.clear();
        buffer.extend_from_slice(&(input.len() as u64).to_le_bytes());
        buffer.extend_from_slice(input);
        self.0.write_all_at(buffer, 0)
    }

    fn read(target: &Target) -> io::Result<Vec<u8>> {
        let mut file = File::open(Self::path(target))?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut input = Vec::new();
        let length = u64::from_le_bytes(length).min(mutate::LONGEST as u64);
        file.take(length).read_to_end(&mut input)?;
        Ok(input)
    }
}

struct Run {
    target: &'static Target,
    corpus: Vec<Vec<u8>>,
    shapes: BTreeSet<u64>,
    last: Last,
    memory: Memory,
    runs: u64,
    slowest: Duration,
    findings: BTreeSet<String>,
}

impl Run {
    fn new(target: &'static Target) -> io::Result<Self> {
        let corpus = seeds::of(target.kind);
        // Tables that are made once are no input's memory.
        for seed in &corpus {
            let _ = catch_unwind(AssertUnwindSafe(|| (target.feed)(seed)));
        }
        Ok(Self {
            target,
            corpus,
            shapes: BTreeSet::new(),
            last: Last::create(target)?,
            memory: Memory::new()?,
            runs: 0,
            slowest: Duration::ZERO,
            findings: BTreeSet::new(),
        })
    }

    fn feed_until(mut self, options: &Options) -> bool {
        let mut random = Random::new(options.seed, self.target.name);
        let mut buffer = Vec::with_capacity(mutate::LONGEST + 8);
        let start = Instant::now();
        for seed in self.corpus.clone() {
            self.feed(&seed, &mut buffer);
        }
        while start.elapsed() < options.time && self.findings.len() < ENOUGH {
            let input = mutate(&self.corpus, self.target.kind, &mut random);
            if self.feed(&input, &mut buffer) && self.corpus.len() < CORPUS {
                self.corpus.push(input);
            }
        }
        println!(
            "{:<17}{:>10} inputs in {:>3} s, {:>4} shapes, slowest {:>6.1} ms, peak {:>3} MiB, {} findings",
            self.target.name,
            self.runs,
            start.elapsed().as_secs(),
            self.shapes.len(),
            self.slowest.as_secs_f64() * 1000.0,
            self.memory.resident() >> 10,
            self.findings.len(),
        );
        self.findings.is_empty()
    }

    /// Feeds one input; true if it went a new way.
    fn feed(&mut self, input: &[u8], buffer: &mut Vec<u8>) -> bool {
        self.runs += 1;
        if let Err(error) = self.last.write(buffer, input) {
            println!("{}: {error}", self.target.name);
        }
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.feed)(input)));
        let time = start.elapsed();
        self.slowest = self.slowest.max(time);
        let Ok(shape) = outcome else {
            let place = PANICKED_AT.lock().map(|p| p.clone()).unwrap_or_default();
            self.found(Finding::Panic(place.clone()), place, input);
            return false;
        };
        if time > SLOW {
            // On a busy machine the clock on the wall says nothing: once more, by the processor's.
            let before = processor_time();
            let _ = catch_unwind(AssertUnwindSafe(|| (self.target.feed)(input)));
            let time = processor_time().saturating_sub(before);
            if time > SLOW {
                self.found(Finding::Slow(time), "slow".to_owned(), input);
            }
        }
        let grown = self.memory.grown();
        if grown > Memory::LIMIT_KIB {
            self.found(Finding::Memory(grown), "memory".to_owned(), input);
        }
        self.shapes.insert(shape)
    }

    /// Each place is reported once.
    fn found(&mut self, finding: Finding, place: String, input: &[u8]) {
        if self.findings.insert(place) {
            report(self.target, &finding, input);
        }
    }
}

/// Time that this thread has had on a processor.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
