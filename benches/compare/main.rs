//! Relais beside its peers and beside the machine's own limit, in one go on one machine. Prints Markdown.
//!
//! `cargo bench --bench compare [-- PART...] [--seconds N] [--items N,N] [--large N]`; parts are `limit`, `intake`, `worklist`,
//! `large` and `translate`, all by default. Every server is a process on loopback in its released form with its own settings; the clients are ours, in
//! Rust, and cost a fraction of the servers. `make bench-deps` installs the peers.

mod batches;
mod data;
mod department;
mod intake;
mod limit;
mod machine;
mod mllp;
mod mwl;
mod servers;
mod table;
mod translate;
mod worklist;

use machine::{Fallible, description};
use std::time::Duration;

/// What is asked for on the command line.
struct Plan {
    parts: Vec<String>,
    /// Seconds of each cell of a table.
    cell: Duration,
    items: Vec<usize>,
    large: usize,
}

impl Plan {
    fn read(arguments: impl Iterator<Item = String>) -> Fallible<Self> {
        let mut plan = Self {
            parts: vec![],
            cell: Duration::from_secs_f64(2.5),
            items: vec![1_000, 10_000],
            large: 1_000_000,
        };
        let mut arguments = arguments.filter(|a| a != "--bench");
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--seconds" => plan.cell = Duration::from_secs_f64(value()?.parse()?),
                "--items" => {
                    plan.items = value()?
                        .split(',')
                        .map(str::parse)
                        .collect::<Result<_, _>>()?
                }
                "--large" => plan.large = value()?.parse()?,
                _ => plan.parts.push(argument),
            }
        }
        Ok(plan)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|p| p == part)
    }
}

fn main() -> Fallible<()> {
    let plan = Plan::read(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    println!("Machine: {}.", description());
    if plan.has("limit") {
        let orders = (plan.cell.as_secs_f64() * 3_200.0) as usize;
        runtime.block_on(limit::run(orders))?;
    }
    if plan.has("intake") {
        runtime.block_on(intake::compare(plan.cell * 2))?;
    }
    if plan.has("worklist") {
        for items in &plan.items {
            worklist::compare(*items, plan.cell)?;
        }
    }
    if plan.has("large") {
        runtime.block_on(worklist::large(plan.large, plan.cell))?;
    }
    if plan.has("translate") {
        translate::compare(plan.cell)?;
    }
    Ok(())
}
