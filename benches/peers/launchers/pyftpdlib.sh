#!/bin/sh
# pyftpdlib.sh PORT ROOT PASV_MIN PASV_MAX WORKDIR: one process, asynchronous.
exec "$PYTHON" "$(dirname "$0")/pyftpdlib_server.py" "$@"
