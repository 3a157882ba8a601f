"""The CustomResourceDefinitions, made from the models.

A structural schema (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/)
is a subset of JSON schema: no references, no `anyOf` with null, no titles.
"""

from typing import Any

from pydantic import BaseModel

from ftps_operator.constants import GROUP, VERSION
from ftps_operator.models import FtpsServerSpec, FtpsServerStatus, FtpsUser, FtpsUserSpec, FtpsUserStatus
from ftps_operator.models.base import VALIDATIONS

SERVER_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Address", "string", ".status.address", 0),
    ("Explicit", "integer", '.status.endpoints[?(@.mode=="Explicit")].port', 0),
    ("Implicit", "integer", '.status.endpoints[?(@.mode=="Implicit")].port', 0),
    ("Passive", "string", ".status.passivePorts", 0),
    ("Replicas", "integer", ".status.replicas", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Expires", "string", ".status.certificate.notAfter", 1),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)
USER_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Server", "string", ".spec.serverRef.name", 0),
    ("Login", "string", ".status.login", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)

# The Service and the label values are named after the server, the Deployments get a suffix.
SERVER_NAME_RULE = {
    "rule": "self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "message": "metadata.name must be at most 50 lower case letters, digits and '-', and begin with a letter",
}


def crds() -> dict[str, dict[str, Any]]:
    """Every CRD by the name of its file."""
    return {"ftpsservers.yaml": ftps_server_crd(), "ftpsusers.yaml": ftps_user_crd()}


def ftps_server_crd() -> dict[str, Any]:
    """The CRD of FtpsServer."""
    return _crd(
        kind="FtpsServer",
        description="One FTPS server: its pods, Service, certificate, network policy and storage.",
        short_name="ftps",
        spec=FtpsServerSpec,
        status=FtpsServerStatus,
        columns=SERVER_COLUMNS,
        rules=[SERVER_NAME_RULE],
        scale={
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    )


def ftps_user_crd() -> dict[str, Any]:
    """The CRD of FtpsUser."""
    return _crd(
        kind="FtpsUser",
        description="A user of an FtpsServer.",
        short_name="ftpsuser",
        spec=FtpsUserSpec,
        status=FtpsUserStatus,
        columns=USER_COLUMNS,
        rules=[{"rule": rule.cel, "message": rule.message} for rule in FtpsUser.rules],
    )


def _crd(
    *,
    kind: str,
    description: str,
    short_name: str,
    spec: type[BaseModel],
    status: type[BaseModel],
    columns: tuple[tuple[str, str, str, int], ...],
    rules: list[dict[str, str]] | None = None,
    scale: dict[str, str] | None = None,
) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema: dict[str, Any] = {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec),
            # A default of the whole, or the inner one never applies: a resource that no operator has looked at
            # would count as current (kstatus skips observedGeneration where it is absent).
            "status": structural(status) | {"default": {"observedGeneration": -1}},
        },
    }
    if rules:
        schema[VALIDATIONS] = rules
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short_name],
                # Not `ftps`: a category of that name makes `kubectl get ftps NAME` ambiguous.
                "categories": [GROUP.removesuffix(".io")],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}} | ({"scale": scale} if scale else {}),
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind_, "jsonPath": path} | ({"priority": priority} if priority else {})
                        for name, kind_, path, priority in columns
                    ],
                }
            ],
        },
    }


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema in the form that a CRD allows."""
    schema = model.model_json_schema(mode="validation")
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _without_reference(node, definitions)
    if isinstance(node.get("description"), str):
        node["description"] = " ".join(node["description"].split())
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("x-kubernetes-int-or-string"):
        node.pop("anyOf", None)
    if "properties" in node:
        node["properties"] = {name: _property(schema, definitions) for name, schema in node["properties"].items()}
        node.pop("additionalProperties", None)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = _structural(node[key], definitions)
    return {key: node[key] for key in sorted(node, key=_reading_order) if key not in ("title", "$defs")}


def _property(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    result = _structural(schema, definitions)
    if "properties" in result and result.get("default") is not None:
        # In full: rules are checked against a default before the fields' own defaults fill it.
        fields = result["properties"].items()
        result["default"] = {field: each["default"] for field, each in fields if "default" in each}
    if result.get("default", ...) is None:
        del result["default"]
    return result


def _without_reference(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Resolve `$ref` and `anyOf: [X, null]`; what stands beside them wins, rules of both are kept."""
    outer = dict(node)
    inner: dict[str, Any] = {}
    if "$ref" in outer:
        inner = definitions[outer.pop("$ref").rpartition("/")[2]]
    elif "anyOf" in outer:
        choices = [choice for choice in outer["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            del outer["anyOf"]
            inner = choices[0]
    if not inner:
        return outer
    inner = _without_reference(inner, definitions)
    rules = [*inner.get(VALIDATIONS, []), *outer.get(VALIDATIONS, [])]
    return inner | outer | ({VALIDATIONS: rules} if rules else {})


_ORDER = ("description", "type", "default", "enum", "format", "pattern", "required", "properties", "items")


def _reading_order(key: str) -> tuple[int, str]:
    return (_ORDER.index(key) if key in _ORDER else len(_ORDER), key)
