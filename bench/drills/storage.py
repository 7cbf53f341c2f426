"""The disk of the state directory is full, may not be written to, or its database is held by somebody else."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing

from twisted.internet.defer import Deferred

from bench.drills.clients import RUNS, Answer, Client
from bench.drills.place import DrilledGateway, Place, is_root

DISK_MIB = 6
ROOM_KIB = 64
"""What is left on the disk when it is full but for a little."""
SESSION = "agent:main:drill"
LONG = "x" * 20_000


async def disk(place: Place) -> None:
    """A tmpfs of six MiB where one may be mounted, else a limit on the size of files (RLIMIT_FSIZE)."""
    gateway = await place.gateway(start=False)
    fill, free, how = _small_disk(place, gateway)
    await gateway.start()
    client = Client(place.reactor, gateway)
    before = await client.chat("before [[reply=one]]", session=SESSION)
    place.expect(before.text == "one", f"with room: {before.body!r}")
    fill()
    refused = [await client.chat(f"full {n} {LONG} [[reply=no]]", session=SESSION) for n in range(8)]
    lost = [answer for answer in refused if answer.status != 200]
    place.expect(lost, "the disk was never full")
    for answer in lost:
        _check_refusal(place, answer)
    stateless = await client.chat("without a session [[reply=still]]")
    place.expect(stateless.text == "still", f"a stateless run: {stateless.status} {stateless.body!r}")
    streamed = await client.chat(f"full {LONG} [[reply=no]]", session=SESSION, stream=True)
    place.expect(b"storage_unavailable" in streamed.body, f"a stream: {streamed.body[-300:]!r}")
    unready = await client.ask("GET", "/readyz")
    place.expect((unready.status, unready.json["failing"]) == (503, ["sessions"]), f"/readyz: {unready.body!r}")
    place.expect((await client.ask("GET", "/healthz")).status == 200, "/healthz")
    free()
    waited = await _works_again(place, client)
    kept = [n for n, answer in enumerate(refused) if answer.status == 200]
    await _check_after(place, gateway, client, ["before", *(f"full {n}" for n in kept)])
    place.figures |= {"how": how, "refused": f"{len(lost)} of {len(refused)}", "works again after, s": f"{waited:.1f}"}


async def readonly(place: Place) -> None:
    """The gateway starts where it may not write; then it may."""
    gateway = await place.gateway(start=False)
    gateway.state.mkdir(mode=0o500)
    gateway.seams.drop_rights()
    await gateway.start()
    client = Client(place.reactor, gateway)
    refused = await client.chat("no [[reply=no]]", session=SESSION)
    if (gateway.state / "gateway").exists():
        place.expect(is_root(), "it has written where it may not")
        place.figures["left out"] = "root can not give up its rights here"
        return
    _check_refusal(place, refused)
    refused = await client.ask("POST", RUNS, {"message": "no"})
    _check_refusal(place, refused)
    stateless = await client.chat("without a session [[reply=still]]")
    place.expect(stateless.text == "still", f"a stateless run: {stateless.status} {stateless.body!r}")
    place.expect((await client.ask("GET", "/readyz")).status == 503, "/readyz")
    gateway.state.chmod(0o700)
    waited = await _works_again(place, client)
    await _check_after(place, gateway, client, [])
    place.figures["works again after, s"] = f"{waited:.1f}"


async def locked(place: Place) -> None:
    """Another program holds the database in the middle of a turn and longer than anybody waits."""
    gateway = await place.gateway()
    client = Client(place.reactor, gateway)
    before = await client.chat("before [[reply=one]]", session=SESSION)
    place.expect(before.text == "one", f"unlocked: {before.body!r}")
    path = gateway.state / "gateway" / "openclaw.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        turn = Deferred.fromCoroutine(client.chat("cut [[chunks=5 delay=0.1]]", session="agent:main:cut", stream=True))
        await place.sleep(0.3)
        other.execute("BEGIN IMMEDIATE")
        refused = await client.chat("held [[reply=no]]", session=SESSION)
        _check_refusal(place, refused)
        place.expect("locked" in refused.json["error"]["message"], f"{refused.body!r}")
        place.expect(refused.seconds < 6.0, f"refused only after {refused.seconds:.1f} s")
        stateless = await client.chat("without a session [[reply=still]]")
        place.expect(stateless.text == "still", f"a stateless run: {stateless.status} {stateless.body!r}")
        cut = await turn
        place.expect(b"storage_unavailable" in cut.body, f"the turn that could not be stored: {cut.body[-300:]!r}")
        other.execute("ROLLBACK")
    waited = await _works_again(place, client)
    await _check_after(place, gateway, client, ["before"])
    place.figures |= {"refused after, s": f"{refused.seconds:.1f}", "works again after, s": f"{waited:.1f}"}


def _check_refusal(place: Place, answer: Answer) -> None:
    """A clear error, which says when to try again, and no path."""
    place.expect((answer.status, answer.code) == (503, "storage_unavailable"), f"{answer.status} {answer.body!r}")
    place.expect(answer.headers.get("retry-after", "").isdigit(), f"Retry-After: {answer.headers.get('retry-after')!r}")
    message = answer.json["error"]["message"]
    place.expect(str(place.directory) not in message, f"names a path: {message}")


async def _works_again(place: Place, client: Client) -> float:
    """@return: seconds until sessions work and the gateway says that it is ready."""

    async def works() -> bool:
        return (await client.chat("again [[reply=yes]]", session="agent:main:again")).text == "yes"

    waited = await place.until(works, "sessions work again", 10)
    return waited + await place.until(client.ready, "ready again", 10)


async def _check_after(place: Place, gateway: DrilledGateway, client: Client, said: list[str]) -> None:
    """The session holds what it should, the database is whole, the log tells beginning and end of the trouble."""
    after = await client.chat("after [[reply=two]]", session=SESSION)
    place.expect(after.text == "two", f"afterwards: {after.body!r}")
    place.expect("works again" in gateway.log or not said, "the log does not say that it works again")
    place.quiet(gateway)
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")
    with closing(sqlite3.connect(gateway.state / "gateway" / "openclaw.sqlite")) as database:
        place.expect(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged")
        live = database.execute("SELECT run_id FROM runs WHERE status IN ('queued', 'running')").fetchall()
        place.expect(live == [], f"runs without an end: {live}")
        # Turns that failed for want of room may be there as what they are; what was answered must be.
        told = [row[0] for row in database.execute("SELECT body FROM messages ORDER BY rowid")]
    for words in [*said, "after"]:
        place.expect(any(f"{words} " in text for text in map(str, told)), f"{words!r} is lost")


def _small_disk(place: Place, gateway: DrilledGateway) -> tuple[Callable[[], None], Callable[[], None], str]:
    """@return: what fills the disk, what empties it again, and how that is done."""
    gateway.state.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "openclaw-drill", str(gateway.state)]
    if not is_root() or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        return _size_limit(gateway)
    place.afterwards(lambda: subprocess.run(["umount", "--lazy", str(gateway.state)], check=True))
    ballast = gateway.state / "ballast"

    def fill() -> None:
        free = os.statvfs(gateway.state).f_bavail * os.statvfs(gateway.state).f_frsize
        ballast.write_bytes(bytes(max(0, free - ROOM_KIB * 1024)))

    return fill, ballast.unlink, f"a tmpfs of {DISK_MIB} MiB"


def _size_limit(gateway: DrilledGateway) -> tuple[Callable[[], None], Callable[[], None], str]:
    """For those who may not mount: no file may grow beyond what the write-ahead log has by now."""
    limit, hard = resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def fill() -> None:
        log = gateway.state / "gateway" / "openclaw.sqlite-wal"
        resource.prlimit(gateway.pid, limit, (log.stat().st_size + ROOM_KIB * 1024, hard))

    def free() -> None:
        resource.prlimit(gateway.pid, limit, (hard, hard))

    return fill, free, "RLIMIT_FSIZE"


__all__ = ["disk", "locked", "readonly"]
