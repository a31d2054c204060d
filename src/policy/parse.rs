//! Reading a policy from YAML, with errors that name line, column and what was expected.
