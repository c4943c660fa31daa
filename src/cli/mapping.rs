//! `relais mapping ...`: mapping files checked, proven by their cases, tried on a message, put in force.
//!
//! The same code runs live: `mappings` finds the files, `mapping` compiles and evaluates them. Patient data is masked unless asked for.

use super::load_config;
use super::reference::{self, Page};
use crate::mappings::case_files::{CaseResult, Outcome, run_cases};
use crate::mappings::{compile, examine, render_all, sources};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

mod journal;
mod leaves;
mod remote;
mod replay;
mod run;
mod texts;

/// Everything is well.
pub const OK: u8 = 0;
/// Problems were found, cases failed or the message was refused.
pub const FAILED: u8 = 1;
/// Something could not be read.
pub const UNREADABLE: u8 = 2;

/// Arguments of `relais mapping`.
#[derive(Debug, clap::Args)]
pub struct MappingArgs {
    #[command(subcommand)]
    command: MappingCommand,
}

/// What to do with mapping files.
#[derive(Debug, clap::Subcommand)]
enum MappingCommand {
    /// Report every problem of the shipped files and the given layers; exit code 1 if there is an error.
    Check {
        /// Directories of mappings over the shipped ones, later ones win.
        dirs: Vec<PathBuf>,
    },
    /// Run the cases of directories, each against the stack of layers up to it; exit code 1 if one fails.
    Test(TestArgs),
    /// Show what an HL7 message would become, each value with its origin.
    Run(run::RunArgs),
    /// Make a case of a journalled message, without its patient.
    Capture(journal::CaptureArgs),
    /// Print which rules never fired and what no rule or table reads, by the cases or by the journal.
    Coverage(journal::CoverageArgs),
    /// Print what changed mapping files would make otherwise of the messages of the journal, by rule; nothing is stored or sent.
    Replay(replay::ReplayArgs),
    /// Print each rule of a file as a sentence, its final form after `base` and directories, with the line that it comes from.
    Explain(texts::ExplainArgs),
    /// Write mapping files in their one form: order, comments and meaning stay.
    Fmt(texts::FmtArgs),
    /// What is in force in the running engine, since when, and why the files on disk are not it.
    Status(remote::Remote),
    /// Have the running engine read its mapping files now; exit code 1 if they are refused.
    Reload(remote::Remote),
    /// Print the reference of the language, as Markdown.
    Reference,
}

/// Arguments of `relais mapping test`.
#[derive(Debug, clap::Args)]
struct TestArgs {
    /// Directories of mappings over the shipped ones, later ones win; without one, those of the configuration. What is no directory is
    /// a filter: only cases whose name contains it are run.
    #[arg(value_name = "DIR|FILTER")]
    which: Vec<String>,
    /// Write what came as what is wanted; read it afterwards.
    #[arg(long)]
    bless: bool,
    /// The configuration that names the directories if none is given.
    #[arg(long, default_value = "relais.toml")]
    config: PathBuf,
}

/// Runs the subcommand and gives the exit code.
///
/// # Errors
/// The output cannot be written, or a directory not be read.
pub fn run(args: &MappingArgs, out: &mut dyn Write) -> io::Result<u8> {
    match &args.command {
        MappingCommand::Check { dirs } => check(dirs, out),
        MappingCommand::Test(args) => test(args, out),
        MappingCommand::Run(args) => run::message(args, out),
        MappingCommand::Capture(args) => journal::capture(args, out),
        MappingCommand::Coverage(args) => journal::coverage(args, out),
        MappingCommand::Replay(args) => replay::replay(args, out),
        MappingCommand::Explain(args) => texts::explain(args, out),
        MappingCommand::Fmt(args) => texts::fmt(args, out),
        MappingCommand::Status(args) => remote::status(args, out),
        MappingCommand::Reload(args) => remote::reload(args, out),
        MappingCommand::Reference => {
            write!(out, "{}", reference::text(&Page::Mapping))?;
            Ok(OK)
        }
    }
}

fn check(dirs: &[PathBuf], out: &mut dyn Write) -> io::Result<u8> {
    let (set, problems, files) = examine(dirs);
    write!(out, "{}", render_all(&problems, &files))?;
    let errors = problems
        .iter()
        .filter(|p| p.severity == crate::diagnostic::Severity::Error)
        .count();
    let warnings = problems.len() - errors;
    let files = set.files().len();
    writeln!(out, "{files} files: {errors} errors, {warnings} warnings")?;
    if let Some(first) = problems.first() {
        writeln!(
            out,
            "`relais explain {}` says more, with an example",
            first.code
        )?;
    }
    Ok(if errors == 0 { OK } else { FAILED })
}

fn test(args: &TestArgs, out: &mut dyn Write) -> io::Result<u8> {
    let (dirs, filter): (Vec<String>, Vec<String>) = args.which.iter().cloned().partition(|word| {
        Path::new(word).is_dir() || word.contains('/') && !word.contains(".cases")
    });
    let mut dirs: Vec<PathBuf> = dirs.into_iter().map(PathBuf::from).collect();
    if dirs.is_empty() {
        match load_config(&args.config) {
            Ok(config) => dirs = config.mapping_dirs,
            Err(_) => return Ok(UNREADABLE),
        }
    }
    let code = check(&dirs, out)?;
    if code != OK {
        return Ok(code);
    }
    let (mut run, mut failed) = (0, 0);
    for (index, dir) in dirs.iter().enumerate() {
        let (set, _) = compile(sources(&dirs[..=index]));
        for CaseResult { name, outcome } in run_cases(&set, dir, &filter, args.bless)? {
            run += 1;
            match outcome {
                Outcome::Passed => {}
                Outcome::Blessed => writeln!(out, "blessed {name}")?,
                Outcome::Differs(text) | Outcome::Broken(text) => {
                    failed += 1;
                    writeln!(out, "FAILED {name}\n{text}")?;
                }
            }
        }
    }
    writeln!(out, "{run} cases: {failed} failed")?;
    if run == 0 && !filter.is_empty() {
        writeln!(out, "no case is named so")?;
        return Ok(FAILED);
    }
    Ok(if failed == 0 { OK } else { FAILED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_check_clean() {
        let mut out = Vec::new();
        assert_eq!(check(&[], &mut out).unwrap(), OK);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("0 errors, 0 warnings\n"), "{text}");
    }
}
