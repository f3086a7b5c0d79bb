"""Runs rows on servers in interleaved rounds, and appends a line of JSON for each to a file."""

import json
import os
import subprocess
import sys
import time

from . import groups, places, prepare
from .results import cpu_of, derive
from .servers import Server
from .targets import REFERENCES

# A peer that takes more than this times the best peer's CPU in a row can't become the best any more.
HOPELESS = 1.6
# Floors of another structure explain; nothing is judged by them.
OTHER_ROUNDS = 2
# A peer whose sessions take longer than this to open is not asked for ten thousand.
SLOW_OPENING = 0.002


class Measuring:
    """One run of the harness."""

    def __init__(self, rows, entries, environment, out, pinning):
        launchers = dict(os.environ, TLS_DIR=str(places.CERTIFICATE), ACCOUNTS=str(places.ACCOUNTS),
                         OWNER=places.OWNER, **environment)
        self.rows = rows
        self.servers = [Server(entry, index, launchers) for index, entry in entries]
        self.load = f"{environment['BUILT']}/ftpload"
        self.out = out
        self.pinning = pinning
        self.processors = os.sched_getaffinity(0)
        self.found = {}
        self.begun = time.monotonic()

    def run(self, rounds):
        """Everything, and every server is ended whatever happens."""
        client = groups.scheduling("client")
        groups.enter(client)
        try:
            for number in range(rounds):
                for row in self.in_order():
                    # Another one begins in each round, so that no place in the row is always the same server's.
                    turn = number % len(self.servers)
                    for server in self.servers[turn:] + self.servers[:turn]:
                        if self.wanted(row, server, number):
                            self.one(row, server, number)
        finally:
            for server in self.servers:
                server.stop()
            groups.leave()
            groups.remove(client)

    def in_order(self):
        """Rows that run on one processor stand together, so that servers are seldom restarted."""
        return sorted(self.rows.values(), key=lambda row: (row.fresh, row.ports is not None, self.pinned(row)))

    def pinned(self, row):
        if self.pinning == "all":
            return row.single
        return row.pin and self.pinning == "rows"

    def wanted(self, row, server, number):
        """Whether this server does this row in this round."""
        entry = server.entry
        needs = set(row.needs) - entry.abilities
        if needs or (entry.only and row.name not in entry.only):
            return False
        if row.only and entry.name not in row.only and entry.kind not in row.only:
            return False
        if "disk" in row.needs and not prepare.has_disk():
            return False
        if number >= row.rounds or (entry.kind == "other" and number >= OTHER_ROUNDS):
            return False
        return entry.kind != "peer" or self.worthwhile(row, server, number)

    def worthwhile(self, row, server, number):
        """Peers take most of the time, so those that can't be the best are asked once."""
        if row.name.startswith("idle10k"):
            before = self.found.get(("idle1k", server.name), [{}])[-1]
            opened = before.get("opened", 0)
            memory = max(before.get("pss_kib_per_session", 0), before.get("system_kib_per_session", 0)) * 10_000
            if not opened or before["open_secs"] / opened > SLOW_OPENING or memory > 0.4 * available():
                return False
        if number >= row.peer_rounds:
            return False
        if number == 0 or (row.name, server.name) in REFERENCES:
            return True
        lowest = {}
        for other in self.servers:
            times = [cpu_of(row, run) for run in self.found.get((row.name, other.name), [])]
            times = [time for time in times if time is not None]
            if other.entry.kind == "peer" and times:
                lowest[other.name] = min(times)
        return server.name in lowest and lowest[server.name] <= HOPELESS * min(lowest.values())

    def one(self, row, server, number):
        """Measures, notes, tells."""
        try:
            processor = max(self.processors) if self.pinned(row) else None
            if row.fresh:
                server.stop()
            server.start(row.ports, processor)
            prepare.clean()
            run = self.load_on(row, server, number, processor)
        except subprocess.TimeoutExpired:
            run = {"errors": 1, "first_error": f"no result in {row.timeout:g} s"}
            server.stop()
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            run = {"errors": 1, "first_error": str(error)}
            server.stop()
        if row.fresh or row.ports:
            # The next server gets the same ports.
            server.stop()
        prepare.clean()
        derive(row, run)
        run |= {"row": row.name, "server": server.name, "round": number, "pinned": self.pinned(row)}
        self.found.setdefault((row.name, server.name), []).append(run)
        self.out.write(json.dumps(run) + "\n")
        self.out.flush()
        self.tell(row, server, run)

    def load_on(self, row, server, number, processor):
        entry = server.entry
        user, password = (entry.user, entry.password)
        if row.guest and entry.kind == "ours":
            user, password = ("anonymous", "a@b")
        command = [self.load, *row.arguments, "--name", server.name, "--port", str(server.port), "--user", user, "--pass",
                   password, "--pid", str(server.process.pid)]
        if number == 0 and entry.kind in ("floor", "ours"):
            command += row.long
        if server.accounting:
            command += ["--cgroup", server.accounting]
        if entry.folder:
            command += ["--cwd", entry.folder]
        pin = None if processor is None else lambda: os.sched_setaffinity(0, {processor})
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=row.timeout,
                              preexec_fn=pin, text=True)
        lines = done.stdout.strip().splitlines()
        if not lines:
            raise RuntimeError(done.stderr.strip()[-200:] or "the client said nothing")
        return json.loads(lines[-1])

    def tell(self, row, server, run):
        cpu = cpu_of(row, run)
        print(f"[{time.monotonic() - self.begun:5.0f} s] {run['round']} {row.name:10} {server.name:15} "
              f"{run.get(row.metric, 0):12,.1f} {row.unit:12} cpu {cpu if cpu is not None else 0:10.3f} "
              f"errors {run.get('errors', 0)} {run.get('first_error', '')[:80]}", file=sys.stderr, flush=True)

    def verify(self):
        """Whether each server does byte for byte what is measured. Returns how many don't."""
        failed = 0
        ways = ([], ["--tls"], ["--tls", "--no-resume"], ["--tls", "--tls12"])
        try:
            for server in self.servers:
                for way in ways if "tls" in server.entry.abilities else ways[:1]:
                    if "data" not in server.entry.abilities:
                        continue
                    server.start()
                    for file in ("f1k", "mid"):
                        prepare.clean()
                        row = verification(file, way)
                        try:
                            run = self.load_on(row, server, 1, None)
                        except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
                            run = {"errors": 1, "first_error": str(error)}
                        # Some want to see a resumed session on data connections, which is no failure.
                        failed += bool(run["errors"]) and "--no-resume" not in way
                        print(f"{server.name:15} {' '.join(way) or 'plain':20} {file:4}",
                              run.get("note") or run.get("first_error"), flush=True)
                server.stop()
        finally:
            for server in self.servers:
                server.stop()
        return failed


def verification(file, way):
    from .rows import Row
    return Row("verify", "", "", ["verify", "--file", file, "--source", f"{places.ROOT}/{file}", *way])


def available():
    """KiB that the system has left."""
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
