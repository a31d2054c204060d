//! The bank's week, where the record is there to be read. It is somebody else's and not part of the tree.

use handoff::simulate::{bank, replay};

use super::in_tree;

#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn the_banks_week_is_played_beside_its_record() {
    let path = in_tree("../shared/data/bank-calls-week1.csv");
    let Ok(source) = std::fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let calls = bank::read(&source, 1).expect("the record is read");
    assert_eq!((calls.calls.len(), calls.agents.len()), (10_896, 22));
    let replayed = replay::replay(&calls, |_| ()).expect("it plays");
    assert_eq!(replayed.unsettled, 0);
    assert_eq!(replayed.days.len(), 8, "seven days and all of them");
    let all = &replayed.days[7].rows[0];
    let recorded = all.recorded.as_ref().expect("it was recorded");
    // The file's own counts: 3,065 of 10,896 gave up, and the sum of their waits in the queue.
    assert!((recorded.abandoned - 3_065.0 / 10_896.0).abs() < 1e-9);
    assert!((recorded.mean_wait_secs - 110.0).abs() < 1.0, "{}", recorded.mean_wait_secs);
    assert!(all.replayed.mean_wait_secs < recorded.mean_wait_secs, "agents without breaks answer sooner");
    assert!(all.replayed.abandoned < recorded.abandoned);
    assert!(replay::text(&replayed).contains("Kaplan-Meier"));
}

#[test]
fn a_record_that_is_not_the_banks_is_refused_with_its_place() {
    let refused = |source: &str| bank::read(source.as_bytes(), 1).expect_err("it is refused").to_string();
    assert!(refused("a,b\n1,2\n").starts_with("1:0: the column `vru+line` is missing"));
    let head = "vru+line,call_id,customer_id,priority,type,date,vru_entry,vru_exit,vru_time,q_start,q_exit,q_time,\
                outcome,ser_start,ser_exit,ser_time,server\n";
    let line = "AA01,1,0,0,PS,2010-08-01,0:10:10,0:10:27,17,0:10:27,0:10:30,3,GONE,0:00:00,0:00:00,0,NO_SERVER\n";
    assert!(refused(&format!("{head}{line}")).starts_with("2:13: outcome: `GONE`"));
}
