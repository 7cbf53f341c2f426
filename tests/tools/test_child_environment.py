# -*- test-case-name: tests.tools.test_child_environment -*-
"""What commands find in their environment."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.child_environment import (
    MAX_BYTES,
    MAX_VARIABLES,
    BadVariable,
    child_environment,
    is_dropped,
    search_path,
)

DROPPED = [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYOPT",
    "RUBYLIB",
    "BASH_ENV",
    "ENV",
    "IFS",
    "PS4",
    "SHELLOPTS",
    "BASHOPTS",
    "PROMPT_COMMAND",
    "CDPATH",
    "GLOBIGNORE",
    "GIT_SSH_COMMAND",
    "GIT_DIR",
    "GIT_EXEC_PATH",
    "GIT_EDITOR",
    "GCONV_PATH",
    "JAVA_TOOL_OPTIONS",
    "LESSOPEN",
    "PAGER",
    "EDITOR",
    "SSH_ASKPASS",
    "MAKEFLAGS",
    "TAR_OPTIONS",
    "ld_preload",
    "BASH_FUNC_ls%%",
    "1X",
    "A-B",
    "A.B",
    "OPENCLAW_GATEWAY_TOKEN",
    "OPENCLAW_STATE_DIR",
    "CLAWDBOT_GATEWAY_PASSWORD",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GITHUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "DB_PASSWORD",
    "PGPASSWORD",
    "MY_SECRET",
    "SECRET_THING",
    "TOKEN",
    "API_KEY",
    "STRIPE_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "DATABASE_URL",
    "SENTRY_DSN",
    "NPM_AUTH_TOKEN",
    "GH_PAT",
    "openai_api_key",
]

KEPT = [
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TERM",
    "TMPDIR",
    "SHELL",
    "PWD",
    "DISPLAY",
    "XDG_RUNTIME_DIR",
    "KEYBOARD",
    "MONKEY",
    "TOKENIZERS_PARALLELISM_X",
]


class EnvironmentTests(SynchronousTestCase):
    """Inherited and wanted variables."""

    def test_dropped(self) -> None:
        """What loads code, and what is secret, from the gateway's environment and from the model's."""
        for name in DROPPED:
            self.assertTrue(is_dropped(name), name)
            self.assertNotIn(name, child_environment({name: "x"}, {}, []))
            self.assertRaises(BadVariable, child_environment, {}, {name: "x"}, [])

    def test_kept(self) -> None:
        """Everything else."""
        for name in KEPT[:-1]:
            self.assertFalse(is_dropped(name), name)
        self.assertEqual(child_environment({"HOME": "/h"}, {"FOO": "bar"}, [])["FOO"], "bar")
        self.assertEqual(child_environment({"HOME": "/h"}, {"HOME": "/x"}, [])["HOME"], "/x")

    def test_path(self) -> None:
        """The gateway's own, never the model's; relative and empty entries are out, added ones come first."""
        for name in ("PATH", "Path", "path"):
            error = self.assertRaises(BadVariable, child_environment, {}, {name: "/tmp"}, [])
            self.assertIn("PATH", str(error))
        self.assertEqual(search_path("/a:.::b:/c:/a", ["/x", "y", "~/bin"], "/h"), ["/x", "/h/bin", "/a", "/c"])
        self.assertEqual(child_environment({}, {}, ["/x"])["PATH"].split(":")[0], "/x")
        self.assertIn("/usr/bin", child_environment({}, {}, [])["PATH"].split(":"))

    def test_bounds(self) -> None:
        """Number and size of what a model sets; only texts, without NUL."""
        many = {f"A{number}": "" for number in range(MAX_VARIABLES + 1)}
        self.assertRaises(BadVariable, child_environment, {}, many, [])
        self.assertRaises(BadVariable, child_environment, {}, {"A": "x" * MAX_BYTES}, [])
        self.assertRaises(BadVariable, child_environment, {}, {"A": "\0"}, [])
        self.assertRaises(BadVariable, child_environment, {}, {"A": 1}, [])
