//! The command line: arguments, one file per subcommand, documented exit codes.
//!
//! 0 = done; 1 = it was tried and failed; 2 = the command line or a file is wrong, nothing was started.

pub mod backup;
pub mod demo;
mod desk;
pub mod mapping;
pub mod messages;
pub mod outbox;
pub mod purge;
pub mod reference;
pub mod serve;
pub mod token;
pub mod trial;
pub mod worklist;

use crate::config::{Config, read};
use crate::diagnostic::render;
use crate::telemetry::{LogForm, start_logging};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code: it was tried and failed.
pub const FAILED: u8 = 1;
/// Exit code: the command line or a file is wrong.
pub const WRONG: u8 = 2;

/// Radiology workflow integration: HL7 v2 orders become DICOM worklists, MPPS is followed, FHIR is published.
#[derive(Debug, Parser)]
#[command(name = "relais", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What to log: error, warn, info, debug, or a filter such as relais::workflow=debug.
    #[arg(long, global = true, default_value = "info")]
    log: String,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = Form::Text)]
    log_form: Form,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the engine.
    Serve(ConfigFile),
    /// Report all problems of a configuration, with file:line and what is allowed.
    Check(ConfigFile),
    /// See refused messages, do them again, or mark them as handled.
    Messages(messages::Messages),
    /// See and steer what waits to be published.
    Outbox(outbox::Outbox),
    /// Remove what is past its retention; a running engine does so each hour.
    Purge(purge::Purge),
    /// Copy the SQLite database to a file, checked, while the engine runs.
    Backup(backup::Files),
    /// Put a backup in the place of the SQLite database; the engine must not be running.
    Restore(backup::Files),
    /// Play a morning in a fictional department against a fresh engine, and check what came out.
    Demo(demo::Demo),
    /// Send HL7 files to a fresh engine and print what it answers to each.
    Trial(trial::Trial),
    /// Check mapping files, run their cases, or try them on a message.
    Mapping(mapping::MappingArgs),
    /// See why a scanner is shown a step, or why not.
    Worklist(worklist::Worklist),
    /// Make tokens for the HTTP interface.
    Token(token::Token),
    /// Explain a diagnostic of mapping files by its code: what it means, an example, the cure.
    Explain {
        /// The code, `M025`.
        code: String,
    },
    /// Print a reference page from the code, as Markdown.
    Reference {
        #[command(subcommand)]
        page: reference::Page,
    },
}

/// The option of every command that works on an engine's store or files.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(
        long = "config",
        value_name = "CONFIG",
        global = true,
        default_value = "relais.toml"
    )]
    pub path: PathBuf,
}

/// Reads a command line without running it: documents name commands that exist.
///
/// # Errors
/// What clap says of it.
pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<(), String> {
    let words = std::iter::once("relais").chain(words);
    let parsed = Arguments::try_parse_from(words);
    parsed.map(drop).map_err(|error| error.to_string())
}

/// Parses the command line and runs it.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let form = match arguments.log_form {
        Form::Text => LogForm::Text,
        Form::Json => LogForm::Json,
    };
    start_logging(form, &arguments.log);
    // Which provider TLS uses is decided once for the process; a second call finds it decided.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.command {
        Command::Serve(config) => serve::serve(&config.path),
        Command::Check(config) => serve::check(&config.path),
        Command::Messages(command) => messages::run(command),
        Command::Outbox(command) => outbox::run(command),
        Command::Purge(command) => purge::run(&command),
        Command::Backup(files) => backup::backup(&files),
        Command::Restore(files) => backup::restore(&files),
        Command::Demo(command) => demo::run(&command),
        Command::Trial(command) => trial::run(&command),
        Command::Worklist(command) => worklist::run(command),
        Command::Token(command) => token::run(&command),
        Command::Mapping(arguments) => written(|out| mapping::run(&arguments, out)),
        Command::Explain { code } => written(|out| reference::explain(&code, out)),
        Command::Reference { page } => reference::run(&page),
    }
}

/// Runs what writes to the standard output and gives its exit code.
fn written(run: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<u8>) -> ExitCode {
    match run(&mut std::io::stdout().lock()) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(WRONG)
        }
    }
}

/// Reads a configuration; on failure everything that is wrong has been printed.
pub fn load_config(path: &Path) -> Result<Config, ExitCode> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        eprintln!(
            "error: cannot read the configuration {}: {error}",
            path.display()
        );
        ExitCode::from(WRONG)
    })?;
    let dir = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let environment: Vec<(String, String)> = std::env::vars()
        .filter(|(name, _)| name.starts_with("RELAIS_") && !name.starts_with("RELAIS_TEST_"))
        .filter(|(name, _)| !(cfg!(feature = "fault") && name == crate::fault::VARIABLE))
        .collect();
    read::read(&path.display().to_string(), &text, dir, &environment).map_err(|problems| {
        for problem in &problems {
            eprintln!("{}", render(problem, &text));
        }
        eprintln!("{} problem(s) in {}", problems.len(), path.display());
        ExitCode::from(WRONG)
    })
}

/// Runs a future on the runtime that every command uses.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            std::process::exit(i32::from(FAILED));
        }
    }
}
