//! Queries of a case: `find.toml` says which devices ask what, `want.toml` who sees the step.
//!
//! ```toml
//! today = "20260602"                    # optional: the site's day; without it, that of the first step
//! [[query]]
//! calling = "CT2"                       # AE title; `address` if a device file wants one
//! keys    = { Modality = "CT" }         # optional
//! returns = ["RequestedProcedureDescription"]
//! ```
//!
//! A case of a worklist or device file has its step in `in.toml`; a case of an inbound file has what the message makes of an empty
//! record. The gates are those that C-FIND walks ([`gates::judge`]); a step that is not seen is listed with the first gate that was closed.

use crate::dicom::charset::fit;
use crate::dicom::dataset::DataSet;
use crate::domain::ids::{JournalId, Mint};
use crate::domain::node::Node;
use crate::domain::policy::Policy;
use crate::domain::time::{AsOf, Instant, LocalTime, Role};
use crate::domain::value::Value;
use crate::domain::world::{Cx, World};
use crate::mapping::MappingSet;
use crate::mapping::cases::{self, Case, Input, Verdict};
use crate::worklist::device::Device;
use crate::worklist::gates::{self, Asked, Facts};
use crate::worklist::keys::{Query, STEP};
use crate::worklist::matching::answer;
use crate::worklist::scope::scope;
use crate::worklist::walk::Walk;
use crate::worklist::words::identifier;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Name of the part.
pub const PART: &str = "find.toml";

/// When the message of a case comes: a case never asks the clock. 2026-06-02T08:00:00Z.
const NOW: Instant = Instant(1_780_387_200_000_000);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    today: Option<String>,
    query: Vec<Ask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    calling: String,
    address: Option<IpAddr>,
    #[serde(default)]
    keys: BTreeMap<String, String>,
    #[serde(default)]
    returns: Vec<String>,
}

/// A step as the gates see it; its scope depends on who asks.
struct Step<'d> {
    sps_id: String,
    facts: Facts,
    scope: Box<dyn Fn(&str) -> Node<'d> + 'd>,
}

/// Holds what a case's file makes of the input, and who sees it, against the want.
///
/// # Errors
/// A text naming the part of the case that cannot be read and why.
pub fn judge(set: &MappingSet, case: &Case) -> Result<Verdict, String> {
    let found = match case.parts.get(PART) {
        // What is wrong with the case itself is said first.
        Some(bytes) => cases::run(set, case).and_then(|_| queries(set, case, bytes))?,
        None => String::new(),
    };
    cases::judge_with(set, case, &found)
}

fn queries(set: &MappingSet, case: &Case, bytes: &[u8]) -> Result<String, String> {
    let bad = |why: String| format!("{PART}: {why}");
    let written = std::str::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
    let find: Find = toml::from_str(written).map_err(|e| bad(e.to_string()))?;
    let found = match cases::input(set, case)? {
        Input::Step(node) => found_of(set, &find, &[of_node(&node)]),
        Input::Commands(commands) => {
            let mut world = World::default();
            let mut cx = Cx {
                now: NOW,
                as_of: AsOf {
                    at: NOW,
                    role: Role::Order,
                    journal: JournalId(1),
                },
                journal: JournalId(1),
                zone: &TimeZone::UTC,
                oid_root: "1.2.250.1.999.1",
                policy: Policy::default(),
                ids: &mut Counting(0),
            };
            world
                .apply(&commands, &mut cx)
                .map_err(|refusal| bad(format!("the record refuses the message: {refusal}")))?;
            found_of(set, &find, &of_world(&world))
        }
        Input::Other => Err("only steps of a worklist can be found".to_owned()),
    };
    found.map_err(bad)
}

/// Ids of a case: 1, 2, 3.
struct Counting(i64);

impl Mint for Counting {
    fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }
}

/// The steps of a record, in the order of their start.
fn of_world(world: &World) -> Vec<Step<'_>> {
    let mut steps = vec![];
    for exam in world.exams.values().map(|d| &d.doc) {
        let patient = world.patients.get(&world.survivor(exam.patient));
        let Some(patient) = patient.map(|d| &d.doc) else {
            continue;
        };
        for step in &exam.steps {
            steps.push(Step {
                sps_id: step.sps_id.clone(),
                facts: Facts::of(exam, patient, step, &TimeZone::UTC),
                scope: Box::new(move |ae| scope(exam, patient, step, "", "UTC", ae)),
            });
        }
    }
    steps.sort_by(|a, b| (a.facts.start, &a.sps_id).cmp(&(b.facts.start, &b.sps_id)));
    steps
}

/// The step of an `in.toml`.
fn of_node<'d>(node: &'d Node<'d>) -> Step<'d> {
    let step = child(node, "step");
    let values = |name: &str| match step.and_then(|s| child(s, name)) {
        Some(Node::Values(values)) => values.as_slice(),
        _ => &[],
    };
    let text = |name: &str| {
        values(name)
            .first()
            .and_then(Value::comparable)
            .unwrap_or_default()
    };
    let start = match values("start").first() {
        Some(Value::When(when)) => when.local(&TimeZone::UTC),
        _ => None,
    };
    let known = crate::domain::record::STEP_STATUS.iter();
    let facts = Facts {
        status: known
            .copied()
            .find(|w| *w == text("status"))
            .unwrap_or("scheduled"),
        held: false,
        lacks: vec![],
        stations: values("station_aes")
            .iter()
            .filter_map(Value::comparable)
            .map(str::to_owned)
            .collect(),
        modality: text("modality").to_owned(),
        start,
    };
    let of_pool = facts.is_pool();
    let with_station = move |ae: &str| {
        let Node::Object { children, .. } = node else {
            return node.clone();
        };
        let own = Node::object(vec![("station_aes", Node::text(ae))]);
        let layer = |(name, inner): &(&'static str, Node<'d>)| match *name == "step" && of_pool {
            true => (*name, Node::Layers(vec![own.clone(), inner.clone()])),
            false => (*name, inner.clone()),
        };
        Node::object(children.iter().map(layer).collect())
    };
    Step {
        sps_id: text("id").to_owned(),
        facts,
        scope: Box::new(with_station),
    }
}

