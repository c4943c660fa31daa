//! `relais reference`: the pages under docs/reference/ and docs/mapping/errors.md are printed from the declarations in the code; a test holds them current.

use crate::api::problem::status_of;
use crate::config::settings;
use crate::dicom::dictionary::{tag_of, traits, vr_of};
use crate::domain::reason::{Class, Reason};
use crate::domain::record::{Bad, FIELDS};
use crate::domain::value::Kind;
use crate::fhir::profile::Structure;
use crate::fhir::shape::add::{Container, VALUE_TYPES};
use crate::fhir::shape::{SHAPES, Section, Target};
use crate::hl7::ack::{before_2_7, code_of};
use crate::mapping::codes;
use crate::mapping::definitions::{ReturnType, worklist};
use crate::mapping::functions::FUNCTIONS;
use crate::mapping::schema;
use crate::telemetry::catalogue;
use clap::Subcommand;
use serde_json::Value as Json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Which page.
#[derive(Debug, Clone, Subcommand)]
pub enum Page {
    /// Every key of the configuration.
    Config,
    /// Every reason for which something is refused, with what each port says.
    Errors,
    /// The mapping language: fields of the record, functions, FHIR targets, diagnostics.
    Mapping,
    /// Every diagnostic of mapping files: what it means, an example, the cure.
    MappingErrors,
    /// Every metric: name, kind, unit, labels, meaning.
    Metrics,
    /// JSON schemas of mapping files and configuration, for editors: written into a directory, not printed.
    Schemas {
        /// The directory.
        dir: PathBuf,
    },
}

/// Prints a page.
pub fn run(page: &Page) -> ExitCode {
    let Page::Schemas { dir } = page else {
        print!("{}", text(page));
        return ExitCode::SUCCESS;
    };
    let written = schemas()
        .iter()
        .try_for_each(|(name, text)| std::fs::write(dir.join(name), text));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write into {}: {error}", dir.display());
            ExitCode::from(super::FAILED)
        }
    }
}

/// The schemas by name of file, as text.
fn schemas() -> Vec<(String, String)> {
    let mut all = schema::schemas();
    all.push(("relais.json".to_owned(), settings::schema()));
    let pretty = |json: &Json| format!("{json:#}\n");
    all.iter()
        .map(|(name, json)| (name.clone(), pretty(json)))
        .collect()
}

/// `relais explain CODE`: one diagnostic of mapping files.
pub fn explain(name: &str, out: &mut dyn Write) -> io::Result<u8> {
    match codes::code(name) {
        Some(code) => {
            write!(out, "{}", code.page())?;
            Ok(0)
        }
        None => {
            let known: Vec<&str> = codes::all().map(|c| c.code).collect();
            writeln!(
                out,
                "there is no code `{name}`; there are {}",
                known.join(", ")
            )?;
            Ok(super::WRONG)
        }
    }
}

/// The text of a page.
pub fn text(page: &Page) -> String {
    match page {
        Page::Config => settings::reference(),
        Page::Errors => errors(),
        Page::Mapping => mapping(),
        Page::MappingErrors => codes::reference(),
        Page::Metrics => catalogue::reference(),
        Page::Schemas { .. } => String::new(),
    }
}

fn errors() -> String {
    let mut page = String::from(
        "# Reasons\n\nPrinted by `relais reference errors`; do not edit. One reason, each port says it in its own words: HL7 in MSA-1 \
         and ERR (table 0357), HTTP as the status and `code` of a problem, the operator sees the code with the place and the mapping line.\n\n\
         | reason | meaning | HL7 | HTTP | again later? |\n|---|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let (code, number) = code_of(*reason);
        let again = if reason.class() == Class::Temporary {
            "yes"
        } else {
            "no"
        };
        let older = match before_2_7(number) {
            older if older == number => String::new(),
            older => format!(" ({older} before v2.7)"),
        };
        let hl7 = if reason.is_of_http() {
            String::new()
        } else {
            format!("{code:?} {number}{older}")
        };
        page.push_str(&format!(
            "| `{}` | {} | {hl7} | {} | {again} |\n",
            reason.code(),
            reason.text(),
            status_of(*reason)
        ));
    }
    page
}

