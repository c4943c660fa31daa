//! Reads `[from] match`, `[speaks]`, `[limits]` and `[shows]`, and checks what can be known: titles, addresses, character sets, attributes
//! that a limit is for, statuses; over all files that no device has two ([`overlaps`]).

use super::{Days, Match, Unencodable};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::dicom::charset::Charset;
use crate::dicom::dictionary::{Vr, tag_of, traits, vr_of};
use crate::domain::record::STEP_STATUS;
use crate::mapping::ast::Span;
use crate::mapping::check::Place;
use crate::mapping::load::FileReader;
use crate::mapping::model::{FileKind, Guard, Model};
use crate::toml_file::{At, Table};
use std::collections::BTreeMap;

/// The station's title: what it shows decides whether a query's station chooses.
const STATION: &str = "ScheduledProcedureStepSequence.ScheduledStationAETitle";
/// Statuses of which a step may still be on a list: closed steps have no row that a query could find.
pub const OPEN: usize = 4;

/// Reads what a file says of devices, over what its base said; its attributes must have been read.
pub fn read(reader: &mut FileReader<'_, '_>, root: &Table<'_>) {
    if let Some(from) = root.table("from")
        && let Some(table) = from.table("match")
    {
        match reader.model.kind {
            FileKind::Device => reader.model.device.matches = matching(&table),
            _ => table.doc().report(
                Diagnostic::error(
                    "M118",
                    table.doc().file(),
                    table.span(),
                    "this file is for every device",
                )
                .hint("a file for one device stands in devices/, with base = \"worklist/default\""),
            ),
        }
    }
    if let Some(table) = root.table("speaks") {
        speaks(reader, &table);
    }
    if let Some(table) = root.table("limits") {
        limits(reader, &table, "");
    }
    if let Some(table) = root.table("shows") {
        shows(reader, &table);
    }
    station(reader, root);
}

fn matching(table: &Table<'_>) -> Option<Match> {
    let mut good = true;
    let mut bad = |at: &At<&str>, allowed: &str| {
        good = false;
        let problem = Diagnostic::error(
            "M116",
            table.doc().file(),
            at.span.clone(),
            format!("`{}` cannot match", at.value),
        );
        table
            .doc()
            .report(problem.label(format!("allowed: {allowed}")));
    };
    let titles = table.texts("calling_ae").unwrap_or_default();
    for title in titles.iter().filter(|t| !is_title(t.value)) {
        bad(
            title,
            "1 to 16 characters, as the device calls, without backslash",
        );
    }
    let mut address = vec![];
    for text in table.texts("address").unwrap_or_default() {
        match text.value.parse() {
            Ok(ip) => address.push(ip),
            Err(_) => bad(&text, "an IP address: 10.1.4.12"),
        }
    }
    table.finish(&["calling_ae", "address"]);
    let calling_ae: Vec<String> = titles.iter().map(|t| t.value.to_owned()).collect();
    if good && calling_ae.is_empty() && address.is_empty() {
        let problem = Diagnostic::error(
            "M116",
            table.doc().file(),
            table.span(),
            "no device is named",
        );
        let hint = "match = { calling_ae = [\"CT2\"] }, or address, or both";
        table.doc().report(problem.hint(hint));
        return None;
    }
    good.then(|| Match {
        calling_ae,
        address,
        span: table.span(),
    })
}

fn is_title(text: &str) -> bool {
    let length = text.trim().chars().count();
    (1..=16).contains(&length)
        && text.trim() == text
        && !text.contains(|c: char| c.is_control() || c == '\\')
}

