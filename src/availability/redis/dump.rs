//! A view written out whole and in one order, to be compared with another one; read at one moment, by one script.

use std::collections::BTreeMap;

use super::super::memory::{AgentDump, AgentKey, Dump, Lease, Line, Spot};
use super::super::{AgentView, Booking, Error, LegView, Place, Reservation, Serves, Waiting};
use super::RedisIndex;
use super::call::Call;
use super::keys;
use super::rows::{self, Malformed, Reader};
use crate::domain::id::{AgentNo, ConnectorId, DeskKey, GroupNo, LaneNo, LegId};
use crate::domain::requirement::Channel;
use crate::domain::time::Time;
use crate::routing::order::OrderKey;

/// What kept a view from being read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error(transparent)]
    Index(#[from] Error),
    /// A row that no script writes, or what is kept twice is not the same twice.
    #[error("{0}")]
    Row(String),
}

impl From<Malformed> for DumpError {
    fn from(error: Malformed) -> DumpError {
        DumpError::Row(error.to_string())
    }
}

type Work = Vec<(LegId, Channel, u16)>;
type Lines = Vec<(Line, OrderKey)>;

/// What each key holds, by the key's name.
struct Parts(BTreeMap<&'static str, Vec<String>>);

impl RedisIndex {
    /// Everything the desk's view holds, in one order; `None` while there is none.
    ///
    /// # Errors
    /// When Redis does not answer, or what is kept twice is not the same twice.
    pub async fn dump(&self, desk: &DeskKey) -> Result<Option<Dump>, DumpError> {
        let limit = self.options.response_timeout;
        let value = self.value(limit, desk, &self.scripts.dump, &Call::default()).await?;
        let read: Result<Vec<Vec<String>>, _> = redis::from_redis_value(value);
        let read = read.map_err(|error| DumpError::Row(error.to_string()))?;
        Parts(keys::NAMES.into_iter().zip(read).collect()).dump()
    }
}

impl Parts {
    fn texts(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn rows(&self, name: &str) -> BTreeMap<&str, &str> {
        let pairs = self.texts(name).chunks_exact(2);
        pairs.map(|pair| (pair[0].as_str(), pair[1].as_str())).collect()
    }

    fn members(&self, name: &str) -> Vec<String> {
        self.texts(name).chunks_exact(2).map(|pair| pair[0].clone()).collect()
    }

    fn dump(&self) -> Result<Option<Dump>, DumpError> {
        let meta = self.rows("meta");
        if meta.get("state") != Some(&"view") {
            return Ok(None);
        }
        let number = |name: &str| meta.get(name).map(|text| Reader::new(text).number::<u64>(16)).transpose();
        let (agents, free) = self.agents()?;
        same(rooms_of(&free), meta.get("rooms").map_or(vec![], |text| pieces(text, 10)), "how many have a room")?;
        let (legs, lines) = self.legs()?;
        let mut away = Vec::new();
        for name in self.texts("away") {
            away.push(ConnectorId::parse(name).map_err(|error| DumpError::Row(error.to_string()))?);
        }
        away.sort();
        let (cursor, unmatched) = (number("cursor")?.unwrap_or(0), number("unmatched")?);
        let (serves, reservations) = (self.fits()?, self.holds()?);
        Ok(Some(Dump { cursor, unmatched, serves, away, agents, legs, lines, free, reservations }))
    }

    fn agents(&self) -> Result<(Vec<AgentDump>, Vec<Spot>), DumpError> {
        let beats = self.rows("beats");
        let (mut agents, mut spots, mut members, mut backs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (name, row) in self.rows("agents") {
            let since = beats.get(name).and_then(|since| since.parse::<i64>().ok()).map(Time);
            let (agent, spot, back) = agent(name, row, since)?;
            if let Some(spot) = spot {
                members.extend(members_of(&spot));
                spots.push(spot);
            }
            backs.extend(back.map(|back| format!("{name}{back}")));
            agents.push(agent);
        }
        spots.sort();
        members.sort();
        same(members, self.members("free"), "the free agents")?;
        same(backs, self.members("backs"), "the agents held back")?;
        let leased = agents.iter().filter(|agent| agent.lease != Lease::None);
        same(vec![leased.count()], vec![beats.len()], "the leases")?;
        Ok((agents, spots))
    }

    fn legs(&self) -> Result<(Vec<LegView>, Lines), DumpError> {
        let (mut legs, mut lines, mut members, mut links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut heads: BTreeMap<LaneNo, String> = BTreeMap::new();
        for (name, row) in self.rows("legs") {
            let id = Reader::new(name).leg()?;
            let (line, row) = row.split_at_checked(9).ok_or_else(|| DumpError::Row(row.to_owned()))?;
            let view = leg(id, row)?;
            if let Place::Waiting(waiting) = &view.place {
                let (key, channel) = (waiting.key.to_hex(), rows::channel_at(waiting.channel));
                if let Some(kind) = line_of(line)? {
                    members.push(format!("{line}{key}{channel}"));
                    lines.push((kind, waiting.key));
                    if let Line::Lane(lane) = kind {
                        let head = format!("H{key}{:08x}{channel}", lane.0);
                        let first = heads.entry(lane).or_insert_with(|| head.clone());
                        *first = head.min(first.clone());
                    }
                }
                links.extend(waiting.connector.as_ref().map(|connector| format!("c{connector}/{name}")));
                links.extend(waiting.prefer.map(|agent| format!("p{:08x}{name}", agent.0)));
            }
            legs.push(view);
        }
        members.extend(heads.into_values());
        members.sort();
        links.sort();
        lines.sort();
        same(members, self.members("lines"), "the lines")?;
        same(links, self.members("links"), "the links")?;
        Ok((legs, lines))
    }

    fn fits(&self) -> Result<Vec<Serves>, DumpError> {
        let rows = self.rows("fits");
        let mut served = Vec::new();
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for (name, rank) in rows.iter().filter(|(name, _)| name.starts_with('p')) {
            let serves = Reader::new(&format!("{}{rank}", &name[1..])).serves()?;
            let (lane, group) = (format!("{:08x}", serves.lane.0), format!("{:08x}", serves.group.0));
            let names =
                |row: String, word: &str| rows.get(row.as_str()).is_some_and(|row| row.contains(&format!(" {word}")));
            let both = vec![names(format!("c{lane}{rank}"), &group), names(format!("g{group}"), &lane)];
            same(vec![true, true], both, "the two directions of who serves what")?;
            *expected.entry(format!("c{lane}{rank}")).or_default() += 1;
            served.push(serves);
        }
        let mut indexes: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for (class, count) in expected {
            same(vec![9 * count], vec![rows.get(class.as_str()).map_or(0, |row| row.len())], "a class of groups")?;
            let (lane, rank) = class[1..].split_at(8);
            let (all, ranks) = indexes.entry(format!("l{lane}")).or_default();
            *all += count;
            ranks.push_str(&format!("{rank}{count:08x}"));
        }
        let indexes = indexes.into_iter().map(|(name, (all, ranks))| (name, format!("{all:08x}{ranks}")));
        let known = rows.iter().filter(|(name, _)| name.starts_with('l'));
        let known = known.map(|(name, index)| ((*name).to_owned(), (*index).to_owned()));
        same(indexes.collect(), known.collect(), "the lanes' indexes")?;
        Ok(served)
    }

    fn holds(&self) -> Result<Vec<(Reservation, Option<u64>)>, DumpError> {
        let (mut holds, mut deadlines, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (name, row) in self.rows("holds") {
            let (head, answer) = row.split_at_checked(16).ok_or_else(|| DumpError::Row(row.to_owned()))?;
            let reservation = rows::reservation(answer)?;
            deadlines.push((reservation.expire_time.0, name.to_owned()));
            let head = if head.starts_with('-') { None } else { Some(head) };
            refused.extend(head.map(|head| format!("{head}{name}")));
            holds.push((reservation, head.map(|head| Reader::new(head).number(16)).transpose()?));
        }
        refused.sort();
        deadlines.sort();
        let deadlines = deadlines.into_iter().map(|(_, name)| name).collect();
        same(deadlines, self.members("deadlines"), "the deadlines")?;
        same(refused, self.members("refused"), "the refused")?;
        Ok(holds)
    }
}

/// What is kept twice must be the same twice.
fn same<T: PartialEq + std::fmt::Debug>(one: Vec<T>, other: Vec<T>, what: &str) -> Result<(), DumpError> {
    if one == other { Ok(()) } else { Err(DumpError::Row(format!("{what} differ: {one:?} and {other:?}"))) }
}

/// Each room that a free agent has, with how many have it.
fn rooms_of(free: &[Spot]) -> Vec<String> {
    let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
    free.iter().for_each(|spot| *counts.entry(spot.room).or_default() += 1);
    counts.into_iter().map(|(room, count)| format!("{room:02x}{count:08x}")).collect()
}

/// The pieces of a text, so many bytes each, sorted.
fn pieces(text: &str, width: usize) -> Vec<String> {
    let mut pieces: Vec<String> =
        text.as_bytes().chunks(width).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    pieces.sort();
    pieces
}

fn members_of(spot: &Spot) -> [String; 2] {
    let Spot { group, room, key: AgentKey { load, last_accept, number } } = *spot;
    let key = format!("{load:08x}{}{:08x}", rows::time(last_accept), number.0);
    [format!("g{:08x}{room:02x}{key}", group.0), format!("k{room:02x}{key}{:08x}", group.0)]
}

fn line_of(line: &str) -> Result<Option<Line>, Malformed> {
    let mut reader = Reader::new(line);
    match reader.text(1)? {
        "L" => Ok(Some(Line::Lane(LaneNo(reader.number(8)?)))),
        "A" => Ok(Some(Line::Agent(reader.agent()?))),
        "-" => Ok(None),
        _ => Err(reader.malformed()),
    }
}

/// With where the agent stands among the free, and the entry of what is held back.
fn agent(name: &str, row: &str, since: Option<Time>) -> Result<(AgentDump, Option<Spot>, Option<String>), Malformed> {
    let number = Reader::new(name).agent()?;
    let mut reader = Reader::new(row);
    let lease = match (reader.text(1)?, since) {
        ("-", None) => Lease::None,
        ("L", Some(since)) => Lease::Live { since },
        ("S", Some(since)) => Lease::Suspect { since },
        ("X", Some(Time(0))) => Lease::Lost,
        _ => return Err(reader.malformed()),
    };
    let (spot, back) = (reader.text(34)?, reader.text(16)?);
    let view = if reader.text(1)? == "V" { Some(agent_view(number, &mut reader)?) } else { None };
    let (mut held, mut reserved) = (Work::new(), Work::new());
    while !reader.is_done() {
        let work = if reader.text(1)? == "H" { &mut held } else { &mut reserved };
        work.push((reader.leg()?, reader.channel()?, reader.number(4)?));
    }
    held.sort();
    reserved.sort();
    let spot = if spot.starts_with('-') { None } else { Some(spot_of(number, &mut Reader::new(spot))?) };
    let back = (!back.starts_with('-')).then(|| back.to_owned());
    Ok((AgentDump { number, view, lease, held, reserved }, spot, back))
}

fn spot_of(number: AgentNo, reader: &mut Reader<'_>) -> Result<Spot, Malformed> {
    let (room, load, last_accept) = (reader.number(2)?, reader.number(8)?, reader.time()?);
    Ok(Spot { group: GroupNo(reader.number(8)?), room, key: AgentKey { load, last_accept, number } })
}

fn agent_view(number: AgentNo, reader: &mut Reader<'_>) -> Result<AgentView, Malformed> {
    let (ver, group, session) = (reader.number(16)?, GroupNo(reader.number(8)?), reader.number(16)?);
    let on_duty = reader.text(1)? == "1";
    let (mut pools, mut weights, mut maxima) = ([0; 2], [0; 5], [0; 5]);
    for points in pools.iter_mut().chain(&mut weights).chain(&mut maxima) {
        *points = reader.number(4)?;
    }
    let (blocked, last_accept) = (reader.number(2)?, reader.time()?);
    Ok(AgentView { number, ver, group, session, on_duty, pools, weights, maxima, blocked, last_accept, deleted: false })
}

fn leg(id: LegId, row: &str) -> Result<LegView, Malformed> {
    let mut reader = Reader::new(row);
    let kind = reader.text(1)?;
    let ver = reader.number(8)?;
    let place = match kind {
        "I" => Place::Idle,
        "H" => {
            let (channel, mut by) = (reader.channel()?, Vec::new());
            while !reader.is_done() {
                by.push(Booking { agent: reader.agent()?, weight: reader.number(4)? });
            }
            Place::Held { channel, by }
        }
        "W" => Place::Waiting(waiting(&mut reader)?),
        _ => return Err(reader.malformed()),
    };
    Ok(LegView { id, ver, place })
}

fn waiting(reader: &mut Reader<'_>) -> Result<Waiting, Malformed> {
    let (lane, channel, want, key) = (LaneNo(reader.number(8)?), reader.channel()?, reader.number(2)?, reader.key()?);
    let prefer = reader.text(8)?;
    let prefer = if prefer.starts_with('-') { None } else { Some(Reader::new(prefer).agent()?) };
    let mut names = Reader::new(reader.until('|'));
    let mut excluded = Vec::new();
    while !names.is_done() {
        names.text(1)?;
        excluded.push(names.agent()?);
    }
    let connector = reader.until('|');
    let connector = (!connector.is_empty()).then(|| ConnectorId::parse(connector)).transpose();
    Ok(Waiting { lane, key, channel, want, excluded, prefer, connector: connector.map_err(|_| reader.malformed())? })
}
