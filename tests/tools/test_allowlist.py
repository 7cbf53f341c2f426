# -*- test-case-name: tests.tools.test_allowlist -*-
"""Whether a command needs a person's word."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.allowlist import Pattern, Program, Verdict, finder, judge, matches

SAFE = frozenset({"jq", "grep", "wc", "sort"})
PLACES = {
    "ls": Program("/bin/ls", "/usr/bin/ls"),
    "git": Program("/usr/bin/git", "/usr/bin/git"),
    "rm": Program("/bin/rm", "/usr/bin/rm"),
    "grep": Program("/bin/grep", "/usr/bin/grep"),
    "wc": Program("/usr/bin/wc", "/usr/bin/wc"),
    "sort": Program("/home/eve/bin/sort", "/home/eve/bin/sort"),
    "jq": Program("/usr/bin/jq", "/home/eve/jq"),
    "python3.11": Program("/usr/bin/python3.11", "/usr/bin/python3.11"),
    "rg": Program("/usr/bin/rg", "/usr/bin/rg"),
}


def ask(command: str, *patterns: str, env: dict[str, str] | None = None) -> Verdict:
    """A verdict in a world of a few programs."""
    return judge(command, PLACES.get, [Pattern(pattern) for pattern in patterns], SAFE, env)


class JudgeTests(SynchronousTestCase):
    """Each program of a command."""

    def test_listed(self) -> None:
        """Programs on the allowlist run, in the form that was proved."""
        verdict = ask("ls -l 'a b' && git status", "/usr/bin/ls", "/usr/bin/*")
        self.assertEqual((verdict.reason, verdict.missing), ("", ()))
        self.assertEqual(verdict.command, "'/bin/ls' '-l' 'a b' && '/usr/bin/git' 'status'")
        self.assertEqual(verdict.matched, ((0, "/usr/bin/ls"), (1, "/usr/bin/git")))

    def test_every_segment(self) -> None:
        """One program that is not on it is enough, wherever it stands."""
        for command in (
            "rm x",
            "ls; rm x",
            "ls | rm",
            "ls && rm x",
            "rm x || ls",
            "ls & rm x",
            "ls\nrm x",
            "git\n\nrm",
        ):
            verdict = ask(command, "/usr/bin/ls", "/usr/bin/git")
            self.assertEqual(verdict.reason, "/usr/bin/rm is not on the allowlist", command)
            self.assertEqual([program.real for program in verdict.missing], ["/usr/bin/rm"], command)
            self.assertEqual((verdict.command, verdict.always), (command, True), command)

    def test_real_path_counts(self) -> None:
        """A link is judged by what it leads to; bare names and relative patterns match nothing."""
        self.assertNotEqual(ask("ls", "/bin/ls").reason, "")
        for pattern in ("ls", "*", "bin/ls", "./ls", "**", ""):
            self.assertNotEqual(ask("ls", pattern).reason, "", pattern)

    def test_safe(self) -> None:
        """Safe programs need no entry, as long as they are the system's and get no file."""
        self.assertEqual(ask("grep x | wc -l").reason, "")
        self.assertEqual(ask("grep x file").reason, "grep with a file")
        self.assertEqual(ask("grep -f x").reason, "grep -f")
        self.assertEqual(ask("grep x*").reason, "grep with a pattern of file names")
        self.assertEqual(ask("sort").reason, "/home/eve/bin/sort is not in a directory of the system")
        self.assertEqual(ask("jq .").reason, "/home/eve/jq is not in a directory of the system")
        self.assertEqual(ask("grep x file", "/usr/bin/grep").reason, "")

    def test_unknown(self) -> None:
        """What is not there, or can not be taken apart, is never allowed for ever."""
        for command, reason in {
            "frobnicate": "there is no program frobnicate",
            "ls > x": "it redirects output",
            "ls $(rm)": "it expands variables or runs other commands with $",
        }.items():
            verdict = ask(command, "/**")
            self.assertEqual((verdict.reason, verdict.always, verdict.command), (reason, False, command))

    def test_launchers(self) -> None:
        """A program that runs others is not put on the list by one word, whatever its version."""
        self.assertFalse(ask("python3.11 -c x").always)
        self.assertFalse(ask("rg x; python3.11 x").always)
        self.assertFalse(ask("git x").always)
        named = "pypy3 julia Rscript sqlite3 tmux socat runuser ld-linux-x86-64.so.2"
        variants = "perl5.36-x86_64-linux-gnu python3.13t python3-dbg vim.tiny nc.openbsd gcc-12 bash-static gsed"
        by_option = "rg sort split sdiff wget tcpdump fzf gcc c++ clang"  # --pre, --compress-program, --filter ...
        for name in f"{named} {variants} {by_option}".split():
            program = Program(f"/usr/bin/{name}", f"/usr/bin/{name}")
            self.assertFalse(judge(f"{name} x", {name: program}.get, [], SAFE).always, name)
        for name in ("rm", "cat", "sha256sum", "base64", "md5sum", "pdftotext", "curl"):
            program = Program(f"/usr/bin/{name}", f"/usr/bin/{name}")
            self.assertTrue(judge(f"{name} x", {name: program}.get, [], SAFE).always, name)

    def test_variables(self) -> None:
        """Variables may turn a program into another one, but for those that only change how it talks."""
        self.assertEqual(ask("ls", "/usr/bin/ls", env={"LANG": "C", "TZ": "UTC"}).reason, "")
        verdict = ask("ls", "/usr/bin/ls", env={"HOME": "/tmp"})
        self.assertEqual((verdict.reason, verdict.always), ("it sets HOME in the environment", False))

    def test_one_command(self) -> None:
        """An entry for one command lets no other pass."""
        entry = [Pattern("/usr/bin/git", "git status")]
        self.assertEqual(judge("git status", PLACES.get, entry, SAFE).reason, "")
        self.assertNotEqual(judge("git push", PLACES.get, entry, SAFE).reason, "")


