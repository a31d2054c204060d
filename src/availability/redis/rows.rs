//! What the scripts take and answer, as text of fixed width: 64-bit numbers and ids in lower-case hexadecimal, since Lua's numbers are
//! doubles and the order of bytes is the order of such texts. The layouts are written down in the `.lua` files.

use std::fmt::Write;

use uuid::Uuid;

use super::super::{AgentView, Booking, Change, LegView, Place, Reservation, RowKey, Serves, Waiting};
use crate::domain::id::{AgentNo, ConnectorId, GroupNo, LaneNo, LegId, TicketId};
use crate::domain::record::{Trigger, Unfit};
use crate::domain::requirement::Channel;
use crate::domain::time::Time;
use crate::routing::lanes::Rank;
use crate::routing::order::OrderKey;

/// Times are shifted by this, so that the text of an earlier one is smaller.
const SHIFT: i64 = 1 << 62;
const NOBODY: &str = "--------";

/// What Redis holds or answered is not what these scripts write.
#[derive(Debug, thiserror::Error)]
#[error("not a row of this index: {0:?}")]
pub(super) struct Malformed(pub(super) String);

pub(super) fn leg_id(leg: LegId) -> String {
    format!("{}{:02x}", leg.ticket, leg.leg)
}

/// As `versions` and `rows` have it.
pub(super) fn key(key: RowKey) -> String {
    match key {
        RowKey::Leg(leg) => format!("l{}", leg_id(leg)),
        RowKey::Agent(agent) => format!("a{:08x}", agent.0),
    }
}

pub(super) fn time(time: Time) -> String {
    format!("{:016x}", time.0.saturating_add(SHIFT).max(0))
}

pub(super) fn channel_at(channel: Channel) -> u32 {
    channel.bit().trailing_zeros()
}

pub(super) fn waiting(ver: u32, waiting: &Waiting) -> String {
    let Waiting { lane, key, channel, want, excluded, prefer, connector } = waiting;
    let prefer = prefer.map_or(NOBODY.to_owned(), |agent| format!("{:08x}", agent.0));
    let mut row = format!("W{ver:08x}{:08x}{}{want:02x}{}{prefer}", lane.0, channel_at(*channel), key.to_hex());
    excluded.iter().for_each(|agent| push(&mut row, format_args!(" {:08x}", agent.0)));
    push(&mut row, format_args!("|{}", connector.as_ref().map_or("", ConnectorId::as_str)));
    row
}

fn leg(view: &LegView) -> String {
    let ver = view.ver;
    match &view.place {
        Place::Waiting(row) => waiting(ver, row),
        Place::Idle => format!("I{ver:08x}"),
        Place::Held { channel, by } => {
            let mut row = format!("H{ver:08x}{}", channel_at(*channel));
            by.iter().for_each(|Booking { agent, weight }| push(&mut row, format_args!("{:08x}{weight:04x}", agent.0)));
            row
        }
        Place::Closed => format!("C{ver:08x}"),
    }
}

fn agent(view: &AgentView) -> String {
    let AgentView { number, ver, group, session, on_duty, pools, weights, maxima, blocked, last_accept, deleted } =
        view;
    let (on_duty, deleted) = (u8::from(*on_duty), u8::from(*deleted));
    let mut row = format!("{:08x}{deleted}{ver:016x}{:08x}{session:016x}{on_duty}", number.0, group.0);
    let numbers = pools.iter().chain(weights).chain(maxima);
    numbers.for_each(|number| push(&mut row, format_args!("{number:04x}")));
    push(&mut row, format_args!("{blocked:02x}{}", time(*last_accept)));
    row
}

fn serves(serves: &Serves) -> String {
    let Serves { lane, group, rank: Rank { tier_surplus, authority_surplus, skill } } = serves;
    format!("{:08x}{:08x}{tier_surplus:02x}{authority_surplus:016x}{skill:08x}", lane.0, group.0)
}

fn push(row: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes everything that is written to it.
    let _written = row.write_fmt(text);
}

/// The arguments of `apply` in `view.lua`.
pub(super) fn change(change: &Change, to: &mut Vec<String>) {
    let Change { serves: served, retired_lanes, retired_groups, connectors, agents, legs } = change;
    let counts = [served.len(), retired_lanes.len(), retired_groups.len(), connectors.len(), agents.len(), legs.len()];
    to.extend(counts.map(|count| count.to_string()));
    to.extend(served.iter().map(serves));
    to.extend(retired_lanes.iter().map(|lane| format!("{:08x}", lane.0)));
    to.extend(retired_groups.iter().map(|group| format!("{:08x}", group.0)));
    to.extend(connectors.iter().map(|(connector, away)| format!("{}{connector}", u8::from(*away))));
    to.extend(agents.iter().map(agent));
    to.extend(legs.iter().flat_map(|view| [leg_id(view.id), leg(view)]));
}

