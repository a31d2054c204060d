//! Section `limits`: the settings of the whole desk.

use super::fields::span;
use crate::domain::time::Span;
use crate::policy::Limits;
use crate::yaml::reader::{At, Fields, Reader};

const KEYS: &[&str] = &[
    "accept_grace",
    "exclusion_after_decline",
    "exclusion_after_miss",
    "confirmation",
    "connector_away",
    "endpoint_lapse",
    "lost_grace",
    "lost_prefer",
    "resume_prefer",
    "requeue_prefer",
    "failure_pause",
    "hop_soft",
    "hop_hard",
    "ping_pong",
];

pub fn read(reader: &mut Reader, at: &At<'_>) -> Limits {
    let fields = reader.fields(at, KEYS);
    let preset = Limits::default();
    let mut secs = |key, from, to, preset| {
        let (from, to) = (Span::from_secs(from), Span::from_secs(to));
        fields.get(key).and_then(|at| span(reader, &at, from, to)).unwrap_or(preset)
    };
    let limits = Limits {
        accept_grace: secs("accept_grace", 0, 5, preset.accept_grace),
        exclusion_after_decline: secs("exclusion_after_decline", 0, 3_600, preset.exclusion_after_decline),
        exclusion_after_miss: secs("exclusion_after_miss", 0, 3_600, preset.exclusion_after_miss),
        confirmation: secs("confirmation", 1, 120, preset.confirmation),
        connector_away: secs("connector_away", 1, 60, preset.connector_away),
        endpoint_lapse: secs("endpoint_lapse", 1, 3_600, preset.endpoint_lapse),
        lost_grace: secs("lost_grace", 0, 3_600, preset.lost_grace),
        lost_prefer: secs("lost_prefer", 0, 3_600, preset.lost_prefer),
        resume_prefer: secs("resume_prefer", 0, 3_600, preset.resume_prefer),
        requeue_prefer: secs("requeue_prefer", 0, 3_600, preset.requeue_prefer),
        failure_pause: secs("failure_pause", 1, 3_600, preset.failure_pause),
        ping_pong: secs("ping_pong", 0, 86_400, preset.ping_pong),
        hop_soft: hops(reader, &fields, "hop_soft", preset.hop_soft),
        hop_hard: hops(reader, &fields, "hop_hard", preset.hop_hard),
    };
    if limits.hop_soft > limits.hop_hard {
        let (soft, hard) = (limits.hop_soft, limits.hop_hard);
        let at = fields.get("hop_soft").or(fields.get("hop_hard")).unwrap_or(at.clone());
        let message = format!("the warning at {soft} hops would come after the limit of {hard}");
        reader.report(&at, "out-of-bounds", message, "`hop_soft` up to `hop_hard`");
    }
    limits
}

fn hops(reader: &mut Reader, fields: &Fields<'_>, key: &str, preset: u8) -> u8 {
    let number = fields.get(key).and_then(|at| reader.whole(&at, 1, 20));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(preset)
}
