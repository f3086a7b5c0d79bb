"""The harness' own arithmetic, on runs that nobody measured: python3 -m unittest harness.tests"""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from . import document, groups, judge, results
from .rows import AGAIN, all_rows
from .servers import KINDS
from .targets import RUNTIMES, TARGETS

ROWS = all_rows(False)


def kept(runs, rounds=5):
    """What becomes of (row, server, figures): gathered from a file, as after a measurement."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs.jsonl"
        lines = [{"begin": {"quick": False, "rounds": rounds, "machine": {"versions": {}}}}]
        for row, server, run in runs:
            run = dict(run)
            results.derive(ROWS[row], run)
            lines.append(run | {"row": row, "server": server})
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return results.Results(results.gather(file, {}), KINDS)


def cpu(microseconds, **more):
    return {"ops": 1000, "errors": 0, "cpu_us_per_op": microseconds, "ops_per_s": 1000.0} | more


def verdict(found, name, runtime="threads"):
    return next(one for one in judge.judge(found) if (one.target.named(), one.runtime) == (name, runtime))


class Judging(unittest.TestCase):
    def test_the_lowest_of_all_rounds_is_compared(self):
        runs = [("rtt1", "limit", cpu(time)) for time in (12, 10, 19)]
        runs += [("rtt1", "threads", cpu(time)) for time in (30, 11, 40)]
        self.assertEqual((verdict(kept(runs), "rtt1").measured, verdict(kept(runs), "rtt1").met), (1.1, True))

    def test_a_run_in_which_much_failed_is_no_figure(self):
        runs = [("rtt1", "limit", cpu(10)), ("rtt1", "threads", cpu(3, errors=500))]
        runs += [("rtt1", "threads", cpu(20))] * 2
        self.assertEqual(verdict(kept(runs), "rtt1").measured, 2)

    def test_a_miss_needs_a_reason(self):
        found = kept([("rtt1", "limit", cpu(10)), ("rtt1", "threads", cpu(11.6))])
        self.assertFalse(verdict(found, "rtt1").met)
        self.assertTrue(any(line.startswith("'rtt1' of [threads]: 1.16") for line in complaints(found)))
        with mock.patch.object(judge, "reasons", lambda: {"threads": {"rtt1": "measured: so and so"}}):
            self.assertFalse(any(line.startswith("'rtt1' of [threads]") for line in complaints(found)))

    def test_what_was_not_measured_is_missed(self):
        # One server failed throughout, and of all other rows there is nothing.
        found = kept([("rtt1", "limit", cpu(10)), ("rtt1", "threads", {"errors": 1, "first_error": "did not start"})])
        asked = {(target.named(), runtime) for target in TARGETS for runtime in RUNTIMES if target.bound(runtime) is not None}
        judged = {(one.target.named(), one.runtime) for one in judge.judge(found)}
        self.assertEqual(judged, asked)
        self.assertFalse(any(one.met for one in judge.judge(found)))
        self.assertIn("'rtt1' of [threads]: not measured, wanted ≤ 1.15 × limit", complaints(found))
        self.assertIn("| rtt1 | server CPU | ≤ 1.15 × limit | – | **missed** |", document.targets(judge.judge(found)))

    def test_a_short_run_is_judged_by_the_rows_that_it_has(self):
        found = kept([("rtt1", "limit", cpu(10)), ("rtt1", "threads", cpu(11))], rounds=1)
        self.assertEqual({one.target.row for one in judge.judge(found)}, {"rtt1"})

    def test_errors_are_judged_in_rows_that_failed(self):
        found = kept([("tlshs", server, cpu(10, errors=2)) for server in ("limit", "threads")])
        self.assertEqual((verdict(found, "tlshs errors").measured, verdict(found, "tlshs errors").met), (2, False))

    def test_names_of_targets_are_unique(self):
        names = [target.named() for target in TARGETS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({target.row for target in TARGETS} - set(ROWS), set())


class Deriving(unittest.TestCase):
    def test_growth_shows_in_long_runs_only(self):
        quarters = {"first_quarter_us": 100, "last_quarter_us": 180}
        short = ("churn1", "threads", cpu(10, first_quarter_us=100, last_quarter_us=90))
        found = kept([("churn1", "threads", cpu(10, **quarters) | {"ops": AGAIN}), short])
        self.assertEqual(verdict(found, "churn1 growth_ratio").measured, 1.8)
        self.assertIsNone(verdict(kept([short]), "churn1 growth_ratio").measured)

    def test_full_handshakes_are_errors_where_all_are_to_be_resumed(self):
        good, bad = cpu(10, sessions=4, tls_full=4), cpu(10, sessions=4, tls_full=300)
        found = kept([("tlsres", "limit", good), ("tlsres", "threads", bad)])
        self.assertEqual(verdict(found, "tlsres errors").measured, 296)
        self.assertIsNone(verdict(found, "tlsres").measured)


class Counting(unittest.TestCase):
    def test_processor_time_of_both_kinds_of_control_groups(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(groups.used(folder), 0)
            (Path(folder) / "cpu.stat").write_text("usage_usec 1500\nuser_usec 1000\n")
            self.assertEqual(groups.used(folder), 1_500_000)
            (Path(folder) / "cpuacct.usage").write_text("42\n")
            self.assertEqual(groups.used(folder), 42)


def complaints(found):
    return document.complaints(judge.judge(found))


if __name__ == "__main__":
    unittest.main()
