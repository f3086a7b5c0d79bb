"""System calls per operation, counted by the kernel's tracepoint while the client runs at full speed."""

import json
import shutil
import signal
import subprocess
import sys
import time

ROWS = ("rtt1", "rtt64", "login16", "small1", "small64", "sstor1", "churn100", "retr8")
SERVERS = ("limit", "limit-self", "limit-smol", "vsftpd", "pure-ftpd", "unftp", "threads", "smol")


def count(measuring):
    """Appends a line for each row and server; `perf` is needed, and root."""
    if not shutil.which("perf"):
        sys.exit("--system-calls needs perf (Debian: linux-perf)")
    for name in ROWS:
        row = measuring.rows.get(name)
        for server in measuring.servers if row else ():
            if server.name not in SERVERS or not measuring.wanted(row, server, 0):
                continue
            try:
                server.start(row.ports, max(measuring.processors) if measuring.pinned(row) else None)
                calls = watched(measuring, row, server)
            except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
                print(f"{name} {server.name}: {error}", file=sys.stderr)
                continue
            finally:
                if row.ports:
                    server.stop()
            measuring.out.write(json.dumps({"row": name, "server": server.name, "system_calls": calls}) + "\n")
            measuring.out.flush()
            print(f"{name:10} {server.name:15} {calls:10,.1f} system calls", file=sys.stderr, flush=True)
    for server in measuring.servers:
        server.stop()


def watched(measuring, row, server):
    """The calls of all the server's processes and of their children, by the operations that were done.

    Sessions are opened while it counts, too, which a run of some thousand operations hides, but a login is one.
    """
    # The session by which it was found ready has to be gone: perf gives up on a thread that vanishes.
    time.sleep(0.3)
    members = ",".join(map(str, server.members()))
    perf = subprocess.Popen(["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", members],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)
    run = measuring.load_on(row, server, 1, max(measuring.processors) if measuring.pinned(row) else None)
    perf.send_signal(signal.SIGINT)
    said = perf.communicate(timeout=10)[1]
    counted = next((line.split(",")[0] for line in said.splitlines() if "sys_enter" in line), "")
    if not counted.isdigit() or not run.get("ops"):
        raise RuntimeError(said.strip()[-200:] or "nothing was counted")
    return int(counted) / run["ops"]
