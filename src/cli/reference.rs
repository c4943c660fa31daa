//! `relais reference`: the pages under docs/reference/ are printed from the declarations in the code; a test holds them current.

use crate::config::settings;
use crate::domain::reason::{Class, Reason};
use crate::hl7::ack::code_of;
use clap::Subcommand;
use std::process::ExitCode;

/// Which page.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Page {
    /// Every key of the configuration.
    Config,
    /// Every reason for which something is refused, with what each port says.
    Errors,
}

/// Prints a page.
pub fn run(page: Page) -> ExitCode {
    print!("{}", text(page));
    ExitCode::SUCCESS
}

/// The text of a page.
pub fn text(page: Page) -> String {
    match page {
        Page::Config => settings::reference(),
        Page::Errors => errors(),
    }
}

fn errors() -> String {
    let mut page = String::from(
        "# Reasons\n\nPrinted by `relais reference errors`; do not edit. One reason, each port says it in its own words: HL7 in MSA-1 \
         and ERR (table 0357), the operator sees the reason's code with the place and the mapping line.\n\n\
         | reason | meaning | HL7 | again later? |\n|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let (code, number) = code_of(*reason);
        let again = if reason.class() == Class::Temporary {
            "yes"
        } else {
            "no"
        };
        page.push_str(&format!(
            "| `{}` | {} | {code:?} {number} | {again} |\n",
            reason.code(),
            reason.text()
        ));
    }
    page
}
