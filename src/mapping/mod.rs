//! The mapping language: syntax, checks, evaluation with origins, tables, cases. Pure.
