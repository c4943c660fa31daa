//! The schemas for editors, held by a validator that is not ours: the shipped files fit them, a misspelled key does not. Which schema a
//! file has is read from `.taplo.toml`, as an editor does.

use crate::harness::{
    database::root,
    tools::{run, script},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each schema with the files of the repository that `.taplo.toml` binds to it.
fn bound() -> Vec<(PathBuf, Vec<PathBuf>)> {
    let rules: toml::Table =
        toml::from_str(&fs::read_to_string(root().join(".taplo.toml")).unwrap()).unwrap();
    let rules = rules["rule"].as_array().unwrap();
    let bound = rules.iter().map(|rule| {
        let schema = root().join(rule["schema"]["path"].as_str().unwrap());
        let pattern = rule["include"][0].as_str().unwrap();
        let pattern = pattern.strip_prefix("**/").unwrap();
        (schema, matching(pattern))
    });
    bound.collect()
}

/// Shipped files by a pattern with at most one `*`.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let (directory, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let (head, tail) = name.split_once('*').unwrap_or((name, ""));
    let directory = match directory {
        "" => root().to_owned(),
        below => root().join("mappings").join(below),
    };
    let files = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.is_file() && name.starts_with(head) && name.ends_with(tail)
    };
    let mut found: Vec<PathBuf> = files.filter(fits).collect();
    found.sort();
    found
}

fn validate(pairs: &[(&Path, &Path)]) -> String {
    let mut command = script("schemas.py");
    for (schema, file) in pairs {
        command.arg(schema).arg(file);
    }
    run(&mut command)
}

#[test]
fn shipped_files_fit_the_schemas_that_editors_use() {
    let bound = bound();
    let mut pairs: Vec<(&Path, &Path)> = vec![];
    for (schema, files) in &bound {
        assert!(
            !files.is_empty(),
            "{} is bound to nothing",
            schema.display()
        );
        pairs.extend(files.iter().map(|f| (schema.as_path(), f.as_path())));
    }
    let shipped = fs::read_dir(root().join("docs/schema")).unwrap().count();
    assert_eq!(bound.len(), shipped, "each schema is bound once");
    assert_eq!(validate(&pairs), format!("{} files\n", pairs.len()));
}

#[test]
fn a_misspelled_key_does_not_fit_its_schema() {
    let dir = std::env::temp_dir().join(format!("relais-schemas-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let refused = |schema: &str, text: &str| {
        let file = dir.join("file.toml");
        fs::write(&file, text).unwrap();
        let schema = root().join("docs/schema").join(schema);
        let said = validate(&[(&schema, &file)]);
        said.lines().count() > 1
    };
    for (schema, right, wrong) in [
        (
            "inbound.json",
            "format = 1\norder.accession_number = 'ORC-4'\n",
            "format = 1\norder.accession_numbr = 'ORC-4'\n",
        ),
        (
            "inbound.json",
            "format = 1\n[from]\nwhen = 'MSH-3'\n",
            "format = 1\n[from]\nwhn = 'MSH-3'\n",
        ),
        (
            "inbound.json",
            "format = 1\n[step]\neach = 'OBR'\nid = ['OBR-20']\n",
            "format = 1\n[stp]\nid = 'OBR-20'\n",
        ),
        (
            "inbound.json",
            "format = 1\nextra.bed = 'PV1-3.3'\n",
            "format = 1\nvisit.bed = 'PV1-3.3'\n",
        ),
        (
            "worklist.json",
            "format = 1\n[set]\nPatientID = 'patient.id'\n",
            "format = 1\n[set]\npatientID = 'patient.id'\n",
        ),
        (
            "fhir-patient.json",
            "format = 1\n[set]\nname.official = 'patient.name'\n",
            "format = 1\n[set]\nname.oficial = 'patient.name'\n",
        ),
        (
            "fhir-patient.json",
            "format = 1\n[profile.fr-core]\nbirthPlace = 'patient.birth_place'\n[set]\ndeceased = true\n",
            "format = 1\n[profil.fr-core]\nbirthPlace = 'patient.birth_place'\n",
        ),
        (
            "fhir-imagingstudy.json",
            "format = 1\n[series]\nwhen = false\n[[series.add.extension]]\nurl = 'https://a.example'\nvalueString = 'series.protocol'\n",
            "format = 1\n[[series.add.extension]]\nurl = 'https://a.example'\nvalueText = 'series.protocol'\n",
        ),
        (
            "fhir-imagingstudy.json",
            "format = 1\n[const]\nwado = { endpoint = 'pacs' }\n[[add.note]]\nvalue = '\"x\"'\nwhen = true\n",
            "format = 1\n[[add.category]]\nvalue = '\"x\"'\n",
        ),
        (
            "profile.json",
            "format = 1\nsource = 'a'\nlicence = 'b'\n[[Patient.profile]]\nurl = 'https://a.example'\n",
            "format = 1\nsource = 'a'\nlicence = 'b'\n[[Patient.profile]]\nuri = 'https://a.example'\n",
        ),
        (
            "segment.json",
            "format = 1\nsegment = 'ZRD'\n[field]\n1 = { type = 'ST' }\n",
            "format = 1\nsegment = 'ZRD'\n[field]\nA = { type = 'ST' }\n",
        ),
        (
            "relais.json",
            "[[link]]\nname = 'a'\nrole = 'adt'\n",
            "[[link]]\nname = 'a'\nroll = 'adt'\n",
        ),
        (
            "relais.json",
            "[mllp]\nmax_connections = 7\n",
            "[mllp]\nmax_connections = 0\n",
        ),
    ] {
        assert!(!refused(schema, right), "{schema}: {right}");
        assert!(refused(schema, wrong), "{schema}: {wrong}");
    }
    fs::remove_dir_all(&dir).unwrap();
}
