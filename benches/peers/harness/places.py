"""Where everything is."""

import os
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent
REPOSITORY = PEERS.parent.parent
LAUNCHERS = PEERS / "launchers"
TEMPLATE = PEERS / "page.md"
REASONS = PEERS / "reasons.toml"
RESULTS = PEERS / "results.json"
DOCUMENT = REPOSITORY / "docs" / "performance.md"
CHARTS = REPOSITORY / "docs" / "performance"

# Programs of the peers, and what was measured: kept from run to run.
CACHE = Path(
    os.environ.get("FTPD_PEERS_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ftpd-peers"
)
RUNS = CACHE / "runs.jsonl"
DISK = CACHE / "disk"

# What is served: in memory, so that no disk is measured.
WORK = Path(os.environ.get("FTPD_PEERS_WORK") or "/dev/shm/ftpd-peers")
ROOT = WORK / "root"
CERTIFICATE = WORK / "tls"
ACCOUNTS = WORK / "accounts.toml"

# Who owns what is served, and as whom peers that change their user run.
OWNER = os.environ.get("FTPD_PEERS_USER", "daemon")


def target() -> Path:
    """Cargo's folder of release builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target") / "release"
