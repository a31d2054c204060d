//! Stopping: one switch, thrown once, that every stream and task can wait for.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Throws the switch. Dropping it throws it as well: nobody could any more.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// The switch, for whoever has to stop in time.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

pub fn switch() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the process is to stop. May be cancelled and called again.
    pub async fn wait(&mut self) {
        // An error says that the trigger is gone, which means the same.
        let _gone = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// SIGTERM and SIGINT, from [`Signals::listen`] on: one that comes while nobody waits is told to the next who does.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// # Errors
    /// When the process cannot be told of signals.
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when the process is asked to stop, once for each time.
    pub async fn asked_to_stop(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
