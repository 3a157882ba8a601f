"""A directory as a source of the configuration."""

from ftps_server.sources import DirectorySources
from unit.ftps_server.harness import user


def test_each_call_reads_anew(setup):
    sources = DirectorySources(setup.directory, setup.passive)
    assert sources.server().explicit.port == setup.explicit
    assert [found.name for found in sources.users().users] == ["alice", "rita"]
    setup.users(user("bob"))
    setup.announce("192.0.2.1")
    assert [found.name for found in sources.users().users] == ["bob"]
    default = sources.addresses().default
    assert default is not None
    assert default.address == "192.0.2.1"


def test_the_files_are_those_that_the_operator_writes(setup):
    files = DirectorySources(setup.directory, setup.passive).files
    found = {str(path.relative_to(setup.directory)) for path in setup.directory.rglob("*.*")}
    assert {str(getattr(files, name).relative_to(setup.directory)) for name in files.__slots__} >= found
