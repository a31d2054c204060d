//! Reading rejections: decisions that a connector cannot take on.

use std::collections::BTreeMap;

use tonic::Status;

use crate::domain::time::Span;
use crate::grpc::form::Form;
use crate::proto::handoff::v1 as pb;
use crate::stream::subscription::{MAX_WINDOW, Rejection};

const REASON_BYTES: usize = 256;
const MAX_DELAY: Span = Span::from_secs(60);
/// Without a pause a decision that cannot be taken would be tried five times in a blink.
const DELAY: Span = Span::from_secs(1);

/// By the decision's id. `prefix` is where they stand in the request.
pub(super) fn read(rejections: &[pb::Rejection], prefix: &str) -> Result<BTreeMap<String, Rejection>, Status> {
    let mut form = Form::new();
    let mut read = BTreeMap::new();
    form.at_most(&format!("{prefix}rejections"), rejections.len(), MAX_WINDOW as usize);
    for (at, asked) in rejections.iter().take(MAX_WINDOW as usize).enumerate() {
        let field = |name: &str| format!("{prefix}rejections[{at}].{name}");
        if asked.decision_id.is_empty() {
            form.refuse(field("decision_id"), "is required");
        }
        if asked.reason.is_empty() {
            form.refuse(field("reason"), "is required");
        }
        let reason = form.line(&field("reason"), &asked.reason, REASON_BYTES);
        let delay = form.span(&field("retry_delay"), asked.retry_delay.as_ref()).unwrap_or(DELAY);
        if delay > MAX_DELAY {
            form.refuse(field("retry_delay"), format!("must be at most {MAX_DELAY}"));
        }
        read.insert(asked.decision_id.clone(), Rejection { reason, delay });
    }
    form.check()?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_without_a_reason_or_with_too_long_a_delay_is_refused_by_field() {
        let good = pb::Rejection { decision_id: "d".into(), reason: "NO_LINE".into(), retry_delay: None };
        let read_one = read(std::slice::from_ref(&good), "ack.").expect("valid");
        assert_eq!(read_one["d"], Rejection { reason: "NO_LINE".into(), delay: DELAY });
        let late = prost_types::Duration { seconds: 61, nanos: 0 };
        let bad = pb::Rejection { retry_delay: Some(late), ..pb::Rejection::default() };
        let message = read(&[good, bad], "ack.").expect_err("bad").message().to_owned();
        for field in ["ack.rejections[1].decision_id", "ack.rejections[1].reason", "ack.rejections[1].retry_delay"] {
            assert!(message.contains(field), "{field} in {message}");
        }
        let many = vec![pb::Rejection { decision_id: "d".into(), reason: "r".into(), retry_delay: None }; 257];
        assert!(read(&many, "").expect_err("too many").message().contains("rejections"));
    }
}
