"""Loads pyftpdlib's tests, with our server and our clients in their places."""

import importlib
import importlib.util
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any
from unittest.mock import patch

from ftps_server.protocol.session import ExplicitSession
from pyftpdlib_suite import sdist
from pyftpdlib_suite.clients import ExplicitClient
from pyftpdlib_suite.ftpd import Ftpd
from pyftpdlib_suite.left_out import TESTS
from unit.ftps_server.harness import DEADLINE

# Not `tests`: that is the name of this project's own folder.
PACKAGE = "pyftpdlib_tests"
_LEFT_OUT = frozenset(name for names in TESTS.values() for name in names)

left_out: list[str] = []
"""The tests that were not made part of the run."""


class RunningLoop:
    """`IOLoop`: the loop of the server that runs."""

    @staticmethod
    def instance() -> Any:
        assert Ftpd.running is not None
        return Ftpd.running.server.ioloop


@cache
def load(name: str) -> ModuleType:
    """A module of the suite."""
    if PACKAGE not in sys.modules:
        _load_helpers()
    handlers = importlib.import_module("pyftpdlib.handlers")
    # The handler is there only with OpenSSL; the suite sets its certificate, and starts our server then.
    with _stand_in("OpenSSL"), patch.object(handlers, "TLS_FTPHandler", type("Unused", (), {}), create=True):
        module = importlib.import_module(f"{PACKAGE}.{name}")
    module.FTPHandler, module.IOLoop = ExplicitSession, RunningLoop
    return module


def classes(name: str, *, server: type[Ftpd], client: type[ExplicitClient]) -> dict[str, type]:
    """A module's test classes, for a server and a client of ours, without the tests that are left out."""
    found = {}
    for case in cases(load(name)):
        changes: dict[str, object] = {"server_class": server, "client_class": client}
        if hasattr(case, "arg_cmds"):
            changes["arg_cmds"] = _with_arguments()
        without = [test for test in tests(case) if names(case, test) & _LEFT_OUT]
        left_out.extend(f"{case.__name__}.{test}" for test in without)
        found[case.__name__] = type(case.__name__, (case,), changes | dict.fromkeys(without))
    return found


def _with_arguments() -> list[str]:
    """The commands that need one: SITE CHMOD is not among ours, some are that pyftpdlib has not."""
    return [name.lower() for name, details in ExplicitSession.proto_cmds.items() if details["arg"]]


def cases(module: ModuleType) -> list[type[unittest.TestCase]]:
    """The test classes that a module defines."""
    everything = (each for each in vars(module).values() if isinstance(each, type))
    return [each for each in everything if issubclass(each, unittest.TestCase) and each.__module__ == module.__name__]


def tests(case: type) -> list[str]:
    """The names of a class's tests, inherited ones among them."""
    return [name for name in dir(case) if name.startswith("test") and callable(getattr(case, name))]


def names(case: type, test: str) -> set[str]:
    """Under which names a test can be left out: those of its class, and of what this one is derived from."""
    return {f"{each.__name__}.{test}" for each in case.__mro__ if hasattr(each, test)} | {case.__name__}


def _load_helpers() -> None:
    """The suite's `tests` package."""
    folder = sdist.ensure()
    path = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(PACKAGE, path, submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    helpers = sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    with _stand_in("psutil"):
        spec.loader.exec_module(helpers)
    helpers.FtpdThreadWrapper, helpers.IOLoop = Ftpd, RunningLoop
    # What fails once in a while has failed; a busy machine has not.
    helpers.NO_RETRIES, helpers.GLOBAL_TIMEOUT = 1, DEADLINE
    # It would change pyftpdlib's classes for all the tests of the process.
    helpers.reset_server_opts = lambda: None


@contextmanager
def _stand_in(name: str) -> Iterator[None]:
    """An empty module for one that the suite imports, and that is used nowhere in what is run of it."""
    if importlib.util.find_spec(name) is not None:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
