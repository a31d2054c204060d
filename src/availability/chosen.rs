//! The index that the settings ask for: one of the two, behind the port, so that all above it is compiled once.

use super::memory::MemoryIndex;
use super::redis::RedisIndex;
use super::{Advanced, Ask, Availability, Beat, Change, Error, Lapsed, Reservation, RowKey};
use crate::domain::id::{DeskKey, LegId};
use crate::domain::time::{Span, Time};

pub enum ChosenIndex {
    Memory(MemoryIndex),
    Redis(Box<RedisIndex>),
}

/// Methods that the chosen one answers.
macro_rules! chosen {
    ($($name:ident($($given:ident: $type:ty),*) -> $found:ty;)*) => {
        $(async fn $name(&self, $($given: $type),*) -> Result<$found, Error> {
            match self {
                ChosenIndex::Memory(index) => index.$name($($given),*).await,
                ChosenIndex::Redis(index) => index.$name($($given),*).await,
            }
        })*
    };
}

impl Availability for ChosenIndex {
    chosen! {
        reserve(desk: &DeskKey, epoch: u64, seen: u64, asks: Vec<Ask>, now: Time) -> Vec<Option<Reservation>>;
        advance(desk: &DeskKey, epoch: u64, from: u64, to: u64, change: Change, now: Time) -> Advanced;
        refuse(desk: &DeskKey, epoch: u64, leg: LegId, leg_ver: u32, head: u64, now: Time) -> Vec<Reservation>;
        expire(limit: usize, now: Time) -> Vec<(DeskKey, Reservation)>;
        beat(desk: &DeskKey, epoch: u64, beats: &[Beat], now: Time) -> (Vec<bool>, Vec<Reservation>);
        lost(now: Time) -> Vec<(DeskKey, Lapsed)>;
        begin(desk: &DeskKey, epoch: u64, token: u128, now: Time) -> ();
        load(desk: &DeskKey, token: u128, page: u32, change: Change, now: Time) -> ();
        flip(desk: &DeskKey, token: u128, pages: u32, cursor: u64, head: u64) -> ();
        rematch(desk: &DeskKey, epoch: u64, now: Time) -> (Vec<Reservation>, bool);
        claim(desk: &DeskKey, epoch: u64, every: Span, now: Time) -> bool;
        versions(desk: &DeskKey, epoch: u64, seen: u64, keys: &[RowKey]) -> Option<Vec<Option<u64>>>;
        rows(desk: &DeskKey, epoch: u64, from: &str) -> (Vec<RowKey>, Option<String>);
    }

    async fn heard(&self) -> (DeskKey, u64) {
        match self {
            ChosenIndex::Memory(index) => index.heard().await,
            ChosenIndex::Redis(index) => index.heard().await,
        }
    }
}
