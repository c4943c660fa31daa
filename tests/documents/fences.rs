//! Blocks of code in a Markdown page, with the words that say what they are.

/// A block of code.
#[derive(Debug)]
pub struct Block {
    /// Line of its first line of text, from 1.
    pub line: usize,
    /// What stands behind the opening backticks; `None` = an indented block, which cannot say what it is.
    pub info: Option<String>,
    pub text: String,
    /// The heading of level 2 that it stands under.
    pub heading: String,
}

/// What is done with a block.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'b> {
    /// A file of the site, by its path; `mistaken`: the text says so, and the check must find it.
    File { path: &'b str, mistaken: bool },
    /// Lines of a mapping file of the site over a shipped one.
    Lines { base: &'b str },
    /// The order that changes of the page refer to.
    Stock,
    /// Segments of that order that are different.
    Changes,
    /// A whole message.
    Message,
    /// A record, for what leaves.
    Record,
    /// Lines that come out.
    Result,
    /// The end of a case's `want.toml`.
    Want,
    /// Commands with `$ ` before them, and what they print.
    Transcript,
    /// Commands that are not run; they must be ones that exist.
    Commands,
    /// A picture.
    Picture,
}

impl Block {
    /// What the words of the opening line ask for.
    pub fn kind(&self) -> Result<Kind<'_>, String> {
        let info = self
            .info
            .as_deref()
            .ok_or("an indented block: use a fence")?;
        let words: Vec<&str> = info.split_whitespace().collect();
        let file = |path| Kind::File {
            path,
            mistaken: false,
        };
        Ok(match words.as_slice() {
            ["toml", "lines", base] => Kind::Lines { base },
            ["toml", "in"] => Kind::Record,
            ["toml", "want"] => Kind::Want,
            ["toml" | "csv" | "hl7" | "json" | "sh", path] if path.contains('.') => file(path),
            ["toml", path, "mistaken"] if path.contains('.') => Kind::File {
                path,
                mistaken: true,
            },
            ["hl7", "stock"] => Kind::Stock,
            ["hl7", "in"] => Kind::Changes,
            ["hl7", "message"] => Kind::Message,
            ["text", "result"] => Kind::Result,
            ["console"] => Kind::Transcript,
            ["sh"] => Kind::Commands,
            ["text"] => Kind::Picture,
            _ => return Err(format!("nobody knows what to do with a block `{info}`")),
        })
    }
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut heading = String::new();
    let mut open: Option<(String, Block)> = None;
    let mut blank = true;
    for (number, line) in page.lines().enumerate() {
        if let Some((fence, mut block)) = open.take() {
            if line.trim() == fence {
                found.push(block);
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some((fence, block));
            }
            continue;
        }
        let block = |info: Option<&str>, line: usize, text: &str| Block {
            line,
            info: info.map(|i| i.trim().to_owned()),
            text: text.to_owned(),
            heading: heading.clone(),
        };
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        if ticks.len() >= 3 {
            let info = line.trim_start_matches('`');
            open = Some((ticks, block(Some(info), number + 2, "")));
        } else if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_owned();
        } else if line.starts_with("    ") && blank {
            found.push(block(None, number + 1, line));
        }
        blank = line.trim().is_empty();
    }
    found.extend(open.map(|(_, block)| block));
    found
}

#[test]
fn a_block_without_a_known_kind_is_refused() {
    let kinds =
        |page: &str| -> Vec<bool> { blocks(page).iter().map(|b| b.kind().is_ok()).collect() };
    assert_eq!(kinds("a\n\n```console\n$ true\n```\n"), [true]);
    assert_eq!(kinds("```\nx\n```\n```toml\nx\n```\n"), [false, false]);
    assert_eq!(kinds("```rust\nx\n"), [false]);
    assert_eq!(kinds("a\n\n    x = 1\n"), [false]);
    assert_eq!(
        blocks("## H\n```toml site/inbound/a.toml mistaken\nx\n```\n")[0].kind(),
        Ok(Kind::File {
            path: "site/inbound/a.toml",
            mistaken: true
        })
    );
}
