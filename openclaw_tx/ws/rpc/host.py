# -*- test-case-name: tests.ws.rpc.test_host -*-
"""C{system.info}: the machine that the gateway runs on."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

from openclaw_tx.auth.actions import ADMIN, missing_scope
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.values.value import Value
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method

ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "i686": "ia32"}
"""OpenClaw's words for processors, by those of uname."""


class SystemInfoParams(Params, frozen=True):
    """Params of C{system.info}: none."""


class Host(Value, frozen=True, omit_defaults=True):
    """A machine. Numbers that the system does not tell are 0 and left out."""

    hostname: str
    platform: str
    release: str
    arch: str
    os_label: str
    pid: int
    cpu_count: int = 0
    load: tuple[float, ...] = ()
    """Average number of processes at work in the last minute, five and fifteen minutes."""
    memory_total: int = 0
    """Bytes."""
    memory_free: int = 0
    disk_total: int = 0
    """Bytes of the file system that the state directory is on."""
    disk_free: int = 0


def look(state_dir: str) -> Host:
    """This machine; may block."""
    page, disk = _conf("SC_PAGE_SIZE"), (0, 0)
    try:
        usage = shutil.disk_usage(state_dir)
        disk = (usage.total, usage.free)
    except OSError:
        pass
    try:
        load = tuple(round(each, 2) for each in os.getloadavg())
    except OSError:
        load = ()
    machine = platform.machine()
    return Host(
        hostname=platform.node(),
        platform=sys.platform,
        release=platform.release(),
        arch=ARCHITECTURES.get(machine.lower(), machine),
        os_label=_os_label(),
        pid=os.getpid(),
        cpu_count=os.cpu_count() or 0,
        load=load,
        memory_total=page * _conf("SC_PHYS_PAGES"),
        memory_free=page * _conf("SC_AVPHYS_PAGES"),
        disk_total=disk[0],
        disk_free=disk[1],
    )


def _conf(name: str) -> int:
    """A number of the system; 0 = it does not tell."""
    try:
        return max(0, os.sysconf(name))
    except (ValueError, OSError):
        return 0


def _os_label() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "") or platform.system()
    except OSError:
        return f"{platform.system()} {platform.release()}"


class HostMethods:
    """The family of the machine."""

    def __init__(
        self,
        settings: Callable[[], Config],
        uptime_ms: Callable[[], int],
        in_thread: InThread,
        state_dir: str = "",
        look: Callable[[str], Host] = look,
    ) -> None:
        """
        @param state_dir: where the gateway keeps its files; "" = nobody is to know.
        """
        self._settings = settings
        self._uptime_ms = uptime_ms
        self._in_thread = in_thread
        self._state_dir = state_dir
        self._look = look

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("system.info", "system.info", SystemInfoParams, self.info)]

    async def info(self, call: Call[SystemInfoParams]) -> Any:
        """C{{machineName, hostname, platform, release, arch, osLabel, port, nodeVersion, pid, uptimeMs, cpuCount,
        loadAverage?, memoryTotalBytes, memoryFreeBytes, diskTotalBytes?, diskAvailableBytes?, diskPath?}}. Where
        OpenClaw has the version of Node.js there is that of Python; C{uptimeMs} is the gateway's, C{diskPath} for
        administrators."""
        if is_bounded(call.principal):
            raise missing_scope(ADMIN)
        host = await self._in_thread(self._look, self._state_dir or "/")
        answer: dict[str, Any] = {
            "machineName": host.hostname,
            "hostname": host.hostname,
            "platform": host.platform,
            "release": host.release,
            "arch": host.arch,
            "osLabel": host.os_label,
            "port": self._settings().gateway.port,
            "nodeVersion": f"Python {platform.python_version()}",
            "pid": host.pid,
            "uptimeMs": self._uptime_ms(),
            "cpuCount": host.cpu_count,
            "memoryTotalBytes": host.memory_total,
            "memoryFreeBytes": host.memory_free,
        }
        if host.load:
            answer["loadAverage"] = list(host.load)
        if host.disk_total:
            answer["diskTotalBytes"], answer["diskAvailableBytes"] = host.disk_total, host.disk_free
            if self._state_dir and ADMIN in call.principal.scopes:
                answer["diskPath"] = self._state_dir
        return answer


__all__ = ["Host", "HostMethods", "look"]
