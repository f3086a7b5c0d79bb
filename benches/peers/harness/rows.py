"""What is measured: one row per workload."""

from dataclasses import dataclass, field

from .places import ROOT

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# The long listing, and how often a short one is asked for in the long form of the port rows.
ENTRIES, AGAIN = 100_000, 20_000

# Units of server CPU by their key in the results.
CPU_UNITS = {"cpu_us_per_op": "µs", "cpu_s_per_gib": "s/GiB", "cpu_s_per_op": "s"}


def entry(number):
    """The names in the long listing."""
    return f"entry-{number:06d}.dat"


@dataclass(frozen=True)
class Group:
    """Rows that stand together in the tables and in one chart."""

    name: str
    title: str


GROUPS = [
    Group("commands", "Commands and logins"),
    Group("small", "Small files"),
    Group("large", "Large files"),
    Group("listings", "Listings of 100,000 entries"),
    Group("tls", "TLS"),
    Group("ports", "Passive ports used again and again"),
    Group("idle", "Idle sessions"),
    Group("special", "Hashes, disks, compression"),
]


@dataclass(frozen=True)
class Row:
    """A workload of `ftpload` and how its figures are read."""

    name: str
    group: str
    what: str
    arguments: list
    # The figure of merit and its unit; `low` if less is better.
    metric: str = "ops_per_s"
    unit: str = "op/s"
    low: bool = False
    cpu: str = "cpu_us_per_op"
    # Server and client share one processor: what is compared is the work per operation, and between processors
    # that fall asleep and wake up it swings by a factor of two.
    pin: bool = False
    # One session does it, so that it may be pinned.
    single: bool = False
    # Our accounts have hashes made to be slow, and some others have none: what is compared is the login around it.
    guest: bool = False
    # A passive range of its own.
    ports: tuple = None
    # A server that has done nothing yet.
    fresh: bool = False
    # What a server must be able to do: "data", "tls", "mlsd", "deflate".
    needs: tuple = ("data",)
    # Kinds or names of servers; empty: all.
    only: tuple = ()
    # In how many rounds at most, and how peers are limited further.
    rounds: int = 99
    peer_rounds: int = 99
    # More arguments in the first round, for floors and for us: the long form of a run.
    long: list = field(default_factory=list)
    # What grows shows only after so many operations; shorter runs say nothing about it.
    growth_after: int = 0
    # All handshakes are to be resumed, but for the first of each session.
    resumes: bool = False
    # Bytes that an operation moves where the client doesn't see them all (MODE Z), or not all the time (evicting).
    moved: int = 0
    # More keys that are kept.
    keys: tuple = ()
    timeout: float = 60


