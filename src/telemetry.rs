//! Logs to stderr, so that stdout carries data only. Nothing that a customer wrote or is called belongs in them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Settings};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log = `{filter}` is no filter such as `info` or `info,handoff=debug`")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("logging was started before")]
    Started { source: Box<dyn std::error::Error + Send + Sync> },
}

/// Starts writing logs, for the whole process and once.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let filter = filter(&settings.log)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).try_init(),
    };
    started.map_err(|source| Error::Started { source })
}

fn filter(text: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder().parse(text).map_err(|source| Error::Filter { filter: text.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        assert!(filter("info,handoff=debug").is_ok());
        assert!(filter("info,handoff=loud").is_err());
    }
}
