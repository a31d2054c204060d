//! What every store does alike: each behaviour is written once, over the port, and run on each kind of store.
//!
//! The stores are driven with real commands through `routing::decide` (`harness.rs` does what the engine does), and a model
//! folds the committed events beside them.

mod closure;
mod day;
mod durability;
pub mod harness;
mod log;
mod overlap;
mod readers;
mod reads;
mod replicas;
mod upkeep;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use handoff::clock::Clock;
use handoff::domain::time::Span;
use handoff::store::postgres::PostgresStore;
use handoff::store::sqlite::SqliteStore;
use handoff::store::{Error, Store};

use crate::harness::opened;
use crate::harness::postgres::{Database, server};
use crate::simulation::store::{Ground, MemoryStore, Slip};
use harness::START;

/// A place where a kind of store keeps things: empty at first, opened as often as wanted.
pub trait Place: Send + Sync + 'static {
    type Store: Store;

    fn empty() -> Self;
    fn open(&self) -> impl Future<Output = Self::Store> + Send;
    fn close(store: Self::Store) -> impl Future<Output = ()> + Send;
}

/// A directory of its own, removed in the end.
pub struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            assert!(error.kind() == std::io::ErrorKind::NotFound, "{error}");
        }
    }
}

impl Place for Directory {
    type Store = SqliteStore;

    fn empty() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        Directory(std::env::temp_dir().join(format!("handoff-store-{}-{nth}", std::process::id())))
    }

    async fn open(&self) -> SqliteStore {
        opened(&self.0, &Clock::starting_at(START, 1)).await
    }

    async fn close(store: SqliteStore) {
        store.close().await;
    }
}

impl Place for Arc<Ground> {
    type Store = MemoryStore;

    fn empty() -> Arc<Ground> {
        Ground::new(Slip::default(), START.micros().unsigned_abs())
    }

    async fn open(&self) -> MemoryStore {
        MemoryStore::open(self.clone(), Clock::starting_at(START, 1), Span::ZERO)
    }

    async fn close(store: MemoryStore) {
        drop(store);
    }
}

impl Place for Database {
    type Store = PostgresStore;

    fn empty() -> Database {
        server().database(Some(template()))
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.url()).await.expect("the database opens")
    }

    async fn close(store: PostgresStore) {
        store.close().await;
    }
}

/// The name of a database that is migrated, and to which nobody is connected.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let database = server().database(None);
        let url = database.url();
        let migrate = async move { PostgresStore::migrate(&url).await.expect("it is migrated") };
        let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
        // On a thread of its own: a runtime does not begin in another.
        std::thread::spawn(move || runtime().block_on(migrate)).join().expect("it is migrated");
        // It goes with the server.
        std::mem::ManuallyDrop::new(database).name.clone()
    })
}

macro_rules! conformance {
    ($($module:ident: $($behaviour:ident)*;)*) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$module::$behaviour::<super::Directory>().await;
                }
            )*)*
        }

        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$module::$behaviour::<super::Database>().await;
                }
            )*)*
        }

        mod memory {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$module::$behaviour::<std::sync::Arc<super::Ground>>().await;
                }
            )*)*
        }
    };
}

conformance! {
    durability:
        what_was_committed_is_there_after_a_restart
        a_fresh_place_gets_one_incarnation_and_keeps_it
        rows_read_back_are_the_rows_that_were_written
        folding_the_log_gives_the_stored_rows
        work_that_panics_leaves_nothing_behind
        a_dropped_transaction_leaves_nothing_half_done
        a_rejected_batch_writes_nothing;
    overlap:
        the_next_batch_sees_what_the_one_before_it_leaves
        an_answer_is_found_before_it_is_committed_and_given_after
        a_day_played_side_by_side_leaves_the_rows_that_its_log_makes
        nothing_is_committed_on_what_was_given_up;
    closure:
        a_ticket_brings_its_concerned_agents
        an_agent_with_work_brings_the_tickets_and_their_agents
        an_agent_named_alone_brings_no_ticket
        a_conversation_brings_the_ticket_that_holds_it
        a_queue_brings_the_count_of_its_waiting_legs
        a_desk_that_does_not_exist_has_no_scope
        an_answer_is_found_under_its_own_key_alone
        an_old_answer_is_retired
        tenants_share_nothing;
    log:
        numbers_are_dense_over_desks_and_batches
        what_is_visible_is_a_prefix_of_the_log
        a_connector_reads_its_tickets_and_its_agents_decisions
        a_selection_by_channel_and_kind_reads_nothing_else
        a_log_row_has_the_content_as_of_now_and_the_event_none
        the_first_number_since_a_time_is_found
        a_tickets_events_are_all_its_own;
    reads:
        pages_are_complete_and_without_repeats_while_rows_are_added
        tickets_are_listed_by_what_they_are
        a_conversation_key_is_free_again_when_its_ticket_is_over
        a_key_taken_since_is_not_freed_by_the_first_tickets_close
        deadlines_come_in_order_and_up_to_the_limit
        work_of_an_agent_lasts_until_wrap_up_is_over
        legs_that_name_an_amount_are_found_while_they_wait
        open_tickets_are_those_with_work_left;
    readers:
        an_ack_moves_the_buckets_of_its_generation_and_never_back
        an_ack_of_an_older_generation_moves_nothing
        what_became_of_the_readers_is_the_same_in_every_store
        a_connector_is_attended_as_long_as_some_stream_of_it_says_so
        a_reader_of_some_buckets_reads_their_decisions_and_no_others;
    upkeep:
        an_epoch_rises_with_every_rebuild
        rows_are_read_by_name
        retiring_is_bounded_and_leaves_no_hole
        a_stored_policy_is_read_back;
}

#[tokio::test]
async fn a_second_process_is_refused_with_the_path() {
    let place = Directory::empty();
    let first = place.open().await;
    let second = SqliteStore::open(&place.0, Clock::new(1)).await;
    let Err(Error::InUse { path }) = second else { panic!("the directory was opened twice") };
    assert_eq!(path, place.0.display().to_string());
    drop(first);
    place.open().await;
}
