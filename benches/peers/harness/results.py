"""From single runs to what is kept: for each row and server a few figures over all rounds."""

import json
import statistics

from . import places
from .rows import CPU_UNITS, GIB, MIB, all_rows

# How rounds become one number. The lowest CPU time is the least disturbed one, and a pause that is the server's own
# shows in each round.
LOWEST = {*CPU_UNITS, "max_us", "fresh_ratio", "growth_ratio", "lost_beyond_share", "hash_wait", "bystander_p99_us",
          "bystander_max_us", "alone_p99_us", "pss_kib_per_session"}
HIGHEST = {"tasks_per_session", "descriptors_per_session", "growth_mib", "peak_mib"}
ALWAYS = ("p50_us", "p99_us", "max_us")
# Targets are judged after so many rounds.
JUDGED = 5


def derive(row, run):
    """Adds what follows from other figures of the same run."""
    def ratio(key, above, below, scale=1.0):
        if run.get(above) is not None and run.get(below):
            run[key] = run[above] / run[below] * scale

    if "rss_before_kib" in run and row.group == "listings":
        run["growth_mib"] = (run["peak_rss_kib"] - run["rss_before_kib"]) / 1024
        run["peak_mib"] = run["peak_rss_kib"] / 1024
    if row.cpu == "cpu_s_per_op" and "cpu_us_per_op" in run:
        run["cpu_s_per_op"] = run["cpu_us_per_op"] / 1e6
    if row.moved and run.get("ops"):
        run["cpu_s_per_gib"] = run["cpu_us_per_op"] / 1e6 * GIB / row.moved
        run["mib_per_s"] = row.moved / MIB / (run["p50_us"] / 1e6)
    if run.get("ops", 0) >= row.growth_after:
        ratio("growth_ratio", "last_quarter_us", "first_quarter_us")
    ratio("fresh_ratio", "p99_us", "alone_p99_us")
    ratio("hash_wait", "bystander_p99_us", "hash_min_us")
    full = run.get("tls_full", 0) - run.get("sessions", 0)
    if row.resumes and full > 0:
        run["errors"] = run.get("errors", 0) + full
        run.setdefault("first_error", f"{full} handshakes were not resumed")


def cpu_of(row, run):
    """The CPU time of a run that did anything."""
    return run.get(row.cpu) if run.get("ops") or run.get("opened") else None


def good(run):
    """At most one failure in a thousand operations."""
    done = run.get("ops") or run.get("opened") or 0
    return done and run.get("errors", 0) <= done / 1000


def short(value):
    """Four digits are more than these measurements hold."""
    return float(f"{value:.4g}")


def digest(row, runs):
    """The figures of one server in one row."""
    kept = {"runs": len(runs), "errors": sum(run.get("errors", 0) for run in runs)}
    errors = [run["first_error"] for run in runs if run.get("first_error")]
    if errors:
        kept["error"] = errors[0][:120]
    worked = [run for run in runs if run.get("ops") or run.get("opened")]
    kept["good"] = bool(worked) and sum(map(bool, map(good, runs))) * 2 > len(runs)
    kept["operations"] = sum(run.get("ops") or run.get("opened") for run in worked)
    # A run in which much failed did other work, which may cost less.
    counting = [run for run in worked if good(run)] or worked
    for key in (row.cpu, row.metric, *ALWAYS, *row.keys):
        values = [run[key] for run in counting if run.get(key) is not None]
        if not values:
            continue
        if key in LOWEST:
            kept[key] = short(min(values))
        elif key in HIGHEST:
            kept[key] = short(max(values))
        else:
            kept[key] = short(statistics.median(values))
        if key == row.cpu:
            kept["cpu_median"] = short(statistics.median(values))
        if key == row.metric and not row.low:
            kept["metric_best"] = short(max(values))
    return kept


def gather(path, machine):
    """All runs of a file."""
    found, scale, calls, rounds = {}, None, {}, 0
    with open(path) as lines:
        for line in lines:
            run = json.loads(line)
            if "begin" in run:
                scale = run["begin"]["quick"]
                rounds += run["begin"]["rounds"]
                machine = run["begin"]["machine"]
            elif "system_calls" in run:
                calls.setdefault(run["row"], {})[run["server"]] = short(run["system_calls"])
            else:
                found.setdefault(run["row"], {}).setdefault(run["server"], []).append(run)
    rows = all_rows(bool(scale))
    digests = {name: {server: digest(row, runs) for server, runs in found[name].items()}
               for name, row in rows.items() if name in found}
    return {"quick": bool(scale), "rounds": rounds, "machine": machine, "system_calls": calls, "rows": digests}


def save(results, path=places.RESULTS):
    """One line for each row and server, so that changes can be read."""
    def dump(value):
        return json.dumps(value, ensure_ascii=False)

    parts = [f'"{key}": {dump(results[key])}' for key in ("quick", "rounds", "machine")]
    for key in ("system_calls", "rows"):
        inner = []
        for name, servers in results[key].items():
            lines = ",\n".join(f"   {dump(server)}: {dump(kept)}" for server, kept in servers.items())
            inner.append(f"  {dump(name)}: {{\n{lines}\n  }}")
        parts.append(f'"{key}": {{\n' + ",\n".join(inner) + "\n }")
    path.write_text("{\n " + ",\n ".join(parts) + "\n}\n")


def load(path=places.RESULTS):
    return json.loads(path.read_text())


class Results:
    """Questions to what was kept."""

    def __init__(self, kept, kinds):
        self.kept = kept
        self.rows = kept["rows"]
        self.kinds = kinds
        self.table = all_rows(kept["quick"])

    def is_whole(self):
        """Whether everything was to be measured, as often as targets are judged by."""
        return not self.kept["quick"] and self.kept["rounds"] >= JUDGED

    def get(self, row, server, key, even_bad=False):
        found = self.rows.get(row, {}).get(server)
        if not found or not (found["good"] or even_bad):
            return None
        return found.get(key)

    def cpu(self, row, server):
        return self.get(row, server, self.table[row].cpu)

    def best_peer(self, row, key=None, low=True):
        """By the lowest CPU, or by another key; only of those that work."""
        key = key or self.table[row].cpu
        values = {server: self.get(row, server, key) for server in self.rows.get(row, {})
                  if self.kinds.get(server) == "peer"}
        values = {server: value for server, value in values.items() if value is not None}
        return (min if low else max)(values, key=values.get, default=None)
