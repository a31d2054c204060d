//! Writing what a batch came to: rows, then conversations, then the log, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::domain::event::{Body, Entry, Event};
use handoff::domain::id::DeskKey;
use handoff::domain::ticket::Ticket;
use handoff::domain::time::Time;
use handoff::routing::workset::WorkingSet;
use handoff::store::{Committed, Error, Loaded, PolicyRow, Work, route};

use super::{Commit, Kept, Slip, Subject, Tables, log, missing, rows};

impl Tables {
    pub fn write<T>(&mut self, loaded: &Loaded, work: Work<'_, T>, slip: Slip) -> Result<Committed<T>, Error> {
        let Work { changed, events, answers, value } = work;
        let mut by_desk: BTreeMap<DeskKey, Vec<Event>> = BTreeMap::new();
        for (desk, event) in events {
            by_desk.entry(desk).or_default().push(event);
        }
        let mut commits: BTreeMap<DeskKey, Commit> = BTreeMap::new();
        for set in changed {
            let commit = self.rows(set, slip);
            commits.insert(commit.desk.clone(), commit);
        }
        let mut entries = Vec::new();
        for (desk, events) in by_desk {
            let appended = self.append(&desk, events)?;
            if let Some(commit) = commits.get_mut(&desk) {
                commit.entries.clone_from(&appended);
            }
            entries.push((desk, appended));
        }
        if let Some(commit) = commits.values_mut().next() {
            commit.answers.clone_from(&answers);
        }
        self.answers.extend(answers.into_iter().map(|(key, answer)| (key, (answer, loaded.now))));
        if let Some(journal) = &mut self.journal {
            journal.extend(commits.into_values());
        }
        let after = |key: &DeskKey| {
            let kept = self.desks.get(key);
            (key.clone(), kept.and_then(|kept| kept.rows.scope.clone()), kept.map_or(0, |kept| kept.head))
        };
        let desks = loaded.desks.keys().map(after).collect();
        Ok(Committed { value, entries, desks, now: loaded.now })
    }

    /// The rows of a layer are exactly those that changed.
    fn rows(&mut self, set: WorkingSet<'_>, slip: Slip) -> Commit {
        let WorkingSet { key, scope, agents, tickets, conversations, .. } = set;
        let mut commit = Commit {
            desk: key.clone(),
            tickets: Vec::new(),
            agents: Vec::new(),
            entries: Vec::new(),
            answers: Vec::new(),
        };
        if scope.is_none() {
            return commit;
        }
        let kept = self.desks.entry(key.clone()).or_insert_with(|| Kept::empty(&key));
        kept.rows.scope = scope;
        let mut due: Vec<(Subject, Option<Time>)> = Vec::new();
        for (id, row) in agents.into_own() {
            due.push((Subject::Agent(id.clone()), row.next_due_at));
            commit.agents.push((kept.rows.agents.get(&id).cloned(), row.clone()));
            kept.rows.agents.insert(id, row);
        }
        for (id, row) in tickets.into_own() {
            due.push((Subject::Ticket(id), row.next_due_at));
            commit.tickets.push((kept.rows.tickets.get(&id).cloned(), row.clone()));
            if rows::has_work(&row) {
                kept.open.insert(id);
            } else {
                kept.open.remove(&id);
            }
            kept.rows.tickets.insert(id, row);
        }
        for (conversation, held) in conversations.into_own() {
            let holder = kept.rows.conversations.get(&conversation).and_then(|held| *held.as_ref());
            let is_open = |ticket: &Arc<Ticket>| ticket.state.is_open();
            // A ticket that closes long after it was resolved must not free a key that another one has taken since.
            if holder.is_none_or(|id| !kept.rows.tickets.get(&id).is_some_and(is_open)) {
                kept.rows.conversations.insert(conversation, held);
            }
        }
        for (subject, time) in due {
            self.set_due(&key, subject, time, slip);
        }
        commit
    }

    fn set_due(&mut self, desk: &DeskKey, subject: Subject, time: Option<Time>, slip: Slip) {
        let place = (desk.clone(), subject.clone());
        let known = self.due_of.get(&place).copied();
        if known == time || (slip.keeps_deadlines && known.is_some() && time.is_some()) {
            return;
        }
        if let Some(known) = known {
            self.due.remove(&(known, desk.clone(), subject.clone()));
            self.due_of.remove(&place);
        }
        if let Some(time) = time {
            self.due.insert((time, desk.clone(), subject));
            self.due_of.insert(place, time);
        }
    }

    fn append(&mut self, key: &DeskKey, events: Vec<Event>) -> Result<Vec<Arc<Entry>>, Error> {
        let kept = self.desks.get_mut(key).ok_or_else(|| missing("desk head", key))?;
        let mut appended = Vec::with_capacity(events.len());
        for event in events {
            if let Body::PolicyUpdated { revision, source, author, change_note } = &event.body {
                let row = PolicyRow {
                    revision: *revision,
                    source: source.clone(),
                    author: author.clone(),
                    change_note: change_note.clone(),
                    create_time: event.at,
                };
                kept.policies.insert(*revision, row);
            }
            let ticket =
                event.ticket.as_ref().map(|id| kept.rows.tickets.get(id).expect("an event's ticket has a row"));
            let route = ticket.and_then(|ticket| route::of(&event, ticket));
            kept.head += 1;
            let entry = Arc::new(Entry { seq: kept.head, event, route });
            kept.log.push(log::without_text(&entry));
            appended.push(entry);
        }
        Ok(appended)
    }

    pub fn retire(&mut self, dedup_before: Time, events_before: Time, limit: u32) -> u64 {
        let limit = limit as usize;
        let mut old: Vec<_> = self.answers.iter().filter(|(_, (_, at))| *at < dedup_before).collect();
        old.sort_by_key(|(_, (_, at))| *at);
        let old: Vec<_> = old.into_iter().take(limit).map(|(key, _)| key.clone()).collect();
        for key in &old {
            self.answers.remove(key);
        }
        let mut events = 0;
        for kept in self.desks.values_mut() {
            // The oldest entries up to the first that is to stay: a hole in the middle would look like a loss.
            let removed =
                kept.log.iter().take(limit - events).take_while(|entry| entry.event.at < events_before).count();
            kept.log.drain(..removed);
            events += removed;
        }
        (old.len() + events) as u64
    }
}