fn mapping() -> String {
    let mut page = String::from(
        "# Mapping reference\n\nPrinted by `relais reference mapping`; do not edit. How the files are written: `mappings/README.md`.\n",
    );
    page.push_str("\n## Fields of the record\n\n| field | type | list | unreadable value | meaning |\n|---|---|---|---|---|\n");
    for field in FIELDS {
        let kind = match field.kind {
            Kind::Identifier(max) | Kind::Text(max) if max > 0 => {
                format!("{}, at most {max} characters", field.kind.name())
            }
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            kind => kind.name().to_owned(),
        };
        let list = if field.list { "yes" } else { "" };
        let bad = match field.bad {
            Bad::Refuse => "refused",
            Bad::Warn => "left out, warned",
        };
        page.push_str(&format!(
            "| `{}.{}` | {kind} | {list} | {bad} | {} |\n",
            field.section, field.name, field.doc
        ));
    }
    page.push_str("\n## Functions\n\n| function | meaning |\n|---|---|\n");
    for function in FUNCTIONS {
        page.push_str(&format!(
            "| `{}` | {} |\n",
            function.name,
            function.doc.replace('|', "\\|")
        ));
    }
    page.push_str(
        "\n## Attributes of worklist items\n\nTargets of `worklist/*.toml` and `devices/*.toml`, under `[set]` by their place. Type 1 without a value withholds the \
         item, type 2 goes out with zero length, even if no line names it, type 3 is left out. Lengths are in characters, of a name for each \
         component group; `[limits]` of a device file makes them smaller.\n\n| attribute | VR | longest | type |\n|---|---|---|---|\n",
    );
    for (path, kind) in worklist() {
        let keyword = path.rsplit('.').next().unwrap_or(path);
        let Some(vr) = tag_of(keyword).map(vr_of) else {
            continue;
        };
        let longest = match traits(vr) {
            traits if traits.charset && traits.max > 0 => traits.max.to_string(),
            _ => String::new(),
        };
        let kind = match kind {
            ReturnType::Required => "1",
            ReturnType::Empty => "2",
            ReturnType::Optional => "3",
        };
        page.push_str(&format!(
            "| `{path}` | {} | {longest} | {kind} |\n",
            vr.to_string()
        ));
    }
    for shape in SHAPES {
        page.push_str(&format!(
            "\n## Targets of {}\n\n| target | required | meaning |\n|---|---|---|\n",
            shape.resource
        ));
        targets(&mut page, "", shape.targets, shape.sections);
    }
    added(&mut page);
    page.push_str("\n## Diagnostics\n\n`docs/mapping/errors.md` has each with an example; `relais explain M025` prints one.\n\n| code | title | cure |\n|---|---|---|\n");
    for code in codes::all() {
        page.push_str(&format!(
            "| `{}` | {} | {} |\n",
            code.code,
            code.title,
            code.cure.replace('|', "\\|")
        ));
    }
    page
}

/// What outbound files may add, and what packs may ask for.
fn added(page: &mut String) {
    let containers: Vec<String> = Container::WORDS
        .iter()
        .map(|(word, _)| format!("`[[add.{word}]]`"))
        .collect();
    page.push_str(&format!(
        "\n## Additions\n\n{}; how they are written: `docs/mapping/outbound.md`. The key of an extension's value names its type:\n\n\
         | key | takes | meaning |\n|---|---|---|\n",
        containers.join(", ")
    ));
    for type_ in VALUE_TYPES {
        let kinds: Vec<&str> = type_.target.kinds.iter().map(|k| k.name()).collect();
        page.push_str(&format!(
            "| `{}` | {} | {} |\n",
            type_.target.name,
            kinds.join(", "),
            type_.target.doc
        ));
    }
    let structures: Vec<String> = Structure::WORDS
        .iter()
        .map(|(word, ..)| format!("`{word}`"))
        .collect();
    page.push_str(&format!(
        "\nStructures that a profile pack may ask for: {}.\n",
        structures.join(", ")
    ));
}

/// Sections nest as deep as the shapes declare them: two levels.
fn targets(page: &mut String, prefix: &str, own: &[Target], sections: &[Section]) {
    for target in own {
        let required = if target.required { "yes" } else { "" };
        page.push_str(&format!(
            "| `{prefix}{}` | {required} | {} |\n",
            target.name, target.doc
        ));
    }
    for section in sections {
        targets(
            page,
            &format!("[{}] ", section.name),
            section.targets,
            section.sections,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_pages_are_what_the_code_prints() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        for (name, page) in [
            ("reference/config.md", Page::Config),
            ("reference/errors.md", Page::Errors),
            ("reference/mapping.md", Page::Mapping),
            ("reference/metrics.md", Page::Metrics),
            ("mapping/errors.md", Page::MappingErrors),
        ] {
            let written = std::fs::read_to_string(dir.join(name)).unwrap_or_default();
            assert!(
                written == text(&page),
                "docs/{name} is not current: run `make reference`"
            );
        }
    }

    #[test]
    fn the_schemas_of_the_editors_are_what_the_code_prints() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
        let mut names = vec![];
        for (name, schema) in schemas() {
            let written = std::fs::read_to_string(dir.join(&name)).unwrap_or_default();
            assert!(
                written == schema,
                "docs/schema/{name} is not current: run `make reference`"
            );
            names.push(name);
        }
        for entry in std::fs::read_dir(dir).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(names.contains(&name), "nothing prints docs/schema/{name}");
        }
    }
}
