"""Who is let in."""

from ftps_server.config import LimitsConfig
from ftps_server.limits import Admission


def test_without_limits_everybody_is_let_in():
    admission = Admission(LimitsConfig())
    for _ in range(1000):
        assert admission.refuse("192.0.2.1") is None
        admission.enter("192.0.2.1")


def test_sessions_are_counted_in_all():
    admission = Admission(LimitsConfig(max_sessions=2))
    admission.enter("192.0.2.1")
    admission.enter("192.0.2.2")
    assert admission.refuse("192.0.2.3") == "Too many sessions; try again later."
    admission.leave("192.0.2.1")
    assert admission.refuse("192.0.2.3") is None


def test_sessions_are_counted_by_address():
    admission = Admission(LimitsConfig(max_sessions_per_address=1))
    admission.enter("192.0.2.1")
    assert admission.refuse("192.0.2.1") == "Too many sessions from your address; try again later."
    assert admission.refuse("192.0.2.2") is None
    admission.leave("192.0.2.1")
    assert admission.refuse("192.0.2.1") is None
    assert admission.sessions == 0


def test_nobody_is_let_in_while_draining():
    admission = Admission(LimitsConfig())
    admission.draining = True
    assert admission.refuse("192.0.2.1") == "This server is about to end; connect again."
