"""What to do about an object that the API server refuses."""

import re

from ftps_operator import immutable
from ftps_operator.errors import InvalidError
from ftps_operator.kinds import SERVICE, of
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest
from ftps_operator.policies import Reason, Verdict

_NODE_PORT = re.compile(r"spec\.ports\[\d+\]\.nodePort")
# The API server had chosen it for a control port, before the passive ports were node ports, too.
_TWICE = "duplicate nodePort"


def explain(server: FtpsServer, manifest: Manifest, error: InvalidError) -> Verdict:
    """Name the object and its fields; for what is known to happen, also what a person can change."""
    kind, name = of(manifest), manifest["metadata"]["name"]
    told = f"{kind.kind} {name}: {error}"
    if kind == SERVICE:
        if _TWICE in str(error):
            return Verdict(Reason.NODE_PORT_UNAVAILABLE, f"{told}; {_another_service(server)}")
        for cause in error.causes:
            if _NODE_PORT.fullmatch(cause.field):
                return Verdict(Reason.NODE_PORT_UNAVAILABLE, f"{told}; {_another_range(server)}")
    return immutable.explain(server, kind, name, error)


def _another_range(server: FtpsServer) -> str:
    ports = server.spec.passive.ports
    return (
        f"with service.type NodePort the node ports are the passive ports, {ports[0]}-{ports[-1]}: free them"
        " (`kubectl get services -A` tells whose they are), or make the FtpsServer anew with another passive.firstPort,"
        " which is fixed at creation"
    )


def _another_service(server: FtpsServer) -> str:
    meta = server.metadata
    return (
        f"`kubectl delete service {meta.name} -n {meta.namespace}` has it made anew at once; sessions end, and the"
        " address may be another one. Or take the change back"
    )
