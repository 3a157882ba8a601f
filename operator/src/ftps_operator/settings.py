"""The operator's settings: flags, or variables where a flag is not given."""

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftps_operator.constants import OPERATOR_CLASS

PREFIX = "FTPS_OPERATOR_"

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OPERATOR_CLASS = re.compile(OPERATOR_CLASS)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator is told at its start."""

    server_image: str
    """The image of servers that do not name one themselves."""
    namespaces: tuple[str, ...] = ()
    """Whose servers are looked after; empty for all of the cluster."""
    operator_namespace: str = "default"
    """Where the lease is kept."""
    operator_class: str = ""
    """Whose servers are looked after: those with just this `operatorClass`; empty for those without one."""
    lease_name: str = "ftps-operator"
    """The lease by which one of several operators of a class leads."""
    leader_election: bool = True
    """False for a single process, as in development."""
    identity: str = ""
    """This process's name in the lease and in Events; the host's name by default. No two processes may share one."""
    workers: int = 8
    """How many servers are reconciled side by side."""
    resync_seconds: int = 3600
    """Within how many seconds every server is looked at without an event, one after the other."""
    relist_seconds: int = 600
    """How often every kind is listed, which makes up for what a watch has lost without a word."""
    health_port: int = 8080
    """Where /livez, /readyz and /metrics answer."""
    log_level: str = "info"
    """debug, info, warning, error."""
    log_format: str = "json"
    """json, text."""
    kubeconfig: str | None = None
    """How to reach the API server; None inside a pod."""


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the flags of `ftps-operator run`."""
    parser = argparse.ArgumentParser(
        prog="ftps-operator run", epilog=f"Each flag can be given as a variable: --log-level as {PREFIX}LOG_LEVEL."
    )

    def add(flag: str, default: str, text: str) -> None:
        variable = PREFIX + flag.removeprefix("--").replace("-", "_").upper()
        parser.add_argument(flag, default=environment.get(variable, default), help=text)

    add("--server-image", "", "image of servers that do not name one themselves")
    add("--namespaces", "", "comma-separated; empty for all")
    add("--operator-namespace", "default", "where the lease is kept")
    add("--operator-class", "", "look after the servers with just this operatorClass; empty for those without one")
    add("--lease-name", "", "the lease by which one of several operators leads; by default ftps-operator[-CLASS]")
    add("--leader-election", "true", "true or false")
    add("--identity", socket.gethostname(), "this process's name in the lease and in Events; no two may share it")
    add("--workers", "8", "how many servers are reconciled side by side")
    add("--resync-seconds", "3600", "how often every server is looked at without an event")
    add("--relist-seconds", "600", "how often every kind is listed, to make up for what a watch has lost")
    add("--health-port", "8080", "where /livez, /readyz and /metrics answer")
    add("--log-level", "info", "debug, info, warning or error")
    add("--log-format", "json", "json or text")
    parser.add_argument("--kubeconfig", default=environment.get("KUBECONFIG"), help="none inside a pod")
    parsed = parser.parse_args(arguments)
    if not parsed.server_image:
        parser.error(f"--server-image or {PREFIX}SERVER_IMAGE is needed")
    try:
        return _settings(parsed)
    except ValueError as error:
        parser.error(str(error))


def _settings(parsed: argparse.Namespace) -> Settings:
    return Settings(
        server_image=parsed.server_image,
        namespaces=_namespaces(parsed.namespaces),
        operator_namespace=parsed.operator_namespace,
        operator_class=_operator_class(parsed.operator_class),
        lease_name=parsed.lease_name or "-".join(filter(None, ("ftps-operator", parsed.operator_class))),
        leader_election=_one_of("--leader-election", parsed.leader_election, ("true", "false")) == "true",
        identity=parsed.identity or socket.gethostname(),
        workers=_number("--workers", parsed.workers, at_most=100),
        resync_seconds=_number("--resync-seconds", parsed.resync_seconds, at_most=24 * 3600),
        relist_seconds=_number("--relist-seconds", parsed.relist_seconds, at_most=24 * 3600),
        health_port=_number("--health-port", parsed.health_port, at_most=65535),
        log_level=_one_of("--log-level", parsed.log_level, ("debug", "info", "warning", "error")),
        log_format=_one_of("--log-format", parsed.log_format, ("json", "text")),
        kubeconfig=parsed.kubeconfig or None,
    )


def _namespaces(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))
    for name in names:
        # kopf would take a pattern, and watch what nothing else looks at.
        if not _NAMESPACE.fullmatch(name):
            raise ValueError(f"--namespaces: {name!r} is no namespace's name")
    return names


def _operator_class(text: str) -> str:
    if text and not _OPERATOR_CLASS.fullmatch(text):
        raise ValueError(f"--operator-class: {text!r} is no word of lower case letters, digits and '-'")
    return text


def _one_of(flag: str, text: str, allowed: tuple[str, ...]) -> str:
    found = text.strip().lower()
    if found not in allowed:
        raise ValueError(f"{flag}: {text!r} is none of {', '.join(allowed)}")
    return found


def _number(flag: str, text: str, *, at_most: int) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= at_most):
        raise ValueError(f"{flag}: {text!r} is no number from 1 to {at_most}")
    return int(text)
