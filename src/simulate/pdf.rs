//! The smallest PDF that a viewer opens: one page, one line of text.

use std::fmt::Write as _;

/// A page with a title, as the bytes of a PDF 1.4 file. Characters beyond Latin-1 become `?`.
pub fn page(title: &str) -> Vec<u8> {
    let text: String = title
        .chars()
        .map(|c| match c {
            '(' | ')' | '\\' => ' ',
            c if u32::from(c) > 0xff => '?',
            c => c,
        })
        .collect();
    let stream = format!("BT /F1 14 Tf 60 760 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.chars().count()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        offsets.push(file.chars().count());
        let _ = writeln!(file, "{number} 0 obj\n{object}\nendobj");
    }
    let start = file.chars().count();
    let _ = writeln!(file, "xref\n0 {}\n0000000000 65535 f ", objects.len() + 1);
    for offset in offsets {
        let _ = writeln!(file, "{offset:010} 00000 n ");
    }
    let _ = writeln!(
        file,
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF",
        objects.len() + 1
    );
    // One byte a character: offsets were counted in characters.
    file.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cross_references_point_at_the_objects() {
        let file = super::page("Scanographie du thorax à l'œil (é)");
        let text: String = file.iter().map(|b| char::from(*b)).collect();
        let table = text.split("xref\n0 6\n").nth(1).unwrap();
        for (number, line) in table.lines().skip(1).take(5).enumerate() {
            let offset: usize = line[..10].parse().unwrap();
            assert!(
                text[text.char_indices().nth(offset).unwrap().0..]
                    .starts_with(&format!("{} 0 obj", number + 1))
            );
        }
    }
}
