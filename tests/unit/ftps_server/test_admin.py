"""Probes and metrics."""

import socket
import urllib.error

import pytest

from ftps_server.admin import AdminServer, Heartbeat
from ftps_server.metrics import Metrics


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admin(setup, clock):
    server = AdminServer(setup.admin, heartbeat=Heartbeat(monotonic=clock), metrics=Metrics())
    yield server
    server.close()


def test_it_lives_while_the_loop_turns(admin, clients, clock):
    assert clients.get("livez") == (200, "ok\n")
    clock.now = 10.0
    assert clients.get("livez") == (503, "not ok\n")


def test_it_is_ready_when_it_says_so_and_the_loop_turns(admin, clients, clock):
    assert clients.get("readyz")[0] == 503
    admin.ready = True
    assert clients.get("readyz")[0] == 200
    clock.now = 10.0
    assert clients.get("readyz")[0] == 503


@pytest.mark.usefixtures("admin")
def test_metrics_are_in_prometheus_format(clients):
    assert "# TYPE ftps_server_sessions gauge" in clients.get("metrics")[1]
    assert clients.get("metrics?name=value")[0] == 200


@pytest.mark.usefixtures("admin")
def test_nothing_else_is_there(clients):
    assert clients.get("secrets") == (404, "not found\n")


def test_a_closed_server_does_not_answer(setup, clock, clients):
    server = AdminServer(setup.admin, heartbeat=Heartbeat(monotonic=clock), metrics=Metrics())
    server.close()
    with pytest.raises(urllib.error.URLError):
        clients.get("livez")


def test_the_start_does_not_wait_for_the_dns(setup, monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("the DNS was asked"))
    AdminServer(setup.admin, heartbeat=Heartbeat(), metrics=Metrics()).close()


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_answers_over_both_families(setup, host):
    socket.create_connection((host, setup.admin)).close()