def all_rows(quick: bool) -> dict:
    """The rows in the order of the tables."""
    scale = 0.5 if quick else 1.0
    large, large_size = ("mid", 256 * MIB) if quick else ("big", GIB)
    rows = []

    def row(name, group, what, arguments, **options):
        rows.append(Row(name, group, what, arguments, **options))

    def seconds(length):
        return ["--seconds", f"{length * scale:g}"]

    one = {"pin": True, "single": True}
    control = {"needs": ()}

    row("rtt1", "commands", "NOOP, one session", ["rtt"] + seconds(0.6), **one, **control)
    row("rtt64", "commands", "NOOP, 64 sessions", ["rtt", "--sessions", "64"] + seconds(0.6), **control)
    row("pwd1", "commands", "PWD, one session", ["rtt", "--command", "PWD"] + seconds(0.6), **one, **control)
    row("pipe32", "commands", "NOOP, 32 sent together", ["rtt", "--depth", "32"] + seconds(0.6), **one, **control)
    row("login16", "commands", "connect, USER, PASS, PWD, QUIT; 16 at the same time",
        ["login", "--sessions", "16"] + seconds(1), guest=True, **control)

    small = ["retr", "--file", "f1k"]
    row("small1", "small", "EPSV, RETR 1 KiB; one session", small + seconds(1), **one)
    row("small1q", "small", "the same, client without delayed ACKs", small + ["--quickack"] + seconds(1), **one)
    row("small64", "small", "EPSV, RETR 1 KiB; 64 sessions", small + ["--sessions", "64"] + seconds(1))
    row("sstor1", "small", "EPSV, STOR 1 KiB; one session", ["stor"] + seconds(1), **one)
    row("sstor64", "small", "EPSV, STOR 1 KiB; 64 sessions", ["stor", "--sessions", "64"] + seconds(1))

    rate = {"metric": "mib_per_s", "unit": "MiB/s", "cpu": "cpu_s_per_gib"}
    whole = ["retr", "--file", large, "--size", str(large_size)]
    upload = ["stor", "--source", f"{ROOT}/{large}", "--size", str(large_size), "--count", "1"]
    row("retr1", "large", "RETR 1 GiB, one session", whole + ["--count", "1" if quick else "3"] + seconds(1.5),
        single=True, **rate)
    row("retr8", "large", "RETR 1 GiB, 8 sessions", whole + ["--count", "1", "--sessions", "8"], **rate)
    row("noop8", "large", "NOOP of another session beside 8 downloads of 1 GiB",
        whole + ["--count", "1", "--sessions", "8", "--bystander"],
        metric="bystander_p99_us", unit="µs, p99", low=True, cpu="cpu_s_per_gib",
        keys=("bystander_p50_us", "bystander_p99_us", "bystander_max_us"))
    row("stor1", "large", "STOR 1 GiB, one session", upload, single=True, **rate)
    row("stor8", "large", "STOR 256 MiB, 8 sessions",
        ["stor", "--source", f"{ROOT}/mid", "--size", str(256 * MIB // (4 if quick else 1)), "--count", "1",
         "--sessions", "8"], **rate)

    for verb, needs in (("MLSD", ("data", "mlsd")), ("LIST", ("data",)), ("NLST", ("data",))):
        row(f"{verb.lower()}100k", "listings", f"{verb} of 100,000 entries",
            ["list", "--command", verb, "--file", "dir100k", "--size", str(ENTRIES * len(f"{entry(0)}\r\n")), "--count",
             "1" if quick else "2"] + seconds(1),
            unit="listings/s", cpu="cpu_s_per_op", needs=needs, single=True,
            keys=("growth_mib", "peak_mib", "first_byte_p50_us"))

    secure = {"needs": ("data", "tls")}
    handshakes = {"needs": ("tls",), "unit": "handshakes/s", "keys": ("tls_resumed", "tls_full")}
    row("tlshs", "tls", "AUTH TLS, full handshakes, 4 at the same time",
        ["tlshs", "--tls", "--no-resume", "--sessions", "4"] + seconds(1), **handshakes)
    row("tlsres", "tls", "AUTH TLS, resumed handshakes, 4 at the same time",
        ["tlshs", "--tls", "--sessions", "4"] + seconds(1), resumes=True, **handshakes)
    aes = ["--tls", "--suite", "AES_256_GCM"]
    row("tlsretr1", "tls", "RETR 1 GiB, PROT P, AES-256-GCM", whole + aes + ["--count", "1"],
        single=True, **rate, **secure)
    row("tls128", "tls", "RETR 1 GiB, PROT P, AES-128-GCM",
        whole + ["--tls", "--suite", "AES_128_GCM", "--count", "1"], single=True, **rate, **secure)
    row("tlsstor1", "tls", "STOR 1 GiB, PROT P, AES-256-GCM", upload + aes, single=True, **rate, **secure)
    row("tlssmall1", "tls", "EPSV, RETR 1 KiB, PROT P", small + ["--tls"] + seconds(1), **one, **secure)

    again = ["churn", "--command", "LIST", "--file", "tiny", "--size", str(len("file0\r\n") * 5), "--quickack", "--count",
             str(AGAIN)]
    for name, ports, what in (
        ("churn100", (41000, 41099), "LIST of a small folder, 20,000 times, 100 passive ports"),
        ("churn4", (41000, 41003), "the same on 4 ports"),
        ("churn1", (41000, 41000), "the same on 1 port"),
        ("churnheld", (41000, 41099), "the same on 100 ports, while 100 transfers are held open"),
    ):
        held = ["--hold", "100", "--hold-file", "mid"] if name == "churnheld" else []
        row(name, "ports", what, again + held + seconds(1), ports=ports, keys=("growth_ratio",), **one,
            long=[] if quick else ["--seconds", "20"], growth_after=0 if quick else AGAIN)

    # Pure-FTPd admits only half as many sessions as it has ports.
    wide = {"ports": (8000, 31999), "fresh": True, "metric": "pss_kib_per_session", "unit": "KiB", "low": True,
            "rounds": 3, "peer_rounds": 1,
            "keys": ("opened", "tasks_per_session", "descriptors_per_session", "fresh_ratio", "alone_p99_us",
                     "asked", "alive", "open_secs")}
    row("idle1k", "idle", "1,000 idle sessions", ["idle", "--sessions", "1000"], needs=(), **wide)
    row("idle1ktls", "idle", "1,000 idle sessions, TLS", ["idle", "--sessions", "1000", "--tls"],
        needs=("tls",), only=("floor", "ours"), **wide)
    if not quick:
        row("idle10k", "idle", "10,000 idle sessions", ["idle", "--sessions", "10000"], needs=(), **wide)
        row("idle10ktls", "idle", "10,000 idle sessions, TLS", ["idle", "--sessions", "10000", "--tls"],
            needs=("tls",), only=("floor", "ours"), **wide)

    row("argon64", "special", "logins by a real argon2 hash beside downloads by 64 sessions",
        ["hashes", "--slow-user", "slow", "--file", "f1m", "--size", str(MIB), "--sessions", "64", "--logins", "4"]
        + seconds(1.5),
        only=("ours",), unit="logins/s",
        keys=("hash_min_us", "login_share", "lost_beyond_share", "bystander_p99_us", "hash_wait", "quiet_ops_per_s",
              "busy_ops_per_s"))
    disk = ["retr", "--file", "disk/file", "--size", str(256 * MIB), "--count", "1" if quick else "2", "--bystander"]
    beside = {"keys": ("bystander_p50_us", "bystander_p99_us", "bystander_max_us"), "moved": 256 * MIB,
              "only": ("limit", "vsftpd", "pure-ftpd", "threads", "smol"), "needs": ("data", "disk"), "single": True}
    row("retrhot", "special", "RETR 256 MiB of a file system on a disk, in the page cache", disk, **rate, **beside)
    row("retrcold", "special", "the same, dropped from the page cache before",
        disk + ["--evict", f"{ROOT}/disk/file"], **rate, **beside)
    packed = {"moved": 64 * MIB, "needs": ("data", "deflate"), "single": True}
    # (A compressed upload to ProFTPD came to no end within a minute.)
    row("retrz", "special", "RETR 64 MiB of words, MODE Z",
        ["retr", "--deflate", "--file", "words", "--size", str(64 * MIB), "--count", "1"], **rate, **packed)
    row("storz", "special", "STOR 64 MiB of words, MODE Z",
        ["stor", "--deflate", "--source", f"{ROOT}/words", "--size", str(64 * MIB), "--count", "1"],
        only=("ours",), **rate, **packed)
    return {row.name: row for row in rows}


QUICK = ("rtt1 rtt64 login16 small1 small64 sstor1 retr1 retr8 noop8 stor1 mlsd100k list100k tlshs tlsretr1 "
         "tlssmall1 churn4 idle1k").split()
