"""Each target beside what was measured."""

import tomllib
from dataclasses import dataclass

from . import places
from .targets import RUNTIMES, TARGETS, Target


@dataclass(frozen=True)
class Verdict:
    """What became of a target on one runtime."""

    target: Target
    runtime: str
    # None: nothing was measured, or nothing to compare with.
    measured: float | None
    # The server or row that it is a ratio to, with the best peer by its name.
    of: str
    met: bool
    reason: str


def reasons():
    """Why targets are missed, written by hand: reasons.toml has a table for each runtime."""
    return tomllib.loads(places.REASONS.read_text()) if places.REASONS.exists() else {}


def reference(results, target, runtime, key):
    """What to divide by, and its name."""
    if not target.of:
        return target.scale, ""
    if target.of.startswith("row:"):
        row = target.of.removeprefix("row:")
        return results.get(row, runtime + target.variant, key), row
    if target.of == "best":
        peer = results.best_peer(target.row, key, low=not target.least)
        return (results.get(target.row, peer, key) if peer else None), peer or "best peer"
    return results.get(target.row, target.of, key), target.of


def judge(results):
    """A verdict for each target and runtime. What should have been measured and was not is missed."""
    verdicts = []
    why = reasons()
    for target in TARGETS:
        if target.row not in results.rows and not results.is_whole():
            continue
        for runtime in RUNTIMES:
            bound = target.bound(runtime)
            if bound is None:
                continue
            key = results.table[target.row].cpu if target.key == "cpu" else target.key
            ours = results.get(target.row, runtime + target.variant, key, even_bad=target.key == "errors")
            base, of = reference(results, target, runtime, key)
            measured = None if ours is None or not base else ours / base
            met = measured is not None and reaches(target, measured, bound)
            reason = "" if met else why.get(runtime, {}).get(target.named(), "")
            verdicts.append(Verdict(target, runtime, measured, of, met, reason))
    return verdicts


def reaches(target, measured, bound):
    """Judged as it is shown: two digits after the point."""
    shown = round(measured, 2)
    return shown >= bound if target.least else shown <= bound


def unexplained(verdicts):
    """Missed, and nobody said why."""
    return [verdict for verdict in verdicts if not verdict.met and not verdict.reason]
