"""Who is measured, and how a server is started, watched and ended."""

import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

from . import groups, places

ALL_ABILITIES = frozenset({"data", "tls", "mlsd", "disk"})


@dataclass(frozen=True)
class Entry:
    """A server of the table."""

    name: str
    # "floor": the least work; "other": floors of another structure; "peer"; "ours".
    kind: str
    launcher: str
    # What the launcher gets before port, root, passive range and working folder.
    arguments: tuple = ()
    user: str = "bench"
    password: str = "bench"
    abilities: frozenset = ALL_ABILITIES
    # A folder to go to after the login.
    folder: str = ""
    # Rows; empty: all that it is able to do.
    only: tuple = ()


PLAIN = ALL_ABILITIES - {"tls"}
OURS = ALL_ABILITIES | {"deflate"}
UPLOADS = ("sstor1", "sstor64", "stor1", "stor8", "tlsstor1")

TABLE = [
    Entry("limit", "floor", "floor.sh", ("threads",)),
    Entry("limit-epoll", "floor", "floor.sh", ("epoll",), abilities=frozenset()),
    Entry("limit-acceptor", "other", "floor.sh", ("acceptor",), abilities=PLAIN),
    Entry("limit-self", "other", "floor.sh", ("self",), abilities=PLAIN),
    Entry("limit-smol", "other", "floor.sh", ("smol",), abilities=PLAIN),
    Entry("limit-smol-own", "other", "floor.sh", ("smol-own",), abilities=PLAIN),
    Entry("vsftpd", "peer", "vsftpd.sh", user="anonymous", password="a@b", abilities=ALL_ABILITIES - {"mlsd"},
          folder="root"),
    Entry("proftpd", "peer", "proftpd.sh", abilities=OURS),
    Entry("pure-ftpd", "peer", "pureftpd.sh"),
    Entry("pyftpdlib", "peer", "pyftpdlib.sh"),
    Entry("unftp", "peer", "unftp.sh", user="anonymous", password="a@b"),
    Entry("threads", "ours", "ours.sh", ("threads", "atomic"), abilities=OURS),
    Entry("smol", "ours", "ours.sh", ("smol", "atomic"), abilities=OURS),
    Entry("threads-direct", "ours", "ours.sh", ("threads", "direct"), only=UPLOADS),
    Entry("smol-direct", "ours", "ours.sh", ("smol", "direct"), only=UPLOADS),
]

KINDS = {entry.name: entry.kind for entry in TABLE}


class Server:
    """One server of the table, running or not."""

    def __init__(self, entry, index, environment):
        self.entry = entry
        self.name = entry.name
        self.port = 2600 + index * 10
        # Below the ephemeral ports, a range for each: some keep all their ports open, and all run at the same time.
        self.range = (12000 + index * 1000, 12999 + index * 1000)
        self.environment = environment
        self.process = None
        self.setting = None
        self.accounting = ""
        self.scheduling = ""

    def start(self, ports=None, processor=None):
        """Runs with that passive range, and on that processor if one is given."""
        setting = (ports or self.range, processor)
        if self.process and self.setting == setting:
            return
        self.stop()
        self.setting = setting
        folder = places.WORK / "run" / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.accounting = groups.accounting(self.name)
        self.scheduling = groups.scheduling(self.name)
        (first, last), _ = setting
        command = [places.LAUNCHERS / self.entry.launcher, *self.entry.arguments, str(self.port), places.ROOT,
                   str(first), str(last), folder]
        with open(folder / "out", "wb") as out:
            self.process = subprocess.Popen(
                command, env=self.environment, preexec_fn=lambda: self.enter(processor), stdout=out,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if not self.greets():
            said = (folder / "out").read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            self.stop()
            # Without the time and the name of the host, which some say first.
            raise RuntimeError(f"did not start: {said[0].split(f' {platform.node()} ')[-1]}")

    def enter(self, processor):
        """In the new process, before it becomes the server."""
        os.setsid()
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if processor is not None:
            os.sched_setaffinity(0, {processor})
        for group in (self.accounting, self.scheduling):
            groups.enter(group)

    def greets(self):
        """Waits for the first 220."""
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                    client.settimeout(5)
                    if client.recv(100)[:3] == b"220":
                        client.sendall(b"QUIT\r\n")
                        client.recv(200)
                    self.settle()
                    return True
            except OSError:
                pass
            time.sleep(0.03)
        return False

    def settle(self):
        """What a server does at its start (reading directories, opening ports) belongs to no row."""
        quiet, last, end = 0, groups.used(self.accounting), time.monotonic() + 10
        while quiet < 3 and time.monotonic() < end:
            time.sleep(0.1)
            used = groups.used(self.accounting)
            quiet = quiet + 1 if used - last < 2_000_000 else 0
            last = used

    def members(self):
        """The processes that are the server."""
        return groups.members(self.accounting) or ([self.process.pid] if self.process else [])

    def stop(self):
        """Ends what `start` began: these processes, by their numbers."""
        if not self.process:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.members():
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
            end = time.monotonic() + 1
            while time.monotonic() < end:
                gone = self.process.poll() is not None
                if gone and not [pid for pid in self.members() if pid != self.process.pid]:
                    break
                time.sleep(0.02)
        self.process.wait()
        self.process = None
        groups.remove(self.accounting)
        groups.remove(self.scheduling)
