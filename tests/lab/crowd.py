"""A hundred clients at once, from several addresses, each with a transfer that the others wait for.

    crowd.py CLIENTS

Run in any namespace of the lab, as root. The server has one passive port. Every client logs in, opens its data
connection and moves a first piece; when all have, no transfer may be over yet, and then all go on to the end. Each
downloads or stores a file that nobody else has. Prints one JSON object: what was told to clients of which host, how
many transfers were under way at the same moment, and what went wrong.
"""

import collections
import ctypes
import json
import os
import pathlib
import re
import select
import socket
import ssl
import sys
import threading
import traceback

CLONE_NEWNET = 0x40000000
PATIENCE = 60
SIZE = 4 << 20  # more than the buffers of a sender and of a receiver that does not read
PIECE = 1 << 16
# Where clients are and what they dial. Two of the hosts are behind one address.
PLACES = (("homeclient", "198.51.100.1"), ("client", "198.51.100.1"), ("homeclient2", "198.51.100.1"),
          ("client2", "198.51.100.1"), ("inside", "10.0.0.2"))
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(host):
    """Moves the calling thread to a host of the lab."""
    handle = os.open(f"/var/run/netns/{os.environ['LAB_PREFIX']}-{host}", os.O_RDONLY)
    try:
        if LIBC.setns(handle, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"can't enter {host}")
    finally:
        os.close(handle)


def content(number):
    """What is in a client's file: its number, all over."""
    return f"{number:015}\n".encode() * (SIZE // 16)


class Control:
    """A control connection, in plain text or under TLS."""

    def __init__(self, address, context):
        self.context = context
        self.connection = socket.create_connection((address, 21), PATIENCE)
        self.buffer = b""
        self.expect(self.reply(), "220")
        if context:
            self.say("AUTH TLS", "234")
            self.connection = context.wrap_socket(self.connection)
        self.say("USER lab", "331")
        self.say("PASS lab", "230")
        if context:
            self.say("PBSZ 0", "200")
            self.say("PROT P", "200")
        self.say("TYPE I", "200")

    def reply(self):
        while b"\r\n" not in self.buffer:
            piece = self.connection.recv(4096)
            if not piece:
                raise OSError("the server closed the control connection")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def say(self, command, code):
        self.connection.sendall(command.encode() + b"\r\n")
        return self.expect(self.reply(), code)

    @staticmethod
    def expect(reply, code):
        if not reply.startswith(f"{code} "):
            raise OSError(f"expected {code}, got: {reply}")
        return reply

    def is_silent(self):
        return not self.buffer and not select.select([self.connection], [], [], 0)[0]


class Client:
    def __init__(self, number):
        self.number = number
        self.host, self.address = PLACES[number % len(PLACES)]
        # Every combination of place, direction and protection.
        self.uploads = number // len(PLACES) % 2 == 1
        self.secured = number // (2 * len(PLACES)) % 2 == 1
        self.announced = None

    def begin(self):
        """Up to the first piece of the transfer."""
        enter(self.host)
        context = None
        if self.secured:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.control = Control(self.address, context)
        told = self.control.say("PASV", "227")
        numbers = [int(number) for number in re.search(r"\((.*)\)", told).group(1).split(",")]
        self.announced = ".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5]
        self.data = socket.socket()
        self.data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        self.data.settimeout(PATIENCE)
        self.data.connect(self.announced)
        self.control.say(f"{'STOR up' if self.uploads else 'RETR down'}-{self.number}", "150")
        if context:
            self.data = context.wrap_socket(self.data, session=self.control.connection.session)
        if self.uploads:
            self.data.sendall(content(self.number)[:PIECE])
        else:
            self.got = self.data.recv(PIECE)

    def end(self):
        """The rest of it."""
        if self.uploads:
            self.data.sendall(content(self.number)[PIECE:])
        else:
            while piece := self.data.recv(PIECE):
                self.got += piece
        if self.secured:
            try:
                self.data.unwrap()
            except OSError:
                pass
        self.data.close()
        self.control.expect(self.control.reply(), "226")
        if self.uploads:
            self.got = (pathlib.Path(os.environ["LAB_ROOT"]) / f"up-{self.number}").read_bytes()
        if self.got != content(self.number):
            raise OSError(f"{len(self.got)} bytes that are not client {self.number}'s")


def main():
    clients = [Client(number) for number in range(int(sys.argv[1]))]
    for client in clients:
        if not client.uploads:
            (pathlib.Path(os.environ["LAB_ROOT"]) / f"down-{client.number}").write_bytes(content(client.number))
    begun, seen = threading.Barrier(len(clients) + 1), threading.Barrier(len(clients) + 1)
    wrong, done = [], []

    def play(client):
        try:
            client.begin()
            begun.wait(PATIENCE)
            seen.wait(PATIENCE)
            client.end()
            done.append(client)
        except threading.BrokenBarrierError:
            pass  # somebody else's failure
        except Exception as error:
            begun.abort()
            seen.abort()
            where = traceback.extract_tb(error.__traceback__)[-1]
            wrong.append(f"client {client.number} on {client.host}, {'TLS' if client.secured else 'plain'}: "
                         f"{type(error).__name__}: {error} (line {where.lineno})")

    threads = [threading.Thread(target=play, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    under_way = 0
    try:
        begun.wait(PATIENCE)
        # Nobody has heard the end of the transfer: all of them are under way now.
        under_way = sum(client.control.is_silent() for client in clients)
        seen.wait(PATIENCE)
    except threading.BrokenBarrierError:
        pass
    for thread in threads:
        thread.join(PATIENCE)
    told = collections.defaultdict(set)
    for client in clients:
        if client.announced:
            told[client.host].add(f"{client.announced[0]}:{client.announced[1]}")
    print(json.dumps({"under_way": under_way, "done": len(done), "wrong": wrong,
                      "told": {host: sorted(addresses) for host, addresses in told.items()}}))


main()
