//! What a form refuses, and under which field.
