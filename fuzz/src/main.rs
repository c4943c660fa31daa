//! In-process fuzzer for every parser of bytes that come from outside, on stable Rust.
//!
//! `relais-fuzz all` runs each target ([`targets`]) in a process of its own, so that a stack overflow or a hang ends one target and
//! the input that did it is known; `relais-fuzz TARGET` is such a process ([`run`]). Inputs are mutations ([`mutate`]) of fixtures,
//! mapping files and made-up data sets ([`seeds`]) and of earlier inputs that went a new way. The same seed gives the same inputs.
//!
//! Findings are panics, broken invariants, inputs that take more than a second of processor time, and memory out of proportion. Each
//! is written to `target/fuzz/` with the command that plays it again; the fix comes with a regression test in the parser's module.

mod memory;
mod mutate;
mod run;
mod seeds;
mod targets;

use run::{Finding, Options};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

const USAGE: &str = "usage: relais-fuzz all|TARGET... [--seconds N] [--seed N] [--jobs N]\n       relais-fuzz TARGET --input FILE\n\n\
  --seconds N  how long a parser that the outside reaches first is fed; the others get half of it (default 20)\n\
  --seed N     another N, other inputs (default 1)\n\
  --jobs N     targets at a time (default 2)\n\
  --input FILE one input, as it was found";

/// How much longer than its time a target may take before it counts as hanging.
const GRACE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Arguments::read(&arguments) {
        Ok(arguments) => arguments.run(),
        Err(why) => {
            let names: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
            eprintln!("{why}\n\n{USAGE}\n\ntargets: {}", names.join(" "));
            ExitCode::from(2)
        }
    }
}

/// The command line.
#[derive(Debug)]
struct Arguments {
    targets: Vec<&'static Target>,
    seconds: u64,
    seed: u64,
    jobs: usize,
    input: Option<PathBuf>,
    /// Set by ourselves: run in this process.
    inside: bool,
}

impl Arguments {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut found = Self {
            targets: vec![],
            seconds: 20,
            seed: 1,
            jobs: 2,
            input: None,
            inside: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{argument} needs a value"));
            let number = |text: &String| {
                text.parse::<u64>()
                    .map_err(|_| format!("{argument} needs a number, not {text}"))
            };
            match argument.as_str() {
                "--seconds" => found.seconds = number(value()?)?.max(1),
                "--seed" => found.seed = number(value()?)?,
                "--jobs" => found.jobs = number(value()?)?.clamp(1, 64) as usize,
                "--input" => found.input = Some(PathBuf::from(value()?)),
                "--inside" => found.inside = true,
                "all" => found.targets.extend(TARGETS),
                name => {
                    let target = TARGETS.iter().find(|t| t.name == name);
                    found
                        .targets
                        .push(target.ok_or(format!("no target {name}"))?);
                }
            }
        }
        match found.targets.len() {
            0 => Err("which target?".to_owned()),
            1 => Ok(found),
            _ if found.input.is_some() => Err("one input is for one target".to_owned()),
            _ => Ok(found),
        }
    }

    fn run(self) -> ExitCode {
        let well = match (&self.input, self.inside, self.targets.as_slice()) {
            (Some(file), _, [target]) => run::replay(target, file),
            (None, true, [target]) => run::fuzz(
                target,
                &Options {
                    time: self.time(target),
                    seed: self.seed,
                },
            ),
            _ => self.spread(),
        };
        if well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn time(&self, target: &Target) -> Duration {
        let time = Duration::from_secs(self.seconds);
        if target.first { time } else { time / 2 }
    }

    /// Each target in a process of its own, a few at a time; true if none found anything.
    fn spread(&self) -> bool {
        let queue: Mutex<VecDeque<&Target>> = Mutex::new(self.targets.iter().copied().collect());
        let failed = Mutex::new(Vec::new());
        let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    while let Some(target) = next() {
                        if let (false, Ok(mut failed)) = (self.child(target), failed.lock()) {
                            failed.push(target.name);
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap_or_default();
        match failed.as_slice() {
            [] => println!("fuzz: {} targets, nothing found", self.targets.len()),
            some => println!("fuzz: findings in {}", some.join(", ")),
        }
        failed.is_empty()
    }

    /// Runs one target to its end; what a dead or hanging process was at is a finding.
    fn child(&self, target: &Target) -> bool {
        let spawned = std::env::current_exe().and_then(|program| {
            Command::new(program)
                .args([target.name, "--inside", "--seconds"])
                .arg(self.seconds.to_string())
                .args(["--seed", &self.seed.to_string()])
                .spawn()
        });
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                println!("{}: cannot be started: {error}", target.name);
                return false;
            }
        };
        let limit = self.time(target) + GRACE;
        let start = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if start.elapsed() < limit => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
            }
        };
        match status {
            // The process has said itself what it found.
            Some(status) if status.code().is_some() => status.success(),
            Some(status) => run::report_last(target, Finding::Died(status.to_string())),
            None => run::report_last(target, Finding::Hangs),
        }
    }
}