fn speaks(reader: &mut FileReader<'_, '_>, table: &Table<'_>) {
    let rules = &mut reader.model.device;
    if let Some(term) = table.text("charset") {
        match Charset::of_term(term.value).filter(|_| !term.value.trim().is_empty()) {
            Some(charset) => rules.charset = Some(charset),
            None => {
                let message = format!("`{}` is no character set that can be written", term.value);
                let problem = Diagnostic::error("M113", table.doc().file(), term.span, message);
                let hint = did_you_mean(term.value, Charset::terms());
                let known: Vec<&str> = Charset::terms().collect();
                let problem = problem.label(format!("known: {}", known.join(", ")));
                table.doc().report(problem.maybe_hint(hint));
            }
        }
    }
    if let Some(word) = table.word("unencodable", &["transliterate", "withhold"]) {
        rules.unencodable = match word.value {
            "withhold" => Unencodable::Withhold,
            _ => Unencodable::Transliterate,
        };
        if rules.charset.is_none() && !table.has("charset") {
            let message = "without a charset everything can be written, in UTF-8 if need be";
            let problem =
                Diagnostic::warning("M114", word.span, message).in_file(table.doc().file());
            table
                .doc()
                .report(problem.hint("add charset = \"ISO_IR 100\""));
        }
    }
    table.finish(&["charset", "unencodable"]);
}

/// `RequestedProcedureDescription = 32`; attributes of the step in a table of their own or with the dot in quotes.
fn limits(reader: &mut FileReader<'_, '_>, table: &Table<'_>, prefix: &str) {
    for (key, item) in table.entries() {
        let path = format!("{prefix}{}", key.value);
        if let Some(inner) = item.as_table(&path) {
            limits(reader, &inner, &format!("{path}."));
            continue;
        }
        let Some(limit) = item
            .as_integer()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0)
        else {
            item.wrong("a number of characters");
            continue;
        };
        match limit_problem(reader.model, &path, limit, key.span, item.span()) {
            Some(problem) => table.doc().report(Diagnostic {
                file: table.doc().file().clone(),
                ..problem
            }),
            None => {
                reader.model.device.limits.insert(path, limit);
            }
        }
    }
}

/// What is wrong with a limit.
fn limit_problem(
    model: &Model,
    path: &str,
    limit: usize,
    key: Span,
    number: Span,
) -> Option<Diagnostic> {
    let file = model.name.as_str().into();
    let shown: Vec<&str> = model
        .sections("set")
        .flat_map(|s| s.rules.iter().map(|r| r.name.as_str()))
        .collect();
    let keyword = path.rsplit('.').next().unwrap_or(path);
    if !shown.contains(&path) {
        let message = match tag_of(keyword) {
            Some(_) => format!("no line shows `{path}`"),
            None => format!("`{keyword}` is no DICOM keyword"),
        };
        // The likeliest slip is the level: then the right path is the whole answer.
        let same = shown.iter().find(|p| p.rsplit('.').next() == Some(keyword));
        let hint = match same {
            Some(place) => Some(format!("at its place: \"{place}\" = {limit}")),
            None => did_you_mean(path, shown.iter().copied()),
        };
        return Some(Diagnostic::error("M111", &file, key, message).maybe_hint(hint));
    }
    let vr = tag_of(keyword).map(vr_of)?;
    if !matches!(
        vr,
        Vr::SH | Vr::LO | Vr::PN | Vr::ST | Vr::LT | Vr::UT | Vr::UC
    ) {
        let message = format!("{} has no length of its own", vr.to_string());
        let problem = Diagnostic::error("M111", &file, key, message);
        return Some(problem.hint("limits are for names, texts and identifiers"));
    }
    let most = traits(vr).max;
    if most > 0 && limit > most {
        let message = format!("{} ends at {most} characters already", vr.to_string());
        let problem = Diagnostic::error("M112", &file, number, message);
        return Some(problem.hint("a limit is smaller than the standard's own"));
    }
    None
}

