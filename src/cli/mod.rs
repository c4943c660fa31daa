//! The command line: arguments, one file per subcommand, documented exit codes.
