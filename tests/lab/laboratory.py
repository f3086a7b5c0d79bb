"""Runs the server in scenarios of the firewall lab and brings back what clients and the log said."""

import collections
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
RUNTIMES = ("smol", "threads")
LAB_FAILED = 3

# What the clients printed, one JSON object each, and the lines of the server's log, likewise.
Run = collections.namedtuple("Run", "answers log")


class Unusable(Exception):
    """The lab can't be used here; the argument says what to do."""


class Laboratory:
    """The lab's folder and the program under test."""

    def __init__(self, folder, program):
        self.folder = folder
        self.program = program
        self.adapter = HERE / "adapter"
        self.python = sys.executable

    @classmethod
    def find(cls):
        """Named by FTP_LAB and FTPD_PROGRAM; otherwise the lab beside the repository and the debug build."""
        folder = pathlib.Path(os.environ.get("FTP_LAB") or REPOSITORY.parent / "shared" / "lab").absolute()
        if not (folder / "lab").is_file():
            raise Unusable(f"no firewall lab in {folder}: put its folder into FTP_LAB")
        if os.geteuid() != 0:
            raise Unusable("the firewall lab makes network namespaces and packet filters: run this as root")
        built = REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "ftpd"
        program = pathlib.Path(os.environ.get("FTPD_PROGRAM") or built).absolute()
        if not program.is_file():
            raise Unusable(f"no program {program}: run `cargo build`, or name another one in FTPD_PROGRAM")
        return cls(folder, program)

    def command(self, *arguments):
        return [str(self.folder / "lab"), *map(str, arguments)]

    def environment(self, runtime, **more):
        """What the adapter wants to know; clients find it, too."""
        own = {"FTPD_PROGRAM": str(self.program), "FTPD_RUNTIME": runtime, "FTPD_LOG": "json",
               "PYTHONDONTWRITEBYTECODE": "1"}
        return os.environ | own | more

    def install(self):
        """Installs the packages that the lab needs and that are missing."""
        done = subprocess.run(self.command("deps"), capture_output=True, text=True)
        if done.returncode != 0:
            raise Unusable(f"`{self.folder / 'lab'} deps` failed:\n{done.stdout}{done.stderr}")

    def probe(self, transfer, host=None, to=None, times=1):
        """A transfer by the lab's strict client, such as "EPSV --tls", as one of the clients of `run`; or so many at
        once."""
        # Which address a scenario's clients dial is in their environment.
        script = f'probe=$1; shift; exec "$0" {HERE / "many.py"} {times} "$0" "$probe" "{to or "$LAB_TARGET"}" "$@"'
        where = [f"@{host}"] if host else []
        return [*where, "sh", "-c", script, self.python, self.folder / "ftp_probe.py", *transfer.split()]

    def run(self, scenario, runtime, *clients, settings=(), timeout=60, **adapter):
        """Plays a scenario with these clients, one after another; `settings` are other values of LAB_* variables, and
        `adapter` are variables for ours."""
        overrides = [argument for setting in settings for argument in ("--set", setting)]
        arguments = [scenario, *overrides, "--timeout", timeout, "--log", "--", self.adapter]
        for client in clients:
            arguments += ["--", *client]
        done = subprocess.run(self.command("run", *arguments), capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, env=self.environment(runtime, **adapter))
        if done.returncode in (LAB_FAILED, 2, 77):
            raise AssertionError(f"the lab could not play {scenario}:\n{done.stdout}{done.stderr}")
        return Run(json_lines(done.stdout), json_lines(done.stderr))


def verdicts(run):
    """The log's lines about data connections that failed; there must be some."""
    found = [line for line in run.log if line["message"] == "data connection failed"]
    assert found, "no verdict in the log"
    return found


def named(check):
    """What a function shows, in words."""
    return check.__name__.replace("_", " ")


def json_lines(text):
    """The lines that are JSON objects; others are for people."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                raise AssertionError(f"not JSON: {line}") from None
    return found
