"""pyftpdlib with one user, TLS, and without limits."""

import logging
import os
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

port, root, first, last = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
logging.disable(logging.CRITICAL)
authorizer = DummyAuthorizer()
authorizer.add_user("bench", "bench", root, perm="elradfmwMT")
handler = TLS_FTPHandler
handler.certfile = os.environ["TLS_DIR"] + "/cert.pem"
handler.keyfile = os.environ["TLS_DIR"] + "/key.pem"
handler.authorizer = authorizer
handler.passive_ports = range(first, last + 1)
handler.use_sendfile = True
handler.timeout = 3600
handler.auth_failed_timeout = 0
server = FTPServer(("127.0.0.1", port), handler, backlog=1024)
server.max_cons = 0
server.max_cons_per_ip = 0
server.serve_forever()
