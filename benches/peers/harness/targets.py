"""What is to be reached, as data: docs/performance.md checks each line."""

from dataclasses import dataclass

RUNTIMES = ("threads", "smol")


@dataclass(frozen=True)
class Target:
    """One figure of one row, beside another server's or beside a fixed bound."""

    row: str
    # A key of the results; "cpu" is the row's CPU time.
    key: str
    # For the runtime on threads, and for smol; None: nothing is asked.
    sync: float
    smol: float
    # A server, "best" (of the peers in this row), "row:NAME" (our own other row), or nothing for a fixed bound.
    of: str = ""
    unit: str = ""
    # What results hold divided by this is in the unit.
    scale: float = 1.0
    least: bool = False
    # Appended to the runtime's name: servers with other settings.
    variant: str = ""
    note: str = ""

    def bound(self, runtime):
        return self.sync if runtime == "threads" else self.smol

    def named(self):
        """How reasons.toml calls it."""
        parts = [self.row + self.variant]
        if self.key != "cpu":
            parts.append(self.key)
        if self.of and self.of != "limit":
            parts.append(self.of.removeprefix("row:"))
        return " ".join(parts)


def cpu(row, sync, smol, of="limit", **more):
    return Target(row, "cpu", sync, smol, of, **more)


def bound(row, key, sync, smol, unit="", scale=1.0, **more):
    return Target(row, key, sync, smol, "", unit, scale, **more)


def faultless(*rows):
    return [bound(row, "errors", 0, 0, note="no operation fails") for row in rows]


def first_and_memory(row):
    return [
        bound(row, "growth_mib", 1, 1, "MiB", note="peak memory grows by no more, however long the listing"),
        bound(row, "first_byte_p50_us", 10, 10, "ms", 1000, note="from the command to the first byte"),
    ]


def ports(row):
    return [
        cpu(row, 1.0, 1.5),
        bound(row, "growth_ratio", 1.1, 1.1, "×", note="last quarter of 20,000 to the first: nothing grows"),
    ]


def idle(row, sync, smol):
    return [
        bound(row, "pss_kib_per_session", sync, smol, "KiB", note="memory of a session"),
        bound(row, "tasks_per_session", 1.01, 0.01, note="threads of a session"),
        bound(row, "descriptors_per_session", 1.01, 1.01, note="descriptors of a session"),
        bound(row, "fresh_ratio", 2, 2, "×", note="NOOP p99 of a new session, to that on an empty server"),
    ]


TARGETS = [
    cpu("rtt1", 1.15, 1.4),
    cpu("rtt64", 1.15, 1.1),
    cpu("pipe32", 3, 4),
    Target("pipe32", "metric_best", 3, None, "best", least=True, note="commands per second"),
    cpu("login16", 0.75, None),
    cpu("login16", None, 1.5, of="limit-epoll"),
    cpu("login16", None, 1.0, of="unftp"),
    cpu("small1", 1.2, 1.4),
    cpu("small1", 0.7, 0.8, of="pure-ftpd"),
    cpu("small64", 1.2, 1.4),
    cpu("small64", 0.7, 0.8, of="pure-ftpd"),
    cpu("sstor1", 0.95, 1.15, of="pure-ftpd", note="uploads appear at once or not at all"),
    cpu("sstor1", 0.8, 1.05, of="pure-ftpd", variant="-direct", note="uploads written in place"),
    cpu("retr1", 1.05, 1.1),
    cpu("retr8", 1.05, 1.45),
    bound("noop8", "bystander_p99_us", 10, 10, "ms", 1000, note="NOOP p99 of another session"),
    cpu("stor1", 0.75, 0.8, of="pure-ftpd"),
    *[target for row in ("mlsd100k", "list100k", "nlst100k")
      for target in (cpu(row, 1.1, 1.15), *first_and_memory(row))],
    cpu("tlshs", 1.1, 1.1),
    cpu("tlsres", 1.1, 1.1),
    *faultless("tlshs", "tlsres"),
    cpu("tlsretr1", 1.1, 1.15),
    cpu("tlsstor1", 1.05, 1.1),
    cpu("tlssmall1", 1.2, 1.4),
    *[target for row in ("churn100", "churn4", "churn1", "churnheld") for target in ports(row)],
    cpu("churn4", 1.1, 1.1, of="row:churn100", note="few ports cost no more than many"),
    *faultless("churn100", "churn4", "churn1", "churnheld"),
    *idle("idle1k", 11, 1.5),
    *idle("idle1ktls", 30, 17),
    *idle("idle10k", 11, 1.5),
    *idle("idle10ktls", 30, 17),
    *faultless("idle10k", "idle10ktls"),
    bound("argon64", "lost_beyond_share", 10, 10, "%", 0.01, note="what downloads lose beyond the logins' share"),
    bound("argon64", "hash_wait", 1, 1, "×", note="NOOP p99 of another session, to the time of one hash"),
    *[bound(row, key, 40, 40, "ms", 1000, note=note)
      for row in ("rtt1", "rtt64", "pwd1", "pipe32", "login16", "small1", "small64", "sstor1", "sstor64", "tlssmall1")
      for key, note in (("p99_us", "no pause, p99"), ("max_us", "no pause, maximum"))],
]

# Peers that targets name, in the rows where they are named: measured in every round.
REFERENCES = {(target.row, target.of) for target in TARGETS}
