# -*- test-case-name: tests.cli.test_sessions -*-
"""C{openclaw-tx sessions}: on a real store in a file, without a gateway."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from openclaw_tx.cli.session_store import closing_store
from openclaw_tx.cli.sessions import age
from openclaw_tx.config.load import load
from openclaw_tx.values import AssistantMessage, ImagePart, ToolCall, ToolResultMessage
from tests.cli.test_config import ConfigTestCase
from tests.sessions.helpers import answer, user
from tests.sessions.openclaw_home import AT_MS, INDEX, MAIN_ID, MORE, WORK_ID, make_home


class SessionsCase(ConfigTestCase):
    """A home whose store is not there yet."""

    def setUp(self) -> None:
        """Where it will be."""
        super().setUp()
        self.state = self.path.parent
        self.database = self.state / "gateway" / "openclaw.sqlite"

    def store(self) -> Any:
        """The store, and what gives results of its coroutines."""
        return closing_store(load({"HOME": str(self.home)}, cwd=self.home))

    def add(self, key: str, *said: str) -> None:
        """Put a session there."""
        with self.store() as (store, do):
            messages = [user(text) if number % 2 == 0 else answer(text) for number, text in enumerate(said)]
            do(store.append(key, messages, agent_id=key.split(":")[1]))

    def transcript(self, key: str) -> list[Any]:
        """What it holds."""
        with self.store() as (store, do):
            return list(do(store.transcript(key, 100)))

    def entry(self, key: str) -> Any:
        """A session."""
        with self.store() as (store, do):
            return do(store.get(key))

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        """What a command prints as JSON."""
        result = self.invoke("sessions", *arguments, "--json")
        self.assertEqual(result.exit_code, exit_code, result.output)
        return json.loads(result.stdout)


class ListTests(SessionsCase):
    """openclaw-tx sessions [list]."""

    def test_nothing(self) -> None:
        """Without a store there are no sessions, and none is made. The shape is OpenClaw's."""
        expected = {
            "path": str(self.database),
            "count": 0,
            "totalCount": 0,
            "limitApplied": 100,
            "hasMore": False,
            "activeMinutes": None,
            "sessions": [],
        }
        self.assertEqual(self.json(), expected)
        self.assertEqual(self.json("list"), expected)
        self.assertEqual(self.json("--active", "5")["activeMinutes"], 5)
        self.assertEqual(self.invoke("sessions").stdout, "No sessions.\n")
        self.assertEqual(os.listdir(self.state), [])

    def test_rows(self) -> None:
        """Newest first, with options before or behind the word list."""
        self.add("agent:main:main", "hello", "hi")
        self.add("agent:beta:discord:group:7", "ask")
        found = self.json("--limit", "1")
        self.assertEqual((found["count"], found["totalCount"], found["hasMore"]), (1, 2, True))
        rows = {row["key"]: row for row in self.json("list")["sessions"]}
        self.assertEqual(rows["agent:main:main"]["title"], "hello")
        self.assertEqual(rows["agent:main:main"]["kind"], "direct")
        self.assertEqual(rows["agent:beta:discord:group:7"]["kind"], "group")
        self.assertTrue(rows["agent:main:main"]["ageMs"] >= 0)
        self.assertEqual([row["agentId"] for row in self.json("--agent", "BETA")["sessions"]], ["beta"])

    def test_active(self) -> None:
        """Only those used lately."""
        self.add("agent:main:main", "hello")
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("UPDATE sessions SET updated_at_ms = updated_at_ms - 3600000")
            connection.commit()
        self.assertEqual(self.json("--active", "59")["count"], 0)
        self.assertEqual(self.json("--active", "61")["count"], 1)
        self.assertIn("No sessions used in the last 5 minutes", self.invoke("sessions", "--active", "5").stdout)

    def test_narrow_table(self) -> None:
        """On a narrow terminal a long key is told in several lines, in a pipe in one; no column is lost."""
        key = f"agent:main:openresponses:{'0123456789' * 4}"
        self.add(key, "Write a very long story about a sailor and his cat, and do not stop before dawn.", "No.")
        head, line = self.invoke("sessions", "list").stdout.splitlines()
        self.assertEqual(head.split(), ["KEY", "AGE", "MODEL", "CONTEXT", "TITLE"])
        self.assertEqual(line.split()[0], key)
        self.assertIn("Write a very long story", line)
        terminal = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}
        head, *lines = filter(str.strip, self.invoke("sessions", "list", **terminal).stdout.splitlines())
        self.assertEqual(head.split(), ["key", "age", "model", "context", "title"])
        self.assertEqual("".join(line.split("  ")[0].strip(" ─") for line in lines), key)

    def test_table(self) -> None:
        """For people; a title can neither colour nor steer the terminal."""
        self.add("agent:main:main", "[red]hello\x1b[2J", "hi")
        self.add("agent:main:other", "x")
        text = self.invoke("sessions", "list").stdout
        self.assertIn("agent:main:main", text)
        self.assertIn("[red]hello\\x1b[2J", text)
        self.assertIn("1 of 2; --limit shows more.", self.invoke("sessions", "--limit", "1").stdout)

    def test_in_memory(self) -> None:
        """Sessions in the gateway's memory can not be reached from here."""
        self.path.write_text('{"session": {"store": "sqlite://"}}')
        result = self.invoke("sessions")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("memory", result.stderr)

    def test_broken_store(self) -> None:
        """A file of another program is left alone; one clear message."""
        self.database.parent.mkdir()
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("CREATE TABLE x (y)")
            connection.commit()
        result = self.invoke("sessions")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("another program", result.stderr)

    def test_ages(self) -> None:
        """In one unit."""
        self.assertEqual(
            [age(minutes * 60_000) for minutes in (-1, 0, 1, 59, 60, 1439, 1440, 99999)],
            ["now", "now", "1m", "59m", "1h", "23h", "1d", "69d"],
        )


