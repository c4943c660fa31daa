//! What every hand-edited file gets: all problems at once, each at its place.

use super::*;
use proptest::prelude::*;

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = "name = 3\nport = 99999\nlisten = \"x\"\nlsit = [1, \"a\"]\nlist = [1, \"a\"]\n";
    let file: Arc<str> = "relais.toml".into();
    let doc = Doc::parse(&file, text, FUZZED);
    let root = doc.root();
    assert_eq!(root.text("name"), None);
    assert_eq!(root.integer("port", 1..=65_535), None);
    assert_eq!(root.word("listen", &["a", "b"]), None);
    assert_eq!(root.texts("list").map(|l| l.len()), Some(1));
    root.required_text("url");
    root.finish(&["name", "port", "listen", "list"]);
    let problems = doc.into_problems();
    let found: Vec<_> = problems
        .iter()
        .map(|p| (p.code, &text[p.span.clone()]))
        .collect();
    assert_eq!(
        found,
        [
            ("C004", ""),
            ("C003", "3"),
            ("C003", "99999"),
            ("C003", "x"),
            ("C002", "lsit"),
            ("C003", "1")
        ]
    );
    assert_eq!(problems[4].hint.as_deref(), Some("did you mean `list`?"));
}

#[test]
fn syntax_errors_do_not_hide_the_rest() {
    let text = "a = 'x'\nb = 'Protocole d'imagerie'\nc = 1\nc = 2\n";
    let file: Arc<str> = "x.toml".into();
    let doc = Doc::parse(&file, text, FUZZED);
    assert_eq!(doc.root().text("a").map(|t| t.span), Some(5..6));
    let problems = doc.into_problems();
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(
        problems
            .iter()
            .any(|p| p.hint.as_deref().is_some_and(|h| h.contains("'''")))
    );
}

#[test]
fn hundreds_of_errors_in_one_line_are_told_in_few_words() {
    // Found by the fuzzer: a second of processor time for a file of 16 KiB.
    let text = format!("a = {{ {} }}\n", "key = \"value\", ".repeat(1_000));
    let file: Arc<str> = "x.toml".into();
    let problems = Doc::parse(&file, &text, FUZZED).into_problems();
    assert_eq!(problems.len(), 1, "one line, one problem");
    let text = "key = value\n".repeat(1_000);
    let problems = Doc::parse(&file, &text, FUZZED).into_problems();
    assert_eq!(problems.len(), slips::MOST + 1);
    let last = problems.last().map(|p| p.message.as_str());
    assert!(
        last.is_some_and(|m| m.contains("more errors of syntax")),
        "{last:?}"
    );
    let told: usize = problems
        .iter()
        .map(|p| crate::diagnostic::render(p, &text).len())
        .sum();
    assert!(told < 64 << 10, "{told} bytes");
}

proptest! {
    #[test]
    fn any_text_is_walked_without_panic(text in "[a-c\\[\\]\\.='\"\n0-9 #{},é]{0,200}") {
        fuzz_toml_file(text.as_bytes());
    }
}
