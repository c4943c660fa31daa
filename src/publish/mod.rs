//! Publication: what is to be sent ([`plan`]), when again ([`retry`]), how it reads, and the workers that deliver it.

pub mod plan;
pub mod retry;
