"""The figures of a run under chaos: per kind of fault, and in all. Computed from the log and the clients' histories."""

import bisect
import collections
import statistics

# Microseconds.
JUST_BEFORE = 500_000


def figures(verdict):
    offered = [row.at for row in verdict.rows if row.body["kind"] == "offered"]
    faults = verdict.evidence["faults"]
    end = verdict.rows[-1].at
    last_fault = faults[-1][2] if faults else end
    pauses = [after - before for before, after in zip(offered, offered[1:]) if before < last_fault]
    by_kind = collections.defaultdict(list)
    pairs = by_fault(verdict.pairs.stranded, [began for _, began, *_ in faults])
    for nth, (kind, began, healed, in_flight) in enumerate(faults):
        at = bisect.bisect_left(offered, healed)
        by_kind[kind].append({
            "in_flight": in_flight,
            "lasted": healed - began,
            "resumed": offered[at] - healed if at < len(offered) else None,
            "stranded": max((pair.end - pair.start for pair in pairs[nth]), default=0),
            "stranded_after": max((pair.end - max(pair.start, healed) for pair in pairs[nth]), default=0),
        })  # fmt: skip
    connectors = verdict.evidence["connectors"]
    late = [late.end - late.due for late in verdict.pairs.late if late.how == "ended"]
    outcomes = collections.Counter(outcome for _, _, outcome, _ in verdict.commands.asked)
    return {
        "kinds": {kind: summary(entries) for kind, entries in sorted(by_kind.items())},
        "faults": len(faults),
        "seconds": (end - verdict.rows[0].at) / 1e6,
        "tickets_acknowledged": len(verdict.commands.acknowledged),
        "commands": len(verdict.commands.asked),
        "outcomes": dict(sorted(outcomes.items())),
        "log_entries": verdict.log.seq,
        "decisions": verdict.log.decisions,
        "bookings": verdict.log.bookings,
        "deliveries": verdict.deliveries,
        "duplicates": verdict.duplicates,
        "streams": {name: sum(line[0] == "welcome" for line in lines) for name, lines in connectors.items()},
        "streams_refused": {name: sum(line[0] == "ended" for line in lines) for name, lines in connectors.items()},
        "offers_ended_late": len(late),
        "latest_offer_end_seconds": max(late, default=0) / 1e6,
        "views_built": verdict.evidence.get("epoch"),
        "longest_without_an_offer_seconds": max(pauses, default=0) / 1e6,
        "longest_stranded_seconds": max((pair.end - pair.start for pair in verdict.pairs.stranded), default=0) / 1e6,
        "stranded_over_30_s": sum(pair.end - pair.start > 30_000_000 for pair in verdict.pairs.stranded),
        "stranded_over_2_s": sum(pair.end - pair.start > 2_000_000 for pair in verdict.pairs.stranded),
    }


def by_fault(pairs, began):
    """Each pair under the last fault that had begun when it came to be; who waited just before it was made to wait by it."""
    found = collections.defaultdict(list)
    for pair in pairs:
        found[bisect.bisect_right(began, pair.start + JUST_BEFORE) - 1].append(pair)
    return found


def summary(entries):
    def of(name):
        return [entry[name] for entry in entries if entry[name] is not None] or [0]

    def seconds(name):
        return {"p50": statistics.median(of(name)) / 1e6, "max": max(of(name)) / 1e6}

    return {
        "count": len(entries),
        "in_flight": {"least": min(of("in_flight")), "p50": statistics.median(of("in_flight"))},
        "lasted": seconds("lasted"),
        "resumed": seconds("resumed"),
        "stranded": seconds("stranded"),
        "stranded_after": seconds("stranded_after"),
    }


def lines(found):
    """Rows for `verdict.report`, after a table by kind of fault."""
    columns = "{:<22} {:>5} {:>12} {:>15} {:>15} {:>15} {:>15}"
    print(columns.format("", "", "in flight", "fault, s", "resumed, s", "stranded, s", "after it, s"))
    print(columns.format("fault", "count", "least/p50", *["p50/max"] * 4))
    for kind, row in found["kinds"].items():
        spans = [f"{row[name]['p50']:.2f}/{row[name]['max']:.2f}" for name in ("lasted", "resumed", "stranded", "stranded_after")]
        flying = f"{row['in_flight']['least']}/{row['in_flight']['p50']:g}"
        print(columns.format(kind, row["count"], flying, *spans))
    print()
    rate = found["duplicates"] / max(1, found["deliveries"])
    yield "faults / seconds", f"{found['faults']} / {found['seconds']:.0f}"
    yield "tickets acknowledged / commands", f"{found['tickets_acknowledged']} / {found['commands']}"
    yield "commands by outcome", ", ".join(f"{name} {count}" for name, count in found["outcomes"].items())
    yield "log entries / decisions / bookings", f"{found['log_entries']} / {found['decisions']} / {found['bookings']}"
    yield "decisions delivered / again", f"{found['deliveries']} / {found['duplicates']} ({rate:.2%})"
    yield "streams opened, by connector", ", ".join(f"{name} {count}" for name, count in found["streams"].items())
    yield "broken, or refused", ", ".join(f"{name} {count}" for name, count in found["streams_refused"].items())
    yield "offers that ended late / the latest, s", f"{found['offers_ended_late']} / {found['latest_offer_end_seconds']:.2f}"
    yield "availability views begun / starts of replicas refused", f"{found['views_built']} / {found['starts_refused']}"
    yield "longest time without an offer, s", f"{found['longest_without_an_offer_seconds']:.1f}"
    strands = f"{found['stranded_over_2_s']} / {found['stranded_over_30_s']} / {found['longest_stranded_seconds']:.1f}"
    yield "pairs stranded over 2 s / over 30 s / the longest, s", strands
