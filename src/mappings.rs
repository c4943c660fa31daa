//! The set of mapping files in force: embedded layer 0 and the site's directories.
