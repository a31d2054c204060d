//! Connectors.

use super::{etag, number, timestamp};
use crate::domain::connector::Connector;
use crate::domain::id::DeskId;
use crate::grpc::decisions::settings::kind_number;
use crate::grpc::name;
use crate::grpc::words::Word;
use crate::proto::handoff::v1 as pb;

/// The row; lag and streams are known elsewhere.
pub fn connector(desk: &DeskId, row: &Connector) -> pb::Connector {
    let confirmation = |(channel, required): (&_, &bool)| pb::ChannelConfirmation {
        channel: Word::number(*channel),
        required: Some(*required),
    };
    pb::Connector {
        name: name::connector(desk, &row.id),
        display_name: row.display_name.to_string(),
        reach: row.reach.number(),
        channels: row.channels.iter().map(|channel| channel.number()).collect(),
        confirmations: row.confirmation.iter().map(confirmation).collect(),
        affinity: number(row.affinity),
        kinds: row.kinds.iter().map(|kind| kind_number(kind)).collect(),
        lag: None,
        instances: Vec::new(),
        away: row.away,
        create_time: Some(timestamp(row.create_time)),
        update_time: Some(timestamp(row.update_time)),
        etag: etag(row.ver),
        quarantined: Vec::new(),
        quarantined_count: None,
    }
}
