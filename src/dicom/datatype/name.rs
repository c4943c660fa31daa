//! Person names: PN is family^given^middle^prefix^suffix, HL7's XPN has suffix before prefix. The record keeps named parts.

use super::clean;
use crate::domain::value::Name;

/// The PN of a name, at most `limit` characters (64 a component group): suffix, prefix and middle name are dropped before the given
/// and then the family name is shortened.
pub fn person_name(name: &Name, limit: usize) -> String {
    let part = |text: Option<&str>| -> String {
        let plain: String = clean(text.unwrap_or(""), false)
            .chars()
            .map(|c| if matches!(c, '^' | '=') { ' ' } else { c })
            .collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    shortened(
        [
            part(name.family.as_deref()),
            part(Some(&name.given.join(" "))),
            part(name.middle.as_deref()),
            part(name.prefix.as_deref()),
            part(name.suffix.as_deref()),
        ],
        limit,
    )
}

/// The PN of a text that has its delimiters already: each component group at most `limit` characters, trailing components first.
pub fn name_text(text: &str, limit: usize) -> String {
    let group = |group: &str| {
        let mut parts = group.splitn(5, '^').map(|p| p.trim().to_owned());
        shortened(
            std::array::from_fn(|_| parts.next().unwrap_or_default()),
            limit,
        )
    };
    let text = clean(text.trim(), false);
    let groups: Vec<String> = text.splitn(3, '=').map(group).collect();
    groups.join("=").trim_end_matches('=').to_owned()
}

fn shortened(mut parts: [String; 5], limit: usize) -> String {
    for drop in [4, 3, 2] {
        if joined(&parts).chars().count() <= limit {
            break;
        }
        if let Some(p) = parts.get_mut(drop) {
            p.clear();
        }
    }
    let text: String = joined(&parts).chars().take(limit).collect();
    text.trim_end_matches(['^', ' ']).to_owned()
}

fn joined(parts: &[String; 5]) -> String {
    parts.join("^").trim_end_matches('^').to_owned()
}

/// The name of a PN value; the alphabetic group counts, else the first that says something. `None` for a blank one.
pub fn read_person_name(text: &str) -> Option<Name> {
    let group = text
        .split('=')
        .take(3)
        .find(|g| !g.trim_matches(['^', ' ']).is_empty())?;
    let mut parts = group.split('^').map(|p| {
        let p = p.trim();
        (!p.is_empty()).then(|| p.to_owned())
    });
    let mut next = || parts.next().flatten();
    Some(Name {
        family: next(),
        given: next().into_iter().collect(),
        middle: next(),
        prefix: next(),
        suffix: next(),
        type_: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(family: &str, given: &str, middle: &str, prefix: &str, suffix: &str) -> Name {
        let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        Name {
            family: some(family),
            given: some(given).into_iter().collect(),
            middle: some(middle),
            prefix: some(prefix),
            suffix: some(suffix),
            type_: None,
        }
    }

    #[test]
    fn prefix_comes_before_suffix_in_dicom() {
        for (n, text) in [
            (name("Lefèvre", "Zoé", "", "", ""), "Lefèvre^Zoé"),
            (
                name("Lefèvre", "Zoé", "Anne", "Dr", "Jr"),
                "Lefèvre^Zoé^Anne^Dr^Jr",
            ),
            (name("", "Zoé", "", "", ""), "^Zoé"),
            (name("D^A=B\\C", "", "", "", ""), "D A B/C"),
        ] {
            assert_eq!(person_name(&n, 64), text);
        }
        let back = read_person_name("Lefèvre^Zoé^Anne^Dr^Jr").expect("a name");
        assert_eq!(back, name("Lefèvre", "Zoé", "Anne", "Dr", "Jr"));
        assert_eq!(
            read_person_name("=山田^太郎")
                .and_then(|n| n.family)
                .as_deref(),
            Some("山田")
        );
        assert_eq!(read_person_name(" ^^ "), None);
    }

    #[test]
    fn each_component_group_of_a_text_has_the_limit_of_its_own() {
        for (text, limit, expected) in [
            (
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
                12,
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ),
            ("Yamada^Tarou^M=山田^太郎", 12, "Yamada^Tarou=山田^太郎"),
            ("LEFÈVRE", 4, "LEFÈ"),
            ("DUPONT^Zoé^^Dr^", 64, "DUPONT^Zoé^^Dr"),
        ] {
            assert_eq!(name_text(text, limit), expected);
        }
    }

    #[test]
    fn trailing_components_go_first() {
        let n = name("Lefèvre", "Zoé", "Anne", "Dr", "Jr");
        for (limit, text) in [
            (22, "Lefèvre^Zoé^Anne^Dr^Jr"),
            (21, "Lefèvre^Zoé^Anne^Dr"),
            (18, "Lefèvre^Zoé^Anne"),
            (12, "Lefèvre^Zoé"),
            (9, "Lefèvre^Z"),
            (8, "Lefèvre"),
        ] {
            assert_eq!(person_name(&n, limit), text);
        }
    }
}
