# -*- test-case-name: tests.tools.test_allowlist -*-
"""Whether a command needs nobody's word: each program it runs is on the allowlist, or is safe (spec 7.3).

Pure but for the look at the file system that a L{Finder} takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from openclaw_tx.tools import safe_bins
from openclaw_tx.tools.shell import Segment, Unprovable, Word, parse, render

LAUNCHERS = safe_bins.words(
    "bash sh dash zsh ksh mksh fish csh tcsh busybox toybox env xargs find parallel sudo su doas nohup nice "
    "ionice setsid stdbuf time timeout watch chroot unshare nsenter flock script expect ssh scp rsync docker "
    "podman kubectl python perl ruby node nodejs deno bun php lua luajit tclsh wish osascript awk gawk mawk nawk "
    "sed ed ex vi vim nvim emacs gdb lldb make gmake cmake ninja npm npx yarn pnpm pip pipx uv uvx cargo go gem "
    "bundle rake git tar zip crontab at batch systemctl launchctl systemd-run strace ltrace valgrind java pwsh "
    "man less more ash rbash rksh yash es rc elvish nu xonsh runuser pkexec setpriv capsh taskset chrt prlimit "
    "chpst start-stop-daemon run-parts unbuffer xvfb-run dbus-run-session dbus-launch fakeroot proot bwrap "
    "firejail linux32 linux64 setarch tmux screen zellij dtach abduco nc ncat netcat socat telnet rsh mosh "
    "sshpass sftp ftp lftp nerdctl lxc-attach lxc incus machinectl virsh flatpak distrobox toolbox helm vagrant "
    "pypy ipython jupyter pydoc julia r rscript octave groovy scala kotlin jshell clojure clj guile racket sbcl "
    "clisp ecl erl escript elixir iex ghci runghc runhaskell ocaml swipl gprolog raku perl6 irb crystal dart "
    "swift swift-run ts-node tsx qjs d8 janet fennel gnuplot maxima gap pari gp m4 jjs jrunscript bunx pnpx "
    "corepack yarnpkg poetry pdm hatch tox nox pytest conda mamba micromamba pixi rye just task meson bazel "
    "bazelisk scons ant mvn gradle bmake dmake dotnet msbuild ansible ansible-playbook terraform tofu sqlite3 "
    "psql mysql mariadb mongosh redis-cli vimdiff view rview rvim gvim emacsclient nano pico joe kak hx helix mc "
    "ranger w3m lynx links mutt mail mailx fd fdfind entr hyperfine perf gdbserver rr bpftrace systemd-inhibit "
    "open xdg-open hg svn bzr fossil cpio 7z rpm apt apt-get aptitude dpkg dnf yum zypper pacman brew snap nix "
    "nix-shell nix-env guix powershell cmd cscript wscript mshta ld.so bash-static zsh-static busybox-static "
    "docker-compose sem watchexec direnv rg ripgrep sort split sdiff wget aria2c tcpdump fzf rclone gcc g++ cc c++ "
    "clang clang++ genv gxargs gfind gnice gnohup gstdbuf gtimeout gsed gtar gsort gsplit"
)
"""Programs that run whatever their arguments say, without the versions that some bear; some do by an option that few
know, as C{rg --pre} and C{sort --compress-program}. One word must not allow all of that for ever: only an administrator
who writes it into the file does."""

HARMLESS_VARIABLES = safe_bins.words(
    "LANG LANGUAGE LC_ALL LC_CTYPE LC_COLLATE LC_MESSAGES LC_NUMERIC LC_TIME TZ TERM COLUMNS LINES NO_COLOR CI"
)
"""Variables that change how a program says things, but not what it does."""

_LOADERS = ("ld-linux", "ld-musl", "ld64")
"""How the names of dynamic loaders begin, which start the program that is their argument."""

_VERSION = re.compile(r"[0-9.].*$")
"""Version or variant: C{python3.13t}, C{perl5.36-x86_64-linux-gnu}, C{vim.tiny}."""
MAX_PATTERN = 1024
"""Longest pattern, in characters; a longer one matches nothing."""


class Program(NamedTuple):
    """A program that was looked up."""

    path: str
    """Absolute path by which it is started."""
    real: str
    """The same without symbolic links."""


Finder = Callable[[str], Program | None]
"""Looks up a program, by the name or path in a command; None = it is not there, or can not be executed."""


class Pattern(NamedTuple):
    """An entry of the allowlist, as far as it decides."""

    glob: str
    command: str = ""
    """Only this very command; "" = any that runs the program."""


class Verdict(NamedTuple):
    """What the allowlist says of a command."""

    reason: str
    """Why a person has to be asked; "" = nobody has to."""
    command: str
    """What to run: the proved form where there is one, else as it was written."""
    programs: tuple[Program, ...] = ()
    """Of each segment; empty when the command could not be taken apart."""
    missing: tuple[Program, ...] = ()
    """Those of them that are neither on the allowlist nor safe with these arguments."""
    matched: tuple[tuple[int, str], ...] = ()
    """Position of each entry that let something pass, and the path it let pass."""
    always: bool = False
    """A person may allow its programs for ever."""


def judge(
    command: str,
    find: Finder,
    patterns: Sequence[Pattern],
    safe: Collection[str],
    variables: Mapping[str, str] | None = None,
) -> Verdict:
    """
    @param patterns: the agent's allowlist.
    @param safe: names of programs that are safe as filters.
    @param variables: what the model wants in the environment.
    """
    try:
        segments = parse(command)
        programs = tuple(_found(segment, find) for segment in segments)
    except Unprovable as error:
        return Verdict(str(error), command)
    matched: list[tuple[int, str]] = []
    missing: dict[Program, str] = {}
    for segment, program in zip(segments, programs, strict=True):
        position = _entry(command, program, patterns)
        if position is not None:
            matched.append((position, program.real))
        elif complaint := _not_safe(segment, program, safe):
            missing.setdefault(program, complaint)
    odd = sorted(name for name in variables or () if name not in HARMLESS_VARIABLES)
    if missing or odd:
        reason = next(iter(missing.values()), "") or f"it sets {odd[0][:64]} in the environment"
        return Verdict(reason, command, programs, tuple(missing), always=_may_stay(missing))
    proved = render(segments, [program.path for program in programs])
    return Verdict("", proved, programs, matched=tuple(matched))


def _found(segment: Segment, find: Finder) -> Program:
    name = segment.words[0].text
    program = find(name)
    if program is None:
        raise Unprovable(f"there is no program {name[:200]}")
    return program


def _entry(command: str, program: Program, patterns: Sequence[Pattern]) -> int | None:
    for position, pattern in enumerate(patterns):
        if (not pattern.command or pattern.command == command) and matches(pattern.glob, program.real):
            return position
    return None


def _not_safe(segment: Segment, program: Program, safe: Collection[str]) -> str:
    """Why a program that is not on the allowlist may not run, or ""."""
    name = os.path.basename(program.path)
    if name not in safe:
        return f"{program.real} is not on the allowlist"
    if os.path.dirname(program.path) not in safe_bins.TRUSTED_DIRECTORIES:
        return f"{program.path} is not in a directory of the system"
    if os.path.dirname(program.real) not in safe_bins.TRUSTED_DIRECTORIES:
        return f"{program.real} is not in a directory of the system"
    arguments: Sequence[Word] = segment.words[1:]
    if any(word.pattern for word in arguments):
        return f"{name} with a pattern of file names"
    return safe_bins.complaint(name, [word.text for word in arguments])


def _may_stay(programs: Collection[Program]) -> bool:
    """Whether one word may put these on the allowlist."""
    return bool(programs) and not any(_is_launcher(program) for program in programs)


def _is_launcher(program: Program) -> bool:
    names = {os.path.basename(path).lower() for path in program}
    if any(name.startswith(_LOADERS) for name in names):
        return True
    bare = {_VERSION.sub("", name).rstrip("-") for name in names}
    return not LAUNCHERS.isdisjoint(names | bare)


def matches(glob: str, path: str) -> bool:
    """Whether an entry speaks of a program.

    @param glob: an absolute path, in which C{*} stands for characters within one part, C{**} for any, C{?} for one.
        Case does not matter. A bare name speaks of nothing.
    @param path: absolute, without symbolic links.
    """
    if not glob.startswith("/") or len(glob) > MAX_PATTERN:
        return False
    return _compiled(glob).fullmatch(path) is not None


@lru_cache(maxsize=512)
def _compiled(glob: str) -> re.Pattern[str]:
    pieces = []
    for piece in re.split(r"(\*+|\?)", glob):
        if piece.startswith("*"):
            pieces.append(".*" if len(piece) > 1 else "[^/]*")
        else:
            pieces.append("[^/]" if piece == "?" else re.escape(piece))
    return re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)


def finder(cwd: str, search: Sequence[str]) -> Finder:
    """A L{Finder} over the real file system.

    @param cwd: where paths without a leading slash begin; absolute.
    @param search: directories of C{PATH}, absolute.
    """

    def find(name: str) -> Program | None:
        if "/" in name:
            return _executable(os.path.join(cwd, name))
        return next((found for place in search if (found := _executable(os.path.join(place, name)))), None)

    return find


def _executable(path: str) -> Program | None:
    try:
        real = os.path.realpath(path, strict=True)
    except (OSError, ValueError):
        return None
    if not os.path.isfile(real) or not os.access(real, os.X_OK):
        return None
    return Program(os.path.normpath(path) if ".." not in path else real, real)


__all__ = ["HARMLESS_VARIABLES", "LAUNCHERS", "Finder", "Pattern", "Program", "Verdict", "finder", "judge", "matches"]
