"""Tests of L{openclaw_tx.config.merging}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

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


class PatchTests(SynchronousTestCase):
    """Merge patches."""

    def test_rfc_7396(self) -> None:
        """The examples of its appendix, lists replaced as they are."""
        for target, patch, result in [
            ({"a": "b"}, {"a": "c"}, {"a": "c"}),
            ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
            ({"a": "b"}, {"a": None}, {}),
            ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
            ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
            ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
            ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
            ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
            (["a", "b"], ["c", "d"], ["c", "d"]),
            ({"a": "b"}, ["c"], ["c"]),
            ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
            ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
            ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ]:
            self.assertEqual(merge_patch(target, patch, None), result)

    def test_nothing_is_changed(self) -> None:
        """Neither the target nor the patch."""
        target, patch = {"a": {"b": 1}, "l": [{"id": "x"}]}, {"a": {"b": None}, "l": [{"id": "x", "n": 1}]}
        merge_patch(target, patch)
        self.assertEqual((target, patch["a"]), ({"a": {"b": 1}, "l": [{"id": "x"}]}, {"b": None}))

    def test_by_id(self) -> None:
        """Items with ids are merged; null in one takes a key out; unless the list is named."""
        target = {"l": [{"id": "x", "n": 1}, {"id": "y"}]}
        patch = {"l": [{"id": "z"}, {"id": "x", "n": None}]}
        self.assertEqual(merge_patch(target, patch), {"l": [{"id": "x"}, {"id": "y"}, {"id": "z"}]})
        self.assertEqual(merge_patch(target, patch, ["l"]), patch)
        self.assertRaises(ValueError, merge_patch, target, {"l": [{"id": "x"}, {"id": "x"}]})

    def test_losses(self) -> None:
        """Lists that lose items have to be named; one that grows need not."""
        before = {"a": {"l": [1, 2]}, "m": [{"id": "x", "k": [1]}, {"id": "y"}]}
        check_lists(before, before, ())
        check_lists(before, {**before, "a": {"l": [2, 1, 3]}}, ())
        for after, paths in [
            ({"m": before["m"]}, ["a.l"]),
            ({**before, "a": {"l": [1]}}, ["a.l"]),
            ({**before, "a": 1}, ["a.l"]),
            ({**before, "m": [{"id": "x", "k": [1]}]}, ["m"]),
            ({**before, "m": [{"id": "x", "k": [2]}, {"id": "y"}]}, ["m[].k"]),
        ]:
            error = self.assertRaises(Lossy, check_lists, before, after, ())
            self.assertEqual(error.paths, paths)
            check_lists(before, after, paths)


class PathTests(SynchronousTestCase):
    """Places."""

    def test_parse(self) -> None:
        """Dots, brackets, quotes."""
        for text, path in {
            "a.b": ("a", "b"),
            "a[0].b": ("a", 0, "b"),
            'a["b.c"].d': ("a", "b.c", "d"),
            "a['b']": ("a", "b"),
            'a["b\\"c"]': ("a", 'b"c'),
            "models.providers.my-own": ("models", "providers", "my-own"),
        }.items():
            self.assertEqual(parse_path(text), path)
        for text in ("", "a[", "a[]", "..", "a..b"):
            self.assertRaises(ValueError, parse_path, text)

    def test_value(self) -> None:
        """Reading, writing, taking out."""
        data = {"a": [{"b": 1}]}
        self.assertEqual(value_at(data, ("a", 0, "b")), 1)
        self.assertEqual(value_at(data, ("a", "0", "b")), 1)
        for path in (("a", 1), ("a", -1), ("b",), ("a", "b"), ("a", 0, "b", "c")):
            self.assertRaises(LookupError, value_at, data, path)
            self.assertRaises(LookupError, without, data, path)
        self.assertEqual(with_value(data, ("a", 1, "c"), 2), {"a": [{"b": 1}, {"c": 2}]})
        self.assertEqual(with_value({}, ("x", 0, "y"), 2), {"x": [{"y": 2}]})
        self.assertRaises(LookupError, with_value, data, ("a", 2), 1)
        self.assertRaises(LookupError, with_value, data, ("a", 0, "b", "c"), 1)
        self.assertEqual(without(data, ("a", 0)), {"a": []})
        self.assertEqual(without(data, ("a",)), {})
        self.assertEqual(data, {"a": [{"b": 1}]})

    def test_differences(self) -> None:
        """Leaves; a list as a whole."""
        before = {"a": {"b": 1, "c": 2}, "l": [1], "gone": {"x": 1}}
        after = {"a": {"b": 1, "c": 3}, "l": [2], "new": {"y": {"z": 1}}}
        self.assertEqual(list(differences(before, after)), ["a.c", "l", "gone", "new.y.z"])
