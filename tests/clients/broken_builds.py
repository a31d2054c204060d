"""Builds the service with one mistake, and sees that a run under chaos finds it.

Each mistake is an edit of the sources, made in a copy of them under target/broken/, where it is built as well (the dependencies once
more: minutes). The text that is replaced has to be there once: a mistake that the sources have outgrown is refused.

    target/clients/venv/bin/python tests/clients/broken_builds.py --only "numbers first"
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target" / "broken"
CHAOS = pathlib.Path(__file__).with_name("chaos.py")
# What a build of the binary needs; Cargo wants to see that the tests exist.
SOURCES = [".cargo", "Cargo.toml", "Cargo.lock", "build.rs", "proto", "src", "migrations", "tests", "README.md"]

# name -> (the invariant that must be found broken, the run that brings it out,
#          [(file, what stands there once, what is put in its place)])
MISTAKES = {
    # Whoever the index holds gets the offer, room or no room. It shows where a batch stands still for longer than its reservations
    # last and few agents have room: others have given that away meanwhile.
    "no guard": (
        "I2",
        ["--faults", 25, "--only", "postgres link stalled", "replica paused", "--hold", 3, "--agents", 60],
        [
            (
                "src/routing/decide/propose.rs",
                "let room = agent.on_duty() && open && agent.has_room(ticket.channel);",
                "let room = agent.on_duty() && open;",
            )
        ],
    ),
    # The index believes whoever tells it where its view stands, as if the cursor were kept outside of what it describes.
    "cursor outside": (
        "I7",
        ["--faults", 40, "--only", "redis link stalled", "redis link cut", "replica paused"],
        [("src/availability/redis/advance.lua", "if less(cursor, from) then return {'BEHIND', cursor} end\n", "")],
    ),
    # A batch takes its numbers before it waits for its turn, and does not give them back.
    "numbers first": (
        "I9",
        ["--faults", 20],
        [
            ("migrations/postgres/0001_tables.sql", "CREATE TABLE desk_head (", "CREATE SEQUENCE taken;\n\nCREATE TABLE desk_head ("),
            (
                "src/store/sql/postgres/append.sql",
                "    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])\n        AS r (tenant, desk, growth)\n",
                "    SELECT r.*, (SELECT max(nextval('taken')) FROM generate_series(1, r.growth)) AS taken\n"
                "    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS r (tenant, desk, growth)\n",
            ),
            ("src/store/sql/postgres/append.sql", "SET head = h.head + r.growth", "SET head = greatest(h.head, r.taken)"),
            (
                "src/store/sql/postgres/append.sql",
                "h.head, h.head - r.growth AS before",
                "r.taken AS head, r.taken - r.growth AS before",
            ),
        ],
    ),
}


def plant(edits):
    """A copy of the sources with the edits."""
    tree = FOLDER / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tree / name)
    for file, right, wrong in edits:
        text = (tree / file).read_text()
        if text.count(right) != 1:
            raise SystemExit(f"broken_builds: {file} has {text.count(right)} times, not once: {right}")
        (tree / file).write_text(text.replace(right, wrong))
    return tree


def build(tree):
    command = ["cargo", "build", "--release", "--locked", "--bin", "handoff", "--target-dir", str(FOLDER / "build")]
    subprocess.run(command, cwd=tree, check=True)
    return FOLDER / "build" / "release" / "handoff"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=MISTAKES, help="one of them (default: all)")
    parser.add_argument("--plant", action="store_true", help="only see that each edit still fits")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for each run (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    missed = []
    for name in [options.only] if options.only else MISTAKES:
        invariant, load, edits = MISTAKES[name]
        tree = plant(edits)
        if options.plant:
            continue
        print(f"broken build: {name}", flush=True)
        flags = ["--seconds-between", 0.1, 0.4, "--limit", options.limit, "--seed", options.seed, "--must-break", invariant]
        command = [sys.executable, CHAOS, "--server", build(tree), *load, *flags]
        if subprocess.run(list(map(str, command))).returncode != 0:
            missed.append(name)
    if missed:
        print(f"broken_builds: not found: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
