//! What the simulated endpoint holds, and how a transaction changes it: all or nothing, as FHIR R4 3.1.0.11 says.
//!
//! A transaction is first resolved (conditional requests, references), then checked, and only then applied.

use super::search::{Query, identifiers};
use crate::fhir::check;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A refused interaction: HTTP status and the issue of its OperationOutcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    /// FHIR issue type: `invalid`, `multiple-matches` ...
    pub code: &'static str,
    pub diagnostics: String,
    /// FHIRPath of the element, if one is to blame.
    pub expression: Option<String>,
}

impl Refused {
    /// A refusal without element.
    pub fn new(status: u16, code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self {
            status,
            code,
            diagnostics: diagnostics.into(),
            expression: None,
        }
    }

    /// The OperationOutcome.
    pub fn outcome(&self) -> Json {
        let mut issue =
            json!({"severity": "error", "code": self.code, "diagnostics": self.diagnostics});
        if let Some(at) = &self.expression {
            issue["expression"] = json!([at]);
        }
        json!({"resourceType": "OperationOutcome", "issue": [issue]})
    }
}

/// One write interaction.
#[derive(Debug, Clone)]
pub struct Write {
    /// `urn:uuid:...` by which other entries refer to it.
    pub full_url: Option<String>,
    pub resource: Json,
    pub how: How,
}

/// How a resource is to be written.
#[derive(Debug, Clone)]
pub enum How {
    /// POST; with a query: only if nothing matches.
    Create(String, Option<Query>),
    /// PUT Type/id.
    Update(String, String),
    /// PUT Type?query.
    ConditionalUpdate(String, Query),
}

/// What became of one write.
#[derive(Debug, Clone)]
pub struct Written {
    /// 200 or 201.
    pub status: u16,
    pub type_: String,
    pub id: String,
    pub version: u64,
    /// The resource as stored.
    pub resource: Json,
}

/// The resources.
#[derive(Debug, Default)]
pub struct Resources {
    by_id: BTreeMap<(String, String), Json>,
    /// (type, system, value) -> ids.
    by_identifier: BTreeMap<(String, String, String), BTreeSet<String>>,
    last_id: u64,
}

/// A write whose place is known.
struct Resolved {
    type_: String,
    id: String,
    /// False: a conditional create that found its match; nothing is written.
    writes: bool,
}

impl Resources {
    /// The resource of a type and id.
    pub fn get(&self, type_: &str, id: &str) -> Option<&Json> {
        self.by_id.get(&(type_.to_owned(), id.to_owned()))
    }

    /// All resources, by type and id.
    pub fn all(&self) -> impl Iterator<Item = &Json> {
        self.by_id.values()
    }

    /// The resources of a type that match.
    pub fn search(&self, type_: &str, query: &Query) -> Vec<&Json> {
        match query.exact() {
            Some((system, value)) => {
                let key = (type_.to_owned(), system.to_owned(), value.to_owned());
                let ids = self.by_identifier.get(&key).into_iter().flatten();
                ids.filter_map(|id| self.get(type_, id)).collect()
            }
            None => self
                .by_id
                .iter()
                .filter(|((t, _), r)| t == type_ && query.matches(r))
                .map(|(_, r)| r)
                .collect(),
        }
    }

    /// Does all writes or none. `now` becomes meta.lastUpdated.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing was changed.
    pub fn transact(&mut self, writes: Vec<Write>, now: &str) -> Result<Vec<Written>, Refused> {
        let mut last_id = self.last_id;
        let mut places: Vec<Resolved> = Vec::with_capacity(writes.len());
        let mut taken = BTreeSet::new();
        let mut urls: BTreeMap<&str, String> = BTreeMap::new();
        for write in &writes {
            let place = self.resolve(write, &mut last_id)?;
            if !taken.insert((place.type_.clone(), place.id.clone())) {
                return Err(twice(&place));
            }
            if let Some(url) = &write.full_url {
                let local = format!("{}/{}", place.type_, place.id);
                if urls.insert(url, local).is_some() {
                    return Err(Refused::new(
                        400,
                        "invalid",
                        format!("fullUrl {url} stands twice"),
                    ));
                }
            }
            places.push(place);
        }
        created_twice(&writes, &places, &self.by_id)?;
        let mut ready = Vec::with_capacity(writes.len());
        for (write, place) in writes.iter().zip(&places) {
            let mut resource = write.resource.clone();
            self.rewrite(&place.type_, &mut resource, &urls, &taken)?;
            ready.push(resource);
        }
        self.last_id = last_id;
        let written = places.into_iter().zip(ready);
        Ok(written.map(|(p, r)| self.apply(p, r, now)).collect())
    }

