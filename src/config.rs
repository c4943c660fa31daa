//! Typed settings; reports all problems of a configuration at once.
