from typing import Any

import pytest

from ftps_operator.models.scheduling import LabelSelector
from ftps_operator.selectors import selects

LABELS = {"team": "blue", "stage": "live"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"team": "blue"}}, True),
        ({"matchLabels": {"team": "red"}}, False),
        ({"matchLabels": {"team": "blue", "other": "x"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["red", "blue"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["red"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In"}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["blue"]}]}, False),
        # As Kubernetes has it: who has no such label is not in, either.
        ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["blue"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "other", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
        (
            {"matchLabels": {"team": "blue"}, "matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]},
            False,
        ),
    ],
)
def test_a_selector_selects_as_kubernetes_has_it(selector: dict[str, Any], expected: bool):
    assert selects(LabelSelector.model_validate(selector), LABELS) is expected
