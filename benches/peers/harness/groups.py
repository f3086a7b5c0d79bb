"""Control groups: exact CPU times, and the same share of the processors for everybody.

Without groups of the same weight the kernel's autogroups favour, on a busy machine, whoever calls setsid(2) for each
session, as vsftpd does.
"""

import os
import time

SCHEDULING = "/sys/fs/cgroup/cpu"
ACCOUNTING = ("/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup")
SHARES = "2048"


def make(base, name):
    """A new group, or nothing where that is not allowed."""
    folder = f"{base}/ftpd-peers-{os.getpid()}-{name}"
    try:
        os.makedirs(folder, exist_ok=True)
        return folder
    except OSError:
        return ""


def accounting(name):
    """A group that counts CPU time, of exited processes, too."""
    for base in ACCOUNTING:
        if os.path.exists(f"{base}/cgroup.procs") and os.access(base, os.W_OK):
            return make(base, name)
    return ""


def scheduling(name):
    """A group of the usual weight."""
    if not os.path.exists(f"{SCHEDULING}/cpu.shares") or not os.access(SCHEDULING, os.W_OK):
        return ""
    group = make(SCHEDULING, name)
    if group:
        with open(f"{group}/cpu.shares", "w") as shares:
            shares.write(SHARES)
    return group


def enter(group):
    """This process becomes a member."""
    if group:
        with open(f"{group}/cgroup.procs", "w") as processes:
            processes.write(str(os.getpid()))


def leave():
    """Back into the group of all."""
    if os.path.exists(f"{SCHEDULING}/cgroup.procs"):
        enter(SCHEDULING)


def members(group):
    """The processes in it."""
    try:
        with open(f"{group}/cgroup.procs") as processes:
            return [int(pid) for pid in processes.read().split()]
    except OSError:
        return []


def used(group):
    """Nanoseconds of CPU so far, as far as that is counted."""
    try:
        with open(f"{group}/cpuacct.usage") as usage:
            return int(usage.read())
    except OSError:
        pass
    try:
        with open(f"{group}/cpu.stat") as statistics:
            used = next((line.split()[1] for line in statistics if line.startswith("usage_usec ")), "0")
            return int(used) * 1000
    except OSError:
        return 0


def remove(group):
    """An empty group goes; the last of its processes may take a moment."""
    for _ in range(50):
        try:
            return os.rmdir(group) if group else None
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.02)
    return None
