//! Who may do what: bearer tokens with roles, kept as SHA-256 in the file `[http] tokens_file`.
//!
//! One line a token: `name role sha256`; `#` begins a comment. A token is 32 random bytes, so a plain hash is enough; it is shown once,
//! by `relais token new`. The file is read again when it changes: taking a line out revokes the token.

use crate::domain::time::Instant;
use crate::fuzzing::{shape, size};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What a token may do; each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads the record, worklists, queues and what became of messages.
    Viewer,
    /// Also reads messages as they were sent, and corrects.
    Operator,
    /// Also reads the audit trail.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// The holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub name: String,
    pub role: Role,
}

#[derive(Debug)]
struct Entry {
    who: Who,
    hash: [u8; 32],
}

/// When a file was written and how long it was: another pair is another text.
type Stamp = Option<(SystemTime, u64)>;

/// The tokens in force.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    entries: ArcSwap<Vec<Entry>>,
    stamp: Mutex<Stamp>,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line is none: both named.
    pub fn load(path: &Path) -> Result<Self, String> {
        let stamp = stamp(path);
        Ok(Self {
            path: path.to_owned(),
            entries: ArcSwap::from_pointee(read(path)?),
            stamp: Mutex::new(stamp),
        })
    }

    /// Who holds this token, if anybody. Takes the same time whatever was right of it.
    pub fn holder(&self, token: &str) -> Option<Who> {
        self.refresh();
        holder(&self.entries.load(), token).cloned()
    }

    /// True if a token has this name.
    pub fn knows(&self, name: &str) -> bool {
        self.entries.load().iter().any(|e| e.who.name == name)
    }

    /// Reads the file again if it changed. A file that cannot be read leaves the tokens as they were, and an error in the log.
    fn refresh(&self) {
        let now = stamp(&self.path);
        let mut seen = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match read(&self.path) {
            Ok(entries) => {
                tracing::info!(tokens = entries.len(), "the tokens were read again");
                self.entries.store(Arc::new(entries));
            }
            Err(error) => tracing::error!(%error, "the tokens of before stay in force"),
        }
    }
}

fn holder<'e>(entries: &'e [Entry], token: &str) -> Option<&'e Who> {
    let sent: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let mut found = None;
    for entry in entries {
        let differing = entry
            .hash
            .iter()
            .zip(sent)
            .fold(0, |all, (a, b)| all | (a ^ b));
        if differing == 0 {
            found = Some(&entry.who);
        }
    }
    found
}

/// The token of an Authorization header (RFC 6750 2.1); empty, which nobody's token is, if it holds none.
pub fn bearer(header: &[u8]) -> &str {
    let text = str::from_utf8(header).unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

/// A tokens file, and after its first NUL an Authorization header. Only the token whose hash a line has is let in.
pub fn fuzz_authorization(data: &[u8]) -> u64 {
    const KNOWN: &str = "relais_known";
    let at = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let (file, header) = data.split_at(at);
    let token = bearer(header.get(1..).unwrap_or_default());
    let file = String::from_utf8_lossy(file);
    let known = line("known", Role::Viewer, KNOWN);
    let own = parse(&known).is_ok_and(|entries| holder(&entries, token).is_some());
    assert_eq!(own, token == KNOWN, "let in by another token");
    let read = match parse(&file) {
        Ok(entries) => {
            let found = holder(&entries, token);
            let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            assert_eq!(found.is_some(), entries.iter().any(|e| e.hash == hash));
            Ok((size(entries.len()), found.map(|w| w.role.word())))
        }
        Err((at, why)) => {
            assert!(
                (1..=file.lines().count()).contains(&at),
                "a line that is not there"
            );
            Err(size(why.len()))
        }
    };
    shape((read, token.is_empty(), own))
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("cannot read http.tokens_file {shown}: {e}"))?;
    parse(&text).map_err(|(line, what)| format!("http.tokens_file {shown}:{line}: {what}"))
}

/// The entries of a file, or the first line that is none.
fn parse(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let mut entries: Vec<Entry> = vec![];
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| (at + 1, what.to_owned());
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, role, hash] = words.as_slice() else {
            return Err(wrong("a line is `name role sha256`"));
        };
        let role =
            Role::of_word(role).ok_or_else(|| wrong("the role is viewer, operator or admin"))?;
        let hash = unhex(hash).ok_or_else(|| wrong("the third word is 64 hexadecimal digits"))?;
        if entries.iter().any(|e| e.who.name == *name) {
            return Err(wrong(&format!("two tokens are named `{name}`")));
        }
        let who = Who {
            name: (*name).to_owned(),
            role,
        };
        entries.push(Entry { who, hash });
    }
    Ok(entries)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// A new token and its line for the file.
