# -*- test-case-name: tests.test_floors -*-
"""The tree is the architecture: imports go strictly down the floors, and third-party edges are one file deep."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parent.parent / "openclaw_tx"

FLOORS: dict[str, int] = {
    "errors": 0,
    "values": 0,
    "interfaces": 0,
    "deferreds": 0,
    "listeners": 0,
    "wire": 0,
    "config": 0,
    "tally": 0,
    "logs": 0,
    "log_file": 0,
    "steady": 0,
    "bodies": 0,
    "ids": 0,
    "sending": 0,
    "_version": 0,
    "agents": 1,
    "models": 1,
    "tools": 1,
    "sessions": 1,
    "auth": 1,
    "runs": 2,
    "web": 3,
    "ws": 3,
    "chat": 2,
    "automation": 2,
    "channels": 2,
    "mcp": 1,
    "workers": 3,
    "assembly": 4,
    "gateway": 5,
    "plugins": 5,
    "service": 6,
    "__init__": 6,
    "tap": 7,
    "worker": 7,
    "cli": 7,
    "testing": 7,
}
"""Room -> floor. Rooms on one floor never import each other, but for the ground in the order of L{GROUND}."""

GROUND = [
    "_version",
    "errors",
    "values",
    "interfaces",
    "deferreds",
    "listeners",
    "wire",
    "config",
    "tally",
    "logs",
    "log_file",
    "steady",
    "bodies",
    "ids",
    "sending",
]
"""Ground-floor rooms may import those before them."""

DOORS: dict[str, set[str]] = {
    "autobahn": {"ws/lean.py", "cli/client.py", "testing"},
    "txaio": {"ws/channel.py", "testing"},
    "httptools": {"models/exchange.py"},
    "treq": {"models/http.py", "testing", "cli/local.py"},
    "sqlalchemy": {"sessions/schema.py", "sessions/left_schema.py", "sessions/tables.py"},
    "sqlite3": {"sessions/worker.py", "sessions/copies.py", "sessions/migrations.py", "tools/memory_index.py"},
    "xllamacpp": {"models/child.py"},
    "pyjson5": {"config/json5.py"},
    "prometheus_client": {"web/metrics.py", "web/scraping.py"},
    "cronsim": {"automation/cron_expression.py"},
    "click": {"cli"},
    "rich": {"cli"},
}
"""Third-party package -> the only files (or rooms) that may import it."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module's path below the package, and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            assert node.module is not None
            if node.module == "openclaw_tx":
                yield from (f"openclaw_tx.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_of(path: str) -> str:
    """The room that a module belongs to."""
    return path.split("/")[0].removesuffix(".py")


class FloorsTests(SynchronousTestCase):
    """The rules of docs/architecture.md, read off the code."""

    def test_every_room_has_a_floor(self) -> None:
        """A new room must be put on a floor before it can be built."""
        rooms = {room_of(path) for path, _ in modules()}
        self.assertEqual(sorted(rooms - set(FLOORS)), [])

    def test_imports_go_down(self) -> None:
        """No module imports a room on its own floor or above."""
        wrong = []
        for path, tree in modules():
            room = room_of(path)
            for name in imported(tree):
                if not name.startswith("openclaw_tx."):
                    continue
                other = name.split(".")[1]
                if other == room or other not in FLOORS:
                    continue
                down = FLOORS[other] < FLOORS[room]
                on_ground = room in GROUND and other in GROUND and GROUND.index(other) < GROUND.index(room)
                if not (down or on_ground):
                    wrong.append(f"{path} imports {name}")
        self.assertEqual(wrong, [])

    def test_third_party_edges(self) -> None:
        """A third-party package has one door."""
        wrong = []
        for path, tree in modules():
            for name in imported(tree):
                doors = DOORS.get(name.split(".")[0])
                if doors is not None and path not in doors and room_of(path) not in doors:
                    wrong.append(f"{path} imports {name}")
        self.assertEqual(wrong, [])

    def test_reactor_only_on_top(self) -> None:
        """Only the top floor imports the reactor, and only inside a function."""
        wrong = []
        for path, tree in modules():
            inside = {
                id(node)
                for function in ast.walk(tree)
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
                for node in ast.walk(function)
            }
            for node in ast.walk(tree):
                names = []
                if isinstance(node, ast.ImportFrom):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                if "twisted.internet.reactor" in names and (FLOORS[room_of(path)] < 6 or id(node) not in inside):
                    wrong.append(f"{path}:{node.lineno}")
        self.assertEqual(wrong, [])

    def test_no_inline_callbacks(self) -> None:
        """Coroutines inside; C{inlineCallbacks} nowhere."""
        wrong = [
            path
            for path, tree in modules()
            for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute)
            and (node.id if isinstance(node, ast.Name) else node.attr) == "inlineCallbacks"
        ]
        self.assertEqual(wrong, [])

    def test_no_module_is_two_ideas(self) -> None:
        """No module grows past 350 lines."""
        long = [
            f"{path}: {lines}"
            for path in (found.relative_to(PACKAGE).as_posix() for found in PACKAGE.rglob("*.py"))
            if (lines := len((PACKAGE / path).read_text("utf-8").splitlines())) > 350
        ]
        self.assertEqual(long, [])

    def test_headers(self) -> None:
        """A module's first line names tests that there are, for C{trial --testmodule}; that of a test, itself."""
        root = PACKAGE.parent
        wrong = []
        for found in (*PACKAGE.rglob("*.py"), *(root / "tests").rglob("*.py")):
            path = found.relative_to(root)
            with found.open(encoding="utf-8") as lines:
                header = re.search(r"test-case-name: (.*?) -\*-", lines.readline())
            names = header[1].split(",") if header is not None else []
            places = [root.joinpath(*name.split(".")) for name in names]
            if not all(place.with_suffix(".py").is_file() or (place / "__init__.py").is_file() for place in places):
                wrong.append(f"{path} names {', '.join(names)}")
            own = ".".join(path.with_suffix("").parts)
            if names and path.parts[0] == "tests" and path.name.startswith("test_") and own not in names:
                wrong.append(f"{path} does not name itself")
        self.assertEqual(wrong, [])