fn shows(reader: &mut FileReader<'_, '_>, table: &Table<'_>) {
    let is_device = matches!(reader.model.kind, FileKind::Device);
    if let Some(stations) = table.texts("stations") {
        for station in stations.iter().filter(|s| !is_title(s.value)) {
            let message = format!("`{}` is no AE title", station.value);
            table.report("M116", station.span.clone(), message);
        }
        reader.model.device.shows.stations = stations.iter().map(|s| s.value.to_owned()).collect();
    }
    if let Some(modality) = table.text("modality") {
        reader.model.device.shows.modality = Some(modality.value.to_owned());
    }
    for key in ["stations", "modality"] {
        if let Some(item) = table.item(key).filter(|_| !is_device) {
            let message = format!("{key} belong to one device");
            let problem = Diagnostic::error("M118", table.doc().file(), item.outer_span(), message);
            table
                .doc()
                .report(problem.hint("write it in a file of devices/"));
        }
    }
    if let Some(item) = table.item("when") {
        if item.as_text() == Some("none") {
            reader.model.device.shows.when.clear();
        } else if let Some(cond) = reader.condition(&item, Place::Section("shows")) {
            let label = reader.label(item.span().start);
            reader.model.device.shows.when.push(Guard { cond, label });
        }
    }
    if let Some(days) = table.table("days") {
        let count = |key| {
            days.require(key);
            days.integer(key, 0..=3660)
                .and_then(|n| u16::try_from(n.value).ok())
        };
        if let (Some(back), Some(ahead)) = (count("back"), count("ahead")) {
            reader.model.device.shows.days = Some(Days { back, ahead });
        }
        days.finish(&["back", "ahead"]);
    }
    if let Some(words) = table.texts("statuses") {
        statuses(reader, table, &words);
    }
    table.finish(&["stations", "modality", "when", "days", "statuses"]);
}

fn statuses(reader: &mut FileReader<'_, '_>, table: &Table<'_>, words: &[At<&str>]) {
    let open = &STEP_STATUS[..OPEN];
    let mut known = vec![];
    for word in words {
        let lower = word.value.to_lowercase();
        match open.iter().find(|s| **s == lower) {
            Some(status) => known.push(*status),
            None => {
                let message = format!("`{}` is no status of a step that can be shown", word.value);
                let names: Vec<String> = open.iter().map(|s| s.to_uppercase()).collect();
                let hint = did_you_mean(word.value, names.iter().map(String::as_str));
                let problem =
                    Diagnostic::error("M121", table.doc().file(), word.span.clone(), message);
                let problem = problem.label(format!("allowed: {}", names.join(", ")));
                table.doc().report(problem.maybe_hint(hint));
            }
        }
    }
    reader.model.device.shows.statuses = Some(known);
}

/// A file that changes the station's title takes from the query's station its power to choose: `stations` must do it.
fn station(reader: &FileReader<'_, '_>, root: &Table<'_>) {
    let own = root
        .table("set")
        .and_then(|set| set.table("ScheduledProcedureStepSequence"))
        .and_then(|step| step.item("ScheduledStationAETitle"));
    let Some(item) = own.filter(|_| matches!(reader.model.kind, FileKind::Device)) else {
        return;
    };
    let plain = super::super::item::shows_field(reader.model, STATION, "step.station_aes");
    if !plain && reader.model.device.shows.stations.is_empty() {
        let message = "the station of a query chooses no longer";
        let problem = Diagnostic::warning("M119", item.span(), message).in_file(root.doc().file());
        let hint = "say whose steps are shown: [shows] stations = [\"CT2\"]";
        root.doc().report(problem.hint(hint));
    }
}

/// Files that could be chosen for the same device.
pub fn overlaps(models: &BTreeMap<String, Model>) -> Vec<Diagnostic> {
    let mut problems = vec![];
    let devices: Vec<(&Model, &Match)> = models
        .values()
        .filter_map(|m| Some((m, m.device.matches.as_ref()?)))
        .collect();
    for (n, (model, rule)) in devices.iter().enumerate() {
        for (other, earlier) in &devices[..n] {
            if let Some(peer) = earlier.both(rule) {
                let message = format!("{peer} is matched by {} too", other.name);
                let file = model.name.as_str().into();
                let problem = Diagnostic::error("M115", &file, rule.span.clone(), message);
                problems.push(
                    problem.hint("a device has one file: name its title in one of them only"),
                );
            }
        }
    }
    problems
}
