"""Where the files are kept."""

from enum import StrEnum

from pydantic import Field

from ftps_operator.models.base import Model, ObjectName, Rule, exactly_one
from ftps_operator.models.quantity import Quantity


class AccessMode(StrEnum):
    """As in a PersistentVolumeClaim."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_WRITE_MANY = "ReadWriteMany"


class DeletionPolicy(StrEnum):
    """What becomes of the files when the server is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class PersistentVolumeClaim(Model):
    """A claim that the operator makes."""

    size: Quantity
    """May grow later, where the storage class allows it."""
    storage_class_name: str | None = None
    """None for the cluster's default class."""
    access_modes: list[AccessMode] = Field(default=[AccessMode.READ_WRITE_ONCE], min_length=1, max_length=3)
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Retain keeps the claim, and the files, when the FtpsServer is deleted."""

    rules = (
        Rule(
            "self.accessModes == oldSelf.accessModes && has(self.storageClassName) == has(oldSelf.storageClassName)"
            " && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            "accessModes and storageClassName of a claim cannot be changed",
        ),
        Rule(
            "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",
            "size cannot shrink",
        ),
    )


class EmptyDir(Model):
    """Files that live as long as the pod."""

    size_limit: Quantity | None = None


class Storage(Model):
    """The volume with every user's home directory."""

    persistent_volume_claim: PersistentVolumeClaim | None = None
    existing_claim: ObjectName | None = None
    """A PersistentVolumeClaim that somebody else keeps."""
    empty_dir: EmptyDir | None = None

    rules = (
        exactly_one(
            "persistent_volume_claim",
            "existing_claim",
            "empty_dir",
            message="exactly one of persistentVolumeClaim, existingClaim, emptyDir must be set",
        ),
    )

    @property
    def is_bound_to_a_pod(self) -> bool:
        """Whether two pods can never have the volume at once."""
        claim = self.persistent_volume_claim
        return claim is not None and AccessMode.READ_WRITE_ONCE_POD in claim.access_modes

    @property
    def is_bound_to_a_node(self) -> bool:
        """Whether pods on two nodes cannot have the volume at once, or nobody knows."""
        claim = self.persistent_volume_claim
        if claim is not None:
            return AccessMode.READ_WRITE_MANY not in claim.access_modes
        return self.existing_claim is not None
