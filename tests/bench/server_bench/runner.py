"""Starts every server for every measurement, in turns."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from bench.server_bench import sandbox
from bench.server_bench.bulk import CurlError
from bench.server_bench.clients import ReplyError, wait_until_serving
from bench.server_bench.load import LoadError
from bench.server_bench.machine import Cpus
from bench.server_bench.measurements import Measurement, MeasurementError, Sizes, Subject
from bench.server_bench.peers import PORTS, Server, Wish
from bench.server_bench.results import Raw
from bench.server_bench.scene import Scene, free_ports
from testbed.errors import TestbedError
from testbed.progress import say, warn

_FAILURES = (MeasurementError, ReplyError, CurlError, LoadError, TestbedError, OSError)


@dataclass(frozen=True, slots=True)
class Runner:
    """Measures and writes raw runs, a line each, as they come."""

    scene: Scene
    cpus: Cpus
    sizes: Sizes
    raw: TextIO

    def run(self, servers: Sequence[Server], measurements: Sequence[Measurement], *, runs: int) -> None:
        """One measurement of all servers before the next one, as machines change with time."""
        for number in range(runs):
            for measurement in measurements:
                # Nobody is always first.
                first = number % len(servers)
                for server in (*servers[first:], *servers[:first]):
                    raw = {"run": number, "measurement": measurement.name, "server": server.name}
                    self.raw.write(json.dumps(raw | self._measured(server, measurement)) + "\n")
                    self.raw.flush()
                say(f"run {number + 1} of {runs}: {measurement.name}")

    def _measured(self, server: Server, measurement: Measurement) -> Raw:
        """The values, or why there are none: the other servers are measured all the same."""
        started = time.monotonic()
        try:
            with self._started(server, measurement) as subject:
                values = measurement.measure(subject)
        except _FAILURES as error:
            warn(f"{server.name}, {measurement.name}: {error}")
            return {"error": str(error)}
        return {"values": values, "took_seconds": round(time.monotonic() - started, 2)}

    @contextmanager
    def _started(self, server: Server, measurement: Measurement) -> Iterator[Subject]:
        wish = Wish(port=free_ports(PORTS), certificate=measurement.certificate, resume=measurement.resume)
        recipe = server.recipe(self.scene, wish)
        box = sandbox.start(
            recipe.argv,
            cpu=self.cpus.server,
            log=self.scene.directory / f"{server.name}.log",
            binds=recipe.binds,
            environment=recipe.environment,
            root=recipe.root,
        )
        try:
            wait_until_serving(wish.port, box.check)
            box.started()
            yield Subject(wish.port, recipe.home, box, self.scene, self.cpus, self.sizes)
        finally:
            box.stop()
            # Also what was uploaded: it is memory.
            self.scene.place(server.name)
