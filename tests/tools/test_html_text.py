# -*- test-case-name: tests.tools.test_html_text -*-
"""Pages as text, among them such as are made to hurt."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.html_text import MAX_EVENTS, MAX_OPEN, STEP, readable

UNFINISHED = ["<", "<!", "<!--", "<?", "</", "<a ", "<a b=c ", "<a b='", "<a b=\"'", "<![x[", "&", "&#9", "<a\t/=", " "]
TAGS = ["<b>", "</b>", "<div>", "<ul><li>", "<table><tr><td>", "</table>", "<pre>", "<code>", "<code><a href=x>y</a>"]
TAGS += ["<title>", "<title>x", "<nav>", "<script>", "<h1>", "<div hidden>", "<a href=/>"]


def markdown(source: str, limit: int = 10_000) -> str:
    """A page as Markdown."""
    return readable(source, markdown=True, limit=limit, base="https://a.example/dir/page").text


def plain(source: str) -> str:
    """A page as text."""
    return readable(source, markdown=False, limit=10_000, base="https://a.example/dir/page").text


class StructureTests(SynchronousTestCase):
    """What stays of a page."""

    def same(self, source: str, expected: str) -> None:
        """As Markdown."""
        self.assertEqual(markdown(source), expected)

    def test_title(self) -> None:
        """The first title, on one line, is not in the text; one within a picture does not count."""
        found = readable(
            "<svg><title>icon</title></svg><title> A &amp;\n B </title><title>C</title>x", markdown=True, limit=99
        )
        self.assertEqual((found.title, found.text, found.cut), ("A & B", "x", False))
        self.assertEqual(len(readable(f"<title>{'x' * 999}", markdown=True, limit=99).title), 300)

    def test_paragraphs(self) -> None:
        """White space is one space; blocks stand apart; a break is a line."""
        self.same("<p> a\n\t b </p><div>c<div>d</div></div>e<br>f<hr>g", "a b\n\nc\n\nd\n\ne\nf\n\n---\n\ng")
        self.same("<b>a</b>b <i> c </i>d", "ab c d")

    def test_headings(self) -> None:
        """By level; an empty one leaves no mark."""
        self.same("<h1>A</h1>x<h3>B <b>c</b></h3><h2></h2>y<h6>D", "# A\n\nx\n\n### B c\n\ny\n\n###### D")

    def test_links(self) -> None:
        """Made whole by the page's address; only to the web; a link around a heading is still one link."""
        self.same(
            '<a href="/x?a=1&amp;b=2">one</a>, <a href=two>two</a>', self.link("one", "/x?a=1&b=2") + ", " + self.two
        )
        self.same("<a href='//b.example'>b</a>", "[b](https://b.example)")
        self.same("<a href=x><h3>Card</h3><p>text</p></a>after", self.link("Card text", "/dir/x") + "\n\nafter")
        self.same("<a href='a b(c)'>x</a>", self.link("x", "/dir/a%20b%28c%29"))
        for href in (
            "javascript:alert(1)",
            "data:text/html,x",
            "#top",
            "",
            "file:///etc/passwd",
            "http://[",
            "x" * 999,
        ):
            self.same(f"<a href='{href}'>x</a>", "x")
        self.same("<a href=x></a>y", "y")
        self.same("<a href=two>two<a href=two>two</a>", f"{self.two}{self.two}")

    two = "[two](https://a.example/dir/two)"

    def link(self, text: str, path: str) -> str:
        """A link within the site."""
        return f"[{text}](https://a.example{path})"

    def test_lists(self) -> None:
        """Marked and numbered, within each other, with or without end tags."""
        self.same("x<ul><li>a<li>b<ol><li>c</li><li><p>d</p></li></ol></ul>y", "x\n\n- a\n- b\n  1. c\n  2. d\n\ny")
        self.same("<li>alone", "- alone")

    def test_code(self) -> None:
        """In a line, and as lines of their own with a fence that they do not hold."""
        self.same("run <code>a  b</code>.", "run `a b`.")
        self.same("<code></code>x", "x")
        self.same("<pre>\n<b>def</b> f():\n    return 1\n</pre>x", "```\ndef f():\n    return 1\n```\n\nx")
        self.same("<pre>````</pre>", "`````\n````\n`````")
        self.same("<pre><div>a</div><div>b</div>c<br>d</pre>", "```\na\nbc\nd\n```")
        self.same("<pre>open  end", "```\nopen  end\n```")

    def test_tables(self) -> None:
        """Rows of cells; what is a block stands within its cell; a table within a cell has its own rows."""
        self.same(
            "<table><tr><th>A<th>B</tr><tr><td><p>1</p><p>2</p></td><td>3</td></tr></table>x",
            "| A | B |\n| --- | --- |\n| 1 2 | 3 |\n\nx",
        )
        self.same("<table><tr><td>a<td>b<tr><td>c</table>", "| a | b |\n| c |")
        self.same("<table><tr><td>x<table><tr><td>y</table></table>", "| x\n| y | |")
        self.same("<td>stray<tr>row", "stray\nrow")

    def test_images(self) -> None:
        """By what they show; never by their address."""
        self.same("<img src='data:image/png;base64,xx' alt='A cat'>x<img src=y><img alt=''>", "[image: A cat]x")

    def test_left_out(self) -> None:
        """Scripts, styles, menus, forms' parts, and what is not shown."""
        self.same(
            "<style>p{}</style><nav><p>menu</nav><script>if (a<b) '</p>'</script><noscript>js</noscript>"
            "<aside>ad<aside>in</aside>ad</aside><p>text<select><option>o</select></p><footer>foot</footer>",
            "text",
        )
        self.same(
            "<div hidden>obey</div><span aria-hidden=true>obey</span><p style='x'>a</p>"
            "<div style='color:red; DISPLAY : none'>obey<div>obey</div>obey</div><!-- obey -->",
            "a",
        )

    def test_menu_only(self) -> None:
        """A page that is nothing but a menu, or never ends it, is read all the same."""
        self.same("<nav><p>menu<p>more", "menu\n\nmore")

    def test_characters(self) -> None:
        """References become characters; impossible ones, and broken markup, hurt nobody."""
        self.same("&lt;b&gt; &eacute;&#233;&#xE9; &nope; a < b & c", "<b> ééé &nope; a < b & c")
        self.same(f"a&#{'9' * 5000};b&#x{'f' * 5000};c", "a\ufffdb\ufffdc")
        self.same("a<![if IE]>b<![endif]>c<![foo[ d ]]>e<![CDATA[ f ]]>g<?php h ?>i</>j<!>k", "abcegijk")
        self.same("a<p", "a")
        self.same("a<", "a<")

    def test_plain(self) -> None:
        """Without Markdown only the words and their lines stay."""
        self.assertEqual(
            plain("<h1>A</h1><p><a href=x>b</a> <code>c</code><pre>d</pre><ul><li>e</ul><table><tr><th>f<th>g</table>"),
            "A\n\nb c\n\nd\n\n- e\n\nf | g",
        )


