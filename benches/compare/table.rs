//! Results as Markdown, as they stand in `docs/benchmarks.md`.

use std::fmt::Write as _;

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table with its columns.
    pub fn new(title: &str, head: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            head: head.iter().map(|h| (*h).to_owned()).collect(),
            rows: vec![],
            notes: vec![],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, sentence: &str) {
        self.notes.push(sentence.to_owned());
    }

    /// Prints it.
    pub fn print(&self) {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let mut text = format!(
            "\n## {}\n\n{}\n|{}\n",
            self.title,
            line(&self.head),
            "---|".repeat(self.head.len())
        );
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        println!("{text}");
    }
}
