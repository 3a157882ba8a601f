"""The resources, as pydantic models: the one source of the CRDs, of their defaults and of what the operator reads."""

from ftps_operator.models.server import FtpsServer, FtpsServerSpec
from ftps_operator.models.status import FtpsServerStatus, FtpsUserStatus
from ftps_operator.models.user import FtpsUser, FtpsUserSpec

__all__ = ["FtpsServer", "FtpsServerSpec", "FtpsServerStatus", "FtpsUser", "FtpsUserSpec", "FtpsUserStatus"]
