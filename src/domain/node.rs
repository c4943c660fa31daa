//! What expressions see of the record: a tree of borrowed fields, built per rendering by `worklist` and `publish`, read by `mapping`.

use super::fields::{Field, Fields};
use super::value::{Thing, Value};

/// A node of the tree that an expression walks by name.
#[derive(Debug, Clone)]
pub enum Node<'a> {
    /// One stored field: its values, with their origins.
    Field(&'a Field),
    /// Derived values (a status, a count), without origins.
    Values(Vec<Value>),
    /// A section: its fields by name.
    Fields(&'a Fields),
    /// Named children. With `thing`, the node itself is a value: the source of a reference.
    Object {
        thing: Option<Thing>,
        children: Vec<(&'static str, Node<'a>)>,
    },
    /// A list of nodes: `a.b` over it maps.
    List(Vec<Node<'a>>),
    /// One thing described in layers: a name is looked up in each, the first that holds it wins (a step's derived status and station
    /// before its stored fields).
    Layers(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// An object without identity.
    pub fn object(children: Vec<(&'static str, Node<'a>)>) -> Self {
        Self::Object {
            thing: None,
            children,
        }
    }

    /// A derived text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Values(vec![Value::Text(text.into())])
    }

    /// Nothing.
    pub fn absent() -> Self {
        Self::Values(vec![])
    }
}
