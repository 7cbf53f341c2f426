# -*- test-case-name: tests.mcp.test_content -*-
"""What servers say of their tools, and what calls bring."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.mcp.content import MAX_DESCRIPTION, MAX_IMAGES, MAX_NAME, allowed, names_of, remote_tools, tool_result
from openclaw_tx.mcp.session import McpError
from openclaw_tx.values import ImagePart


class RemoteToolsTests(SynchronousTestCase):
    """L{remote_tools}."""

    def test_tools(self) -> None:
        """Name, description and schema, which is an object's in any case."""
        (full, bare), useless = remote_tools(
            {
                "tools": [
                    {"name": "a.b", "description": "D", "inputSchema": {"type": "object", "required": ["x"]}},
                    {"name": "c", "title": "T", "annotations": {}},
                ]
            }
        )
        self.assertEqual((full.name, full.description), ("a.b", "D"))
        self.assertEqual(full.parameters, {"type": "object", "required": ["x"], "properties": {}})
        self.assertEqual((bare.description, bare.parameters), ("T", {"type": "object", "properties": {}}))
        self.assertEqual(useless, [])

    def test_useless(self) -> None:
        """What can not be called is left out by name; long descriptions are cut."""
        huge = {"type": "object", "properties": {"x": {"description": "x" * 70_000}}}
        found, useless = remote_tools(
            {
                "tools": [
                    {"name": ""},
                    {"name": 5},
                    "what",
                    {"name": "list", "inputSchema": {"type": "array"}},
                    {"name": "huge", "inputSchema": huge},
                    {"name": "none", "inputSchema": None},
                    {"name": "ok", "description": "d" * 9999},
                ]
            }
        )
        self.assertEqual([tool.name for tool in found], ["ok"])
        self.assertEqual(useless, ["", "5", "what", "list", "huge", "none"])
        self.assertEqual(len(found[0].description), MAX_DESCRIPTION)

    def test_no_list(self) -> None:
        """An answer that has none."""
        for result in ({}, {"tools": None}, {"tools": {}}):
            self.assertRaises(McpError, remote_tools, result)


class NamesTests(SynchronousTestCase):
    """L{names_of} and L{allowed}."""

    def test_names(self) -> None:
        """Server and tool, of characters that providers take."""
        self.assertEqual(names_of("my-srv", ["a", "b.c/d é"]), {"my-srv__a": "a", "my-srv__b_c_d__": "b.c/d é"})

    def test_clashes(self) -> None:
        """Equal names are numbered, long ones cut; case makes no difference."""
        self.assertEqual(names_of("s", ["a.b", "a_b", "A_b"]), {"s__a_b": "a.b", "s__a_b_2": "a_b", "s__A_b_3": "A_b"})
        first, second = names_of("s", ["x" * 100 + "1", "x" * 100 + "2"])
        self.assertEqual((len(first), len(second), second[-2:]), (MAX_NAME, MAX_NAME, "_2"))

    @given(st.text(max_size=40), st.lists(st.text(max_size=80), unique=True))
    def test_any_names(self, server: str, tools: list[str]) -> None:
        """No tool is lost, and every name can be called."""
        names = names_of(server, tools)
        self.assertEqual(list(names.values()), tools)
        self.assertEqual(len({name.lower() for name in names}), len(tools))
        for name in names:
            self.assertRegex(name, r"\A[A-Za-z0-9_-]{1,64}\Z")

    def test_allowed(self) -> None:
        """By the server's own names, with stars; nothing else has a meaning."""
        names = ["read", "read_all", "write", "a.b", "axb"]
        self.assertEqual(allowed(names, []), names)
        self.assertEqual(allowed(names, ["read*", "a.b"]), ["read", "read_all", "a.b"])
        self.assertEqual(allowed(names, ["*_*", "nothing"]), ["read_all"])
        self.assertEqual(allowed(["a" * 200], ["*a" * 50 + "b"]), [])


class ToolResultTests(SynchronousTestCase):
    """L{tool_result}."""

    def text(self, *blocks: Any) -> str:
        """The text that blocks come to."""
        return tool_result({"content": list(blocks)}).text

    def test_text(self) -> None:
        """Texts, line by line, and whether it went wrong."""
        result = tool_result({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})
        self.assertEqual((result.text, result.is_error, result.details), ("a\nb", False, None))
        self.assertTrue(tool_result({"content": [], "isError": True}).is_error)
        self.assertFalse(tool_result({"content": [], "isError": "yes"}).is_error)

    def test_structured(self) -> None:
        """Structured content is for programs, and for the model where nothing else is."""
        result = tool_result({"content": [{"type": "text", "text": "t"}], "structuredContent": {"a": 1}})
        self.assertEqual((result.text, result.details), ("t", {"a": 1}))
        self.assertEqual(tool_result({"content": [], "structuredContent": {"a": 1}}).text, '{\n  "a": 1\n}')

    def test_images(self) -> None:
        """Images that models can see, so many; others are named."""
        image = {"type": "image", "data": "QUJD", "mimeType": "image/png"}
        result = tool_result({"content": [image] * (MAX_IMAGES + 1)})
        self.assertEqual(result.images, (ImagePart(data="QUJD", mime_type="image/png"),) * MAX_IMAGES)
        self.assertIn("too many", result.text)
        for broken in ({"data": "%%%"}, {"data": "QUJD" * 2_000_000}):
            self.assertIn("can not be shown", self.text({**image, **broken}))
        for strange in ({"mimeType": "image/svg+xml"}, {"mimeType": 5}, {"mimeType": []}, {"data": None}):
            self.assertIn("of a kind", self.text({**image, **strange}))

    def test_resources(self) -> None:
        """Text of a resource is shown, the rest named."""
        self.assertEqual(self.text({"type": "resource", "resource": {"uri": "u", "text": "t"}}), "[resource u]\nt")
        blob = {"uri": "u", "blob": "AAAA", "mimeType": "application/pdf"}
        self.assertEqual(
            self.text({"type": "resource", "resource": blob}), "[resource u: application/pdf, which can not be shown]"
        )
        link = {"type": "resource_link", "name": "n", "uri": "u", "description": "d"}
        self.assertEqual(self.text(link), "[resource n: u] d")
        self.assertEqual(self.text({"type": "audio", "data": ""}), "[content of a kind that can not be shown: audio]")

    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "content": st.none()
                | st.lists(
                    st.none()
                    | st.dictionaries(
                        st.sampled_from(["type", "text", "data", "mimeType", "resource", "uri"]),
                        st.none() | st.sampled_from(["text", "image", "resource", "image/png"]) | st.just({"uri": 1}),
                    )
                ),
                "isError": st.none() | st.booleans(),
                "structuredContent": st.none() | st.integers(),
            },
        )
    )
    def test_anything(self, result: dict[str, Any]) -> None:
        """Whatever a server sends comes to a result."""
        self.assertIsInstance(tool_result(result).text, str)
