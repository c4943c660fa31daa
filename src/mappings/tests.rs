use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")
}

#[test]
fn every_file_under_mappings_is_embedded() {
    let mut paths = Vec::new();
    below(&root(), 0, &|n| !n.ends_with(".cases"), &mut paths).unwrap();
    let mut names: Vec<String> = paths.iter().map(|p| relative(&root(), p)).collect();
    names.retain(|n| n.ends_with(".toml") || n.ends_with(".csv"));
    names.sort();
    let embedded: Vec<&str> = SHIPPED.iter().map(|(n, _)| *n).collect();
    assert_eq!(names, embedded);
}

#[test]
fn a_broken_layer_never_replaces_a_working_set() {
    let dir = std::env::temp_dir().join(format!("relais-mappings-{}", std::process::id()));
    fs::create_dir_all(dir.join("inbound")).unwrap();
    let site = dir.join("inbound/site.toml");
    let text = |rule: &str| {
        format!("format = 1\nbase = \"ihe_order\"\norder.accession_number = '{rule}'\n")
    };
    fs::write(&site, text("ORC-3")).unwrap();
    let mappings = Mappings::load(std::slice::from_ref(&dir))
        .map_err(|refused| refused.text)
        .unwrap();
    let first = mappings.current().revision().to_owned();
    fs::write(&site, text("ORC-333")).unwrap();
    let codes = |refused: Refused| refused.problems.iter().map(|p| p.code).collect::<Vec<_>>();
    assert_eq!(codes(mappings.candidate().unwrap_err()), ["M051"]);
    assert_eq!(mappings.current().revision(), first);
    fs::write(&site, text("ORC-4")).unwrap();
    mappings.put(mappings.candidate().unwrap());
    assert_ne!(mappings.current().revision(), first);
    fs::write(dir.join("inbound/latin1.toml"), [0x66, 0xe9]).unwrap();
    assert_eq!(codes(mappings.candidate().unwrap_err()), ["M033"]);
    fs::remove_file(dir.join("inbound/latin1.toml")).unwrap();
    let case = dir.join("inbound/site.cases/accession_in_orc_3");
    fs::create_dir_all(&case).unwrap();
    fs::write(case.join("in.hl7"), "MSH|^~\\&|RIS\r").unwrap();
    fs::write(case.join("want.toml"), "# nothing\n").unwrap();
    let refused = mappings.candidate().unwrap_err();
    assert!(
        refused.text.contains("site.cases/accession_in_orc_3"),
        "{}",
        refused.text
    );
    assert_eq!(codes(refused), ["M081"]);
    fs::remove_dir_all(&dir).unwrap();
    assert!(mappings.candidate().is_err());
}

/// Targets of shapes that no shipped case fills, with the reason.
const WITHOUT_CASE: &[(&str, &str)] = &[
    ("fhir.Patient managingOrganization", "a site's choice"),
    (
        "fhir.ServiceRequest identifier.other",
        "for a site's numbers",
    ),
    ("fhir.ServiceRequest locationReference", "a site's choice"),
    (
        "fhir.ServiceRequest patientInstruction",
        "no field of the record",
    ),
    ("fhir.ImagingStudy interpreter", "stands in the report"),
    (
        "fhir.ImagingStudy endpoint",
        "tables/endpoints.csv is the site's",
    ),
    (
        "fhir.ImagingStudy series.number",
        "comes with instance notifications",
    ),
    ("fhir.ImagingStudy series.bodySite", "not said by series"),
    (
        "fhir.ImagingStudy series.endpoint",
        "tables/endpoints.csv is the site's",
    ),
    (
        "fhir.ImagingStudy instance.number",
        "comes with instance notifications",
    ),
    (
        "fhir.ImagingStudy instance.title",
        "comes with instance notifications",
    ),
];

#[test]
fn every_target_has_a_case_or_a_reason() {
    use crate::fhir::shape::{SHAPES, Section, Target};
    fn names(prefix: &str, targets: &[Target], sections: &[Section]) -> Vec<String> {
        let own = targets.iter().map(|t| format!("{prefix}{}", t.name));
        let inner = |s: &Section| names(&format!("{}.", s.name), s.targets, s.sections);
        own.chain(sections.iter().flat_map(inner)).collect()
    }
    let cases = case_files::cases_of(&root()).unwrap();
    let mut missing = vec![];
    for shape in SHAPES {
        let file = format!("outbound/fhir/{}.toml", snake(shape.type_name()));
        let wanted = cases.iter().filter(|c| c.file == file);
        let wants: Vec<&str> = wanted.filter_map(|c| c.want()).collect();
        for name in names("", shape.targets, shape.sections) {
            let leaf = match name.split_once('.') {
                Some(("series" | "instance" | "document", leaf)) => leaf,
                _ => &name,
            };
            let key = match leaf.contains('.') {
                true => format!("\"{leaf}\""),
                false => leaf.to_owned(),
            };
            let line = |want: &str| want.lines().any(|l| l.starts_with(&format!("{key} =")));
            let full = format!("{} {name}", shape.resource);
            let reason = WITHOUT_CASE.iter().any(|(n, _)| *n == full);
            if !wants.iter().any(|want| line(want)) && !reason {
                missing.push(full);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `ImagingStudy` as file names write it.
fn snake(type_: &str) -> String {
    let mut name = String::new();
    for c in type_.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}
