"""Installs, builds, measures in interleaved rounds, and writes docs/performance.md.

  benches/peers/run                              all of it: five rounds
  benches/peers/run --quick                      one short round, as a table on the terminal
  benches/peers/run --rows small1,stor1 --servers limit,pure-ftpd,threads,smol,threads-direct --rounds 3
  benches/peers/run --append --rows idle10k      more rounds for some rows; merged with what was measured before
  benches/peers/run --table-only                 the document again, from results.json
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from . import calls, document, machine, places, prepare, results
from .measure import Measuring
from .rows import QUICK, all_rows
from .servers import KINDS, TABLE

INSIDE = "FTPD_PEERS_INSIDE"


def arguments():
    parser = argparse.ArgumentParser(prog="benches/peers/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round of the most telling rows")
    parser.add_argument("--rounds", type=int, help="how many rounds [5; with --quick 1]")
    parser.add_argument("--rows", help="only these, with commas between them")
    parser.add_argument("--servers", help="only these, with commas between them")
    parser.add_argument("--pin", choices=("rows", "all", "none"), default="rows",
                        help="which one-session rows run on one processor: those that say so, all, or none")
    parser.add_argument("--out", type=Path, default=places.RUNS, metavar="FILE",
                        help="where single runs are noted, a line of JSON each")
    parser.add_argument("--append", action="store_true", help="add to that file, and write the document from all of it")
    parser.add_argument("--write", action="store_true", help="write the document although not everything was measured")
    parser.add_argument("--system-calls", action="store_true", help="count system calls as well (needs perf)")
    parser.add_argument("--table-only", action="store_true", help="measure nothing, write the document again")
    parser.add_argument("--check", action="store_true",
                        help="with --table-only: write nothing, but fail if the document is another one")
    parser.add_argument("--verify", action="store_true", help="only whether each server works, byte for byte")
    parser.add_argument("--prepare", action="store_true", help="only install and build")
    parser.add_argument("--list", action="store_true", help="the rows and the servers")
    return parser.parse_args()


def chosen(text, known, what):
    names = text.split(",")
    for name in names:
        if name not in known:
            sys.exit(f"there is no {what} {name!r}; --list tells which there are")
    return names


def main():
    options = arguments()
    rows = all_rows(options.quick)
    if options.list:
        for row in rows.values():
            print(f"{row.name:11} {row.what}{' (pinned)' if row.pin else ''}")
        print("\n" + "\n".join(f"{entry.name:15} {entry.kind}" for entry in TABLE))
        return 0
    if options.table_only:
        return redraw(options)
    names = chosen(options.rows, rows, "row") if options.rows else QUICK if options.quick else list(rows)
    rows = {name: row for name, row in rows.items() if name in names}
    wanted = chosen(options.servers, KINDS, "server") if options.servers else list(KINDS)
    entries = [(index, entry) for index, entry in enumerate(TABLE) if entry.name in wanted]
    if not os.environ.get(INSIDE):
        environment = prepare.programs({entry.kind for _, entry in entries})
        return 0 if options.prepare else go_inside(environment)
    whole = not (options.rows or options.servers or options.quick)
    return measure(options, rows, entries, whole)


def go_inside(environment):
    """Into network and mount namespaces of our own, as root: no port of the machine is taken, and none is missing."""
    environment = dict(os.environ, FTPD_PEERS_PROGRAMS=json.dumps(environment), **{INSIDE: "1"})
    command = [sys.executable, "-m", "harness", *sys.argv[1:]]
    if os.getuid() == 0 and shutil.which("unshare"):
        # The ports of the rows with a range of their own must not be taken by connections.
        script = ("ip link set lo up && echo 41000-41099 >/proc/sys/net/ipv4/ip_local_reserved_ports; "
                  'exec "$@"')
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "run", *command]
    else:
        environment[INSIDE] = ""
        sys.exit("benches/peers/run needs root: for namespaces and control groups")
    return subprocess.run(command, env=environment).returncode


def measure(options, rows, entries, whole):
    environment = json.loads(os.environ["FTPD_PEERS_PROGRAMS"])
    prepare.ground(environment)
    facts = machine.describe(prepare.versions(environment))
    rounds = options.rounds or (1 if options.quick else 5)
    begun = time.monotonic()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with open(options.out, "a" if options.append else "w") as out:
        measuring = Measuring(rows, entries, environment, out, options.pin)
        if options.verify:
            return 1 if measuring.verify() else 0
        # Rounds that are added to some rows are not rounds of all.
        noted = {"quick": options.quick, "rounds": rounds if whole or not options.append else 0, "machine": facts}
        out.write(json.dumps({"begin": noted}) + "\n")
        measuring.run(rounds)
        if options.system_calls:
            calls.count(measuring)
    kept = results.gather(options.out, facts)
    found = results.Results(kept, KINDS)
    print(document.ours_only(found))
    print(f"\n{rounds} rounds in {time.monotonic() - begun:.0f} s")
    if whole or options.append or options.write:
        results.save(kept)
        return told(document.write(found))
    return 0


def told(verdicts):
    """1 if a target is missed without a reason."""
    missing = document.complaints(verdicts)
    if missing:
        print(f"Missed without a reason in {places.REASONS.relative_to(places.REPOSITORY)}:\n  " +
              "\n  ".join(missing), file=sys.stderr)
    return 1 if missing else 0


def redraw(options):
    """From the committed results, or from the runs that --out names."""
    if not places.RESULTS.exists() and options.out == places.RUNS:
        print("nothing was measured yet")
        return 1 if places.DOCUMENT.exists() or not options.check else 0
    if options.out != places.RUNS:
        kept = results.gather(options.out, {})
        results.save(kept)
    else:
        kept = results.load()
    found = results.Results(kept, KINDS)
    if not options.check:
        return told(document.write(found))
    wrong, verdicts = document.differing(found)
    for path in wrong:
        print(f"{path.relative_to(places.REPOSITORY)} is not what results.json gives: run benches/peers/run --table-only",
              file=sys.stderr)
    failed = told(verdicts) if found.is_whole() else 0
    return 1 if wrong else failed


if __name__ == "__main__":
    sys.exit(main())
