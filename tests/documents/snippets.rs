//! Every block of code in the pages for users is tried: files are checked, messages translated, commands run, and what the page shows
//! is compared with what comes out. `…` in a shown line stands for anything, a line `…` for any lines.
//!
//! `UPDATE_GOLDEN=1` writes what came out into the pages; read it before you commit it.

use crate::fences::{Block, Kind, blocks};
use crate::site::Site;
use crate::wait::{DEADLINE, at_most};
use crate::{files, root};
use std::{fmt::Write as _, fs, path::Path};

/// Pages whose blocks are all tried; in those with `true` every heading of level 2 begins with an empty site.
const PAGES: &[(&str, bool)] = &[
    ("README.md", false),
    ("mappings/README.md", true),
    ("docs/operations.md", true),
];

#[test]
fn every_snippet_of_the_pages_for_users_does_what_the_page_says() {
    let mut pages: Vec<(String, bool)> = PAGES.iter().map(|(p, f)| ((*p).to_owned(), *f)).collect();
    let mut found = Vec::new();
    files(&root().join("docs/mapping"), &[".md"], &mut found);
    for path in found {
        // Pages that are printed from the code have tests of their own.
        if fs::read_to_string(&path).unwrap().contains("\nPrinted by ") {
            continue;
        }
        let name = path.strip_prefix(root()).unwrap().to_string_lossy();
        pages.push((name.clone().into_owned(), !name.ends_with("guide.md")));
    }
    let mut wrong = String::new();
    for (name, fresh) in &pages {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let mut page = Page::new(*fresh);
        for block in blocks(&text) {
            if let Err(problem) = page.block(&block) {
                let _ = writeln!(wrong, "{name}:{}: {problem}\n", block.line);
            }
        }
        if let Err(problem) = page.check() {
            let _ = writeln!(wrong, "{name}: {problem}");
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(root().join(name), page.mended(&text)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A page as far as it was read.
struct Page {
    fresh: bool,
    heading: String,
    site: Site,
    /// The order that changes refer to.
    stock: String,
    /// The message of this heading, or the record, and which file reads it.
    given: Option<Given>,
    base: String,
    /// Files were written since the last check.
    unchecked: bool,
    /// Files that hold mistakes on purpose.
    mistaken: Vec<String>,
    /// What really came out, by the lines of the block.
    mends: Vec<(usize, usize, String)>,
}

#[derive(Clone)]
enum Given {
    Message(String),
    Record(String),
}

impl Page {
    fn new(fresh: bool) -> Self {
        Self {
            fresh,
            heading: String::new(),
            site: Site::new(),
            stock: String::new(),
            given: None,
            base: "inbound/ihe_order".to_owned(),
            unchecked: false,
            mistaken: vec![],
            mends: vec![],
        }
    }

    fn block(&mut self, block: &Block) -> Result<(), String> {
        let mut before = Ok(());
        if self.fresh && self.heading != block.heading {
            before = self.check();
            self.site = Site::new();
            self.given = None;
            self.base = "inbound/ihe_order".to_owned();
            self.mistaken.clear();
        }
        self.heading.clone_from(&block.heading);
        let kind = block.kind()?;
        if matches!(kind, Kind::Result | Kind::Want | Kind::Transcript) {
            before = before.and_then(|()| self.check());
        }
        before?;
        match kind {
            Kind::File { path, mistaken } => {
                self.file(path, &block.text, mistaken);
                Ok(())
            }
            Kind::Lines { base } => self.lines(base, &block.text),
            Kind::Stock => {
                self.stock.clone_from(&block.text);
                Ok(())
            }
            Kind::Changes => {
                let message = changed(&self.stock, &block.text);
                self.given = Some(Given::Message(message));
                Ok(())
            }
            Kind::Message => {
                self.given = Some(Given::Message(block.text.clone()));
                Ok(())
            }
            Kind::Record => {
                self.given = Some(Given::Record(block.text.clone()));
                Ok(())
            }
            Kind::Result => self.result(block),
            Kind::Want => self.want(&block.text),
            Kind::Transcript => self.transcript(block),
            Kind::Commands => commands(&block.text),
            Kind::Picture => Ok(()),
        }
    }

    fn file(&mut self, path: &str, text: &str, mistaken: bool) {
        self.site.write(path, text);
        self.mistaken.retain(|p| p != path);
        if mistaken {
            self.mistaken.push(path.to_owned());
        }
        self.unchecked |= path == "relais.toml" || path.starts_with("site/");
    }

    /// Holds what was written against what the product says of it: mistakes where the page says so, and nowhere else.
    fn check(&mut self) -> Result<(), String> {
        // Before it has its directory, a configuration that names it is not ready to be checked.
        if !self.unchecked || !self.site.path("site").exists() {
            return Ok(());
        }
        self.unchecked = false;
        let check = match self.site.path("relais.toml").exists() {
            true => "relais check",
            false => "relais mapping check site",
        };
        let said = self.site.shell(&format!("{check} || echo refused"));
        match said.ends_with("refused\n") != self.mistaken.is_empty() {
            true => Ok(()),
            false => Err(format!("the check says:\n{said}")),
        }
    }

    /// Lines that a site writes over a shipped file.
    fn lines(&mut self, base: &str, text: &str) -> Result<(), String> {
        let (directory, stem) = base.rsplit_once('/').ok_or("lines DIRECTORY/FILE")?;
        // A site's own name for what is received; what leaves has the names that the engine looks for.
        let file = match directory {
            "inbound" => "inbound/site".to_owned(),
            _ => base.to_owned(),
        };
        self.base = base.to_owned();
        let text = format!("format = 1\nbase = \"{stem}\"\n{text}");
        self.file(&format!("site/{file}.toml"), &text, false);
        Ok(())
    }

    /// What the site makes of the message or record before it.
    fn result(&mut self, block: &Block) -> Result<(), String> {
        let printed = match self.given.clone() {
            None => return Err("a result of nothing: there is no message before it".to_owned()),
            Some(Given::Message(message)) => {
                fs::create_dir_all(self.site.path("site")).unwrap();
                self.site.write("in.hl7", &message);
                let run = "relais mapping run in.hl7 --dir site --show-phi";
                let told = self.site.shell(run);
                told + &self.blessed("inbound/site", "in.hl7", &message)
            }
            Some(Given::Record(record)) => self.blessed(&self.base.clone(), "in.toml", &record),
        };
        let lines: Vec<&str> = printed.lines().map(str::trim).collect();
        let mut problems = String::new();
        let mut mended = String::new();
        for shown in block.text.lines() {
            let real = real_line(shown, &lines);
            if real.is_none_or(|real| !is_shown(shown, real)) {
                let _ = writeln!(problems, "not so: {shown}");
            }
            let _ = writeln!(
                mended,
                "{}",
                real.filter(|_| !problems.is_empty()).unwrap_or(shown)
            );
        }
        if problems.is_empty() {
            return Ok(());
        }
        self.mends
            .push((block.line, block.text.lines().count(), mended));
        Err(format!("{problems}in:\n{printed}"))
    }

    /// What a case of the given file holds when it is blessed, or why not.
    fn blessed(&mut self, file: &str, part: &str, text: &str) -> String {
        let rules = format!("site/{file}.toml");
        if !self.site.path(&rules).exists() {
            let base = self.base.rsplit('/').next().unwrap_or_default();
            self.site
                .write(&rules, &format!("format = 1\nbase = \"{base}\"\n"));
        }
        let case = format!("site/{file}.cases/recipe");
        self.site.write(&format!("{case}/{part}"), text);
        let told = self.site.shell("relais mapping test site --bless");
        let want = self.site.path(&format!("{case}/want.toml"));
        fs::read_to_string(want).unwrap_or(told)
    }

    /// Holds the case of the message with these lines at its end.
    fn want(&mut self, end: &str) -> Result<(), String> {
        let Some(Given::Message(message)) = self.given.clone() else {
            return Err("a want of nothing: there is no message before it".to_owned());
        };
        let begin = self.blessed("inbound/site", "in.hl7", &message);
        let case = "site/inbound/site.cases/recipe/want.toml";
        self.site.write(case, &format!("{begin}\n{end}"));
        let told = self.site.shell("relais mapping test site");
        match told.ends_with("1 cases: 0 failed\n") {
            true => Ok(()),
            false => Err(told),
        }
    }

    fn transcript(&mut self, block: &Block) -> Result<(), String> {
        let mut problems = String::new();
        let mut mended = String::new();
        for (command, shown) in sessions(&block.text)? {
            let printed = self.printed(command, &shown);
            let _ = write!(mended, "$ {command}\n{printed}");
            if !fits(&shown, &printed) {
                let _ = writeln!(problems, "$ {command}\nprints\n{printed}");
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        self.mends
            .push((block.line, block.text.lines().count(), mended));
        Err(problems)
    }

    /// What a command prints; beside a running engine it is tried until it fits or the time is over.
    fn printed(&mut self, command: &str, shown: &[&str]) -> String {
        let mut printed = String::new();
        at_most(DEADLINE, || {
            printed = self.site.shell(command);
            (fits(shown, &printed) || !self.site.serves()).then_some(())
        });
        printed
    }

    /// The page with what really came out.
    fn mended(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        for (line, count, mended) in self.mends.iter().rev() {
            lines.splice(line - 1..line - 1 + count, mended.lines());
        }
        lines.join("\n") + "\n"
    }
}

/// The order with other segments: those of the same name are replaced one after the other, new ones stand below the one before them.
fn changed(stock: &str, changes: &str) -> String {
    let id = |line: &str| line.get(..3).unwrap_or("").to_owned();
    let mut lines: Vec<(bool, String)> = stock.lines().map(|l| (false, l.to_owned())).collect();
    let mut at = lines.len();
    for change in changes.lines() {
        let same = |(used, line): &(bool, String)| !used && id(line) == id(change);
        match lines.iter().position(same) {
            Some(place) => {
                lines[place] = (true, change.to_owned());
                at = place + 1;
            }
            None => {
                lines.insert(at, (true, change.to_owned()));
                at += 1;
            }
        }
    }
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    lines.join("\n") + "\n"
}

/// The line that a result speaks of: `FIELD = ...` by its field; `FIELD is absent` by itself.
fn real_line<'r>(shown: &'r str, lines: &[&'r str]) -> Option<&'r str> {
    let shown = shown.trim();
    if let Some(field) = shown.strip_suffix(" is absent") {
        let there = lines.iter().find(|l| key(l) == Some(field)).copied();
        return there.or(Some(shown));
    }
    let exact = lines.iter().find(|l| is_shown(shown, l));
    let same = || {
        lines
            .iter()
            .find(|l| key(l).is_some() && key(l) == key(shown))
    };
    exact.or_else(same).copied()
}

fn key(line: &str) -> Option<&str> {
    Some(line.split_once(" = ")?.0)
}

/// Whole, or without its origin.
fn is_shown(shown: &str, real: &str) -> bool {
    let value = real.split_once("  <- ").map_or(real, |(value, _)| value);
    is_like(shown.trim(), real) || is_like(shown.trim(), value)
}

/// `…` is anything.
fn is_like(shown: &str, real: &str) -> bool {
    let Some((head, rest)) = shown.split_once('…') else {
        return shown == real;
    };
    let Some(mut left) = real.strip_prefix(head) else {
        return false;
    };
    let parts: Vec<&str> = rest.split('…').collect();
    let (last, middle) = parts.split_last().unwrap_or((&"", &[]));
    for part in middle {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

/// Whether shown lines are what was printed; a line `…` is any number of lines.
fn fits(shown: &[&str], printed: &str) -> bool {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    fn rest(shown: &[&str], lines: &[&str]) -> bool {
        match shown.split_first() {
            None => lines.is_empty(),
            Some((&"…", more)) => (0..=lines.len()).any(|n| rest(more, &lines[n..])),
            Some((first, more)) => lines
                .split_first()
                .is_some_and(|(line, left)| is_like(first, line) && rest(more, left)),
        }
    }
    rest(shown, &lines)
}

/// Commands with the lines that follow them.
fn sessions(text: &str) -> Result<Vec<(&str, Vec<&str>)>, String> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command, vec![])),
            (None, Some((_, shown))) => shown.push(line.trim_end()),
            (None, None) => return Err("a transcript begins with `$ `".to_owned()),
        }
    }
    Ok(found)
}

/// Commands that are only shown: ours must parse, those of others be ones that the pages may name.
fn commands(text: &str) -> Result<(), String> {
    const OTHERS: &[&str] = &["cd", "curl", "git", "pg_dump", "pg_restore", "export"];
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for line in text.lines() {
        let line = line.split(" # ").next().unwrap_or("").trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => {}
            ["make", target, ..] if makefile.contains(&format!("\n{target}:")) => {}
            ["cargo", "run", "--", ours @ ..] | ["relais", ours @ ..] => {
                let ours = ours.iter().map(|w| w.trim_matches('\''));
                relais::cli::parse(ours).map_err(|error| format!("`{line}`: {error}"))?;
            }
            [other, ..] if OTHERS.contains(other) => {}
            _ => return Err(format!("`{line}` is no command that is known here")),
        }
    }
    Ok(())
}

#[test]
fn what_a_page_shows_is_compared_line_by_line() {
    let fit = |shown: &str, printed: &str| {
        let shown: Vec<&str> = shown.lines().collect();
        fits(&shown, printed)
    };
    assert!(fit("a\nb", "a\nb\n"));
    assert!(fit("", ""));
    assert!(!fit("a", "a\nb\n"));
    assert!(!fit("a\nb", "a\n"));
    assert!(fit("a\n…\nc … e", "a\nb\nb\nc d e\n"));
    assert!(!fit("a\n…\nc", "a\nb\n"));
    assert!(is_like("x…y…z", "x1y2z") && !is_like("x…y…z", "x1z"));
    assert!(is_shown("f = 1", "f = 1  <- PID-3 (a.toml:1)"));
    assert!(is_shown(
        "f = 1  <- PID-3 (…)",
        "f = 1  <- PID-3 (a.toml:1)"
    ));
    assert!(!is_shown("f = 1", "f = 12  <- PID-3 (a.toml:1)"));
    assert!(!is_shown("f is absent", "f = 1"));
}

#[test]
fn changes_of_an_order_replace_segments_of_the_same_name() {
    let stock = "MSH|1\nPID|1\nORC|1\nOBR|1\n";
    assert_eq!(
        changed(stock, "OBR|2\nNTE|1\nOBR|3\n"),
        "MSH|1\nPID|1\nORC|1\nOBR|2\nNTE|1\nOBR|3\n"
    );
    assert_eq!(changed(stock, "PID|2\n"), "MSH|1\nPID|2\nORC|1\nOBR|1\n");
    assert_eq!(
        changed(stock, "ZDS|1\n"),
        "MSH|1\nPID|1\nORC|1\nOBR|1\nZDS|1\n"
    );
}

#[test]
fn commands_that_do_not_exist_are_noticed() {
    assert!(commands("relais mapping check site # all\nmake test\n").is_ok());
    assert!(commands("relais mapping chekc site\n").is_err());
    assert!(commands("make nothing\n").is_err());
    assert!(commands("rm -rf /\n").is_err());
    assert!(Path::new(env!("CARGO_BIN_EXE_relais")).exists());
}
