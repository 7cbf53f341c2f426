# -*- test-case-name: tests.e2e.test_packaging -*-
"""The wheel is whole: built from the sdist and installed beside Twisted, it brings the plugin and the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from openclaw_tx.agents.workspace import STANDARD

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "__pycache__", "build", "dist", "out", "*.egg-info", "_trial_temp*", "dropin.cache", "stub", "load"
)


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed; nothing of this checkout is on its import path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENCLAW_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def borrow(site: Path, own: Path) -> None:
    """Links the packages installed in C{site} into C{own}, all but this one.

    C{twisted/plugins} becomes a directory of its own, so that the wheel lands in it as it does on a user's machine.
    """
    for entry in site.iterdir():
        if entry.name.startswith("openclaw") or entry.suffix == ".pth":
            continue
        if entry.name != "twisted":
            (own / entry.name).symlink_to(entry)
    plugins = own / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    for entry in (site / "twisted").iterdir():
        if entry.name != "plugins":
            (own / "twisted" / entry.name).symlink_to(entry)
    for entry in (site / "twisted" / "plugins").iterdir():
        if not entry.name.startswith(("openclaw", "dropin")):
            (plugins / entry.name).symlink_to(entry)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist of a copy of the sources."""
    source = tmp_path_factory.mktemp("sources") / "openclaw-tx"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    out = source.parent / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=source.parent)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel installed and this environment's dependencies."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    borrow(Path(sysconfig.get_path("purelib")), own)
    interpreter = home / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=home)
    return interpreter


def test_wheel_holds_what_is_needed(wheel: Path) -> None:
    """Plugin, type marker and data are in; Twisted's own package files, tests and benchmark are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    console = {f"openclaw_tx/console/{path.name}" for path in (ROOT / "openclaw_tx" / "console").glob("*.*")}
    templates = {f"openclaw_tx/agents/templates/{name}" for name in STANDARD}
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "openclaw_tx").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    needed = {"twisted/plugins/openclaw_plugin.py", "openclaw_tx/py.typed", *console, *templates, *modules}
    assert sorted(needed - packed) == []
    assert sorted(name for name in packed if not name.startswith("openclaw_tx/")) == [
        "twisted/plugins/openclaw_plugin.py"
    ]


@pytest.mark.parametrize(
    "runner",
    [("-c", "from twisted.scripts.twistd import run; run()"), ("-m", "twisted")],
    ids=["twistd", "twist"],
)
def test_plugin_is_found(python: Path, runner: tuple[str, str]) -> None:
    """Both runners of Twisted list C{openclaw}, from the installed wheel."""
    listed = run(python, *runner, "--help", cwd=python.parents[1])
    assert "openclaw" in listed


def test_plugin_has_help(python: Path) -> None:
    """C{twist openclaw --help} names its options, so the plugin loads and not only its name."""
    text = run(python, "-m", "twisted", "openclaw", "--help", cwd=python.parents[1])
    for option in ("--config", "--state-dir", "--port", "--endpoint", "--token", "--password", "--verbose"):
        assert option in text


def test_console_script_runs(python: Path) -> None:
    """C{openclaw-tx} is installed and answers."""
    assert "Usage" in run(python.with_name("openclaw-tx"), "--help", cwd=python.parents[1])


def test_imports_come_from_the_wheel(python: Path) -> None:
    """What was tested here is the wheel, not the checkout."""
    where = run(python, "-c", "import openclaw_tx; print(openclaw_tx.__file__)", cwd=python.parents[1])
    assert Path(where.strip()).is_relative_to(python.parents[1])
