//! The mapping language: files that say which value of a message becomes which field of the record, and back.
//!
//! A file is read ([`load`]), merged with its base, checked whole, and kept compiled in a [`MappingSet`]; evaluation is pure, total and
//! bounded, and every value knows its place in the message and its rule. `mappings` (layer 7) finds the files.

pub mod ast;
pub mod check;
pub mod codes;
pub mod definitions;
pub mod functions;
pub mod lexer;
pub mod load;
pub mod model;
pub mod parser;
pub mod scope;
mod section;
pub mod table;
