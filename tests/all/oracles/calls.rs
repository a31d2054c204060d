//! Files of calls: what is read, what is refused, and the file in the tree.

use handoff::simulate::calls::{Calls, read_agents, read_calls, write_calls};
use handoff::simulate::{replay, scenario};

use super::{in_tree, scenario_of};

fn file(path: &str) -> Vec<u8> {
    std::fs::read(in_tree(path)).expect("the file is in the tree")
}

fn calls(calls: &str, agents: &str) -> Calls {
    Calls {
        calls: read_calls(calls.as_bytes()).expect("calls"),
        agents: read_agents(agents.as_bytes()).expect("agents"),
        assumptions: Vec::new(),
    }
}

#[test]
fn the_example_is_what_the_support_scenario_draws() {
    let drawn = scenario::drawn(&scenario_of("examples/scenarios/support.yaml"), 500);
    let text = write_calls(&drawn);
    assert_eq!(text, String::from_utf8(file("examples/calls.csv")).expect("text"));
    assert_eq!(read_calls(text.as_bytes()).expect("it is read").len(), 500);
}

#[test]
fn the_example_plays_to_its_end() {
    let calls = Calls {
        calls: read_calls(&file("examples/calls.csv")).expect("calls"),
        agents: read_agents(&file("examples/agents.csv")).expect("agents"),
        assumptions: Vec::new(),
    };
    let replayed = replay::replay(&calls, |_| ()).expect("it plays");
    assert_eq!((replayed.calls, replayed.unsettled, replayed.days.len()), (500, 0, 1));
    let rows: Vec<(&str, u64)> = replayed.days[0].rows.iter().map(|row| (row.of.as_str(), row.calls)).collect();
    assert_eq!(rows, [("all", 500), ("orders", 399), ("technical", 101), ("priority 0", 500)]);
    assert_eq!(replayed, replay::replay(&calls, |_| ()).expect("it plays again"));
}

/// Worked out by hand: one agent, three callers, the second gives up, the third comes before the agent's next shift.
#[test]
fn three_calls_are_played_as_a_person_would_play_them() {
    let calls = calls(
        "arrival,class,skills,priority,handling_s,patience_s,wait_s,outcome\n\
         2025-03-17T09:00:00,sales,,0,100,,0,answered\n\
         2025-03-17T09:00:30,sales,,0,100,20,20,abandoned\n\
         2025-03-17T12:59:00,sales,,0,10,600,75,answered\n",
        "agent,from,until,skills\n\
         ada,2025-03-17T09:00:00,2025-03-17T12:00:00,\n\
         ada,2025-03-17T13:00:00,2025-03-17T17:00:00,\n",
    );
    let replayed = replay::replay(&calls, |_| ()).expect("it plays");
    let all = &replayed.days[0].rows[0];
    let recorded = all.recorded.as_ref().expect("it was recorded");
    assert!((all.replayed.mean_wait_secs - 80.0 / 3.0).abs() < 1e-9, "0, 20 and 60 s: {:?}", all.replayed);
    assert!((recorded.mean_wait_secs - 95.0 / 3.0).abs() < 1e-9);
    assert!((all.replayed.abandoned - 1.0 / 3.0).abs() < 1e-9);
    assert!((all.replayed.answered_within_60s - 2.0 / 3.0).abs() < 1e-9);
    assert!((recorded.answered_within_60s - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_call_goes_only_to_whom_has_the_skill_and_priority_goes_first() {
    let calls = calls(
        "arrival,class,skills,priority,handling_s,patience_s\n\
         2025-03-17T09:00:00,a,x:3,0,60,\n\
         2025-03-17T09:00:01,b,x:3,0,60,\n\
         2025-03-17T09:00:02,c,x:3,5,60,\n",
        "agent,from,until,skills\n\
         ada,2025-03-17T08:00:00,2025-03-17T17:00:00,x:2;y:9\n\
         ben,2025-03-17T08:00:00,2025-03-17T17:00:00,x:3\n",
    );
    let replayed = replay::replay(&calls, |_| ()).expect("it plays");
    let wait = |of: &str| {
        let row = replayed.days[0].rows.iter().find(|row| row.of == of).expect("a class");
        row.replayed.mean_wait_secs
    };
    assert_eq!((wait("a"), wait("c"), wait("b")), (0.0, 58.0, 119.0));
}

#[test]
fn a_bad_file_is_refused_with_line_and_column() {
    let head = "arrival,class,skills,priority,handling_s,patience_s\n2025-03-17T09:00:00,a,,0,60,\n";
    for (line, fault) in [
        ("9 o'clock,a,,0,60,", "3:1: arrival: `9 o\\'clock` is not a time"),
        ("2025-03-17T09:00:00,a,x:11,0,60,", "3:3: skills: `x:11` `x:11`: a level is 1 to 10"),
        ("2025-03-17T09:00:00,a,,101,60,", "3:4: priority: `101` is not a whole number"),
        ("2025-03-17T09:00:00,a,,0,-1,", "3:5: handling_s: `-1` is not a number of seconds"),
        ("2025-03-17T09:00:00,a,,0,60,soon", "3:6: patience_s: `soon` is not a number of seconds"),
        ("2025-03-17T09:00:00,a,,0,60", "3:0: 5 fields where 6 are due"),
    ] {
        let found = read_calls(format!("{head}{line}\n").as_bytes()).expect_err(line).to_string();
        assert!(found.starts_with(fault), "{found}\n{fault}");
    }
    let refused = |source: &str| read_calls(source.as_bytes()).expect_err(source).to_string();
    assert!(refused("arrival,class\n").starts_with("1:0: the column `skills` is missing"));
    assert!(
        refused("arrival,class,skills,priority,handling_s,patience_s,colour\n").starts_with("1:7: the column `colour`")
    );
    let refused = |line: &str| {
        let source = format!("agent,from,until,skills\nada,2025-03-17T09:00:00,2025-03-17T12:00:00,x\n{line}\n");
        read_agents(source.as_bytes()).expect_err(line).to_string()
    };
    assert!(refused("Ada!,2025-03-17T09:00:00,2025-03-17T12:00:00,x").starts_with("3:1: agent"));
    assert!(refused("ben,2025-03-17T09:00:00,2025-03-17T09:00:00,x").starts_with("3:3: until"));
    assert!(refused("ada,2025-03-17T11:00:00,2025-03-17T13:00:00,x").starts_with("3:2: from"));
    assert!(refused("ada,2025-03-18T09:00:00,2025-03-18T13:00:00,y").starts_with("3:4: skills"));
}
