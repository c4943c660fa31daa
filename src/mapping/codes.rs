//! Every diagnostic of mapping files, once: what it means, why the file is refused, the cure, and a wrong file with what is printed.
//!
//! `docs/mapping/errors.md` and `relais explain CODE` are printed from here. The example is a golden: a wrong site directory and the text
//! that `relais mapping check` prints for it, in `goldens/CODE.txt` (a code without one does not compile). `tests/diagnostics.rs` holds
//! every golden to what is printed; `BLESS=1` rewrites them.

mod files;
mod outbound;
mod rules;
mod standards;
mod worklist;

/// One diagnostic.
#[derive(Debug)]
pub struct Code {
    /// `M014`.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What was found.
    pub means: &'static str,
    /// Why the file is not put in force with it, or why it is worth a warning.
    pub why: &'static str,
    /// What to write instead.
    pub cure: &'static str,
    golden: &'static str,
}

/// A wrong site directory and what is printed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden<'g> {
    /// Name below the directory, and text.
    pub files: Vec<(&'g str, String)>,
    /// What is printed.
    pub want: String,
}

/// Begins the line that names a file of a golden; `=== want` begins what is printed.
const MARK: &str = "=== ";

impl<'g> Golden<'g> {
    /// Splits the text of a golden; lines before the first mark are its comment.
    pub fn read(text: &'g str) -> Self {
        let mut parts: Vec<(&str, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            match (line.strip_prefix(MARK), parts.last_mut()) {
                (Some(name), _) => parts.push((name.trim(), String::new())),
                (None, Some((_, part))) => part.push_str(line),
                (None, None) => {}
            }
        }
        let (want, files): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(n, _)| *n == "want");
        Self {
            files,
            want: want.into_iter().map(|(_, text)| text).collect(),
        }
    }

    /// The text of a golden with another wanted output.
    pub fn with_want(text: &str, want: &str) -> String {
        let files = text.split("=== want\n").next().unwrap_or_default();
        format!("{}\n=== want\n{want}", files.trim_end_matches('\n'))
    }
}

impl Code {
    /// Its example.
    pub fn golden(&self) -> Golden<'static> {
        Golden::read(self.golden)
    }

    /// The code explained, as Markdown.
    pub fn page(&self) -> String {
        let Golden { files, want } = self.golden();
        let mut page = format!(
            "## {}: {}\n\n{}\n\n{}\n\nCure: {}\n",
            self.code, self.title, self.means, self.why, self.cure
        );
        for (name, text) in files.iter().filter(|(name, _)| !name.ends_with(".hl7")) {
            let language = name.rsplit('.').next().unwrap_or("text");
            page.push_str(&format!("\n`{name}`:\n\n```{language}\n{text}```\n"));
        }
        page.push_str(&format!("\nprints\n\n```text\n{want}```\n"));
        page
    }
}

/// `"M001" "title" means "..." why "..." cure "...";` by line, with the golden of the code's name.
macro_rules! codes {
    ($($code:literal $title:literal means $means:literal why $why:literal cure $cure:literal;)*) => {
        &[$($crate::mapping::codes::Code {
            code: $code,
            title: $title,
            means: $means,
            why: $why,
            cure: $cure,
            golden: include_str!(concat!("../goldens/", $code, ".txt")),
        }),*]
    };
}
use codes;

/// Every code, by number.
pub fn all() -> impl Iterator<Item = &'static Code> {
    files::CODES
        .iter()
        .chain(rules::CODES)
        .chain(standards::CODES)
        .chain(outbound::CODES)
        .chain(worklist::CODES)
}

/// A code by its name, in capitals or not.
pub fn code(name: &str) -> Option<&'static Code> {
    all().find(|c| c.code.eq_ignore_ascii_case(name))
}

/// The page of all codes.
pub fn reference() -> String {
    let mut page = String::from(
        "# What is wrong with a mapping file\n\nPrinted by `relais reference mapping-errors`; do not edit. `relais explain M025` prints one of them.\n\n\
         Every problem of every file is told at once, each with its file, line and column, the text underlined, what is allowed and what to \
         do. An error keeps the files from being put in force, a warning does not. The examples are files of a site directory over the shipped \
         ones, and what `relais mapping check site` prints for them; the files were never right, do not copy them.\n",
    );
    for code in all() {
        page.push('\n');
        page.push_str(&code.page());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_once_in_order_with_whole_sentences() {
        let codes: Vec<&Code> = all().collect();
        assert!(codes.windows(2).all(|w| w[0].code < w[1].code));
        for c in codes {
            for text in [c.means, c.why, c.cure] {
                assert!(
                    text.ends_with('.') && !text.ends_with(".."),
                    "{}: {text}",
                    c.code
                );
            }
        }
    }

    #[test]
    fn a_golden_is_split_and_put_together_again() {
        let text = "=== a/b.toml\nx = 1\n\n=== want\nM001 error\n";
        let golden = Golden::read(text);
        assert_eq!(golden.files, [("a/b.toml", "x = 1\n\n".to_owned())]);
        assert_eq!(golden.want, "M001 error\n");
        let other = Golden::with_want(text, "nothing\n");
        assert_eq!(other, "=== a/b.toml\nx = 1\n=== want\nnothing\n");
        assert_eq!(
            Golden::with_want("=== a\nx\n", "y\n"),
            "=== a\nx\n=== want\ny\n"
        );
    }
}
