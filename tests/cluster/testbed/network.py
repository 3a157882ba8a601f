"""Network namespaces: one for each node, one for the clients, joined by a bridge in one more.

Nothing is routed from the machine's own namespace: what is in a cluster is reached from inside only.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from testbed.paths import Instance
from testbed.shell import run

NETNS = Path("/run/netns")
BRIDGE_ADDRESS = "10.89.0.1"
CLIENT_ADDRESS = "10.89.0.100"
CLIENT_ADDRESS_IPV6 = "fd89::100"
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"
LOAD_BALANCER_RANGE = "203.0.113.0/24"  # TEST-NET-3, RFC 5737
NAMESERVER = "10.96.0.10"


def node_address(number: int) -> str:
    """A node's address on the bridge."""
    return f"10.89.0.{10 + number}"


def pod_range(number: int) -> str:
    """The addresses of one node's pods."""
    return f"10.244.{number}.0/24"


def inside(instance: Instance, role: str, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` in a namespace.

    nsenter replaces itself, so the process keeps the pid that we know; `ip netns exec` would hide the cgroup mounts.
    """
    return ["nsenter", f"--net={NETNS / instance.namespace(role)}", "--", *argv]


def create(instance: Instance, nodes: int) -> None:
    """Make the namespaces, wired and routed."""
    _namespace(instance, "hub")
    _ip(instance, "hub", "link add br0 type bridge")
    _ip(instance, "hub", f"addr add {BRIDGE_ADDRESS}/24 dev br0")
    _ip(instance, "hub", "link set br0 up")
    for number in range(nodes):
        _join(instance, f"node{number}", node_address(number))
        _prepare_node(instance, number, nodes)
    _join(instance, "client", CLIENT_ADDRESS)
    if Path("/proc/net/if_inet6").exists():
        # Some clients (lftp) ask for IPv6 only where there is more of it than loopback.
        _ip(instance, "client", f"addr add {CLIENT_ADDRESS_IPV6}/64 dev eth0 nodad")
    for destination in (SERVICE_RANGE, LOAD_BALANCER_RANGE):
        _ip(instance, "client", f"route add {destination} via {node_address(0)}")
    for number in range(nodes):
        _ip(instance, "client", f"route add {pod_range(number)} via {node_address(number)}")


def _prepare_node(instance: Instance, number: int, nodes: int) -> None:
    role = f"node{number}"
    # kube-proxy wants a route to wherever a local client connects; the bridge leads nowhere else.
    _ip(instance, role, f"route add default via {BRIDGE_ADDRESS}")
    for other in range(nodes):
        if other != number:
            _ip(instance, role, f"route add {pod_range(other)} via {node_address(other)}")
    for setting in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"):
        run(inside(instance, role, ["sysctl", "-qw", setting]))


def remove(instance: Instance) -> None:
    """Remove every namespace of the instance; the links go with them."""
    for path in existing(instance):
        run(["ip", "netns", "delete", path.name], check=False)


def existing(instance: Instance) -> list[Path]:
    """The namespaces that are there."""
    return sorted(path for role in ("hub", "client", "node*") for path in NETNS.glob(instance.namespace(role)))


def processes(instance: Instance) -> list[int]:
    """The processes in the namespaces, say a client that somebody forgot; not those that we descend from."""
    ours = {path.stat().st_ino for path in existing(instance)}
    return [pid for pid in _pids() if _network_of(pid) in ours and pid not in _ancestry()] if ours else []


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _network_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None  # it has ended, or is a zombie


def _ancestry() -> set[int]:
    """This process, its parent, and so on."""
    pid, found = os.getpid(), set[int]()
    while pid:
        found.add(pid)
        # proc(5): the second field may contain anything, so count from behind its closing parenthesis.
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def _namespace(instance: Instance, role: str) -> None:
    run(["ip", "netns", "add", instance.namespace(role)])
    _ip(instance, role, "link set lo up")


def _join(instance: Instance, role: str, address: str) -> None:
    _namespace(instance, role)
    hub, here = instance.namespace("hub"), instance.namespace(role)
    run(["ip", "-n", here, "link", "add", "eth0", "type", "veth", "peer", "name", f"to-{role}", "netns", hub])
    _ip(instance, "hub", f"link set to-{role} master br0 up")
    _ip(instance, role, f"addr add {address}/24 dev eth0")
    _ip(instance, role, "link set eth0 up")


def _ip(instance: Instance, role: str, words: str) -> None:
    run(["ip", "-n", instance.namespace(role), *words.split()])
