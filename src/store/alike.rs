//! The methods of the port that both databases answer alike, given a pool that reads (`readers`), one that writes (`writer`), and
//! scopes read in one state (`scopes`). `look` begins a transaction that only reads, in one state, `begin` one that writes.

/// Written once, inside both implementations of [`Store`](super::Store).
macro_rules! alike {
    () => {
        async fn list_desks(&self, tenant: &TenantId, page: Page<DeskId>) -> Result<Vec<Scope>, Error> {
            let keys = reads::list_desks(&mut &self.readers, tenant, page).await?;
            self.scopes(keys).await
        }

        async fn all_desks(&self) -> Result<Vec<DeskKey>, Error> {
            reads::all_desks(&mut &self.readers).await
        }

        async fn head(&self, desk: &DeskKey) -> Result<Option<(u64, u64)>, Error> {
            reads::head(&mut &self.readers, desk).await
        }

        async fn heads(&self) -> Result<Vec<(DeskKey, u64, u64)>, Error> {
            reads::heads(&mut &self.readers).await
        }

        async fn next_epoch(&self, desk: &DeskKey, known: u64, now: Time, until: Time) -> Result<Option<u64>, Error> {
            upkeep::next_epoch(&mut &self.writer, desk, known, now, until).await
        }

        async fn hold_rebuild(&self, desk: &DeskKey, epoch: u64, until: Time) -> Result<(), Error> {
            upkeep::hold_rebuild(&mut &self.writer, desk, epoch, until).await
        }

        async fn agents(&self, desk: &DeskKey, agents: &BTreeSet<AgentId>) -> Result<Vec<Arc<Agent>>, Error> {
            let keys = agents.iter().map(|agent| (desk.clone(), agent.clone())).collect();
            let found = crate::store::load::agents(&mut &self.readers, &keys).await?;
            Ok(found.into_iter().map(|(_, row)| row).collect())
        }

        async fn tickets(&self, desk: &DeskKey, tickets: &BTreeSet<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
            let keys: Vec<_> = tickets.iter().map(|ticket| (desk.clone(), *ticket)).collect();
            let found = crate::store::load::tickets(&mut &self.readers, &keys).await?;
            Ok(found.into_iter().map(|(_, row)| row).collect())
        }

        async fn get_agent(&self, desk: &DeskKey, agent: &AgentId) -> Result<Option<Arc<Agent>>, Error> {
            reads::agent(&mut &self.readers, desk, agent).await
        }

        async fn list_agents(
            &self,
            desk: &DeskKey,
            deleted_too: bool,
            page: Page<AgentId>,
        ) -> Result<Vec<Arc<Agent>>, Error> {
            reads::agents(&mut &self.readers, desk, deleted_too, page).await
        }

        async fn list_connectors(&self, desk: &DeskKey, page: Page<ConnectorId>) -> Result<Vec<Arc<Connector>>, Error> {
            reads::connectors(&mut &self.readers, desk, page).await
        }

        async fn list_tickets(
            &self,
            desk: &DeskKey,
            filter: &TicketFilter,
            page: Page<(Time, TicketId)>,
        ) -> Result<Vec<Arc<Ticket>>, Error> {
            reads::tickets(&mut &self.readers, desk, filter, page).await
        }

        async fn open_tickets(&self, desk: &DeskKey, page: Page<TicketId>) -> Result<Vec<Arc<Ticket>>, Error> {
            reads::open_tickets(&mut &self.readers, desk, page).await
        }

        async fn work_of(&self, desk: &DeskKey, agent: &AgentId) -> Result<Vec<Arc<Ticket>>, Error> {
            reads::work_of(&mut &self.readers, desk, agent).await
        }

        async fn waiting_with_amounts(&self, desk: &DeskKey) -> Result<Vec<LegId>, Error> {
            reads::waiting_with_amounts(&mut &self.readers, desk).await
        }

        async fn log_after(
            &self,
            desk: &DeskKey,
            selection: &Selection,
            after: u64,
            limit: u32,
        ) -> Result<(Vec<LogRow>, u64), Error> {
            log::after(&mut &self.readers, desk, selection, after, limit).await
        }

        async fn pending(
            &self,
            desk: &DeskKey,
            selection: &Selection,
            after: u64,
            most: u32,
        ) -> Result<(u32, Option<Time>), Error> {
            log::pending(&mut &self.readers, desk, selection, after, most).await
        }

        async fn last_matching(&self, desk: &DeskKey, selection: &Selection, upto: u64) -> Result<u64, Error> {
            log::last_matching(&mut &self.readers, desk, selection, upto).await
        }

        async fn first_seq(&self, desk: &DeskKey, since: Time) -> Result<u64, Error> {
            log::first_seq(&mut &self.readers, desk, since).await
        }

        async fn ticket_events(
            &self,
            desk: &DeskKey,
            ticket: TicketId,
            after: u64,
            limit: u32,
        ) -> Result<Vec<Arc<Entry>>, Error> {
            log::of_ticket(&mut &self.readers, desk, ticket, after, limit).await
        }

        async fn events_after(&self, desk: &DeskKey, after: u64, limit: u32) -> Result<Vec<Arc<Entry>>, Error> {
            log::of_desk(&mut &self.readers, desk, after, limit).await
        }

        async fn due_before(&self, now: Time, limit: u32) -> Result<Vec<Due>, Error> {
            reads::due_before(&mut &self.readers, now, limit).await
        }

        async fn next_due(&self) -> Result<Option<Time>, Error> {
            reads::next_due(&mut &self.readers).await
        }

        fn incarnation(&self) -> u64 {
            self.incarnation
        }

        async fn readers(&self, desk: &DeskKey, connector: &ConnectorId) -> Result<Readers, Error> {
            let mut transaction = self.look().await?;
            let found = readers::load(&mut *transaction, desk, connector).await?;
            transaction.rollback().await?;
            Ok(found)
        }

        async fn change_readers(
            &self,
            desk: &DeskKey,
            connector: &ConnectorId,
            change: ReaderChange,
        ) -> Result<Readers, Error> {
            let mut transaction = self.begin().await?;
            let found = readers::change(&mut *transaction, desk, connector, &change).await?;
            transaction.commit().await?;
            Ok(found)
        }

        async fn save_acked(&self, acks: Vec<Acked>) -> Result<(), Error> {
            readers::save_acked(&mut &self.writer, &acks).await
        }

        async fn renew_leases(&self, leases: Vec<Lease>) -> Result<Leases, Error> {
            readers::renew(&mut &self.writer, &leases).await
        }

        async fn attended(&self, after: Time) -> Result<BTreeMap<(DeskKey, ConnectorId), Time>, Error> {
            readers::attended(&mut &self.readers, after).await
        }

        async fn lapsed(
            &self,
            among: &BTreeSet<(DeskKey, ConnectorId)>,
            before: Time,
        ) -> Result<Vec<(DeskKey, ConnectorId)>, Error> {
            readers::lapsed(&mut &self.readers, among, before).await
        }

        async fn policy(&self, desk: &DeskKey, revision: u32) -> Result<Option<PolicyRow>, Error> {
            reads::policy(&mut &self.readers, desk, revision).await
        }
    };
}

pub(super) use alike;
