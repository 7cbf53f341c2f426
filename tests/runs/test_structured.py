# -*- test-case-name: tests.runs.test_structured -*-
"""Answers that must be JSON."""

from __future__ import annotations

import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.structured import AnswerFormat, format_of, unmet
from openclaw_tx.values import Sampling

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
WANTED = AnswerFormat(schema=SCHEMA)


def asked(**response_format: Any) -> AnswerFormat | None:
    """What a request asks for."""
    return format_of(Sampling(response_format=response_format or None))


class FormatTests(SynchronousTestCase):
    """What is wanted."""

    def test_format_of(self) -> None:
        """Text is no format; a schema may be left out."""
        self.assertIsNone(asked())
        self.assertIsNone(asked(type="text"))
        self.assertEqual(asked(type="json_object"), AnswerFormat(schema=None))
        self.assertEqual(asked(type="json_schema", json_schema={"name": "x", "schema": SCHEMA}), WANTED)
        self.assertEqual(asked(type="json_schema", json_schema={"name": "x"}), AnswerFormat(schema={}))

    def test_instruction(self) -> None:
        """It holds the schema."""
        self.assertIn('"required":["n"]', WANTED.instruction())
        self.assertIn("JSON object", AnswerFormat(schema=None).instruction())


class JudgeTests(SynchronousTestCase):
    """What comes."""

    def test_good(self) -> None:
        """JSON that matches is handed on as it is; only a fence around it goes."""
        for text in ('{"n": 1}', ' {"n":\n1}\n'):
            self.assertEqual((WANTED.judge(text).text, WANTED.judge(text).complaint), (text, ""))
        for text in ('```json\n{"n": 1}\n```', '\n```\n{"n": 1}\n```\n'):
            self.assertEqual((WANTED.judge(text).text, WANTED.judge(text).complaint), ('{"n": 1}', ""))

    def test_fences(self) -> None:
        """A fence is a line before and a line behind."""
        for text in ("```\r\n\n {} \n\n```", "  ```JSON  \n{}\n  ```  "):
            self.assertEqual(WANTED.judge(text).text, "{}")
        for text in ("```json\n```", "```json {}\n```", "```\n{}```", "```\n{}\n``` so", "``` js\n{}\n```", "{}\n```"):
            self.assertEqual(WANTED.judge(text).text, text)

    def test_in_time(self) -> None:
        """Models that are held to JSON are given to endless white space: however much of it, it is looked at once."""
        for text in ("```json" + "\n" * 1500 + "{", "```json" + "\n" * 100_000 + "{", " \n" * 100_000):
            started = time.process_time()
            self.assertTrue(WANTED.judge(text).complaint)
            self.assertLess(time.process_time() - started, 1.0)

    def test_bad(self) -> None:
        """Everything else says what is wrong."""
        for text, words in (
            ("", "empty"),
            ("NO", "not valid JSON"),
            ('{"n": 1} I hope this helps', "not valid JSON"),
            ('Here: ```json\n{"n": 1}\n```', "not valid JSON"),
            ('{"n": "1"}', '"n" must be an integer'),
            ('{"n": NaN}', "not valid JSON"),
            ("[" * 20_000, "nested"),
            ("{}", '"n" is missing'),
            ('{"n": 1, "m": 2}', '"m" is not'),
            ("\ud800", "not valid JSON"),
        ):
            self.assertIn(words, WANTED.judge(text).complaint, ascii(text[:40]))

    def test_any_object(self) -> None:
        """json_object wants an object."""
        wanted = AnswerFormat(schema=None)
        self.assertEqual(wanted.judge("{}").complaint, "")
        self.assertIn("not an array", wanted.judge("[]").complaint)

    def test_error(self) -> None:
        """It tells what is wrong, and that trying again is no use."""
        error = unmet(WANTED.judge("{}"))
        self.assertEqual(error.info.code, "structured_output_failed")
        self.assertIs(error.info.should_retry, False)
        self.assertIn('"n" is missing', error.info.message)
