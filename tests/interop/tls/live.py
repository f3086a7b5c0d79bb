"""Two hundred guests, half of them under TLS, are in the middle of something while the server's settings change:
live.py HOST PORT AUTHORITY FILE FIRST LAST TOLD. The passive ports are FIRST to LAST afterwards, and clients are told
the address TOLD. "running" and "go on" are files in the working folder.
"""
import ftplib
import os
import socket
import ssl
import sys
import threading
import time

HOST, PORT, AUTHORITY, FILE = sys.argv[1:5]
FIRST, LAST = int(sys.argv[5]), int(sys.argv[6])
TOLD = sys.argv[7]
CLIENTS = 200

with open(FILE, "rb") as file:
    CONTENT = file.read()
resting = threading.Barrier(CLIENTS + 1)
going_on = threading.Event()
done = []


class Guest:
    def __init__(self, secure):
        self.secure = secure
        if secure:
            self.ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=AUTHORITY), timeout=240)
        else:
            self.ftp = ftplib.FTP(timeout=240)
        self.ftp.connect(HOST, int(PORT))
        self.ftp.login()
        if secure:
            self.ftp.prot_p()
        self.ftp.voidcmd("TYPE I")

    def pasv(self):
        return ftplib.parse227(self.ftp.sendcmd("PASV"))

    def transfer(self, port, command):
        """With a small buffer, so that the kernel doesn't swallow the file."""
        data = socket.socket()
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        data.settimeout(240)
        data.connect((HOST, port))
        assert self.ftp.sendcmd(command).startswith("150")
        if self.secure:
            session = self.ftp.sock.session
            data = self.ftp.context.wrap_socket(data, server_hostname=HOST, session=session)
        return data

    def rest(self, data):
        got = bytearray()
        while part := data.recv(65_536):
            got += part
        self.close(data)
        self.ftp.voidresp()
        return bytes(got)

    def close(self, data):
        if self.secure:
            data.unwrap().close()
        else:
            data.close()


def run(number):
    guest = Guest(number % 2 == 0)
    role = number // 2 % 4
    if role == 1:
        _, waiting = guest.pasv()
    elif role == 2:
        data = guest.transfer(guest.pasv()[1], "RETR file")
        got = data.recv(10_000)
    elif role == 3:
        data = guest.transfer(guest.pasv()[1], "STOR up%d" % number)
        data.sendall(CONTENT[:100_000])
    resting.wait()
    going_on.wait()
    if role == 1:
        assert guest.rest(guest.transfer(waiting, "RETR file")) == CONTENT
    elif role == 2:
        assert got + guest.rest(data) == CONTENT
    elif role == 3:
        data.sendall(CONTENT[100_000:200_000])
        guest.close(data)
        guest.ftp.voidresp()
        assert guest.ftp.size("up%d" % number) == 200_000
    told, port = guest.pasv()
    assert told == TOLD, told
    assert FIRST <= port <= LAST, port
    assert b"file" in guest.rest(guest.transfer(port, "NLST"))
    guest.ftp.quit()
    done.append(number)


if __name__ == "__main__":
    clients = [threading.Thread(target=run, args=[number], daemon=True) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    resting.wait(120)
    open("running", "w").close()
    while not os.path.exists("go on"):
        time.sleep(0.01)
    going_on.set()
    for client in clients:
        client.join(120)
    assert len(done) == CLIENTS, "%d of %d ended well" % (len(done), CLIENTS)
