"""A hundred guests download a file under TLS, and rest in the middle until they are told to go on:
renewal.py HOST PORT AUTHORITY FILE. "running" and "go on" are files in the working folder.
"""
import ftplib
import os
import socket
import ssl
import sys
import threading
import time

HOST, PORT, AUTHORITY, FILE = sys.argv[1:5]
CLIENTS = 100

with open(FILE, "rb") as file:
    CONTENT = file.read()
resting = threading.Barrier(CLIENTS + 1)
going_on = threading.Event()
done = []


class Client(ftplib.FTP_TLS):
    def ntransfercmd(self, cmd, rest=None):
        """With a small buffer, so that the kernel doesn't swallow the file."""
        data = socket.socket()
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        data.settimeout(120)
        data.connect(self.makepasv())
        assert self.sendcmd(cmd).startswith("150")
        return self.context.wrap_socket(data, server_hostname=self.host, session=self.sock.session), None


def run():
    ftp = Client(context=ssl.create_default_context(cafile=AUTHORITY), timeout=120)
    ftp.connect(HOST, int(PORT))
    ftp.login()
    ftp.prot_p()
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd("RETR file")
    got = bytearray(data.recv(10_000))
    resting.wait()
    going_on.wait()
    while part := data.recv(65_536):
        got += part
    data.unwrap().close()
    ftp.voidresp()
    assert got == CONTENT, len(got)
    assert ftp.nlst() == [os.path.basename(FILE)]
    ftp.quit()
    done.append(ftp)


if __name__ == "__main__":
    clients = [threading.Thread(target=run, daemon=True) for _ in range(CLIENTS)]
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
