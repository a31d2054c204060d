//! The one source of randomness of the process: ticket ids and session secrets, and what is drawn from a seed.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::domain::id::TicketId;
use crate::domain::time::Time;

/// Seeded from the operating system, or from a number so that a run can be repeated.
#[derive(Debug)]
pub struct Entropy {
    /// Guards the generator alone; never held across anything that waits.
    generator: Mutex<StdRng>,
}

/// A generator of its own for every use of a seed, so that one more draw here changes nothing there.
pub fn stream(seed: u64, number: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Entropy {
    pub fn from_system() -> Entropy {
        Entropy { generator: Mutex::new(rand::make_rng()) }
    }

    pub fn seeded(seed: u64) -> Entropy {
        Entropy { generator: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    pub fn ticket_id(&self, now: Time) -> TicketId {
        TicketId(self.timed_uuid(now))
    }

    /// For one change, kept through its repetitions.
    pub fn request_id(&self, now: Time) -> String {
        self.timed_uuid(now).to_string()
    }

    /// A UUIDv7: sorts by the time it was minted, so that a store's index of them grows at its end. Random ones make it write
    /// a page for each.
    fn timed_uuid(&self, now: Time) -> Uuid {
        let millis = u64::try_from(now.0 / 1_000).unwrap_or(0);
        let random = self.bytes::<10>();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// 128 bits, hexadecimal: what a session's holder must show to take it up again.
    pub fn secret(&self) -> String {
        u128::from_be_bytes(self.bytes()).to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        let mut generator = self.generator.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        generator.fill_bytes(&mut bytes);
        bytes
    }
}
