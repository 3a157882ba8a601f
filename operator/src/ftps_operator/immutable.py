"""What becomes of an object with a field that the API server does not let change.

It is made anew where that loses nothing. Where it does, a person decides, and is told the command.
"""

import re

from ftps_operator.constants import SERVER_LABEL
from ftps_operator.errors import DeniedError, InvalidError
from ftps_operator.kinds import CONFIG_MAP, DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, SECRET, SERVICE, Kind
from ftps_operator.models.server import FtpsServer
from ftps_operator.policies import Reason, Verdict

# The words of Kubernetes' validation, tried against 1.37; there is no machine-readable reason for it.
_FIXED = re.compile(
    r"immutable"  # a Deployment's selector, a Secret's type, a claim's class, whatever is marked `immutable: true`
    r"|may not change once set"  # a Service's loadBalancerClass
    r"|as indicated by `ipFamilies"  # a Service's first address is of another family
    r"|field can not be less than"  # a claim never shrinks
    r"|must support resize"  # nor grows where its class does not allow it
)


def can_be_made_anew(kind: Kind, error: InvalidError) -> bool:
    """Whether deleting the object is the way, and loses nothing: pods drain, files and hashes are written again."""
    # What a webhook denies is its own affair, whatever its words.
    return kind in (DEPLOYMENT, CONFIG_MAP, SECRET) and _is_fixed(error) and not isinstance(error, DeniedError)


def explain(server: FtpsServer, kind: Kind, name: str, error: InvalidError) -> Verdict:
    """What a person is told of an object that the API server refuses."""
    refused = f"{kind.kind} {name}: {str(error).partition(chr(10))[0].rstrip()}"  # a claim's differences follow
    way_out = _WAYS_OUT.get(kind)
    if way_out is None or not _is_fixed(error):
        return Verdict(Reason.OBJECT_REJECTED, refused)
    command = way_out.format(name=name, namespace=server.metadata.namespace, server=server.metadata.name)
    return Verdict(Reason.IMMUTABLE_FIELD, f"{refused}. Undo the change, or have it made anew, {command}")


_WAYS_OUT = {
    SERVICE: "which loses its address: kubectl delete service {name} --namespace {namespace}",
    # The pods, too: a claim stays as long as one of them uses it.
    PERSISTENT_VOLUME_CLAIM: "which loses all files: kubectl delete persistentvolumeclaims,pods"
    f" --namespace {{namespace}} --selector {SERVER_LABEL}={{server}}",
}


def _is_fixed(error: InvalidError) -> bool:
    return _FIXED.search(str(error)) is not None
