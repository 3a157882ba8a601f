"""Whatever a client sends to a running server, the next client is answered, and nothing is held open for the last."""

import logging
import os
import socket
import struct
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftps_server.config import PassivePorts
from ftps_server.protocol.session import ExplicitSession
from ftps_server.server import Server
from ftps_server.sources import DirectorySources
from unit.ftps_server.harness import DEADLINE, PASSWORD, Clients, Pki, Setup, free_ports, user, wait_for

COMMANDS = b"""
    ABOR ACCT ALLO APPE AUTH AVBL CCC CDUP CLNT CSID CWD DELE EPRT EPSV FEAT HASH HELP HOST LANG LIST MD5 MDTM MFMT MKD
    MLSD MLST MODE NLST NOOP OPTS PASS PASV PBSZ PORT PROT PWD QUIT RANG REIN REST RETR RMD RNFR RNTO SITE SIZE SMNT
    STAT STOR STOU STRU SYST TYPE USER XCRC XCUP XCWD XMD5 XMKD XPWD XRMD XSHA1 XSHA256 XSHA512
"""
ARGUMENTS = b"""
    / . .. ../.. //etc/passwd a a/b C I P S A L8 0 1 -1 99999999999999999999 0-9 ALL HASH=SHA-256 UTF8=ON -la *
    127,0,0,1,0,21 127,0,0,1,255,255 999,0,0,1,1,1 |1|127.0.0.1|1| |2|::1|1| |||1| 20260101000000 chmod=777 alice
"""

# What makes sense together only.
SEQUENCES = [
    b"EPSV\r\nSTOR new\r\n",
    b"PASV\r\nLIST\r\nABOR\r\n",
    b"EPSV ALL\r\nPASV\r\n",
    b"EPSV\r\nREST 5\r\nRETR new\r\n",
    b"MKD a\r\nRNFR a\r\nRNTO a/b\r\n",
    b"PROT C\r\nEPSV\r\nMLSD\r\n",
]

HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

words = st.sampled_from(ARGUMENTS.split()) | st.binary(max_size=20) | st.text(max_size=10).map(str.encode)
lines = st.tuples(
    st.sampled_from(COMMANDS.split()) | st.binary(max_size=6),
    st.lists(words, max_size=3).map(b" ".join),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\0\r\n", b"\xff\xf4\xff\xf2\r\n", b""]),
).map(lambda parts: b"%b %b%b" % parts)
overlong = st.integers(1, 70_000).map(lambda size: b"a" * size)
inputs = st.lists(lines | st.sampled_from(SEQUENCES) | st.binary(max_size=100) | overlong, max_size=12)
noise = st.binary(max_size=50) | lines | st.sampled_from([b"AUTH TLS\r\nNOOP\r\n", HALF_A_HELLO])
LOGIN = b"USER alice\r\nPASS %b\r\nPBSZ 0\r\nPROT P\r\n" % PASSWORD.encode()


class Errors(logging.Handler):
    """What the server says of itself that should not be."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.seen = []

    def emit(self, record):
        self.seen.append(self.format(record))


class Victim:
    """A running server."""

    def __init__(self, directory):
        pki, first = Pki(), free_ports(5)
        self.setup = Setup(directory, first, first + 1, first + 2, PassivePorts(first=first + 3, last=first + 4))
        self.setup.storage.mkdir()
        self.setup.configure(limits={"maxLoginAttempts": 1000})
        self.setup.announce()
        self.setup.users(user())
        self.setup.certify(*pki.issue())
        self.clients = Clients(self.setup, pki.root())
        self.tls = self.clients.context()
        self.server = Server(DirectorySources(self.setup.directory, self.setup.passive))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        self.errors = Errors()
        logging.getLogger().addHandler(self.errors)
        # Whatever is opened once is open by now.
        self.converse([b"EPSV\r\nLIST\r\n"], logs_in=True)
        self.answers_noop()
        self.descriptors = self.held()

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.setup.implicit), timeout=DEADLINE)
        return self.tls.wrap_socket(raw, server_hostname="localhost")

    def answers_noop(self):
        with self.connect() as control:
            assert answers(control, b"NOOP\r\nQUIT\r\n", 3) == [b"220", b"200", b"221"]

    def converse(self, sent, *, logs_in, waits=False, resets=False, intruder=None):
        """Say all of it, with or without listening meanwhile, and go politely or not."""
        with self.connect() as control:
            if logs_in:
                assert answers(control, LOGIN, 5) == [b"220", b"331", b"230", b"200", b"200"]
            # The server may have enough of it at any time.
            with suppress(OSError):
                for each in sent:
                    control.sendall(each)
                    if waits:
                        control.settimeout(0.02)
                        with suppress(TimeoutError):
                            control.recv(1 << 16)
                        control.settimeout(DEADLINE)
            if intruder is not None:
                self.intrude(*intruder)
            if resets:
                control.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                with suppress(OSError):
                    control.unwrap().close()

    def intrude(self, port, sent):
        """Come meanwhile, as the data connection or another client, and not with TLS."""
        ports = {"explicit": self.setup.explicit, "implicit": self.setup.implicit, "passive": self.setup.passive.first}
        with suppress(OSError), socket.create_connection(("127.0.0.1", ports[port]), timeout=DEADLINE) as connection:
            connection.sendall(sent)

    @staticmethod
    def held():
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the listing's own is among them, always

    def close(self):
        logging.getLogger().removeHandler(self.errors)
        for _ in range(2):
            self.server.stop("end of test")
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def victim():
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExplicitSession, "auth_failed_timeout", 0.05)
        victim = Victim(Path(directory))
        yield victim
        victim.close()


def answers(control, sent, count):
    """Say something after the greeting; the codes of so many answers."""
    control.sendall(sent)
    with control.makefile("rb") as stream:
        return [stream.readline()[:3] for _ in range(count)]


@settings(max_examples=250, deadline=None)
@given(
    sent=inputs,
    logs_in=st.booleans(),
    waits=st.booleans(),
    resets=st.booleans(),
    intruder=st.none() | st.tuples(st.sampled_from(["passive", "explicit", "implicit"]), noise),
)
def test_whatever_is_sent_the_next_client_is_served_and_nothing_stays_open(victim, sent, **manner):
    victim.converse(sent, **manner)
    victim.answers_noop()
    wait_for(lambda: victim.held() <= victim.descriptors, "the end of all descriptors")
    assert victim.errors.seen == []
