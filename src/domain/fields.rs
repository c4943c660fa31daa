//! Fields of a document, merged one by one: each value knows how old its statement is and where it came from.

use super::ids::JournalId;
use super::time::AsOf;
use super::value::Value;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a value came from. The rule's text is found through the mapping revision that the journal row names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The message.
    #[serde(rename = "j")]
    pub journal: JournalId,
    /// Path in it: `PID-3[2].1`, `PatientID`; empty for a constant or a generated value.
    #[serde(rename = "p")]
    pub path: String,
    /// First byte and length in the message as received; (0, 0) when the value has no bytes of its own.
    #[serde(rename = "s")]
    pub span: (u32, u32),
    /// The rule: `ihe_order.toml:27`.
    #[serde(rename = "r")]
    pub rule: String,
    /// What else decided: `table sex.csv:4`, `link.default_issuer`, `link.timezone`.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// What a message says about one field: nothing said is absence from the [`Patch`].
///
/// What was said never changes, and is handed on from the message to event, document and publication: so it is shared, not copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The values; empty = cleared on purpose (HL7 `""`).
    pub values: Arc<[Value]>,
    pub origins: Arc<[Origin]>,
}

/// Name of a field in its section: a name of the catalogue, or one that a mapping file declared under `extra`.
pub type FieldName = Cow<'static, str>;

/// What a message says about the fields of one section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch(pub BTreeMap<FieldName, Said>);

impl Patch {
    /// What is said about a field.
    pub fn get(&self, name: &str) -> Option<&Said> {
        self.0.get(name)
    }

    /// The first value said about a field.
    pub fn first(&self, name: &str) -> Option<&Value> {
        self.get(name).and_then(|said| said.values.first())
    }

    /// The first value as text, see [`Value::comparable`].
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(Value::comparable)
    }

    /// All values said about a field.
    pub fn values(&self, name: &str) -> &[Value] {
        self.get(name).map_or(&[], |said| &said.values)
    }

    /// Says one value without origin (tests, generated values).
    pub fn say(&mut self, name: impl Into<FieldName>, value: Value) {
        self.0.insert(
            name.into(),
            Said {
                values: [value].into(),
                origins: Arc::default(),
            },
        );
    }
}

/// A stored field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The values; empty = cleared, which an older message must not fill again.
    #[serde(rename = "v")]
    pub values: Arc<[Value]>,
    /// Age of the statement.
    #[serde(rename = "t")]
    pub as_of: AsOf,
    #[serde(rename = "o", default, skip_serializing_if = "no_origins")]
    pub origins: Arc<[Origin]>,
}

fn no_origins(origins: &Arc<[Origin]>) -> bool {
    origins.is_empty()
}

/// One field that changes: the payload of events and the only way a document changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    pub name: FieldName,
    pub field: Field,
}

impl FieldChange {
    /// A value that Relais itself generates, under the name of the rule that did; any statement overrides it.
    pub fn generated(name: &'static str, value: Value, as_of: AsOf, rule: &str) -> Self {
        let origin = Origin {
            journal: as_of.journal,
            path: String::new(),
            span: (0, 0),
            rule: rule.to_owned(),
            via: vec![],
        };
        Self {
            name: Cow::Borrowed(name),
            field: Field {
                values: [value].into(),
                as_of: as_of.weakest(),
                origins: [origin].into(),
            },
        }
    }
}

/// The fields of one section of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(pub BTreeMap<FieldName, Field>);

impl Fields {
    /// True if nothing was ever said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stored field, cleared ones included.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name)
    }

    /// The first value of a field.
    pub fn first(&self, name: &str) -> Option<&Value> {
        self.get(name).and_then(|f| f.values.first())
    }

    /// The first value as text, see [`Value::comparable`].
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(Value::comparable)
    }

    /// All values of a field.
    pub fn values(&self, name: &str) -> &[Value] {
        self.get(name).map_or(&[], |f| &f.values)
    }

    /// The fields that a patch says, as one statement.
    pub fn of_patch(patch: &Patch, as_of: AsOf) -> Self {
        let mut fields = Self::default();
        fields.apply(&fields.changes(patch, as_of));
        fields
    }

    /// What a patch changes here: every field whose statement is newer than the stored one. The age of a statement advances even if
    /// its values are the same, so that a message dated in between and arriving later cannot win.
    pub fn changes(&self, patch: &Patch, as_of: AsOf) -> Vec<FieldChange> {
        patch
            .0
            .iter()
            .filter(|(name, _)| self.get(name).is_none_or(|stored| as_of > stored.as_of))
            .map(|(name, said)| FieldChange {
                name: name.clone(),
                field: Field {
                    values: said.values.clone(),
                    as_of,
                    origins: said.origins.clone(),
                },
            })
            .collect()
    }

    /// What a patch adds where nobody who is entitled to speak ever spoke (a cleared field was spoken of): the way of a message that
    /// may create but never overwrite. What it adds is weaker than every statement; of two such messages the one said first stands.
    pub fn additions(&self, patch: &Patch, as_of: AsOf) -> Vec<FieldChange> {
        let mut added = self.changes(patch, as_of.weakest());
        added.retain(|change| !change.field.values.is_empty());
        added
    }

    /// True if a change alters values, not only their age.
    pub fn differs(&self, change: &FieldChange) -> bool {
        self.values(&change.name) != &*change.field.values
    }

    /// Applies changes that [`Fields::changes`] found. Total.
    pub fn apply(&mut self, changes: &[FieldChange]) {
        for change in changes {
            self.0.insert(change.name.clone(), change.field.clone());
        }
    }
}
