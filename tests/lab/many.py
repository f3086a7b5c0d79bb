"""Runs the same client many times at once, and prints what each has printed.

    many.py NUMBER COMMAND...
"""

import subprocess
import sys

number, *command = sys.argv[1:]
clients = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(int(number))]
for client in clients:
    print(client.communicate()[0].decode().strip())
