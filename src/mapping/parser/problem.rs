//! A problem of one rule: what is wrong, where in its text, what to write instead.
//!
//! The lexer, the parser, the tables and the checks all report by it; [`Problem::in_file`] ties it to its file.

use crate::diagnostic::{Diagnostic, Severity};
use crate::mapping::ast::Span;
use std::sync::Arc;

/// A problem of one rule, before it is tied to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static str,
    pub severity: Severity,
    pub span: Span,
    pub message: String,
    pub label: String,
    pub hint: Option<String>,
}

impl Problem {
    /// An error.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            hint: None,
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(code, span, message)
        }
    }

    /// Says what the underlined text is.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do, if there is something to say.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// The problem as a diagnostic of a file.
    pub fn in_file(self, file: &Arc<str>) -> Diagnostic {
        Diagnostic {
            code: self.code,
            severity: self.severity,
            file: Arc::clone(file),
            span: self.span,
            message: self.message,
            label: self.label,
            hint: self.hint,
        }
    }
}
