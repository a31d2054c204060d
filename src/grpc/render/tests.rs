//! What is drawn of rows.
