import asyncio

import aiohttp

from ftps_operator.health import Health


def probe(health: Health) -> dict[str, int]:
    async def run() -> dict[str, int]:
        runner = await health.serve(0)
        port = next(address[1] for address in runner.addresses if len(address) == 2)  # IPv4's
        try:
            async with aiohttp.ClientSession() as session:
                found = {}
                for path in ("/livez", "/readyz", "/metrics", "/else"):
                    async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                        found[path] = response.status
                return found
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_a_process_that_has_just_started_lives_and_is_not_ready():
    assert probe(Health(monotonic=lambda: 0.0)) == {
        "/livez": 200,
        "/readyz": 503,
        "/metrics": 200,
        "/else": 404,
    }


def test_a_ready_one_says_so():
    health = Health(monotonic=lambda: 0.0)
    health.ready = True
    assert probe(health)["/readyz"] == 200


def test_a_loop_that_has_stopped_turning_is_not_alive():
    now = 0.0
    health = Health(monotonic=lambda: now)
    now = 31.0
    assert probe(health)["/livez"] == 503
    assert health.trouble() == "the event loop has not turned for 31 s"


def test_the_beat_keeps_it_alive():
    now = 0.0
    health = Health(monotonic=lambda: now)

    async def beat_once() -> None:
        beating = asyncio.create_task(health.beat())
        await asyncio.sleep(0)
        beating.cancel()

    now = 31.0
    asyncio.run(beat_once())
    assert not health.trouble()


def test_a_worker_that_hangs_is_no_life():
    health = Health(monotonic=lambda: 0.0)
    health.busy_seconds = lambda: 119.0
    assert not health.trouble()
    health.busy_seconds = lambda: 121.0
    assert probe(health)["/livez"] == 503
