import pytest

from testbed.paths import Instance
from testbed.routes import Routes

ADDRESS, PORT = "203.0.113.10", 30500


@pytest.mark.parametrize(
    ("healthy", "before", "chosen"),
    [
        ({1}, 0, 1),
        ({0, 1}, 0, 0),
        ({0, 1}, 1, 1),  # a session that is open goes on
        (set(), 1, 1),
    ],
)
def test_an_address_leads_to_a_node_that_takes_connections(healthy: set[int], before: int, chosen: int):
    routes = Routes(Instance("x"), 2, check=lambda node, port: port == PORT and node in healthy)
    routes._chosen = {ADDRESS: before}
    assert routes.choose({ADDRESS: PORT}) == {ADDRESS: chosen}
