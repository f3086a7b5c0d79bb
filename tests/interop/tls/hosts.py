"""Virtual hosts with ftplib: hosts.py HOST PORT USER PASSWORD NAME=OWN...

On each host USER has the password OWN, and the file `whose` holds it.
"""
import ftplib
import sys

address, port, user, password, *hosts = sys.argv[1:]
hosts = [host.split("=") for host in hosts]


def connected():
    ftp = ftplib.FTP()
    ftp.connect(address, int(port), timeout=60)
    return ftp


def whose(ftp):
    got = []
    ftp.retrbinary("RETR whose", got.append)
    return b"".join(got).decode()


def refused(ask, code):
    try:
        ask()
    except ftplib.error_perm as error:
        assert str(error).startswith(code), error
        return
    raise AssertionError("it was not refused")


for name, own in hosts:
    with connected() as ftp:
        assert " HOST" in ftp.sendcmd("FEAT").splitlines()
        assert ftp.sendcmd("HOST " + name.upper()) == "220 This is " + own + "."
        ftp.login(user, own)
        assert whose(ftp) == own
        refused(lambda: ftp.sendcmd("HOST " + name), "503")
    with connected() as ftp:
        ftp.login(name + "|" + user, own)
        assert whose(ftp) == own
        # As on IIS it holds for one login.
        ftp.login(user, password)
        assert whose(ftp) == "itself"
    with connected() as ftp:
        refused(lambda: ftp.login(name + "|" + user, password), "530")

with connected() as ftp:
    refused(lambda: ftp.sendcmd("HOST nobody.example.org"), "504")
    refused(lambda: ftp.login("nobody.example.org|" + user, password), "530")
    ftp.login(user, password)
    assert whose(ftp) == "itself"
