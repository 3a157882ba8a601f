"""Label selectors, as Kubernetes reads them."""

from collections.abc import Mapping

from ftps_operator.models.scheduling import LabelSelector, LabelSelectorRequirement


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all that the selector demands holds of the labels; an empty one demands nothing."""
    wanted = selector.match_labels or {}
    return wanted.items() <= labels.items() and all(
        _holds(requirement, labels) for requirement in selector.match_expressions or []
    )


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in (requirement.values or [])
        case "NotIn":
            return value not in (requirement.values or [])
