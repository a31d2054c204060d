//! What happened, in order: hashed, and the end of it kept for the report of a failure. A run that nobody reads writes nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};

#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Mutex<Written>>>);

struct Written {
    hash: Sha256,
    kept: usize,
    tail: VecDeque<String>,
}

impl Trace {
    pub fn silent() -> Trace {
        Trace(None)
    }

    /// Keeps so many of the last lines.
    pub fn written(kept: usize) -> Trace {
        let written = Written { hash: Sha256::new(), kept, tail: VecDeque::new() };
        Trace(Some(Arc::new(Mutex::new(written))))
    }

    pub fn say(&self, line: impl FnOnce() -> String) {
        let Some(mut written) = self.lock() else { return };
        let line = line();
        written.hash.update(line.as_bytes());
        written.hash.update(b"\n");
        if written.tail.len() >= written.kept.max(1) {
            written.tail.pop_front();
        }
        written.tail.push_back(line);
    }

    /// SHA-256 over every line.
    pub fn hash(&self) -> String {
        let digest = self.lock().map(|written| written.hash.clone().finalize());
        digest.iter().flatten().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn tail(&self) -> String {
        self.lock().map(|written| written.tail.iter().cloned().collect::<Vec<_>>().join("\n")).unwrap_or_default()
    }

    fn lock(&self) -> Option<MutexGuard<'_, Written>> {
        self.0.as_ref().map(|written| written.lock().expect("nothing that panics runs under this lock"))
    }
}
