//! From frame to acknowledgement: the file to read first.
