# -*- test-case-name: tests.ws.rpc.test_skills -*-
"""L{openclaw_tx.ws.rpc.skills}: through a whole gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.websocket import MemoryWebSocket
from openclaw_tx.ws.rpc import skills
from tests.ws.rpc.test_config import AskingCase

SKILL = "---\nname: {name}\ndescription: {name} things\n---\nDo it.\n"


class SkillCase(AskingCase):
    """Two skills of the gateway, one of a workspace that has the name of one of them."""

    config: Any = {
        "skills": {"entries": {"cook": {"enabled": False}}},
        "agents": {"list": [{"id": "main"}, {"id": "beta", "skills": ["sing"]}]},
        "gateway": {
            "auth": {
                "keys": [
                    {"label": "beta", "hash": hash_of("b" * 32), "agents": ["beta"]},
                    {"label": "admin", "hash": hash_of("a" * 32), "scopes": ["operator.admin"]},
                ]
            }
        },
    }
    as_file = False

    def setUp(self) -> None:
        """A client that may read."""
        self.memory = MemoryGateway(self.config, as_file=self.as_file)
        self.addCleanup(self.memory.close)
        self.client = self.connect("operator.read")
        self.state = Path(self.memory._directory)
        self.workspace = Path(self.memory.gateway._house.agents.get("main").workspace)  # type: ignore[union-attr]
        for place, name in ((self.state, "cook"), (self.state, "sing"), (self.workspace, "sing")):
            directory = place / "skills" / name
            directory.mkdir(parents=True)
            (directory / "SKILL.md").write_text(SKILL.format(name=name))

    def connect(self, *scopes: str, token: str | None = None) -> MemoryWebSocket:
        """A client."""
        client = self.memory.websocket()
        client.connect(scopes=scopes, token=token)
        return client

    def rows(self, **params: Any) -> dict[str, Any]:
        """What C{skills.status} says of each."""
        return {row["name"]: row for row in self.ok("skills.status", **params)["skills"]}

    def refusal(self, method: str, **params: Any) -> tuple[str, str]:
        """Code and message."""
        answer = self.client.request(method, params)
        self.assertFalse(answer["ok"], answer)
        return answer["error"]["code"], answer["error"]["message"]


class StatusTests(SkillCase):
    """C{skills.status}."""

    def test_skills(self) -> None:
        """Each once, of the place that comes first; those that agents are not told of are there and say so."""
        rows = self.rows()
        self.assertEqual(set(rows), {"cook", "sing"})
        self.assertEqual((rows["cook"]["disabled"], rows["cook"]["eligible"]), (True, False))
        self.assertEqual((rows["sing"]["source"], rows["sing"]["eligible"]), ("openclaw-workspace", True))
        rows = self.rows(agentId="beta")
        self.assertTrue(rows["cook"]["blockedByAllowlist"])
        self.assertEqual(rows["sing"]["source"], "openclaw-managed")

    def test_paths(self) -> None:
        """For administrators."""
        (self.state / "skills" / "cook" / "skill-card.md").write_text("# Cook")
        self.assertNotIn(self.memory._directory, json.dumps(self.ok("skills.status")))
        self.client = self.connect("operator.admin")
        rows = self.rows()
        self.assertTrue(rows["cook"]["filePath"].startswith(self.memory._directory))
        self.assertTrue(rows["cook"]["skillCard"]["path"].startswith(self.memory._directory))

    def test_unknown_agent(self) -> None:
        """There is nothing to tell of it, nor to a key that may not use it."""
        for method in ("skills.status", "skills.securityVerdicts"):
            self.assertIn('unknown agent id "nope"', self.refusal(method, agentId="nope")[1])
        self.client = self.connect(token="b" * 32)
        self.assertIn("main", self.refusal("skills.status", agentId="main")[1])
        self.assertIn("main", self.refusal("skills.skillCard", agentId="main", skillKey="sing")[1])


class CardTests(SkillCase):
    """C{skills.skillCard}."""

    def test_card(self) -> None:
        """The text of the file; the list says which skills have one."""
        (self.workspace / "skills" / "sing" / "skill-card.md").write_text("# Sing\nÄ", "utf-8")
        rows = self.rows()
        self.assertEqual(rows["sing"]["skillCard"], {"present": True, "path": "skill-card.md", "sizeBytes": 9})
        self.assertNotIn("skillCard", rows["cook"])
        found = self.ok("skills.skillCard", skillKey="sing")
        self.assertEqual(found["schema"], "openclaw.skills.skill-card.v1")
        self.assertEqual(
            (found["skillKey"], found["path"], found["sizeBytes"], found["content"]),
            ("sing", "skill-card.md", 9, "# Sing\nÄ"),
        )
        self.assertEqual(
            self.refusal("skills.skillCard", skillKey="sing", agentId="beta")[1], "skill card not found for sing"
        )

    def test_none(self) -> None:
        """A skill without one, one that is too large, one that lies elsewhere, and no skill at all."""
        self.patch(skills, "MAX_CARD", 10)
        (self.state / "skills" / "cook" / "skill-card.md").write_text("x" * 11)
        (self.state / "secret").write_text("secret")
        (self.workspace / "skills" / "sing" / "skill-card.md").symlink_to(self.state / "secret")
        for name in ("cook", "sing", "nope", "../cook"):
            self.assertEqual(
                self.refusal("skills.skillCard", skillKey=name), ("INVALID_REQUEST", f"skill card not found for {name}")
            )
        self.assertNotIn("skillCard", json.dumps(self.rows()))
        self.assertIn("skillKey", self.refusal("skills.skillCard")[1])


class ElsewhereTests(SkillCase):
    """What this gateway does not have."""

    def test_registry(self) -> None:
        """It can not be reached."""
        for method, params in (
            ("skills.search", {"query": "cook"}),
            ("skills.search", {}),
            ("skills.detail", {"slug": "x"}),
        ):
            code, message = self.refusal(method, **params)
            self.assertEqual(code, "UNAVAILABLE")
            self.assertIn("ClawHub can not be reached", message)

    def test_bad_params(self) -> None:
        """Are told before."""
        for method, params, name in (
            ("skills.search", {"limit": 0}, "limit"),
            ("skills.search", {"limit": 101}, "limit"),
            ("skills.search", {"query": ""}, "query"),
            ("skills.detail", {}, "slug"),
            ("skills.library.list", {"scope": "nobody"}, "scope"),
        ):
            code, message = self.refusal(method, **params)
            self.assertEqual(code, "INVALID_REQUEST")
            self.assertIn(name, message)

    def test_library(self) -> None:
        """Nobody has any skills of their own."""
        found = self.ok("skills.library.list", scope="all")
        self.assertEqual((found["entries"], found["profileId"], found["defaultTarget"]), ([], None, "unavailable"))
        self.assertIs(found["canManageWorkspace"], False)

    def test_verdicts(self) -> None:
        """No skill came from the registry."""
        found = self.ok("skills.securityVerdicts")
        self.assertEqual(found, {"schema": "openclaw.skills.security-verdicts.v1", "items": []})

    def test_no_file(self) -> None:
        """Without a file nothing can be turned off."""
        self.assertIn("unknown method", self.refusal("skills.update", skillKey="cook", enabled=True)[1])


class UpdateTests(SkillCase):
    """C{skills.update}."""

    as_file = True

    def setUp(self) -> None:
        """An administrator."""
        super().setUp()
        self.client = self.connect("operator.admin")

    def test_on_and_off(self) -> None:
        """It stands in the file, and takes effect at once."""
        found = self.ok("skills.update", skillKey="cook", enabled=True)
        self.assertEqual(found, {"ok": True, "skillKey": "cook", "config": {"enabled": True}})
        self.assertFalse(self.rows()["cook"]["disabled"])
        self.ok("skills.update", skillKey="sing", enabled=False)
        self.assertTrue(self.rows()["sing"]["disabled"])
        written = json.loads(self.memory.config_file.read_text())
        self.assertEqual(written["skills"]["entries"], {"cook": {"enabled": True}, "sing": {"enabled": False}})
        self.assertEqual(self.ok("skills.update", skillKey="sing")["config"], {"enabled": False})

    def test_refused(self) -> None:
        """A skill that there is not, an environment of its own, and nothing at all: each names the param."""
        for params, name in (
            ({"skillKey": "nope", "enabled": True}, "skillKey"),
            ({"enabled": True}, "skillKey"),
            ({"skillKey": "cook", "apiKey": "secret"}, "apiKey"),
            ({"skillKey": "cook", "env": {"A": "b"}}, "env"),
            ({"skillKey": "cook", "enabled": "yes"}, "enabled"),
        ):
            code, message = self.refusal("skills.update", **params)
            self.assertEqual(code, "INVALID_REQUEST")
            self.assertIn(name, message)
            self.assertNotIn("secret", message)
        self.assertEqual(self.refusal("skills.update", source="clawhub", all=True)[0], "UNAVAILABLE")
        self.assertTrue(self.rows()["cook"]["disabled"])

    def test_who(self) -> None:
        """Administrators, and no keys."""
        self.client = self.connect("operator.write")
        self.assertEqual(self.refusal("skills.update", skillKey="cook", enabled=True)[0], "FORBIDDEN")
        self.client = self.connect(token="a" * 32)
        self.assertEqual(self.refusal("skills.update", skillKey="cook", enabled=True)[0], "FORBIDDEN")
        self.assertTrue(self.rows()["cook"]["disabled"])