    fn resolve(&self, write: &Write, last_id: &mut u64) -> Result<Resolved, Refused> {
        let type_ = match &write.how {
            How::Create(t, _) | How::Update(t, _) | How::ConditionalUpdate(t, _) => t.clone(),
        };
        let mut fresh = || {
            loop {
                *last_id += 1;
                let id = last_id.to_string();
                // A client may have chosen the number before.
                if self.get(&type_, &id).is_none() {
                    return id;
                }
            }
        };
        structure(&type_, &write.resource)?;
        let own_id = write.resource["id"].as_str();
        let (id, writes) = match &write.how {
            How::Create(_, None) => (fresh(), true),
            How::Create(_, Some(query)) => match self.one(&type_, query)? {
                Some(id) => (id, false),
                None => (fresh(), true),
            },
            How::Update(_, id) if own_id.is_none_or(|own| own == id) => (id.clone(), true),
            How::Update(..) => {
                return Err(Refused::new(
                    400,
                    "invalid",
                    "the resource's id is not the address's",
                ));
            }
            How::ConditionalUpdate(_, query) => match self.one(&type_, query)? {
                Some(id) if own_id.is_some_and(|own| own != id) => {
                    return Err(Refused::new(
                        400,
                        "invalid",
                        "the resource's id is not the match's",
                    ));
                }
                Some(id) => (id, true),
                None => (own_id.map_or_else(fresh, str::to_owned), true),
            },
        };
        Ok(Resolved { type_, id, writes })
    }

    /// The id of the only match; several are refused with 412.
    fn one(&self, type_: &str, query: &Query) -> Result<Option<String>, Refused> {
        let found = self.search(type_, query);
        let ids: Vec<&str> = found.iter().filter_map(|r| r["id"].as_str()).collect();
        match ids.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some((*id).to_owned())),
            several => {
                let why = format!(
                    "several matches: {type_}/{}",
                    several.join(&format!(", {type_}/"))
                );
                Err(Refused::new(412, "multiple-matches", why))
            }
        }
    }

    /// Turns references to entries and conditional references into local ones, and refuses those that lead nowhere.
    fn rewrite(
        &self,
        path: &str,
        value: &mut Json,
        urls: &BTreeMap<&str, String>,
        taken: &BTreeSet<(String, String)>,
    ) -> Result<(), Refused> {
        match value {
            Json::Array(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(i, v)| self.rewrite(&format!("{path}[{i}]"), v, urls, taken)),
            Json::Object(members) => members.iter_mut().try_for_each(|(name, v)| {
                if name == "reference"
                    && let Json::String(text) = v
                {
                    *text = self.local(path, text, urls, taken)?;
                    return Ok(());
                }
                self.rewrite(&format!("{path}.{name}"), v, urls, taken)
            }),
            _ => Ok(()),
        }
    }

    fn local(
        &self,
        path: &str,
        reference: &str,
        urls: &BTreeMap<&str, String>,
        taken: &BTreeSet<(String, String)>,
    ) -> Result<String, Refused> {
        let refuse = |status, code, why: &str| Refused {
            expression: Some(path.to_owned()),
            ..Refused::new(status, code, why)
        };
        if let Some(local) = urls.get(reference) {
            return Ok(local.clone());
        }
        if reference.starts_with("urn:") {
            return Err(refuse(400, "not-found", "refers to no entry of the Bundle"));
        }
        if reference.starts_with('#') || reference.contains("://") {
            return Ok(reference.to_owned());
        }
        if let Some((type_, query)) = reference.split_once('?') {
            let query = Query::condition(query)?;
            return match self.one(type_, &query)? {
                Some(id) => Ok(format!("{type_}/{id}")),
                None => Err(refuse(
                    412,
                    "not-found",
                    "a conditional reference matches nothing",
                )),
            };
        }
        let (type_, id) = reference.split_once('/').unwrap_or((reference, ""));
        let id = id.split('/').next().unwrap_or_default();
        let key = (type_.to_owned(), id.to_owned());
        if taken.contains(&key) || self.by_id.contains_key(&key) {
            Ok(reference.to_owned())
        } else {
            Err(refuse(
                400,
                "not-found",
                "refers to a resource that is not here",
            ))
        }
    }

    fn apply(&mut self, place: Resolved, mut resource: Json, now: &str) -> Written {
        let key = (place.type_.clone(), place.id.clone());
        let stored = self.by_id.get(&key);
        let version = stored.map_or(0, version_of);
        let unchanged = stored.filter(|s| !place.writes || same(s, &resource, &place.id));
        if let Some(stored) = unchanged {
            return Written {
                status: 200,
                resource: stored.clone(),
                type_: place.type_,
                id: place.id,
                version,
            };
        }
        let status = if stored.is_some() { 200 } else { 201 };
        let version = version + 1;
        resource["id"] = json!(place.id);
        resource["meta"]["versionId"] = json!(version.to_string());
        resource["meta"]["lastUpdated"] = json!(now);
        self.index(&key, false);
        self.by_id.insert(key.clone(), resource.clone());
        self.index(&key, true);
        Written {
            status,
            type_: place.type_,
            id: place.id,
            version,
            resource,
        }
    }

    /// Adds or removes the stored resource's identifiers.
    fn index(&mut self, key: &(String, String), add: bool) {
        let Some(resource) = self.by_id.get(key) else {
            return;
        };
        for (system, value) in identifiers(resource) {
            let ids = self
                .by_identifier
                .entry((key.0.clone(), system, value))
                .or_default();
            if add {
                ids.insert(key.1.clone());
            } else {
                ids.remove(&key.1);
            }
        }
    }
}

