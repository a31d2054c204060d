//! A server in a process of its own, so that what it uses of the machine can be told from what its callers use.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::cli::folder::Folder;

/// The kernel counts processor time in hundredths of a second, whatever the machine.
const TICK: Duration = Duration::from_millis(10);

pub(super) struct Child {
    process: std::process::Child,
    address: String,
    /// Removed after the process has gone.
    _folder: Folder,
}

impl Child {
    /// Starts `handoff serve` with an empty data directory within `parent` and waits until it is ready.
    pub fn start(parent: &Path, flags: &[&str]) -> anyhow::Result<Child> {
        let folder = Folder::make(parent, "bench")?;
        let program = std::env::current_exe().context("this program's own file is not known")?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--grpc-addr", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(folder.path())
            .args(flags);
        // Somebody's settings are for their service, not for this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HANDOFF_")) {
            command.env_remove(name);
        }
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("the server did not start")?;
        let mut child = Child { process, address: String::new(), _folder: folder };
        let output = child.process.stdout.take().context("the server's output cannot be read")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("the server's output cannot be read")?;
        let bound = line.trim().strip_prefix("grpc ").context("the server did not say where it listens")?;
        child.address = format!("http://{bound}");
        Ok(child)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has used of the processors; `None` where the system does not tell.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // After the program's name, which may hold anything: state, ..., utime and stime as the 12th and 13th.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut ticks = || fields.next()?.parse::<u32>().ok();
        Some(TICK * (ticks()? + ticks()?))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its data goes with it: there is nothing to drain.
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            crate::cli::complain(&format!("cannot stop the server (process {}): {error}", self.process.id()));
        }
    }
}
