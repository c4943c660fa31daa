//! In-process fuzzer for the parsers of untrusted bytes, on stable Rust: mutates the fixtures and feeds them to one target.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml -- TARGET [--seconds N] [--seed N]`; without a target it lists them. A panic ends the
//! run with the input written to `fuzz/crashes/`, named after the target and the seed: make it a fixture with the fix.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Target = (&'static str, fn(&[u8]));

/// Every parser of bytes that come from outside.
const TARGETS: &[Target] = &[
    ("mllp_frame", relais::hl7::mllp::fuzz_mllp_frame),
    ("hl7_message", relais::hl7::message::fuzz_hl7_message),
    ("hl7_ack", relais::hl7::ack::fuzz_ack),
    ("dicom_implicit", relais::dicom::read::fuzz_dataset_implicit),
    ("dicom_explicit", relais::dicom::read::fuzz_dataset_explicit),
    ("dimse_command", relais::dicom::dimse::fuzz_command),
    ("pdata", relais::dicom::pdata::fuzz_pdata),
    ("toml_file", relais::toml_file::fuzz_toml_file),
    ("fhir_outcome", relais::fhir::outcome::fuzz_outcome),
    ("config", relais::config::read::fuzz_config),
    ("mapping_table", relais::mapping::table::fuzz_table),
    ("mapping_rule", relais::mapping::parser::fuzz_rule),
    ("mapping_file", relais::mapping::fuzz_mapping_file),
];

/// Longest input.
const LONGEST: usize = 1 << 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let Some((name, target)) = arguments
        .first()
        .and_then(|a| TARGETS.iter().find(|(n, _)| n == a))
    else {
        println!(
            "targets: {}",
            TARGETS
                .iter()
                .map(|(n, _)| *n)
                .collect::<Vec<_>>()
                .join(" ")
        );
        std::process::exit(2);
    };
    let seconds = option("--seconds").unwrap_or(20);
    let mut random = Random(option("--seed").unwrap_or(0x9E37_79B9_7F4A_7C15) | 1);
    let seeds = seeds();
    let start = Instant::now();
    let mut runs: u64 = 0;
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(seconds) {
        let input = mutate(&seeds, &mut random);
        let began = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let file = root().join("fuzz/crashes").join(format!("{name}-{runs}"));
            let _ = std::fs::create_dir_all(root().join("fuzz/crashes"));
            let _ = std::fs::write(&file, &input);
            println!(
                "{name}: panicked in run {runs}; input in {}",
                file.display()
            );
            std::process::exit(1);
        }
        slowest = slowest.max(began.elapsed());
        runs += 1;
    }
    println!(
        "{name}: {runs} runs in {seconds} s, no panic, slowest {:.1} ms",
        slowest.as_secs_f64() * 1000.0
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// Fixtures and mapping files: inputs that get past the first check.
fn seeds() -> Vec<Vec<u8>> {
    let mut found = vec![vec![]];
    let mut open = vec![root().join("tests/fixtures"), root().join("mappings")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push(bytes.into_iter().take(LONGEST).collect());
            }
        }
    }
    found
}

/// xorshift64*: repeatable, and good enough to choose bytes.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n.max(1)
    }
}

/// Bytes that parsers treat specially, beside random ones.
const SPECIAL: &[u8] = b"|^~\\&\r\n\x0b\x1c\"'[](){}=,.;:*?-\xff\xfe\x00\x01\x7f\x80\xc3\xe9";

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        match random.below(7) {
            0 if at < input.len() => input[at] = random.below(256) as u8,
            1 if at < input.len() => input[at] = SPECIAL[random.below(SPECIAL.len())],
            2 => input.insert(at, SPECIAL[random.below(SPECIAL.len())]),
            3 => input.truncate(at),
            4 => {
                let end = (at + random.below(64)).min(input.len());
                input.drain(at..end);
            }
            5 => {
                let end = (at + random.below(64)).min(input.len());
                let piece = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(256)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
    input.truncate(LONGEST);
    input
}
