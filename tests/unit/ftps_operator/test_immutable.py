"""The words are the API server's own (1.37)."""

import pytest

from ftps_operator.errors import DeniedError, InvalidError
from ftps_operator.immutable import can_be_made_anew, explain
from ftps_operator.kinds import (
    CERTIFICATE,
    CONFIG_MAP,
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
    Kind,
)
from ftps_operator.policies import Reason
from support.samples import server

FIXED = "is invalid: spec.selector: Invalid value: {…}: field is immutable"
CLASS = 'Service "exchange" is invalid: spec.loadBalancerClass: Invalid value: "b": may not change once set'
FAMILY = (
    'Service "exchange" is invalid: spec.clusterIPs[0]: Invalid value: "10.96.0.9":'
    " expected an IPv6 value as indicated by `ipFamilies[0]`"
)
CLAIM = "spec: Forbidden: spec is immutable after creation except resources.requests\n@@ -1,6 +1,6 @@\n {"
SMALLER = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
LARGER = "only dynamically provisioned pvc can be resized and the storageclass … must support resize"


@pytest.mark.parametrize("kind", [DEPLOYMENT, CONFIG_MAP, SECRET])
def test_what_loses_nothing_is_made_anew(kind: Kind):
    assert can_be_made_anew(kind, InvalidError(FIXED))


@pytest.mark.parametrize("kind", [SERVICE, PERSISTENT_VOLUME_CLAIM, CERTIFICATE])
def test_nothing_else_is(kind: Kind):
    assert not can_be_made_anew(kind, InvalidError(FIXED))


def test_another_mistake_or_a_webhook_s_word_deletes_nothing():
    assert not can_be_made_anew(DEPLOYMENT, InvalidError("spec.replicas: must be greater than or equal to 0"))
    assert not can_be_made_anew(DEPLOYMENT, DeniedError("our tags are immutable"))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (SERVICE, InvalidError(CLASS)),
        (SERVICE, InvalidError(FAMILY)),
        (PERSISTENT_VOLUME_CLAIM, InvalidError(CLAIM)),
        (PERSISTENT_VOLUME_CLAIM, InvalidError(SMALLER)),
        (PERSISTENT_VOLUME_CLAIM, DeniedError(LARGER)),
    ],
)
def test_where_something_is_lost_a_person_is_told_the_command(kind: Kind, error: InvalidError):
    verdict = explain(server(), kind, "exchange-x", error)
    assert verdict.reason is Reason.IMMUTABLE_FIELD
    assert "@@" not in verdict.message
    command = verdict.message.rpartition(": ")[2]
    if kind == SERVICE:
        assert command == "kubectl delete service exchange-x --namespace files"
    else:
        selected = "--namespace files --selector ftps-operator.io/server=exchange"
        assert command == f"kubectl delete persistentvolumeclaims,pods {selected}"


def test_any_other_refusal_is_told_as_it_is():
    verdict = explain(server(), SERVICE, "exchange", InvalidError("provided port is already allocated"))
    assert verdict.reason is Reason.OBJECT_REJECTED
    assert verdict.message == "Service exchange: provided port is already allocated"
