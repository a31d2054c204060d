//! Errors as callers see them: one exhaustive match from what went wrong to a `google.rpc.Status`.