class ImportTests(SessionsCase):
    """openclaw-tx sessions import."""

    def setUp(self) -> None:
        """OpenClaw's own state directory is ours."""
        super().setUp()
        self.directory = make_home(self.state)

    def before(self) -> dict[str, bytes]:
        """OpenClaw's files."""
        return {str(path): path.read_bytes() for path in sorted(self.state.glob("agents/**/*")) if path.is_file()}

    def test_import(self) -> None:
        """All that can be used is there, the rest is told of; the files stay as they were."""
        files = self.before()
        report = self.json("import", exit_code=1)
        self.assertEqual(report["counts"], {"added": 3, "failed": 2})
        self.assertEqual((report["failed"], report["orphans"], report["dryRun"]), (2, 1, False))
        outcomes = {session["key"]: session for session in report["sessions"]}
        self.assertEqual(outcomes["agent:main:main"]["messages"], 4)
        self.assertEqual(
            outcomes["agent:main:main"]["leftOut"], {"model_change": 1, "thinking_level_change": 1, "custom": 1}
        )
        self.assertEqual(outcomes["agent:main:My-Thread"]["faults"], [f"{WORK_ID}.jsonl, line 3: not JSON"])
        self.assertEqual(outcomes["agent:main:broken"]["faults"], ["it has no sessionId"])
        self.assertEqual(outcomes["bad\nkey"]["outcome"], "failed")
        self.assertEqual(outcomes["agent:beta:main"]["messages"], 0)
        self.assertEqual(self.before(), files)
        entry = self.entry("agent:main:main")
        self.assertEqual(
            (entry.session_id, entry.label, entry.title), (MAIN_ID, "Pictures", "What is in this picture?")
        )
        self.assertEqual((entry.created_at_ms, entry.updated_at_ms), (AT_MS, 1769767205000))
        self.assertEqual((entry.preview, entry.total_tokens, entry.settings.thinking_level), ("A cat.", 23, "low"))
        self.assertEqual(entry.settings.last_channel, "webchat")
        asked, called, result, said = self.transcript("agent:main:main")
        self.assertEqual(asked.content[1], ImagePart(data="aGk=", mime_type="image/png"))
        assert isinstance(called, AssistantMessage) and isinstance(result, ToolResultMessage)
        self.assertEqual(called.tool_calls, (ToolCall(id="call_1", name="read", arguments='{"path":"a.png"}'),))
        self.assertEqual((called.reasoning, called.stop_reason), ("I should look", "tool_calls"))
        self.assertEqual((called.usage.prompt_tokens, called.usage.cached_tokens), (15, 4))
        self.assertEqual((result.text, result.details, said.text), ("a cat", {"bytes": 2}, "A cat."))
        self.assertEqual([message.text for message in self.transcript("agent:main:My-Thread")], ["hello"])

    def test_again(self) -> None:
        """A second import finds everything known; what was said since comes after; what was set here stays."""
        self.invoke("sessions", "import")
        self.assertEqual(self.json("import", exit_code=1)["counts"], {"known": 3, "failed": 2})
        with self.store() as (store, do):
            do(store.patch("agent:main:main", lambda entry: replace(entry, label="Ours")))
        with (self.directory / f"{MAIN_ID}.jsonl").open("a", encoding="utf-8") as file:
            file.write(MORE + "\n")
        self.assertEqual(self.json("import", exit_code=1)["counts"], {"updated": 1, "known": 2, "failed": 2})
        self.assertEqual([each.text for each in self.transcript("agent:main:main")][-2:], ["A cat.", "And now?"])
        entry = self.entry("agent:main:main")
        self.assertEqual((entry.label, entry.preview, entry.title), ("Ours", "And now?", "What is in this picture?"))

    def test_gone_on_here(self) -> None:
        """A conversation that went on in both places stays as it is here."""
        self.invoke("sessions", "import")
        self.add("agent:main:main", "ours")
        self.assertEqual(self.json("import", exit_code=1)["counts"], {"known": 3, "failed": 2})
        with (self.directory / f"{MAIN_ID}.jsonl").open("a", encoding="utf-8") as file:
            file.write(MORE + "\n")
        self.assertEqual(self.json("import", exit_code=1)["counts"], {"differs": 1, "known": 2, "failed": 2})
        self.assertEqual(self.transcript("agent:main:main")[-1].text, "ours")

    def test_key_taken(self) -> None:
        """Our session under the same key stays, unless it is to be replaced: then it is archived."""
        self.add("agent:main:main", "ours")
        report = self.json("import", exit_code=1)
        self.assertEqual(report["counts"], {"taken": 1, "added": 2, "failed": 2})
        self.assertEqual(self.transcript("agent:main:main")[0].text, "ours")
        self.assertEqual(self.json("import", "--replace", exit_code=1)["counts"]["added"], 1)
        self.assertEqual(self.entry("agent:main:main").session_id, MAIN_ID)
        self.assertEqual(len(list(self.directory.glob("*.jsonl.deleted.*"))), 1)

    def test_dry_run(self) -> None:
        """Tells the same and does nothing; no store is made."""
        self.assertEqual(self.json("import", "--dry-run", exit_code=1)["counts"], {"added": 3, "failed": 2})
        self.assertFalse(self.database.exists())
        self.add("agent:main:main", "ours")
        self.json("import", "--dry-run", "--replace", exit_code=1)
        self.assertEqual(self.transcript("agent:main:main")[0].text, "ours")
        self.assertIn("Would be: ", self.invoke("sessions", "import", "--dry-run").stdout)

    def test_places(self) -> None:
        """A file, its directory, a state directory; one agent's only; a store that lies anywhere."""
        for place, count in ((self.directory / "sessions.json", 4), (self.directory, 4), (self.state, 5)):
            self.assertEqual(len(self.json("import", str(place), "--dry-run", exit_code=1)["sessions"]), count)
        self.assertEqual(self.json("import", "--agent", "beta", "--dry-run")["counts"], {"added": 1})
        elsewhere = self.home / "backup"
        elsewhere.mkdir()
        (elsewhere / "sessions.json").write_text(json.dumps({"x": {"sessionId": "s"}, "agent:a:y": {"sessionId": "t"}}))
        keys = [each["key"] for each in self.json("import", str(elsewhere), "--agent", "beta", "--dry-run")["sessions"]]
        self.assertEqual(keys, ["agent:beta:x", "agent:a:y"])
        self.assertEqual(self.json("import", str(self.home), "--dry-run")["counts"], {})

    def test_broken_index(self) -> None:
        """One that is no JSON is told of; the others are imported."""
        (self.directory / "sessions.json").write_text("{")
        report = self.json("import", exit_code=1)
        self.assertEqual((report["counts"], report["failed"]), ({"added": 1}, 1))
        self.assertIn("sessions.json", report["faults"][0])
        (self.directory / "sessions.json").write_text("[]")
        self.assertIn("expected an object", self.json("import", exit_code=1)["faults"][0])

    def test_files_elsewhere(self) -> None:
        """An entry can not make the command read files that are not its store's."""
        secret = self.home / "secret.jsonl"
        secret.write_text('{"type":"message","message":{"role":"user","content":"secret"}}\n')
        index = {"a": {"sessionId": "../../../../secret"}, "b": {"sessionId": "s", "sessionFile": str(secret)}}
        (self.directory / "sessions.json").write_text(json.dumps(index))
        self.json("import")
        self.assertEqual(self.transcript("agent:main:a") + self.transcript("agent:main:b"), [])

    def test_told(self) -> None:
        """For people: a line for each session, what it lost, what is wrong, and the sum."""
        text = self.invoke("sessions", "import").stdout
        self.assertIn("agent:main:main: 4 messages, added; left out 1 model_change", text)
        self.assertIn("  it has no sessionId", text)
        self.assertIn("1 transcripts that no sessions.json names were left.", text)
        self.assertIn("3 added, 2 failed.", text)


