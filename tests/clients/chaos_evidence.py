"""Evidence of a run: everything the checker needs, as plain data, read from the store and from the clients' files."""

import json

import log_checker
from connector_history import lines_of
from kill_desk import CONNECTORS, DESK

DESK_ID = DESK.split("/")[1]
# Explanations are long, and no part of any invariant that is checked here.
UNCHECKED = ("record",)


def collect(store, folder, journals, until, window, faults, interruptions):
    """With the service at rest: nothing may change while it is read."""
    rows = []
    for row in log_checker.rows_of(store, DESK_ID):
        for name in UNCHECKED:
            row.body.pop(name, None)
        rows.append(row._replace(ticket=row.ticket and row.ticket.replace("-", "")))
    agents = store.select("SELECT agent, used_live, used_deferred FROM agent WHERE desk = ?", [DESK_ID])
    tickets = store.select("SELECT ticket, name FROM ticket WHERE desk = ?", [DESK_ID])
    acked = store.select("SELECT connector, max(acked) AS acked FROM bucket WHERE desk = ? GROUP BY connector", [DESK_ID])
    return {
        "rows": rows,
        "head": head_of(store),
        "epoch": next(store.select("SELECT epoch FROM desk_head WHERE desk = ?", [DESK_ID]))["epoch"],
        "agents": [list(row.values()) for row in agents],
        "tickets": {row["ticket"].replace("-", ""): row["name"] for row in tickets},
        "acked": {row["connector"]: row["acked"] for row in acked},
        "addressed": {
            name: log_checker.addressed(store, DESK_ID, name, settings) for name, settings in CONNECTORS.items()
        },
        "connectors": {name: lines_of(folder / f"{name}.jsonl") for name in CONNECTORS},
        "commands": {path.stem: lines_of(path) for path in journals},
        "faults": faults,
        "interruptions": interruptions,
        "until": until,
        "window": window,
    }


def head_of(store):
    return next(store.select("SELECT head FROM desk_head WHERE desk = ?", [DESK_ID]))["head"]


def save(evidence, path):
    path.write_text(json.dumps(evidence) + "\n")
