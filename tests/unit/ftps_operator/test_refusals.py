"""What a person is told of an object that the API server refuses; the causes are in its own words."""

import pytest

from ftps_operator.desired.networkpolicy import build_network_policy
from ftps_operator.desired.service import build_service
from ftps_operator.errors import Cause, InvalidError
from ftps_operator.policies import Reason
from ftps_operator.refusals import explain
from support.samples import server

MADE = server(service={"type": "NodePort"}, passive={"firstPort": 30100})
TAKEN = Cause("spec.ports[3].nodePort", "Invalid value: 30103: provided port is already allocated")
OUTSIDE = Cause(
    "spec.ports[0].nodePort",
    "Invalid value: 30100: provided port is not in the valid range. The range of valid ports is 31000-31999",
)
CLASS = Cause("spec.loadBalancerClass", 'Invalid value: "b": may not change once set')
FAMILY = Cause("spec.ipFamilies[0]", 'Invalid value: "IPv6": may not change once set')
NO_FAMILY = Cause("spec.ipFamilies[0]", 'Invalid value: "IPv6": not configured on this cluster')
ANOTHER = Cause("spec.ports[3].port", "Invalid value: 0: must be between 1 and 65535, inclusive")


def refused(*causes: Cause) -> InvalidError:
    said = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    return InvalidError(f'Service "exchange" is invalid: {said}', causes=causes)


@pytest.mark.parametrize(
    ("cause", "reason", "words"),
    [
        (TAKEN, Reason.NODE_PORT_UNAVAILABLE, "the passive ports, 30100-30139: free them"),
        (OUTSIDE, Reason.NODE_PORT_UNAVAILABLE, "another passive.firstPort"),
        (CLASS, Reason.IMMUTABLE_FIELD, "kubectl delete service exchange --namespace files"),
        (FAMILY, Reason.IMMUTABLE_FIELD, "kubectl delete service exchange --namespace files"),
        (NO_FAMILY, Reason.OBJECT_REJECTED, ""),
        (ANOTHER, Reason.OBJECT_REJECTED, ""),
    ],
)
def test_a_refused_service_is_told_with_what_to_do(cause: Cause, reason: Reason, words: str):
    verdict = explain(MADE, build_service(MADE), refused(cause))
    assert verdict.reason is reason
    assert cause.message in verdict.message
    assert words in verdict.message


def test_a_control_port_with_a_passive_port_s_number_is_a_service_to_be_made_anew():
    verdict = explain(MADE, build_service(MADE), InvalidError("duplicate nodePort: {TCP 30103}"))
    assert verdict.reason is Reason.NODE_PORT_UNAVAILABLE
    assert "`kubectl delete service exchange -n files`" in verdict.message


def test_one_of_several_causes_is_enough():
    assert explain(MADE, build_service(MADE), refused(ANOTHER, TAKEN)).reason is Reason.NODE_PORT_UNAVAILABLE


def test_the_same_field_of_another_kind_is_another_matter():
    assert explain(MADE, build_network_policy(MADE), refused(TAKEN)).reason is Reason.OBJECT_REJECTED
