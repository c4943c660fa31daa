//! `relais messages list|replay|discard`: messages that were refused, done again after the cause is mended, or marked as handled.

use super::desk::{by, correct};
use super::{ConfigFile, FAILED, WRONG};
use crate::corrections::{CorrectionError, Corrections};
use crate::domain::ids::JournalId;
use crate::domain::reason::Reason;
use crate::store::RefusedMessage;
use crate::workflow::Outcome;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Most messages that one command lists or replays.
const MOST: u32 = 1000;

/// See refused messages, do them again, or mark them as handled.
#[derive(Debug, Args)]
pub struct Messages {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the refused messages that nobody has dealt with.
    List {
        /// Also those that were replayed or discarded, with who did it and why.
        #[arg(long)]
        all: bool,
        /// Only those of one reason, as docs/reference/errors.md names it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Do messages again with the configuration and mapping files as they are now.
    Replay {
        /// Their ids, as `list` prints them; a message that was applied may be replayed too.
        #[arg(required_unless_present = "reason")]
        ids: Vec<i64>,
        /// All that were refused for one reason and are not handled, oldest first.
        #[arg(long, conflicts_with = "ids")]
        reason: Option<String>,
        /// Why; kept with the replay. No patient data.
        #[arg(long)]
        because: Option<String>,
    },
    /// Mark a refused message as handled: it leaves the list, it stays in the journal.
    Discard {
        /// Its id, as `list` prints it.
        id: i64,
        /// Why; kept with it. No patient data.
        #[arg(long)]
        because: String,
    },
}

/// Runs the command on the store of the configuration; the engine may be running.
pub fn run(command: Messages) -> ExitCode {
    let reason = match &command.act {
        Act::List { reason, .. } | Act::Replay { reason, .. } => reason.as_deref(),
        Act::Discard { .. } => None,
    };
    if let Some(reason) = reason
        && !Reason::ALL.iter().any(|known| known.code() == reason)
    {
        eprintln!("error: no reason is named {reason}; docs/reference/errors.md lists them");
        return ExitCode::from(WRONG);
    }
    correct(&command.config.path, async |corrections| {
        act(corrections, command.act).await
    })
}

async fn act(corrections: &Corrections, act: Act) -> Result<ExitCode, CorrectionError> {
    match act {
        Act::List { all, reason } => {
            let messages = corrections.refused(reason.as_deref(), all, MOST).await?;
            for message in &messages {
                print!("{}", lines(message));
            }
            println!("{} messages, {MOST} at most", messages.len());
            Ok(ExitCode::SUCCESS)
        }
        Act::Replay {
            ids,
            reason,
            because,
        } => {
            let ids = match reason {
                None => ids.into_iter().map(JournalId).collect(),
                Some(reason) => {
                    let open = corrections.refused(Some(&reason), false, MOST).await?;
                    open.into_iter().map(|message| message.id).collect()
                }
            };
            replay(corrections, ids, because).await
        }
        Act::Discard { id, because } => {
            let by = by(Some(because));
            let row = corrections.discard_message(JournalId(id), &by).await?;
            println!("{id}: marked as handled by {} (journal {row})", by.who);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Replays one after the other; the exit code says if all were applied.
async fn replay(
    corrections: &Corrections,
    ids: Vec<JournalId>,
    because: Option<String>,
) -> Result<ExitCode, CorrectionError> {
    let by = by(because);
    let (mut applied, all) = (0, ids.len());
    for id in ids {
        let replayed = match corrections.replay(id, &by).await {
            Ok(replayed) => replayed,
            Err(CorrectionError::Away(why)) => return Err(CorrectionError::Away(why)),
            Err(error) => {
                println!("{id}: not replayed: {error}");
                continue;
            }
        };
        let said = match &replayed.outcome {
            Outcome::Refused(refusal) => format!("refused again: {refusal}"),
            Outcome::Applied { events, .. } => {
                applied += 1;
                let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
                if names.is_empty() {
                    "applied, nothing changed".to_owned()
                } else {
                    format!("applied: {}", names.join(" "))
                }
            }
            Outcome::Repeated { .. } | Outcome::Away(_) => "not replayed".to_owned(),
        };
        println!("{id}: {said} (journal {})", replayed.journal);
    }
    println!("{applied} of {all} applied");
    Ok(ExitCode::from(if applied == all { 0 } else { FAILED }))
}

/// One line of a message, and one of each thing that was done about it.
fn lines(m: &RefusedMessage) -> String {
    let mut text = format!(
        "{:<20} {} {:<12} {:<10} {:<20} {}\n",
        m.id.to_string(),
        m.at.rfc3339(),
        m.link,
        m.kind,
        m.reason,
        m.detail
    );
    for c in &m.corrections {
        let detail = c.detail.as_deref().unwrap_or("");
        text += &format!(
            "  {:<18} {} {} by {} {detail}\n",
            c.journal.to_string(),
            c.at.rfc3339(),
            c.outcome,
            c.who
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Instant;
    use crate::store::Correction;

    #[test]
    fn a_handled_message_is_listed_with_who_and_why() {
        let at = Instant(1_780_387_200_000_000);
        let message = RefusedMessage {
            id: JournalId(7),
            at,
            link: "ris".to_owned(),
            kind: "ORM^O01".to_owned(),
            control_id: "NW1".to_owned(),
            reason: "order.control".to_owned(),
            detail: "ORC-1".to_owned(),
            corrections: vec![Correction {
                journal: JournalId(9),
                at,
                who: "luc@pacs".to_owned(),
                outcome: "discarded".to_owned(),
                detail: Some("a test of the RIS".to_owned()),
            }],
        };
        let words: Vec<String> = lines(&message)
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "7 2026-06-02T08:00:00.000Z ris ORM^O01 order.control ORC-1",
            "9 2026-06-02T08:00:00.000Z discarded by luc@pacs a test of the RIS",
        ];
        assert_eq!(words, expected);
    }
}