class ExportTests(SessionsCase):
    """openclaw-tx sessions export."""

    def export(self, *arguments: str) -> Any:
        """Export into a directory of the home."""
        return self.invoke("sessions", "export", "--out", str(self.home / "out"), *arguments)

    def test_round_trip(self) -> None:
        """What was imported comes out as it went in, and can be imported again."""
        directory = make_home(self.state)
        self.invoke("sessions", "import")
        result = self.export()
        self.assertEqual((result.exit_code, result.stdout), (0, f"3 sessions exported to {self.home / 'out'}.\n"))
        out = self.home / "out" / "agents" / "main" / "sessions"
        index = json.loads((out / "sessions.json").read_text("utf-8"))
        theirs = dict(INDEX["agent:main:main"])
        del theirs["sessionFile"]
        ours = index["agent:main:main"]
        self.assertEqual({name: ours[name] for name in theirs}, theirs)
        for path in (out / "sessions.json", out / f"{MAIN_ID}.jsonl"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertTrue(index["agent:main:My-Thread"])
        self.assertEqual(self.messages(out / f"{MAIN_ID}.jsonl"), self.messages(directory / f"{MAIN_ID}.jsonl"))
        self.assertEqual(self.json("import", str(self.home / "out"))["counts"], {"known": 3})

    def messages(self, path: Path) -> list[Any]:
        """The messages of a file, without what this gateway does not keep."""
        found = []
        for line in path.read_text("utf-8").splitlines():
            message = json.loads(line).get("message")
            if message is None:
                continue
            message.pop("api", None)
            message.get("usage", {}).pop("cost", None)
            for block in message["content"]:
                block.pop("thinkingSignature", None)
            found.append(message)
        return found

    def test_one_agent(self) -> None:
        """Only its sessions."""
        self.add("agent:main:main", "a")
        self.add("agent:beta:main", "b")
        self.assertIn("1 session exported", self.export("--agent", "beta").stdout)
        self.assertEqual(os.listdir(self.home / "out" / "agents"), ["beta"])

    def test_nothing_is_overwritten(self) -> None:
        """Where an index is there already, nothing is written."""
        self.add("agent:main:main", "a")
        self.export()
        result = self.export()
        self.assertEqual(result.exit_code, 1)
        self.assertIn("is there already", result.stderr)

    def test_nothing_there(self) -> None:
        """There is nothing to export."""
        result = self.export()
        self.assertEqual(result.exit_code, 1)
        self.assertIn("no sessions yet", result.stderr)

    def test_not_writable(self) -> None:
        """One clear message."""
        self.add("agent:main:main", "a")
        (self.home / "out").mkdir()
        (self.home / "out" / "agents").write_text("")
        result = self.export()
        self.assertEqual(result.exit_code, 1)
        self.assertNotIn("Traceback", result.output)
