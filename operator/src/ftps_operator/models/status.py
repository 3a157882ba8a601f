"""What the operator says of a server."""

from typing import Annotated, Literal

from pydantic import Field

from ftps_operator.models.base import Model, keyed_by

MAX_CHANGES = 100
MAX_FIELDS = 20
FIELD_LENGTH = 256


class Condition(Model):
    """As metav1.Condition."""

    type: str = Field(max_length=316)
    status: Literal["True", "False", "Unknown"]
    observed_generation: int | None = Field(default=None, ge=0)
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    reason: str = Field(max_length=1024, min_length=1)
    message: str = Field(max_length=32768)


class Endpoint(Model):
    """One way to connect, ready to paste into a client."""

    mode: Literal["Explicit", "Implicit"]
    port: int
    url: str


class CertificateStatus(Model):
    """The certificate that is served."""

    not_after: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    issuer: str | None = None
    fingerprint: str | None = None
    """SHA-256 of the certificate, in hexadecimal."""


class PlannedChange(Model):
    """What would become of one object."""

    object: str = Field(max_length=320)
    """Kind and name."""
    action: Literal["Create", "Change", "Recreate", "Delete"]
    fields: list[Annotated[str, Field(max_length=FIELD_LENGTH)]] = Field(default=[], max_length=MAX_FIELDS + 1)
    """The paths of the fields that would change, and how many more; never their values."""


class FtpsServerStatus(Model):
    """What was observed, and of which generation."""

    observed_generation: int = -1
    conditions: Annotated[list[Condition] | None, Field(json_schema_extra=keyed_by("type"))] = None
    address: str | None = None
    """Where clients connect to."""
    endpoints: Annotated[list[Endpoint] | None, Field(json_schema_extra=keyed_by("url"))] = None
    """One for each way to connect, and for each of a dual-stack Service's addresses."""
    passive_ports: str | None = None
    """First and last passive port."""
    replicas: int | None = None
    ready_replicas: int | None = None
    selector: str | None = None
    """Selects the pods, for autoscalers."""
    certificate: CertificateStatus | None = None
    users: int | None = None
    """How many users can log in."""
    plan: list[PlannedChange] | None = Field(default=None, max_length=MAX_CHANGES)
    """What would change, where the annotation ftps-operator.io/mode is `plan`."""


class FtpsUserStatus(Model):
    """What was observed, and of which generation."""

    observed_generation: int = -1
    conditions: Annotated[list[Condition] | None, Field(json_schema_extra=keyed_by("type"))] = None
    login: str | None = None
    """What the client logs in with."""
