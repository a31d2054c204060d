//! DeskService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::call::{call, submit};
use super::form::{Form, Mask};
use super::page::Listing;
use super::render;
use super::status::{self, About};
use crate::availability::Availability;
use crate::domain::id::{DeskId, DeskKey, TenantId};
use crate::engine::{Call, Engine, Reply};
use crate::proto::handoff::v1 as pb;
use crate::proto::handoff::v1::desk_service_server::DeskService;
use crate::routing::command::Command;
use crate::store::{Page, Store};

const NAME_BYTES: usize = 256;
const DEFAULT_ZONE: &str = "UTC";

pub struct Desks<S, A> {
    engine: Engine<S, A>,
}

impl<S, A> Desks<S, A> {
    pub fn new(engine: Engine<S, A>) -> Desks<S, A> {
        Desks { engine }
    }
}

#[tonic::async_trait]
impl<S: Store, A: Availability> DeskService for Desks<S, A> {
    async fn create_desk(&self, request: Request<pb::CreateDeskRequest>) -> Result<Response<pb::Desk>, Status> {
        let call = create(request.get_ref())?;
        let about = About::desk(&call.desk);
        drawn(submit(&self.engine, call, &about).await?)
    }

    async fn get_desk(&self, request: Request<pb::GetDeskRequest>) -> Result<Response<pb::Desk>, Status> {
        let mut form = Form::new();
        let desk = form.desk("name", &request.get_ref().name);
        let desk = form.finish(desk)?;
        let scope = self.engine.store().scope(&desk).await.map_err(|error| status::of_store(&error))?;
        let scope = scope.ok_or_else(|| About::desk(&desk).not_found())?;
        Ok(Response::new(render::desk(&scope.desk)))
    }

    async fn list_desks(
        &self,
        request: Request<pb::ListDesksRequest>,
    ) -> Result<Response<pb::ListDesksResponse>, Status> {
        let request = request.get_ref();
        let mut form = Form::new();
        let size = form.page_size(request.page_size);
        form.check()?;
        let (listing, after) = Listing::open::<_, DeskId>(request, size)?;
        let page = Page { after, limit: listing.limit() };
        let rows = self.engine.store().list_desks(&TenantId::embedded(), page).await;
        let mut rows = rows.map_err(|error| status::of_store(&error))?;
        let next_page_token = listing.cut(&mut rows, |scope| scope.desk.id.clone());
        let desks = rows.iter().map(|scope| render::desk(&scope.desk)).collect();
        Ok(Response::new(pb::ListDesksResponse { desks, next_page_token }))
    }

    async fn update_desk(&self, request: Request<pb::UpdateDeskRequest>) -> Result<Response<pb::Desk>, Status> {
        let call = update(request.get_ref())?;
        let about = About::desk(&call.desk);
        drawn(submit(&self.engine, call, &about).await?)
    }
}

fn drawn(reply: Reply) -> Result<Response<pb::Desk>, Status> {
    let scope = reply.scope.ok_or_else(|| {
        tracing::error!("a desk was changed and came back without its row");
        status::internal()
    })?;
    Ok(Response::new(render::desk(&scope.desk)))
}

fn create(request: &pb::CreateDeskRequest) -> Result<Call, Status> {
    let mut form = Form::new();
    let id = form.id("desk_id", &request.desk_id, DeskId::parse);
    let request_id = form.request_id(&request.request_id);
    let asked = form.present("desk", &request.desk);
    let display_name = form.line("desk.display_name", asked.map_or("", |desk| &desk.display_name), NAME_BYTES);
    let time_zone = zone(&mut form, asked.map_or("", |desk| &desk.time_zone));
    let desk = form.finish(id.map(|desk| DeskKey { tenant: TenantId::embedded(), desk }))?;
    Ok(call(desk, Command::CreateDesk { display_name, time_zone }, request, request_id))
}

fn update(request: &pb::UpdateDeskRequest) -> Result<Call, Status> {
    let mut form = Form::new();
    let request_id = form.request_id(&request.request_id);
    let empty = pb::Desk::default();
    let asked = form.present("desk", &request.desk);
    let desk = asked.and_then(|asked| form.desk("desk.name", &asked.name));
    let asked = asked.unwrap_or(&empty);
    let known = [("display_name", !asked.display_name.is_empty()), ("time_zone", !asked.time_zone.is_empty())];
    let mask: Mask = form.mask(request.update_mask.as_ref(), &known);
    let etag = form.etag("desk.etag", &asked.etag);
    let display_name = form.line("desk.display_name", &asked.display_name, NAME_BYTES);
    let time_zone = zone(&mut form, &asked.time_zone);
    let desk = form.finish(desk)?;
    let command = Command::UpdateDesk {
        display_name: mask.of("display_name", || display_name),
        time_zone: mask.of("time_zone", || time_zone),
        etag,
    };
    Ok(call(desk, command, request, request_id))
}

/// A zone's name by its form; whether there is such a zone depends on a database that a process may lack.
fn zone(form: &mut Form, text: &str) -> Arc<str> {
    if text.is_empty() {
        return Arc::from(DEFAULT_ZONE);
    }
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    if text.len() > super::form::SHORT || !text.split('/').all(part) {
        form.refuse("desk.time_zone", "must be the name of an IANA time zone, e.g. `Europe/Tallinn`");
    }
    Arc::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_is_in_utc_unless_said_otherwise() {
        let request = pb::CreateDeskRequest {
            desk_id: "north".into(),
            desk: Some(pb::Desk::default()),
            ..pb::CreateDeskRequest::default()
        };
        let call = create(&request).expect("valid");
        assert!(matches!(call.command, Command::CreateDesk { time_zone, .. } if &*time_zone == "UTC"));
    }

    #[test]
    fn an_update_changes_what_the_mask_names_and_without_one_what_is_set() {
        let desk = pb::Desk { name: "desks/north".into(), time_zone: "Europe/Tallinn".into(), ..pb::Desk::default() };
        let request = pb::UpdateDeskRequest { desk: Some(desk), ..pb::UpdateDeskRequest::default() };
        let named = |paths: &[&str]| {
            let paths = paths.iter().map(ToString::to_string).collect();
            let update_mask = Some(prost_types::FieldMask { paths });
            match update(&pb::UpdateDeskRequest { update_mask, ..request.clone() }).expect("valid").command {
                Command::UpdateDesk { display_name, time_zone, .. } => (display_name.is_some(), time_zone.is_some()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(named(&[]), (false, true));
        assert_eq!(named(&["display_name"]), (true, false));
        assert_eq!(named(&["*"]), (true, true));
    }

    #[test]
    fn a_zone_that_is_none_is_refused() {
        for bad in ["Europe/", "/UTC", "12", "Europe Tallinn", "UTC\0", &"A".repeat(64)] {
            let mut form = Form::new();
            zone(&mut form, bad);
            assert!(form.check().is_err(), "{bad:?}");
        }
    }
}