class MatchesTests(SynchronousTestCase):
    """Patterns."""

    def test_globs(self) -> None:
        """One part, any parts, one character; case does not matter."""
        for glob, path, expected in [
            ("/usr/bin/ls", "/usr/bin/ls", True),
            ("/USR/bin/LS", "/usr/bin/ls", True),
            ("/usr/bin/ls", "/usr/bin/lsof", False),
            ("/usr/bin/*", "/usr/bin/ls", True),
            ("/usr/*", "/usr/bin/ls", False),
            ("/usr/**", "/usr/bin/ls", True),
            ("/usr/bin/l?", "/usr/bin/ls", True),
            ("/usr/bin?ls", "/usr/bin/ls", False),
            ("/usr/bin/l.", "/usr/bin/ls", False),
            ("/usr/bin/[a-z]s", "/usr/bin/ls", False),
            ("/a\n", "/a", False),
            ("/" + "x" * 2000, "/" + "x" * 2000, False),
        ]:
            self.assertEqual(matches(glob, path), expected, glob)


class FinderTests(SynchronousTestCase):
    """Programs in the file system."""

    def setUp(self) -> None:
        self.root = Path(os.path.realpath(self.mktemp()))
        (self.root / "bin").mkdir(parents=True)
        (self.root / "work").mkdir()
        self.tool = self.root / "bin" / "tool"
        self.tool.write_text("#!/bin/sh\n")
        self.tool.chmod(0o755)

    def find(self, name: str) -> Program | None:
        """Look it up from the directory C{work}."""
        return finder(str(self.root / "work"), [str(self.root / "none"), str(self.root / "bin")])(name)

    def test_search(self) -> None:
        """By name along the path, never in the working directory."""
        self.assertEqual(self.find("tool"), Program(str(self.tool), str(self.tool)))
        here = self.root / "work" / "here"
        here.write_text("")
        here.chmod(0o755)
        self.assertIsNone(self.find("here"))
        self.assertEqual(self.find("./here"), Program(str(here), str(here)))

    def test_links(self) -> None:
        """Started by its own path, judged by what it leads to; C{..} is resolved before it could mislead."""
        link = self.root / "work" / "link"
        link.symlink_to(self.tool)
        self.assertEqual(self.find("./link"), Program(str(link), str(self.tool)))
        self.assertEqual(self.find("../bin/tool"), Program(str(self.tool), str(self.tool)))

    def test_no_program(self) -> None:
        """Directories, files that can not be executed, broken links, odd names."""
        (self.root / "bin" / "plain").write_text("")
        (self.root / "bin" / "broken").symlink_to("nowhere")
        for name in ("plain", "broken", "./", "..", "missing", "/", "a\0b", str(self.root)):
            self.assertIsNone(self.find(name), name)
