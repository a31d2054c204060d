//! The demonstration: a morning of a service desk, played over gRPC and judged by what its connectors wrote down.
//!
//! Fifty minutes with five connectors and twenty agents. Traffic follows the model stated in `traffic`, drawn from a seed;
//! what happens to it is the service's doing, and the machine's: two runs of one seed have the same customers, not the
//! same winners of every race.
//!
//! The verdict at the end counts two things that must be nothing, both found by comparing the connectors' own records with
//! ListTicketEvents and GetTicket: decisions that a connector should have got and did not, and open tickets that nothing
//! will ever move.

mod act;
mod agenda;
mod agent;
mod calls;
mod cast;
mod check;
mod connector;
mod customer;
mod exchange;
mod ledger;
mod morning;
mod plot;
mod print;
mod setup;
mod stage;
mod table;
mod traffic;
mod verdict;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;
use tonic::transport::Endpoint;

pub use print::{Format, Output};

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::shutdown::{Shutdown, switch};
use calls::Calls;
use morning::Played;
use print::Printer;
use stage::{Board, Cases, Pulse, Stage};
use table::Tally;
use traffic::Scale;

/// What is played.
#[derive(Clone, Debug)]
pub struct Play {
    /// `http://HOST:PORT` of the service.
    pub server: String,
    /// Of the traffic and of what people do.
    pub seed: u64,
    /// The desk's id; it must be free.
    pub desk: String,
    pub length: Length,
}

/// How much of the morning is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Fifty minutes.
    Morning,
    /// Two minutes, denser, with everybody quicker.
    Excerpt,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// No decision is missing, none out of order, no ticket in limbo.
    Good,
    /// At least one is.
    Bad,
    /// Broken off before it could be judged.
    Interrupted,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` is not the address of a service")]
    Address(String, #[source] tonic::transport::Error),
    #[error("there is no service at {0}")]
    Unreachable(String, #[source] tonic::transport::Error),
    #[error("the desk could not be set up: {}", .0.message())]
    Setup(Box<Status>),
    #[error("the morning could not be played to its end: {}", .0.message())]
    Broken(Box<Status>),
}

/// Late heartbeats of a hundred from which on the reader is told.
const TOO_LATE: u32 = 5;
const CONNECT: Duration = Duration::from_secs(10);

/// Plays it on the service at `play.server`. The service's clock must run at the rate of `clock`. Ends early when
/// `interrupted`, or when nobody reads the output any more.
///
/// # Errors
/// When the service cannot be reached, or a call fails without which nothing can go on.
pub async fn run(
    play: &Play,
    clock: Clock,
    entropy: Entropy,
    output: Output,
    mut interrupted: Shutdown,
) -> Result<Ending, Error> {
    let calls = connect(&play.server, &clock, entropy).await?;
    let scale = match play.length {
        Length::Morning => Scale::MORNING,
        Length::Excerpt => Scale::EXCERPT,
    };
    let arrivals = traffic::morning(play.seed, scale);
    let mut printer = Printer::new(output, clock.now(), clock.uptime());
    // What is not written here will fail at the board's first line, which ends the run.
    let beginning = printer.note(&opening(play, scale, &clock, arrivals.len()));
    let desk = setup::desk(&calls, &play.desk).await.map_err(|status| Error::Setup(Box::new(status)))?;

    let start = clock.now();
    printer.start_at(start);
    let (stop, stopping) = switch();
    let stage = Arc::new(Stage {
        desk,
        clock,
        start,
        seed: play.seed,
        pace: scale.pace,
        calls,
        cases: Cases::default(),
        pulse: Pulse::default(),
        board: Board::new(printer),
        stopping,
    });
    stage.board.show(|_| beginning);
    let played = morning::play(&stage, arrivals, scale, &mut interrupted, stop).await;
    let played = played.map_err(|status| Error::Broken(Box::new(status)))?;
    conclude(&stage, &played);
    Ok(match &played.verdict {
        None => Ending::Interrupted,
        Some(verdict) if verdict.is_good() => Ending::Good,
        Some(_) => Ending::Bad,
    })
}

async fn connect(server: &str, clock: &Clock, entropy: Entropy) -> Result<Calls, Error> {
    let endpoint =
        Endpoint::from_shared(server.to_owned()).map_err(|error| Error::Address(server.to_owned(), error))?;
    let channel = endpoint.connect_timeout(CONNECT).connect().await;
    let channel = channel.map_err(|error| Error::Unreachable(server.to_owned(), error))?;
    Ok(Calls::new(channel, clock.clone(), Arc::new(entropy)))
}

fn opening(play: &Play, scale: Scale, clock: &Clock, customers: usize) -> String {
    let minutes = scale.length.micros() / 60_000_000;
    let seconds = scale.length.micros() / 1_000_000 / i64::from(clock.rate());
    format!(
        "Handoff at {}: {minutes} minutes of a morning at rate {}, about {seconds} s.\n\
         Desk \"{}\": 5 connectors (phone, chat, social, mailbox, portal), 20 agents, {customers} customers to come (seed {}).",
        play.server,
        clock.rate(),
        play.desk,
        play.seed,
    )
}

/// The table, and what was not expected.
fn conclude(stage: &Stage, played: &Played) {
    let ledgers: Vec<_> = played.ledgers.values().map(connector::SharedLedger::copy).collect();
    let tally = Tally::of(ledgers.iter());
    let (overtaken, unexpected) = (stage.calls.overtaken(), stage.calls.unexpected());
    stage.board.show(|printer| {
        let verdict = played.verdict.as_ref();
        if printer.is_json() {
            return printer.block(&format!("{}\n", tally.as_json(verdict, overtaken, &unexpected)));
        }
        printer.block(&tally.render(verdict, overtaken, &unexpected, printer))?;
        let late = stage.pulse.late_percent();
        if late < TOO_LATE {
            return Ok(());
        }
        printer.block(&format!(
            "\nThis machine could not keep up with rate {}: {late} of 100 heartbeats were late. Offers were missed for that;\n\
             the verdict is not touched. A lower --rate gives people time.\n",
            stage.clock.rate(),
        ))
    });
}
