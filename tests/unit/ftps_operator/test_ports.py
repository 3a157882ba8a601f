from hypothesis import given
from hypothesis import strategies as st

from ftps_operator.models.exposure import Passive
from ftps_operator.ports import passive_port_name, shard_ports, span

passives = st.builds(
    Passive,
    first_port=st.integers(10000, 60000),
    ports_per_replica=st.integers(2, 100),
    max_replicas=st.integers(1, 10),
)


@given(passives)
def test_the_shards_share_the_range_out_without_gap_or_overlap(passive: Passive):
    shards = [port for ordinal in range(passive.max_replicas) for port in shard_ports(passive, ordinal)]
    assert shards == list(passive.ports)


@given(st.integers(1, 65535))
def test_a_port_name_is_one_that_kubernetes_takes(port: int):
    name = passive_port_name(port)
    assert len(name) <= 15
    assert name[0].isalpha()
    assert name.isalnum()


def test_a_range_is_written_as_people_do():
    assert span(range(50000, 50020)) == "50000-50019"
