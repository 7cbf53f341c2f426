# -*- test-case-name: tests.tools.test_shell -*-
"""What a command runs, or that it can not be told."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.shell import MAX_COMMAND, MAX_SEGMENTS, Segment, Unprovable, parse, render

UNDERSTOOD: list[tuple[str, list[list[str]], list[str]]] = [
    ("ls", [["ls"]], [""]),
    ("  ls  -l\t/tmp ", [["ls", "-l", "/tmp"]], [""]),
    ("a|b | c", [["a"], ["b"], ["c"]], ["|", "|", ""]),
    ("a && b || c; d", [["a"], ["b"], ["c"], ["d"]], ["&&", "||", ";", ""]),
    ("a\nb\n\nc\n", [["a"], ["b"], ["c"]], [";", ";", ""]),
    ("a |\n b", [["a"], ["b"]], ["|", ""]),
    ("a & b &", [["a"], ["b"]], ["&", "&"]),
    ("a;", [["a"]], [""]),
    ("\n\na", [["a"]], [""]),
    ("echo 'a b' \"c d\" e\\ f", [["echo", "a b", "c d", "e f"]], [""]),
    ("echo '$(x) `y` > | & ; * $z'", [["echo", "$(x) `y` > | & ; * $z"]], [""]),
    ('echo "a\\"b\\\\c\\$d\\x"', [["echo", 'a"b\\c$d\\x']], [""]),
    ("echo a'b'\"c\"\\d", [["echo", "abcd"]], [""]),
    ("echo '' \"\"", [["echo", "", ""]], [""]),
    ("echo 'it'\\''s'", [["echo", "it's"]], [""]),
    ("echo a#b 'x\ny'", [["echo", "a#b", "x\ny"]], [""]),
    ("'l's", [["ls"]], [""]),
    ("echo ''~ \"\"~root", [["echo", "~", "~root"]], [""]),
    ("echo a=b --x=~y", [["echo", "a=b", "--x=~y"]], []),
    ("echo é 日本 \U0001f600", [["echo", "é", "日本", "\U0001f600"]], [""]),
    ("echo ]", [["echo", "]"]], [""]),
]
"""Command, arguments of each segment, operators."""

REFUSED = [
    "",
    "   ",
    "\n",
    # substitution and expansion
    "echo $(id)",
    "echo `id`",
    'echo "$(id)"',
    'echo "`id`"',
    "echo $HOME",
    "echo ${HOME}",
    'echo "${x:-$(id)}"',
    "$SHELL",
    "echo $'a\\nb'",
    'echo $"x"',
    "echo $((1+1))",
    "echo {a,b}",
    "echo a{1..3}",
    "echo ~",
    "echo ~root/.ssh",
    "x=~/y",
    "echo --file=~/x",
    "<(id)",
    "cat <(id)",
    # redirection
    "ls > /etc/passwd",
    "ls >> x",
    "ls 2>&1",
    "ls &> x",
    "ls >& x",
    "cat < x",
    "cat <<EOF\nx\nEOF",
    "cat <<< x",
    "ls |& tee x",
    "ls >| x",
    "ls<>x",
    # assignments and programs that are none
    "PATH=/tmp ls",
    "A=b",
    "a[0]=1",
    "A+=b",
    "'LD_PRELOAD'=x ls",
    "* x",
    "/bin/l? x",
    "'' x",
    # groups, comments, odd operators
    "(ls)",
    "{ ls; }",
    "f() { ls; }",
    "[ -f x ]",
    "[[ -f x ]]",
    "ls [a-z]",
    "ls # harmless",
    "#",
    "case x in a) ls;; esac",
    "ls ;; rm",
    "ls ;& rm",
    "; ls",
    "| ls",
    "& ls",
    "&& ls",
    "ls ||| rm",
    "ls && ",
    "ls |",
    "ls || \n",
    "ls &&& rm",
    "ls ; ; rm",
    "ls & & rm",
    # quotations and escapes
    "echo 'x",
    'echo "x',
    "echo \\",
    "l\\\ns",
    'echo "a\\\nb"',
    "ls \\\n rm",
    # characters that look like others, or like nothing
    "ls\0rm",
    "ls\rrm",
    "ls\x0brm",
    "ls\x0crm",
    "echo \x1b[2K",
    "ls\u00a0x",
    "ls\u2028rm",
    "ls\u2029rm",
    "ls\u0085rm",
    "ls \u202erm",
    "l\u200bs",
    "ls\u3000x",
    "l\u00ads",
    "ls\ufeff",
    "echo '\u2066x'",
    "echo \ud800",
    "echo \U000e0041",
]
"""Every one of them is for a person to judge."""


WORD = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


def arguments(segments: tuple[Segment, ...]) -> list[list[str]]:
    """The arguments of each segment."""
    return [[word.text for word in segment.words] for segment in segments]


class ShellTests(SynchronousTestCase):
    """The parser."""

    def test_understood(self) -> None:
        """Words, quotations and operators as a shell reads them."""
        for command, expected, operators in UNDERSTOOD:
            if not operators:
                self.assertRaises(Unprovable, parse, command)
                continue
            segments = parse(command)
            self.assertEqual(arguments(segments), expected, command)
            self.assertEqual([segment.after for segment in segments], operators, command)

    def test_refused(self) -> None:
        """Whatever can not be proved, with a reason that fits behind "because"."""
        for command in REFUSED:
            error = self.assertRaises(Unprovable, parse, command)
            self.assertRegex(str(error), r"^(it|a|the|there) ", command)

    def test_patterns(self) -> None:
        """Patterns in arguments stay patterns, what is quoted stays quoted."""
        (segment,) = parse("ls 'a b'*.py 'x*' \\? b?")
        self.assertEqual([word.pattern for word in segment.words], [False, True, False, False, True])
        self.assertEqual(render([segment], ["/bin/ls"]), "'/bin/ls' 'a b'*'.py' 'x*' '?' 'b'?")
        (segment,) = parse("ls it\\'s*")
        self.assertEqual(segment.words[1].quoted, "'it'\\''s'*")

    def test_bounds(self) -> None:
        """Length in bytes, and number of commands."""
        parse("echo " + "x" * (MAX_COMMAND - 5))
        self.assertRaises(Unprovable, parse, "echo " + "x" * (MAX_COMMAND - 4))
        self.assertRaises(Unprovable, parse, "echo " + "é" * (MAX_COMMAND // 2))
        parse("|".join(["a"] * MAX_SEGMENTS))
        self.assertRaises(Unprovable, parse, "|".join(["a"] * (MAX_SEGMENTS + 1)))

    @given(st.lists(st.lists(WORD, min_size=1), min_size=1))
    def test_quoted_words(self, commands: list[list[str]]) -> None:
        """Whatever is quoted comes out as it went in, and the rendered form means the same to another parser."""
        commands = [["p" + words[0].replace("=", ""), *words[1:]] for words in commands[:20]]
        text = " && ".join(shlex.join(words) for words in commands)
        segments = parse(text)
        self.assertEqual(arguments(segments), commands)
        again = render(segments, [words[0] for words in commands])
        flat = [part for words in commands for part in (*words, "&&")]
        self.assertEqual(shlex.split(again), flat[:-1])
        self.assertEqual(arguments(parse(again)), commands)

    @given(st.text(st.sampled_from("ab '\"\\$`|&;<>(){}[]*?~#=!\n\t-/é\0\u200b"), max_size=40))
    def test_anything(self, text: str) -> None:
        """Any text is refused, or has a proved form in which nothing but words, patterns and operators stands."""
        try:
            segments = parse(text)
        except Unprovable:
            return
        programs = [segment.words[0].text for segment in segments]
        proved = render(segments, programs)
        self.assertEqual(arguments(parse(proved)), arguments(segments))
        lexer = shlex.shlex(proved, posix=True, punctuation_chars="|&;<>()`$")
        lexer.whitespace_split = True
        lexer.commenters = ""
        flat = [word.text for segment in segments for word in segment.words]
        operators = [segment.after for segment in segments if segment.after]
        tokens = list(lexer)
        self.assertEqual(sorted(tokens), sorted([*flat, *operators]))