fn child<'n, 'd>(node: &'n Node<'d>, name: &str) -> Option<&'n Node<'d>> {
    match node {
        Node::Object { children, .. } => children.iter().find(|(n, _)| *n == name).map(|(_, c)| c),
        _ => None,
    }
}

fn found_of(set: &MappingSet, find: &Find, steps: &[Step<'_>]) -> Result<String, String> {
    let day = |digits: &str| {
        let good = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
        good.then(|| digits.parse::<i64>().ok())
            .flatten()
            .map(|n| LocalTime(n * 1_000_000))
    };
    let today = match &find.today {
        Some(digits) => day(digits).ok_or("today is a day: \"20260602\"")?,
        None => steps
            .iter()
            .find_map(|s| s.facts.start)
            .unwrap_or(NOW.local(&TimeZone::UTC)),
    };
    let mut text = String::new();
    for ask in &find.query {
        let keys = ask.keys.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let returns = ask.returns.iter().map(|k| (k.as_str(), ""));
        // A key that is returned too keeps its value.
        let wanted = identifier(returns.chain(keys))?;
        let query = Query::parse(wanted).map_err(|refusal| refusal.to_string())?;
        let device = Device::of(set, &ask.calling, ask.address);
        let asked = Asked::of(&query, &device, set, today);
        let mut seen = vec![];
        let mut hidden = vec![];
        for step in steps {
            let scope = (step.scope)(&asked.ae);
            let mut walk = Walk::telling();
            match gates::judge(set, &asked, &step.facts, &scope, &mut walk) {
                Some(item) => seen.push((step.sps_id.as_str(), item.data)),
                None => {
                    let line = walk.lines().into_iter().find(|l| !l.open);
                    let why = line.map_or(String::new(), |l| {
                        format!("{}: {}", l.gate, l.values.unwrap_or(l.why))
                    });
                    hidden.push((step.sps_id.as_str(), without_lines(&why)));
                }
            }
        }
        text.push_str(&printed(ask, &device, &seen, &hidden, &query));
    }
    Ok(text)
}

/// Line numbers of rules move with every edit of their file; a case is not about them.
fn without_lines(why: &str) -> String {
    let Some((before, rest)) = why.split_once(".toml:") else {
        return why.to_owned();
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}.toml{}", without_lines(rest))
}

fn printed(
    ask: &Ask,
    device: &Device,
    seen: &[(&str, DataSet)],
    hidden: &[(&str, String)],
    query: &Query,
) -> String {
    let quoted = cases::quoted;
    let mut text = format!("\n[[find]]\ncalling = {}\n", quoted(&ask.calling));
    if !ask.keys.is_empty() {
        let keys = ask
            .keys
            .iter()
            .map(|(k, v)| format!("{} = {}", quoted(k), quoted(v)));
        text.push_str(&format!(
            "keys = {{ {} }}\n",
            keys.collect::<Vec<_>>().join(", ")
        ));
    }
    if !query.ignored.is_empty() {
        let ignored: Vec<String> = query.ignored.iter().map(|k| quoted(k)).collect();
        text.push_str(&format!("not_matched = [{}]\n", ignored.join(", ")));
    }
    text.push_str(&format!("file = {}\n", quoted(&device.file)));
    let ids: Vec<String> = seen.iter().map(|(id, _)| quoted(id)).collect();
    text.push_str(&format!("sees = [{}]\n", ids.join(", ")));
    if !hidden.is_empty() {
        text.push_str("\n[find.hidden]\n");
    }
    for (id, why) in hidden {
        text.push_str(&format!("{} = {}\n", quoted(id), quoted(why)));
    }
    for (id, item) in seen.iter().filter(|_| !ask.returns.is_empty()) {
        text.push_str(&format!("\n[find.item.{}]\n", quoted(id)));
        let given = answer(item, &query.identifier);
        // As it is written: what the device's repertoire lacks is transliterated.
        let given = fit(&given, device.charset).data;
        for path in &ask.returns {
            text.push_str(&format!(
                "{} = {}\n",
                quoted(path),
                quoted(&value(&given, path))
            ));
        }
    }
    text
}

/// The value of an attribute by its path; of a sequence the codes of its items.
fn value(item: &DataSet, path: &str) -> String {
    let keyword = path.rsplit('.').next().unwrap_or(path);
    let own = item.by_keyword(keyword).map(|_| item);
    let step = item.items(STEP).first();
    let Some(place) = own.or(step) else {
        return String::new();
    };
    let items = place.items(keyword);
    match items.is_empty() {
        true => place.texts(keyword).join("\\"),
        false => {
            let code = |i: &DataSet| {
                i.iter()
                    .flat_map(|e| e.texts().to_vec())
                    .collect::<Vec<_>>()
                    .join("^")
            };
            items.iter().map(code).collect::<Vec<_>>().join("\\")
        }
    }
}
