"""The checker, checked: a recorded run passes, and spoilt by one edit it is refused with the number of the invariant it breaks.

The run (`passing_run.json.gz`) was written by `chaos.py --evidence`: four agents, four killed connectors, two hundred entries.
"""

import copy
import gzip
import json
import pathlib
import sys

from chaos_checker import Verdict
from log_checker import Row

PASSING = pathlib.Path(__file__).with_name("passing_run.json.gz")
SECOND = 1_000_000


def passing():
    evidence = json.loads(gzip.decompress(PASSING.read_bytes()))
    evidence["rows"] = [Row(*row) for row in evidence["rows"]]
    return evidence


def first(rows, kind, fits=lambda row: True):
    return next(row for row in rows if row.body["kind"] == kind and fits(row))


def lines_of(evidence, process, kind):
    return [line for line in evidence["commands"][process] if line[0] == kind]


def answered(evidence, process, method, outcome="ok"):
    """(what was asked, how it was answered), of the first such command."""
    asked = {line[1]: line for line in lines_of(evidence, process, "do") if line[3] == method}
    answers = (line for line in lines_of(evidence, process, "done") if line[1] in asked and line[3] == outcome)
    answer = next(answers)
    return asked[answer[1]], answer


def loses_an_acknowledged_ticket(evidence):
    answered(evidence, "customers.journal", "TicketService.CreateTicket")[1][4] = "desks/kill-loop/tickets/never-seen"


def forgets_an_acknowledged_hold(evidence):
    first(evidence["rows"], "held").body["kind"] = "notified"


def keeps_a_ticket_that_is_not_in_its_log(evidence):
    evidence["tickets"]["0" * 32] = "out-of-nowhere"


def books_more_than_there_is_room_for(evidence):
    offered = first(evidence["rows"], "offered", lambda row: row.channel == "chat")
    offered.body["offers"][0]["weight"] = 101


def stores_another_load_than_the_log(evidence):
    evidence["agents"][0][1] += 20


def assigns_a_leg_twice(evidence):
    rows = evidence["rows"]
    taken = first(rows, "offer_ended", lambda row: row.body["end"] == {"revoked": "taken_by_another"})
    taken.body["kind"] = "accepted"


def offers_an_old_version(evidence):
    offer = first(evidence["rows"], "offered").body["offers"][0]
    ticket, leg, version, nth = offer["id"].split(".")
    offer["id"] = f"{ticket}.{leg}.{int(version) + 1}.{nth}"


def answers_one_request_in_two_ways(evidence):
    """Of a request that went to two replicas at once, the second answer."""
    by_request = {}
    for line in lines_of(evidence, "customers.journal", "do"):
        by_request.setdefault(line[4]["request_id"], []).append(line[1])
    twice = next(numbers for numbers in by_request.values() if len(numbers) == 2)
    answers = [line for line in lines_of(evidence, "customers.journal", "done") if line[1] == twice[1]]
    answers[0][3], answers[0][4] = "ALREADY_EXISTS", None


def refuses_what_it_has_done(evidence):
    answered(evidence, "customers.journal", "TicketService.CancelTicket")[1][3] = "FAILED_PRECONDITION"


def leaves_a_pair_stranded(evidence):
    """The last offer of a leg that was matched at once comes a minute late."""
    rows = evidence["rows"]
    at = max(at for at, row in enumerate(rows) if row.body["kind"] == "offered")
    rows[at] = rows[at]._replace(at=rows[at].at + 60 * SECOND)


def skips_a_number(evidence):
    evidence["rows"].remove(first(evidence["rows"], "closed"))


def breaks_the_chain(evidence):
    got = [line for line in evidence["connectors"]["monitor"] if line[0] == "got"]
    got[9][2] -= 1


def never_delivers_a_decision(evidence):
    history = evidence["connectors"]["adapter"]
    history.remove([line for line in history if line[0] == "got" and line[1] <= evidence["until"]][-1])


def delivers_to_the_wrong_connector(evidence):
    seq, ticket, ticket_seq, kind = evidence["addressed"]["switch"][0]
    evidence["addressed"]["switch"][0] = [seq, ticket, ticket_seq + 1, kind]


def opens_two_streams_of_one_generation(evidence):
    opened = next(lines for lines in evidence["connectors"].values() if sum(line[0] == "welcome" for line in lines) > 1)
    welcomes = [line for line in opened if line[0] == "welcome"]
    welcomes[1][1] = welcomes[0][1]


def accepts_when_time_is_over(evidence):
    accepted = first(evidence["rows"], "accepted").body["offer"]
    for row in evidence["rows"]:
        for offer in row.body.get("offers", []):
            if offer["id"] == accepted:
                offer["lapse_time"] = offer["offer_time"] - 20 * SECOND


def never_ends_a_wrap_up(evidence):
    rows = evidence["rows"]
    ended = first(rows, "leg_ended", lambda row: row.body.get("wrap_up_expire_time") is None)
    ended.body["wrap_up_expire_time"] = ended.at - 60 * SECOND


def sends_more_than_the_window(evidence):
    evidence["window"] = 1


EDITS = {
    "I1": [loses_an_acknowledged_ticket, forgets_an_acknowledged_hold, keeps_a_ticket_that_is_not_in_its_log],
    "I2": [books_more_than_there_is_room_for, stores_another_load_than_the_log],
    "I3": [assigns_a_leg_twice, offers_an_old_version],
    "I4": [answers_one_request_in_two_ways, refuses_what_it_has_done],
    "I5": [leaves_a_pair_stranded],
    "I9": [skips_a_number, breaks_the_chain],
    "I10": [never_delivers_a_decision, delivers_to_the_wrong_connector, opens_two_streams_of_one_generation],
    "I11": [accepts_when_time_is_over],
    "I12": [never_ends_a_wrap_up],
    "I14": [sends_more_than_the_window],
}


def check_itself():
    """Answers how many spoilt runs are refused."""
    good = passing()
    assert Verdict(copy.deepcopy(good)).found == [], Verdict(good).found
    for invariant, edits in EDITS.items():
        for edit in edits:
            evidence = copy.deepcopy(good)
            edit(evidence)
            assert evidence != good, f"{edit.__name__} changes nothing"
            broken = {broken for broken, _ in Verdict(evidence).found}
            assert invariant in broken, f"a run that {edit.__name__} should break {invariant}, breaks {broken}"
    return sum(map(len, EDITS.values()))


if __name__ == "__main__":
    print(f"doctored_histories: a recorded run passes, {check_itself()} that were edited once are refused")
    sys.exit(0)
