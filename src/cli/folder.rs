//! A temporary folder that goes with its owner.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::entropy::Entropy;

pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one with a name of its own within `parent`.
    pub fn make(parent: &Path, purpose: &str) -> anyhow::Result<Folder> {
        let path = parent.join(format!("handoff-{purpose}-{}", Entropy::from_system().uuid()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Folder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            super::complain(&format!("cannot remove the folder {}: {error}", self.0.display()));
        }
    }
}