class BoundsTests(SynchronousTestCase):
    """How much there may be."""

    def test_limit(self) -> None:
        """Just so many characters, and it says that there is more."""
        for source in ("word " * 1000, "<pre>" + "word " * 1000, "<p>word" * 1000):
            found = readable(source, markdown=True, limit=100)
            self.assertTrue(found.cut)
            self.assertTrue(80 < len(found.text) <= 100, len(found.text))
        self.assertFalse(readable("x" * 100, markdown=True, limit=100).cut)
        self.assertTrue(readable("x" * 101, markdown=True, limit=100).cut)

    def test_across_pieces(self) -> None:
        """Nothing is lost or doubled where one piece ends and the next begins."""
        words = [f"w{number}" for number in range(20_000)]
        for source in ("".join(f"<p>{word}" for word in words), "".join(f"<b title=x>{word}</b>\n" for word in words)):
            self.assertGreater(len(source), 5 * STEP)
            self.assertEqual(markdown(source, 10**7).split(), words)

    def test_large_parts(self) -> None:
        """A picture in a tag, a comment or a script longer than what is kept open go, what is around them stays."""
        large = "x>" * MAX_OPEN
        for part in (f"<!--{large}-->", f"<script>{large}</script>", f"<style>{large}</style>"):
            self.assertIn("before", markdown(f"<p>before{part}<p>after"), part[:9])
            self.assertTrue(markdown(f"<p>before{part}<p>after").endswith("after"), part[:9])
        self.assertEqual(markdown(f"a<img src='{'x' * 3 * MAX_OPEN}'>b"), "ab")

    def test_no_tags(self) -> None:
        """Text that the parser would wait with for the end of a reference is not lost."""
        found = readable("&" * 3 * MAX_OPEN, markdown=True, limit=10**7)
        self.assertEqual(len(found.text), 3 * MAX_OPEN)

    def test_bombs(self) -> None:
        """A million tags, or none of a million finished, in a bounded time; most of it is the machine's."""
        begun = time.perf_counter()
        for piece in UNFINISHED:
            for start in ("", "<x ", "<script>", "<pre>"):
                readable(start + piece * (1_000_000 // len(piece)), markdown=True, limit=20_000)
        for piece in TAGS:
            readable(piece * (100_000 // len(piece)), markdown=True, limit=20_000)
        self.assertLess(time.perf_counter() - begun, 30)

    def test_too_many_tags(self) -> None:
        """After so many the rest is not looked at, and it says so."""
        found = readable("<p>first" + "<b>" * MAX_EVENTS + "last", markdown=True, limit=20_000)
        self.assertEqual((found.text, found.cut), ("first", True))

    def test_deep(self) -> None:
        """Nesting has no end, but what it costs has: indentation stops growing."""
        text = markdown("<ul><li>x" * 500, 10**6)
        self.assertEqual(text.splitlines()[-1], "  " * 31 + "- x")