fn twice(place: &Resolved) -> Refused {
    let why = format!(
        "{}/{} is written twice in one transaction",
        place.type_, place.id
    );
    Refused::new(400, "invalid", why)
}

/// Two conditional creations by the same query would make two resources of one: refused.
fn created_twice(
    writes: &[Write],
    places: &[Resolved],
    stored: &BTreeMap<(String, String), Json>,
) -> Result<(), Refused> {
    let mut queries = BTreeSet::new();
    for (write, place) in writes.iter().zip(places) {
        let query = match &write.how {
            How::Create(_, query) => query.as_ref(),
            How::ConditionalUpdate(_, query) => Some(query),
            How::Update(..) => None,
        };
        let is_new = !stored.contains_key(&(place.type_.clone(), place.id.clone()));
        if let Some(query) = query.filter(|_| is_new)
            && !queries.insert((place.type_.clone(), query.clone()))
        {
            return Err(twice(place));
        }
    }
    Ok(())
}

/// The right type, and valid as far as the types that are published here go.
fn structure(type_: &str, resource: &Json) -> Result<(), Refused> {
    if resource["resourceType"] != type_ {
        let why = format!("the body is no {type_}");
        return Err(Refused::new(400, "invalid", why));
    }
    if ![
        "Patient",
        "ServiceRequest",
        "ImagingStudy",
        "DiagnosticReport",
    ]
    .contains(&type_)
    {
        return Ok(());
    }
    check::resource(resource).map_err(|held| Refused {
        expression: Some(held.target),
        ..Refused::new(422, "structure", held.why)
    })
}

fn version_of(resource: &Json) -> u64 {
    resource["meta"]["versionId"]
        .as_str()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

/// Equal but for what the server itself writes.
fn same(stored: &Json, new: &Json, id: &str) -> bool {
    let plain = |r: &Json| {
        let mut r = r.as_object().cloned().unwrap_or_default();
        r.insert("id".to_owned(), json!(id));
        let mut meta = r.remove("meta").and_then(|m| m.as_object().cloned());
        if let Some(meta) = meta.as_mut() {
            meta.retain(|k, _| k != "versionId" && k != "lastUpdated");
        }
        if let Some(meta) = meta.filter(|m: &Map<String, Json>| !m.is_empty()) {
            r.insert("meta".to_owned(), Json::Object(meta));
        }
        r
    };
    plain(stored) == plain(new)
}
