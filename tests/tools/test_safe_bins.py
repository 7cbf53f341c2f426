# -*- test-case-name: tests.tools.test_safe_bins -*-
"""Which filters are safe with which arguments."""

from __future__ import annotations

import shlex

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_tools import ExecTool
from openclaw_tx.tools.safe_bins import OPTIONS, complaint

SAFE = [
    "jq .",
    "jq -r '.a[] | .b'",
    "jq --raw-output -c .x",
    "jq -n 1",
    "grep x",
    "grep -i -n 'a b'",
    "grep -e x -e y",
    "grep -vc x",
    "grep -A3 x",
    "grep -A 3 x",
    "grep -3 x",
    "grep --max-count=2 x",
    "grep --regexp=x",
    "grep -- -x",
    "cut -d , -f 1,2",
    "cut -d: -f1",
    "jq '.env.ENV_a|.environment'",
    "cut --delimiter=, --fields=1 -",
    "sort",
    "sort -rn",
    "sort -k2,2 -t ,",
    "uniq -c",
    "uniq -f 1",
    "head",
    "head -5",
    "head -n 5",
    "head -c5 -q",
    "tail -n +2",
    "tail -1",
    "tr a b",
    "tr -d '\\n'",
    "wc -l",
    "wc",
]

NOT_SAFE = [
    "jq . file",
    "jq -f file",
    "jq --from-file=x .",
    "jq -L /tmp .",
    "jq -rf file",
    "jq --slurpfile a b .",
    "jq --rawfile a b .",
    "jq --arg a b .",
    "jq --args . x",
    "jq 'import \"a\" as $a; .'",
    "jq 'include \"a\"; .'",
    "jq -n env",
    "jq -n '$ENV.HOME'",
    "jq -n '$ ENV|keys'",
    "jq -nr '\"\\(env)\"'",
    "jq '[.a,env]'",
    "grep x file",
    "grep -e x file",
    "grep x -",
    "grep -f patterns",
    "grep -if patterns",
    "grep -ffile",
    "grep --file=x",
    "grep --fil=x",
    "grep -r x",
    "grep -R x",
    "grep --recursive x",
    "grep -d recurse x",
    "grep -D read x",
    "grep --include=x x",
    "grep --exclude-from=x x",
    "cut -f1 file",
    "cut -f1 -- file",
    "sort file",
    "sort -o out",
    "sort -oout",
    "sort -ro out",
    "sort --output=x",
    "sort --output x",
    "sort --outp=x",
    "sort -T /tmp",
    "sort --compress-program=sh",
    "sort --compress-prog=sh",
    "sort --files0-from=x",
    "sort --random-source=x",
    "sort +1",
    "uniq in out",
    "uniq in",
    "head file",
    "head -n 1 file",
    "head -n",
    "tail -f file",
    "tail -f",
    "tail --follow=name",
    "tail --pid=1",
    "tr a b c",
    "wc file",
    "wc --files0-from=x",
    "wc --files0-from x",
    "cat",
    "mytool x",
    "mytool -o",
]


class SafeBinsTests(SynchronousTestCase):
    """By tables, from the manuals."""

    def test_safe(self) -> None:
        """Filters of standard input."""
        for command in SAFE:
            name, *arguments = shlex.split(command)
            self.assertEqual(complaint(name, arguments), "", command)

    def test_not_safe(self) -> None:
        """Files, programs to start, and whatever is not known; the complaint names the program."""
        for command in NOT_SAFE:
            name, *arguments = shlex.split(command)
            if command == "cat":
                # Without arguments it is a filter; it is just not on the list of names by default.
                self.assertEqual(complaint(name, arguments), "")
            else:
                self.assertTrue(complaint(name, arguments).startswith(name), command)

    def test_defaults(self) -> None:
        """What the configuration calls safe is known here."""
        self.assertEqual(sorted(OPTIONS), sorted(ExecTool().safe_bins))

    def test_no_dangerous_option(self) -> None:
        """None of the options that name files or start programs has crept into a list."""
        for name, bad in {"grep": "fFrRdD", "sort": "oT", "jq": "fL", "tail": "fF", "wc": ""}.items():
            options = OPTIONS[name]
            short = set(options.plain + options.valued) & set(bad) - ({"F"} if name == "grep" else set())
            self.assertEqual(short, set(), name)
            for word in ("file", "files0-from", "output", "from-file", "recursive", "compress-program", "follow"):
                self.assertNotIn(word, options.long | options.long_valued, name)
