"""Runs a command and prints one JSON object: how it ended and what it said.

    tell.py COMMAND...
"""

import json
import subprocess
import sys

done = subprocess.run(sys.argv[1:], capture_output=True, text=True, stdin=subprocess.DEVNULL)
print(json.dumps({"code": done.returncode, "output": done.stdout + done.stderr}))
