//! Bugs of a few characters, planted in the scripts one at a time: each must make a difference soon, or the comparison is blind to it.

use std::cell::Cell;

use super::redis::{connected, difference};
use super::{CROWD, SMALL, WIDE};
use crate::harness::redis::Server;

/// What it is called, what is there, what it becomes.
const BUGS: &[(&str, &str, &str)] = &[
    ("no cursor gate", "if less(cursor, from) then return {'BEHIND', cursor} end", ""),
    ("an advance twice", "if not less(cursor, to) then return {'PASSED'} end", ""),
    ("the cursor stays behind", "call('HSET', META, 'cursor', cursor)", ""),
    ("an agent is not freed", "agent.reserved[id] = nil", ""),
    ("the worst fit of the free", "less(order, best)", "less(best, order)"),
    ("the last of a class", "less(key, best)", "less(best, key)"),
    ("a lane loses its head", "if removed == 2 then", "if removed == 3 then"),
    ("exclusions are not looked at", "if is_excluded(legs.get(id_of(key)), agent.number) then", "if false then"),
    ("one excluded head ends the look", "--@ excluded head skipped\n      return false", "return true"),
    (
        "an excluded head ends its line",
        "if sub(line, 1, 1) == 'L' and legs.get(id_of(key)).excluded == '' then",
        "if sub(line, 1, 1) == 'L' then",
    ),
    ("nobody's own line is gone through", "if first then push(heap, sub(first, 10, 76), 'A' .. number) end", ""),
    ("matched before the head", "if less(cursor, unmatched) then return {'OK', '0'} end", ""),
    ("matched while unmatched", "if unmatched then\n", "if false then\n"),
    ("reserved while unmatched", "if less(cursor, seen) or unmatched then", "if less(cursor, seen) then"),
    ("reserved behind its own write", "if less(cursor, seen) or unmatched then", "if unmatched then"),
    ("no version gate", "leg.ver < known.ver or row == known.row", "row == known.row"),
    ("an older agent", "if known and less(sub(view, 1, 16), sub(known, 1, 16)) then", "if false then"),
    ("a settled reservation goes on", "leg.ver > hold.ver or leg.kind", "leg.kind"),
    ("refused for good", "release(sub(member, 17))", ""),
    ("e-mail during a call", "if fits and not (pool == 2 and used.counts[1] > 0)", "if fits"),
    ("one piece too many", "used.counts[channel + 1] < profile.maxima", "used.counts[channel + 1] <= profile.maxima"),
    ("a suspect is free", "= agent.view, agent.lease,", "= agent.view, agent.lease == 'S' and 'L' or agent.lease,"),
    ("a suspect stays one", "agent.lease = 'L'\n", "agent.lease = 'S'\n"),
    ("connectors are never away", "if leg.connector and is_away(leg.connector) then return false end", ""),
    ("preferences are forgotten", "if leg.prefer and not is_excluded", "if false and not is_excluded"),
    ("the sweeper never slept", "if slept then", "if false then"),
    ("an epoch twice", "epoch and not less(epoch, new)", "epoch and less(new, epoch)"),
    ("pages in any order", "if tonumber(pages) ~= page then return {'REBUILD', 'page'} end", ""),
    ("a flip without all pages", "if tonumber(pages) ~= count then return {'REBUILD', 'pages'} end", ""),
    ("held back as they were", "if not backs then return end", "do return end"),
    ("rooms are never left", "recount(room, -1)", ""),
    ("the first of a group for good", "firsts[group .. room] = nil\n", ""),
    ("a lane served anew is not looked at", "    look_again(lane, group)\n", ""),
    (
        "a group retires from one side",
        "for lane in string.gmatch(fits.get('g' .. group) or '', '%x+') do drop_fit",
        "for lane in string.gmatch('', '%x+') do drop_fit",
    ),
    ("a lease outlives its session", "else call('ZREM', BEATS, number) end", "end"),
];

/// Within so many steps, over three worlds.
const STEPS: u64 = 2_500;

#[tokio::test]
async fn planted_bugs_in_the_scripts_are_found() {
    let server = Server::start(&[]);
    let mut unseen = vec![];
    for (name, there, instead) in BUGS {
        let planted = Cell::new(false);
        let edit = |text: &str| {
            planted.set(planted.get() || text.contains(there));
            text.replace(there, instead)
        };
        let index = connected(&server.url(), edit).await;
        assert!(planted.get(), "{name}: the scripts have no {there:?} any more");
        let mut found = false;
        for (seed, size) in [(1, SMALL), (2, WIDE), (3, CROWD)] {
            server.say(&["FLUSHALL"]);
            found = found || difference(&index, seed, STEPS, size).await.is_some();
        }
        if !found {
            unseen.push(name);
        }
    }
    assert!(unseen.is_empty(), "planted, and not found: {unseen:?}");
}
