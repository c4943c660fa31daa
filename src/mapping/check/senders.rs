//! Two files for one sender: files that take the same message and cannot be told apart.

use crate::diagnostic::{Diagnostic, Severity};
use crate::mapping::model::{FileKind, Model};
use std::sync::Arc;

/// The pairs of files among those that a link reads (all for an empty list) which take the same message although neither is the other's
/// base and neither says by `when` which messages are its own.
pub fn senders<'m>(models: impl Iterator<Item = &'m Model>, inbound: &[String]) -> Vec<Diagnostic> {
    let read = |m: &&Model| {
        let chosen = inbound.is_empty() || inbound.iter().any(|name| name == m.stem());
        matches!(m.kind, FileKind::Hl7) && m.when.is_none() && chosen
    };
    let open: Vec<&Model> = models.filter(read).collect();
    let is_base = |m: &Model| open.iter().any(|o| o.bases.contains(&m.name));
    let open: Vec<&Model> = open.iter().copied().filter(|m| !is_base(m)).collect();
    let mut found = Vec::new();
    for (n, second) in open.iter().enumerate() {
        let rival = open.iter().take(n).find_map(|first| {
            let message = common(&first.messages, &second.messages)?;
            Some((first, message))
        });
        if let Some((first, message)) = rival {
            let file: Arc<str> = second.name.as_str().into();
            let text = format!("{} takes {message} too", first.name);
            let problem = Diagnostic::new("M070", second.claims_at.clone(), text)
                .label("neither is the other's base, neither has `when`")
                .hint(format!(
                    "under [from] say in each whose messages it reads (when = 'MSH-3 == \"RISX\"'), write base = \"{}\", or name one of them in the link's `inbound` list",
                    first.stem()
                ));
            found.push(Diagnostic {
                severity: Severity::Warning,
                ..problem.in_file(&file)
            });
        }
    }
    found
}

/// A message that both lists take.
fn common(a: &[String], b: &[String]) -> Option<String> {
    let parts = |m: &str| {
        let (kind, event) = m.split_once('^').unwrap_or((m, "*"));
        (kind.to_owned(), event.to_owned())
    };
    for one in a {
        for other in b {
            let ((kind, event), (kind_2, event_2)) = (parts(one), parts(other));
            if kind == kind_2 && (event == event_2 || event == "*" || event_2 == "*") {
                let exact = if event == "*" { other } else { one };
                return Some(exact.clone());
            }
        }
    }
    None
}