/// Reads a text from its beginning.
pub(super) struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: &'a str) -> Reader<'a> {
        Reader { whole, rest: whole }
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed(self.whole.to_owned())
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn text(&mut self, width: usize) -> Result<&'a str, Malformed> {
        let (text, rest) = self.rest.split_at_checked(width).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(text)
    }

    /// Up to the mark, which is left out; all of it where there is none.
    pub(super) fn until(&mut self, mark: char) -> &'a str {
        let (text, rest) = self.rest.split_once(mark).unwrap_or((self.rest, ""));
        self.rest = rest;
        text
    }

    /// A hexadecimal number of so many digits.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, width: usize) -> Result<T, Malformed> {
        let number = u64::from_str_radix(self.text(width)?, 16).ok();
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| self.malformed())
    }

    pub(super) fn time(&mut self) -> Result<Time, Malformed> {
        Ok(Time(self.number::<i64>(16)? - SHIFT))
    }

    pub(super) fn agent(&mut self) -> Result<AgentNo, Malformed> {
        self.number(8).map(AgentNo)
    }

    pub(super) fn leg(&mut self) -> Result<LegId, Malformed> {
        let ticket = u128::from_str_radix(self.text(32)?, 16).map_err(|_| self.malformed())?;
        Ok(LegId { ticket: TicketId(Uuid::from_u128(ticket)), leg: self.number(2)? })
    }

    pub(super) fn channel(&mut self) -> Result<Channel, Malformed> {
        let at: usize = self.number(1)?;
        Channel::ALL.get(at).copied().ok_or_else(|| self.malformed())
    }

    pub(super) fn key(&mut self) -> Result<OrderKey, Malformed> {
        Ok(OrderKey { band: self.number(1)?, time: self.time()?, enqueue: self.time()?, leg: self.leg()? })
    }

    pub(super) fn row_key(&mut self) -> Result<RowKey, Malformed> {
        if self.text(1)? == "l" { self.leg().map(RowKey::Leg) } else { self.agent().map(RowKey::Agent) }
    }

    pub(super) fn serves(&mut self) -> Result<Serves, Malformed> {
        let (lane, group) = (LaneNo(self.number(8)?), GroupNo(self.number(8)?));
        let (tier_surplus, authority_surplus, skill) = (self.number(2)?, self.number(16)?, self.number(8)?);
        Ok(Serves { lane, group, rank: Rank { tier_surplus, authority_surplus, skill } })
    }

    /// A decimal number up to the next space, or to the end.
    fn decimal<T: std::str::FromStr>(&mut self) -> Result<T, Malformed> {
        self.until(' ').parse().map_err(|_| self.malformed())
    }
}

/// A reservation as `hold` in `matching.lua` writes it.
pub(super) fn reservation(text: &str) -> Result<Reservation, Malformed> {
    let mut parts = text.split('|');
    let mut part = || parts.next().map(Reader::new).ok_or_else(|| Malformed(text.to_owned()));
    let (mut head, mut chosen, mut back, mut busy) = (part()?, part()?, part()?, part()?);
    let (leg, leg_ver, _channel) = (head.leg()?, head.number(8)?, head.channel()?);
    let trigger = match head.until(' ') {
        "L" => Trigger::LegArrived,
        "F" => Trigger::AgentFreed,
        _ => return Err(head.malformed()),
    };
    let ahead = head.decimal()?;
    let cursor = Reader::new(head.until(' ')).number(16)?;
    let expire_time = Time(head.decimal()?);
    let (mut agents, mut held_back, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    while !chosen.is_done() {
        agents.push((chosen.agent()?, chosen.number(16)?));
    }
    while !back.is_done() {
        let agent = back.agent()?;
        let unfit = match back.text(1)? {
            "s" => Unfit::Suspect,
            "r" => Unfit::Reserved,
            _ => return Err(back.malformed()),
        };
        held_back.push((agent, unfit));
    }
    while !busy.is_done() {
        loads.push((busy.agent()?, busy.number(4)?));
    }
    Ok(Reservation { leg, leg_ver, agents, trigger, ahead, held_back, loads, cursor, expire_time })
}
