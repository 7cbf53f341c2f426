# -*- test-case-name: tests.fuzz.test_config -*-
"""Everything that reads, edits and hides a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config import json5
from openclaw_tx.config.certificates import digits
from openclaw_tx.config.environment import env_block, parse_dotenv
from openclaw_tx.config.files import merge, parse
from openclaw_tx.config.load import from_mapping
from openclaw_tx.config.merging import (
    Lossy,
    check_lists,
    differences,
    merge_patch,
    parse_path,
    value_at,
    with_value,
    without,
)
from openclaw_tx.config.paths import Issues, render
from openclaw_tx.config.redact import REDACTED, redact, restore, secrets_in
from openclaw_tx.config.rewriting import plain, rewrite, same
from openclaw_tx.config.substitution import substitute
from openclaw_tx.errors import ConfigError
from tests.fuzz.limits import bounded, examples
from tests.fuzz.material import documents, nearly, places, repetitions, scalars

SEED: dict[str, Any] = {
    "gateway": {
        "port": 18789, "bind": "loopback", "trustedProxies": ["10.0.0.0/8", "unix"],
        "auth": {"mode": "token", "token": "t" * 30, "rateLimit": {"maxAttempts": 3}, "keys": [
            {"label": "a", "hash": "sha256:" + "0" * 64, "scopes": ["operator.read"], "expires": "2030-01-01"}]},
        "controlUi": {"allowedOrigins": ["https://a.example"], "basePath": "/x"},
        "http": {"endpoints": {"chatCompletions": {"enabled": True}}, "cors": {"allowedOrigins": ["*"]}},
        "tls": {"enabled": False},
    },
    "agents": {
        "defaults": {"model": {"primary": "o/m", "fallbacks": ["o/n"]}, "workspace": "~/w",
            "heartbeat": {"every": "5m"}},
        "list": [{"id": "main", "tools": {"deny": ["exec"]}}, {"id": "beta", "default": True}]},
    "models": {"providers": {"o": {"baseUrl": "http://u:p@127.0.0.1/v1", "apiKey": "${KEY}", "headers": {"X": "y" * 20},
        "models": [{"id": "m", "contextWindow": 1000, "cost": {"input": 1}}, {"id": "n"}]}}},
    "tools": {"exec": {"security": "allowlist", "timeoutSec": 5}, "web": {"search": {"apiKey": "k" * 20}}},
    "hooks": {"enabled": True, "token": "h" * 30, "mappings": [
        {"match": {"path": "x"}, "action": "agent", "messageTemplate": "hi"}]},
    "mcp": {"servers": {"s": {"command": "x", "args": ["-y"], "env": {"TOKEN": "e" * 20}}}},
    "session": {"scope": "per-sender", "idleMinutes": 5, "sendPolicy": {"default": "allow", "rules": []}},
    "env": {"vars": {"KEY": "v" * 20}, "OTHER": "w"},
    "logging": {"level": "debug"},
    "channels": {"webhook": {"desk": {"secret": "s" * 30, "outUrl": "https://a.example/x"}}},
}  # fmt: skip
ENVIRONMENT = {"KEY": "k" * 20, "HOME": "/nowhere"}
KEYS = sorted({key for path in places(SEED) for key in path if isinstance(key, str)})
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(["${KEY}", "$${KEY}", REDACTED, "http://u:p@h/"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*KEYS, "id", "a.b", "", "0"]), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from([*KEYS, "id", "a.b"]), json_values, max_size=4)
SPACE = st.sampled_from(["", " ", "\n", "\t", "// c\n", "/* c */", "\r\n", "/* a\n */\n"])


@st.composite
def json5_texts(draw: st.DrawFn, value: Any) -> str:
    """A value as people write it: comments, bare keys, single quotes, commas at the end."""

    def say(value: Any) -> str:
        if isinstance(value, dict):
            parts = [f"{draw(SPACE)}{name(key)}{draw(SPACE)}:{draw(SPACE)}{say(item)}" for key, item in value.items()]
            return "{" + close(parts) + "}"
        if isinstance(value, list):
            return "[" + close([draw(SPACE) + say(item) for item in value]) + "]"
        if isinstance(value, str) and draw(st.booleans()):
            return "'" + json.dumps(value)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    def name(key: str) -> str:
        return key if key.isidentifier() and key.isascii() and draw(st.booleans()) else json.dumps(key)

    def close(parts: list[str]) -> str:
        comma = "," if parts and draw(st.booleans()) else ""
        return ",".join(part + draw(SPACE) for part in parts) + comma + draw(SPACE)

    return draw(SPACE) + say(value) + draw(SPACE)


class ReadTests(SynchronousTestCase):
    """Texts into values."""

    @examples(110)
    @given(documents(SEED) | st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def test_file(self, raw: bytes) -> None:
        """A file is read, or refused with line and column; what was read says the same when it is written."""
        with bounded():
            try:
                found = parse(raw)
            except json5.Json5Error as error:
                self.assertGreaterEqual(min(error.line, error.column), 1)
                return
        self.assertTrue(same(parse(plain(found).encode("utf-8")), found))

    @examples(65)
    @given(st.data(), json_values)
    def test_written_by_people(self, data: st.DataObject, value: Any) -> None:
        """JSON5 is read as what it says."""
        text = data.draw(json5_texts(value))
        self.assertTrue(same(parse(text.encode("utf-8")), value), text)

    @examples(15)
    @given(repetitions("{}[]:,'\"ab1.+-/*\\ \n0xeE"))
    def test_long(self, text: str) -> None:
        """In time that goes with the length."""
        with bounded(1.0):
            try:
                parse(text.encode())
            except json5.Json5Error:
                pass

    @examples(65)
    @given(nearly(SEED))
    def test_load(self, data: Any) -> None:
        """Whatever an embedder hands over, it is a configuration, or all that is wrong with it has words, and none of
        them shows a secret."""
        assume(isinstance(data, dict))
        with bounded(1.0):
            try:
                loaded = from_mapping(data, ENVIRONMENT, Path("/nowhere"))
            except ConfigError as error:
                self.assertTrue(all(message for _, message in error.issues))
                told = str(error)
                self.assertFalse([each for each in ("t" * 30, "h" * 30, "s" * 30, "e" * 20, "v" * 20) if each in told])
                return
        self.assertEqual(from_mapping(data, ENVIRONMENT, Path("/nowhere")).config, loaded.config)

    def test_seed(self) -> None:
        """What it begins with can be used."""
        from_mapping(SEED, ENVIRONMENT, Path("/nowhere"))

    @examples(45)
    @given(st.text("AB_=\"'\\# \nexport\t\u2028", max_size=60))
    def test_dotenv(self, text: str) -> None:
        """Each line is an assignment, nothing, or a line that is told."""
        with bounded():
            values, bad = parse_dotenv(text)
        self.assertLessEqual(len(values) + len(bad), len(text.splitlines()))

    @examples(10)
    @given(repetitions("A=\"'\\# "))
    def test_long_dotenv(self, text: str) -> None:
        """A long line as well."""
        with bounded():
            parse_dotenv("A=" + text)

    @examples(45)
    @given(nearly(SEED))
    def test_env_block(self, data: Any) -> None:
        """Variables come out of anything that is an object."""
        if isinstance(data, dict):
            values, _ = env_block(data)
            self.assertTrue(all(isinstance(value, str) for value in values.values()))

    @examples(25)
    @given(st.text("0123456789abcdefABCDEF: sha", max_size=100))
    def test_fingerprint(self, text: str) -> None:
        """64 digits, or the declared error."""
        try:
            found = digits(text)
        except ValueError:
            return
        self.assertEqual(digits(found), found)


class EditTests(SynchronousTestCase):
    """Changes of what is there."""

    @examples(65)
    @given(st.data(), objects)
    def test_rewrite(self, data: st.DataObject, after: Any) -> None:
        """Whatever a text looked like, it then says what it has to, and a comment of the first line stays."""
        before = data.draw(objects)
        after = {**before, **after} if data.draw(st.booleans()) else after
        text = data.draw(json5_texts(before))
        with bounded():
            found = rewrite(text, before, after)
        self.assertTrue(same(json5.loads(found), after), (text, found))

    @examples(65)
    @given(
        st.text("ab.[]0123456789\"\\'$-é", max_size=12) | st.integers(0, 9).map(lambda n: f"a[{'9' * (10**n % 9999)}]")
    )
    def test_path(self, text: str) -> None:
        """A path is read or refused; one that was read and written means the same place."""
        with bounded():
            try:
                path = parse_path(text)
            except ValueError:
                return
            self.assertEqual(parse_path(render(path)), path)

    @examples(90)
    @given(
        json_values,
        st.lists(st.sampled_from([*KEYS, "a.b", "", "0", 0, 1, "x" * 5000, "9" * 5000, "-1"]), max_size=4),
        json_values,
    )
    def test_places(self, value: Any, path: list[Any], new: Any) -> None:
        """What is put somewhere is found there, and gone once it is taken out; or there is no such place."""
        place = tuple(path)
        try:
            changed = with_value(value, place, new)
        except LookupError:
            return
        self.assertTrue(same(value_at(changed, place), new))
        if place:
            removed = without(changed, place)
            self.assertFalse(same(removed, changed))

    @examples(65)
    @given(json_values, json_values)
    def test_patch(self, target: Any, patch: Any) -> None:
        """It can be done, or would lose something, or names somebody twice; what differs has places."""
        try:
            once = merge_patch(target, patch)
            check_lists(target, once, ())
        except (ValueError, Lossy):
            return
        self.assertEqual(list(differences(once, once)), [])
        told = list(differences(target, once))
        self.assertTrue(all(isinstance(each, str) for each in told))
        self.assertFalse(told and same(target, once))

    @examples(45)
    @given(json_values, json_values)
    def test_merge(self, below: Any, above: Any) -> None:
        """Laying one over the other makes JSON again."""
        json.dumps(merge(below, above), allow_nan=False)


class SecretTests(SynchronousTestCase):
    """What is hidden, and comes back."""

    @examples(110)
    @given(nearly(SEED) | json_values)
    def test_hidden(self, value: Any) -> None:
        """No secret is in what is shown, and what is shown can be handed back without loss."""
        shown = redact(value)
        text = json.dumps(shown)
        for secret in secrets_in(value):
            # A long text of one letter may well stand where nothing is secret, too.
            if len(secret) > 12 and len(set(secret)) > 1 and secret not in (*KEYS, REDACTED):
                self.assertNotIn(json.dumps(secret)[1:-1], text)
        issues: Issues = []
        if REDACTED not in json.dumps(value):
            self.assertEqual(json.dumps(restore(shown, value, issues)), json.dumps(value))
            self.assertEqual(issues, [])

    @examples(65)
    @given(scalars | json_values, st.dictionaries(st.sampled_from(["KEY", "A_1"]), st.text(max_size=5)))
    def test_substituted(self, value: Any, environment: dict[str, str]) -> None:
        """Variables are put in once: what stands in them is not looked at again."""
        issues: Issues = []
        with bounded():
            found = substitute(value, environment, issues)
        if isinstance(value, str) and "$" not in value:
            self.assertEqual(found, value)
        self.assertTrue(all(message for _, message in issues))

    @examples(10)
    @given(repetitions("${KEY}"))
    def test_long(self, text: str) -> None:
        """In time that goes with the length."""
        with bounded():
            substitute(text, {"KEY": "${KEY}"}, [])
            redact({"url": text, "x": f"http://{text}"})
