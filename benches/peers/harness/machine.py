"""What was measured on, from /proc: no names."""

import datetime
import os
import platform
import re


def describe(versions):
    with open("/proc/cpuinfo") as file:
        text = file.read()
    found = re.search(r"^model name\s*: (.*)$", text, re.M)
    model = found.group(1).strip() if found else "unknown"
    with open("/proc/meminfo") as lines:
        total = int(next(lines).split()[1])
    release = re.match(r"\d+\.\d+(\.\d+)?", platform.release())
    system = "unknown"
    if os.path.exists("/etc/os-release"):
        with open("/etc/os-release") as lines:
            system = next((line.split("=", 1)[1].strip().strip('"') for line in lines
                           if line.startswith("PRETTY_NAME=")), system)
    return {
        "model": model,
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(total / 2**20),
        "kernel": release.group() if release else platform.release(),
        "system": system,
        "virtual": "hypervisor" in text,
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }
