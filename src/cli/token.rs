//! `relais token new`: a token for the HTTP interface. Printed once; the file keeps its hash.

use super::{ConfigFile, FAILED, WRONG, load_config};
use crate::api::access::{Role, Tokens, mint};
use crate::private;
use clap::{Args, Subcommand, ValueEnum};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Make tokens for the HTTP interface.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a token, print it once, and add its hash to `[http] tokens_file`. A running engine takes it at once; taking its line out
    /// of the file revokes it.
    New {
        /// Whose it is: a word for the journal and the audit trail.
        #[arg(long)]
        name: String,
        /// What it may do.
        #[arg(long, value_enum)]
        role: Word,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Word {
    /// Reads the record, worklists, queues and what became of messages.
    Viewer,
    /// Also reads messages as they were sent, and corrects.
    Operator,
    /// Also reads the audit trail.
    Admin,
}

impl Word {
    fn role(self) -> Role {
        match self {
            Self::Viewer => Role::Viewer,
            Self::Operator => Role::Operator,
            Self::Admin => Role::Admin,
        }
    }
}

/// Runs the command.
pub fn run(command: &Token) -> ExitCode {
    let config = match load_config(&command.config.path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let Some(path) = &config.http.tokens_file else {
        eprintln!(
            "error: {} names no [http] tokens_file: say where tokens are kept, for example tokens_file = \"tokens\"",
            command.config.path.display()
        );
        return ExitCode::from(WRONG);
    };
    let Act::New { name, role } = &command.act;
    match add(path, name, role.role()) {
        Ok(token) => {
            println!("{token}");
            eprintln!(
                "this is the only time that the token is shown; {} keeps its hash",
                path.display()
            );
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(FAILED)
        }
    }
}

/// Adds a token to the file, which is made for its owner alone if there is none.
fn add(path: &Path, name: &str, role: Role) -> Result<String, String> {
    let shown = path.display();
    let mut file = private::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|e| format!("cannot write {shown}: {e}"))?;
    if Tokens::load(path)?.knows(name) {
        return Err(format!("{shown} has a token named `{name}` already"));
    }
    let (token, line) = mint(name, role)?;
    // A file without an end of line would make one line of two.
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    file.write_all(format!("{gap}{line}\n").as_bytes())
        .map_err(|e| format!("cannot write {shown}: {e}"))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_added_to_the_file_and_names_are_taken_once() {
        let path = std::env::temp_dir().join(format!("relais_token_new_{}", std::process::id()));
        let anne = add(&path, "anne", Role::Viewer).unwrap();
        let luc = add(&path, "luc", Role::Admin).unwrap();
        assert!(add(&path, "anne", Role::Admin).is_err());
        assert!(add(&path, "two words", Role::Admin).is_err());
        let tokens = Tokens::load(&path).unwrap();
        assert_eq!(tokens.holder(&anne).map(|w| w.role), Some(Role::Viewer));
        assert_eq!(tokens.holder(&luc).map(|w| w.role), Some(Role::Admin));
        std::fs::remove_file(&path).unwrap();
    }
}
