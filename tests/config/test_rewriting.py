"""Tests of L{openclaw_tx.config.rewriting}."""

from __future__ import annotations

import json
import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config import json5
from openclaw_tx.config.rewriting import in_comments, rewrite, same

FILE = """\
// my gateway
{
  gateway: {
    port: 18789, // the usual one
    auth: { token: 'abc' }, /* secret */
  },
  agents: {
    list: [
      { id: "main" },
      // the second
      { id: "beta", name: 'B' },
      { id: "third" },
    ],
  },
}
"""


def edited(text: str, **changes: Any) -> str:
    """C{text} with some of its keys replaced (C{...} = taken out)."""
    before = json5.loads(text)
    after = {key: value for key, value in {**before, **changes}.items() if value is not ...}
    result = rewrite(text, before, after)
    assert json5.loads(result) == after, result
    return result


class RewriteTests(SynchronousTestCase):
    """Only what differs is written anew."""

    def test_in_comments(self) -> None:
        """What looks like a comment within a text is none, whichever its quotes."""
        text = """{ // one\n a: "/* no */", 'b"//': 'it\\'s // no', /* two\n two */ c: 1 } // three"""
        changed = in_comments(text, str.upper)
        self.assertEqual(changed, text.replace("one", "ONE").replace("two", "TWO").replace("three", "THREE"))

    def test_nothing(self) -> None:
        """The same value is the same text."""
        self.assertEqual(rewrite(FILE, json5.loads(FILE), json5.loads(FILE)), FILE)

    def test_value(self) -> None:
        """A value is replaced where it stands; the comment beside it stays."""
        after = json5.loads(FILE)
        after["gateway"]["port"] = 1
        self.assertEqual(rewrite(FILE, json5.loads(FILE), after), FILE.replace("18789,", "1,"))

    def test_new_key(self) -> None:
        """A new key comes last, written as its neighbours are."""
        after = json5.loads(FILE)
        after["gateway"]["bind"] = "lan"
        expected = FILE.replace("/* secret */\n", '/* secret */\n    bind: "lan",\n')
        found = rewrite(FILE, json5.loads(FILE), after)
        self.assertEqual(json5.loads(found), after)
        self.assertIn('bind: "lan",', found)
        self.assertIn("// the usual one", found)
        self.assertIn("/* secret */", found)
        self.assertEqual(len(found.splitlines()), len(expected.splitlines()))

    def test_new_section(self) -> None:
        """An object is written over several lines, indented to where it stands."""
        found = edited(FILE, models={"mode": "replace"})
        self.assertTrue(found.endswith('  models: {\n    "mode": "replace"\n  },\n}\n'), found)

    def test_key_behind_a_comment(self) -> None:
        """The comment at the end of the line stays with what it is about."""
        self.assertEqual(edited("{\n  a: 1 // one\n}\n", b=2), "{\n  a: 1, // one\n  b: 2\n}\n")
        self.assertEqual(edited("{\n  a: 1, // one\n}\n", b=2), "{\n  a: 1, // one\n  b: 2,\n}\n")

    def test_one_line(self) -> None:
        """What stands on one line stays on it."""
        self.assertEqual(edited('{"a": 1}', b=[1]), '{"a": 1, "b": [1]}')

    def test_empty(self) -> None:
        """Into an empty object."""
        self.assertEqual(edited("{}", b=2), "{\n  b: 2\n}")
        self.assertEqual(edited("{ // nothing yet\n}", b=2)[-1], "}")

    def test_removed(self) -> None:
        """A key goes with its comma; strict JSON stays strict."""
        self.assertEqual(edited('{"a": 1, "b": 2, "c": 3}', b=..., c=...), '{"a": 1}')
        self.assertEqual(edited('{"a": 1, "b": 2, "c": 3}', a=...), '{ "b": 2, "c": 3}')
        self.assertEqual(edited("{\n  a: 1,\n  b: 2,\n}", a=...), "{\n  b: 2,\n}")
        self.assertEqual(edited("{\n  a: 1,\n}", a=...), "{\n}")
        json.loads(edited('{"a": 1, "b": 2}', b=..., d=4))

    def test_all_replaced(self) -> None:
        """Everything goes and something comes."""
        self.assertEqual(json5.loads(edited("{a: 1, b: 2}", a=..., b=..., c=3)), {"c": 3})
        self.assertEqual(json5.loads(edited("{a: 1, b: 2,}", a=..., b=..., c=3)), {"c": 3})

    def test_item_removed(self) -> None:
        """An item of a list goes by its id; the comments of the others stay."""
        after = json5.loads(FILE)
        del after["agents"]["list"][0]
        found = rewrite(FILE, json5.loads(FILE), after)
        self.assertEqual(json5.loads(found), after)
        self.assertIn("// the second", found)

    def test_item_added(self) -> None:
        """And comes at the end."""
        after = json5.loads(FILE)
        after["agents"]["list"].append({"id": "fourth"})
        found = rewrite(FILE, json5.loads(FILE), after)
        self.assertEqual(json5.loads(found), after)
        self.assertIn("// the second", found)

    def test_twice_the_same_key(self) -> None:
        """Where a key stands twice the object is written anew, so that the first one goes as well."""
        text = '{a: {token: "one", token: "two"}, b: 1}'
        found = rewrite(text, json5.loads(text), {"a": {"token": "x"}, "b": 1})
        self.assertNotIn("one", found)
        self.assertEqual(json5.loads(found), {"a": {"token": "x"}, "b": 1})

    def test_keys_as_they_are_written(self) -> None:
        """Quoted, escaped, odd keys are found."""
        text = """{'a b': 1, "c\\u0041": 2, $d: 3, é: 4}"""
        before = json5.loads(text)
        self.assertEqual(json5.loads(rewrite(text, before, dict.fromkeys(before, 0))), dict.fromkeys(before, 0))

    def test_true_is_not_one(self) -> None:
        """Although Python says so."""
        self.assertFalse(same({"a": 1}, {"a": True}))
        self.assertEqual(rewrite("{a: 1}", {"a": 1}, {"a": True}), "{a: true}")

    def test_any_change(self) -> None:
        """Whatever the change, the text says what it has to."""
        chance = random.Random(1)

        def value(depth: int) -> Any:
            kind = chance.randrange(6 if depth else 4)
            if kind == 4:
                return {chance.choice("abcdef"): value(depth - 1) for _ in range(chance.randrange(4))}
            if kind == 5:
                return [value(depth - 1) for _ in range(chance.randrange(4))]
            return chance.choice([None, True, 1, 1.5, "x // y", "'", ""])

        for _ in range(500):
            before = {key: value(3) for key in "abc" if chance.random() < 0.7}
            after = {key: before.get(key, 0) if chance.random() < 0.5 else value(3) for key in "abcd"}
            text = json.dumps(before, indent=chance.choice([None, 2]))
            if chance.random() < 0.5:
                text = text.replace(",\n", ", // note\n")
            self.assertEqual(json5.loads(rewrite(text, before, after)), after, text)