///
/// # Errors
/// The name is not one word, or the machine gives no random bytes.
pub fn mint(name: &str, role: Role) -> Result<(String, String), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        return Err("a name is 1 to 64 letters, digits, dots, hyphens and underscores".to_owned());
    }
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|e| format!("cannot read /dev/urandom: {e}"))?;
    let token = format!("relais_{}", URL_SAFE_NO_PAD.encode(bytes));
    let line = line(name, role, &token);
    Ok((token, line))
}

/// The line of a token.
pub fn line(name: &str, role: Role, token: &str) -> String {
    let hash: String = Sha256::digest(token.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("{name} {} {hash}", role.word())
}

/// Failed attempts that an address has within a minute; then it waits for the rest of that minute.
const FAILURES: u32 = 10;
const MINUTE_US: i64 = 60_000_000;
/// Most addresses that are remembered.
const ADDRESSES: usize = 4096;

/// Failed attempts by address: guessing is slow, and cannot fill the audit trail.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<BTreeMap<IpAddr, (u32, Instant)>>);

impl Attempts {
    /// The seconds for which an address must wait, if it failed too often.
    pub fn wait(&self, address: IpAddr, now: Instant) -> Option<i64> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = failed.get(&address).copied()?;
        let left = since.0 + MINUTE_US - now.0;
        (count >= FAILURES && left > 0).then_some(left / 1_000_000 + 1)
    }

    /// Notes a failure.
    pub fn failed(&self, address: IpAddr, now: Instant) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, (_, since)| since.0 + MINUTE_US > now.0);
        if failed.len() < ADDRESSES || failed.contains_key(&address) {
            failed.entry(address).or_insert((0, now)).0 += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_names_holders_or_its_first_wrong_line() {
        let good = line("anne", Role::Operator, "secret");
        for (text, expected) in [
            (format!("# tokens\n\n{good} # since May\n"), Ok(1)),
            (String::new(), Ok(0)),
            (format!("{good}\n{good}\n"), Err(2)),
            ("anne operator".to_owned(), Err(1)),
            (good.replace("operator", "root"), Err(1)),
            (format!("\nanne viewer {}", "é".repeat(32)), Err(2)),
        ] {
            let found = parse(&text);
            assert_eq!(found.map(|e| e.len()).map_err(|e| e.0), expected, "{text}");
        }
    }

    #[test]
    fn a_header_holds_a_token_of_the_scheme_bearer_or_none() {
        for (header, expected) in [
            ("Bearer relais_x", "relais_x"),
            ("bearer  relais_x ", "relais_x"),
            ("Bearer", ""),
            ("Bearer\trelais_x", ""),
            ("Basic relais_x", ""),
            ("relais_x", ""),
            ("", ""),
        ] {
            assert_eq!(bearer(header.as_bytes()), expected, "{header}");
        }
        assert_eq!(bearer(b"Bearer \xff"), "");
    }

    proptest! {
        #[test]
        fn any_file_and_header_are_read_or_refused(file: String, header: Vec<u8>, scheme in "(?i)bearer ") {
            fuzz_authorization(&[file.as_bytes(), b"\0", &header].concat());
            fuzz_authorization(&[file.as_bytes(), b"\0", scheme.as_bytes(), &header].concat());
            let known = format!("{file}\0{scheme}relais_known");
            fuzz_authorization(known.as_bytes());
        }
    }

    #[test]
    fn a_token_is_found_by_its_hash_and_revoked_with_its_line() {
        let path = std::env::temp_dir().join(format!("relais_tokens_{}", std::process::id()));
        let (token, line) = mint("anne", Role::Admin).unwrap();
        assert!(!line.contains(&token));
        std::fs::write(&path, &line).unwrap();
        let tokens = Tokens::load(&path).unwrap();
        assert_eq!(tokens.holder(&token).map(|w| w.role), Some(Role::Admin));
        assert_eq!(tokens.holder("relais_other"), None);
        std::fs::write(&path, "anne nonsense").unwrap();
        assert!(
            tokens.holder(&token).is_some(),
            "a broken file changes nothing"
        );
        std::fs::write(&path, "# nobody\n").unwrap();
        assert_eq!(tokens.holder(&token), None);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_address_that_fails_too_often_waits_and_others_do_not() {
        let attempts = Attempts::default();
        let (bad, good) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        for _ in 0..FAILURES {
            assert_eq!(attempts.wait(bad, Instant(5)), None);
            attempts.failed(bad, Instant(5));
        }
        assert_eq!(attempts.wait(bad, Instant(1_000_005)), Some(60));
        assert_eq!(attempts.wait(good, Instant(5)), None);
        assert_eq!(attempts.wait(bad, Instant(MINUTE_US + 6)), None);
    }
}
