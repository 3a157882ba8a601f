"""What PASV announces: a host name's last good address stands, whatever the DNS says later."""

import queue

import pytest

from ftps_server.announce import Announcer, look_up
from ftps_server.config import AddressConfig
from unit.ftps_server.harness import DEADLINE, wait_for


class Dns:
    """Answers as told, and brings posted calls into this thread."""

    def __init__(self):
        self.answers: dict[str, str] = {}
        self.posted: queue.Queue = queue.Queue()

    def resolve(self, name):
        if name not in self.answers:
            raise OSError("no such name")
        return self.answers[name]

    def announcer(self, **fields):
        return Announcer(AddressConfig.model_validate(fields), post=self.posted.put, resolve=self.resolve)

    def run_one(self):
        self.posted.get(timeout=DEADLINE)()


@pytest.fixture
def dns():
    return Dns()


def test_the_first_override_that_holds_the_client_wins(dns):
    overrides = [
        {"cidrs": ["10.1.0.0/16", "fd00::/8"], "address": "10.1.0.1"},
        {"cidrs": ["10.0.0.0/8"], "address": "10.0.0.1"},
    ]
    announcer = dns.announcer(default={"address": "203.0.113.1"}, overrides=overrides)
    assert announcer.address_for("10.1.2.3", local="127.0.0.1") == "10.1.0.1"
    assert announcer.address_for("fd00::1", local="127.0.0.1") == "10.1.0.1"
    assert announcer.address_for("10.2.2.3", local="127.0.0.1") == "10.0.0.1"
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") == "203.0.113.1"


def test_an_address_may_come_from_the_environment(dns, monkeypatch):
    announcer = dns.announcer(default={"environment": "HOST_IP"})
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") is None
    monkeypatch.setenv("HOST_IP", "203.0.113.9")
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") == "203.0.113.9"
    monkeypatch.setenv("HOST_IP", "2001:db8::1")
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") is None


def test_a_host_name_is_looked_up_and_its_last_good_address_stands(dns):
    dns.answers["lb.example.com"] = "203.0.113.1"
    announcer = dns.announcer(default={"address": "lb.example.com"})
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") is None
    dns.run_one()
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") == "203.0.113.1"

    dns.answers["lb.example.com"] = "203.0.113.2"
    announcer.refresh()
    dns.run_one()
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") == "203.0.113.2"

    dns.answers.clear()
    announcer.refresh()
    dns.run_one()
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") == "203.0.113.2"


def test_a_slow_name_is_looked_up_once_at_a_time(dns):
    announcer = dns.announcer(default={"address": "lb.example.com"})
    wait_for(dns.posted.qsize, "the answer")
    for _ in range(3):
        announcer.refresh()
    dns.run_one()
    assert dns.posted.empty()
    announcer.refresh()
    dns.run_one()


def test_a_new_configuration_is_looked_up_at_once(dns):
    dns.answers["lb.example.com"] = "203.0.113.1"
    announcer = dns.announcer()
    announcer.replace(AddressConfig.model_validate({"default": {"address": "lb.example.com"}}))
    dns.run_one()
    assert announcer.address_for("192.0.2.1", local="127.0.0.1") == "203.0.113.1"


def test_without_anything_before_it_the_server_tells_what_the_client_has_connected_to(dns):
    assert dns.announcer(default={"local": True}).address_for("192.0.2.1", local="192.0.2.7") == "192.0.2.7"


def test_names_are_looked_up_as_ipv4():
    assert look_up("localhost") == "127.0.0.1"
