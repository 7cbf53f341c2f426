# -*- test-case-name: tests.web.test_models -*-
"""Agents, seen as models."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.web import Harness, Response


class ModelsTests(SynchronousTestCase):
    """The list, and one of it."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)

    def get(self, path: str) -> Response:
        """Ask."""
        return self.gateway.ask("GET", path).response

    def test_list(self) -> None:
        """The two names of the default, then each agent; no provider's models."""
        listed = self.get("/v1/models?x=1").json
        self.assertEqual(listed["object"], "list")
        self.assertEqual(
            [model["id"] for model in listed["data"]],
            ["openclaw", "openclaw/default", "openclaw/main", "openclaw/beta"],
        )
        self.assertEqual(
            listed["data"][0],
            {"id": "openclaw", "object": "model", "created": 0, "owned_by": "openclaw", "permission": []},
        )

    def test_one(self) -> None:
        """Everything behind the slash is the id, escaped or not."""
        for path, model_id in (
            ("openclaw", "openclaw"),
            ("openclaw%2Fmain", "openclaw/main"),
            ("openclaw%2fdefault", "openclaw/default"),
            ("openclaw/beta", "openclaw/beta"),
            ("openclaw/beta?x=/y", "openclaw/beta"),
        ):
            self.assertEqual(self.get(f"/v1/models/{path}").json["id"], model_id)

    def test_refused(self) -> None:
        """With the recorded gateway's texts."""
        for path, status, message, code in (
            ("", 400, "Missing model id.", "invalid_request"),
            ("%zz", 400, "Invalid model id encoding.", "invalid_request"),
            ("%", 400, "Invalid model id encoding.", "invalid_request"),
            ("%ff", 400, "Invalid model id encoding.", "invalid_request"),
            ("nope", 400, "Invalid model id.", "invalid_request"),
            ("openclaw/no%20pe", 400, "Invalid model id.", "invalid_request"),
            ("openclaw/main/", 400, "Invalid model id.", "invalid_request"),
            ("openclaw:main", 404, "Model 'openclaw:main' not found.", "model_not_found"),
            ("openclaw%2Fnope", 404, "Model 'openclaw/nope' not found.", "model_not_found"),
        ):
            response = self.get(f"/v1/models/{path}")
            self.assertEqual(
                (response.status, response.error["message"], response.error["code"]), (status, message, code)
            )
            self.assertEqual(response.error["type"], "invalid_request_error")

    def test_methods(self) -> None:
        """GET only, as recorded: not even HEAD."""
        for method in ("HEAD", "POST", "OPTIONS"):
            for path in ("/v1/models", "/v1/models/openclaw"):
                response = self.gateway.ask(method, path, authorised=False).response
                self.assertEqual((response.status, response.header("allow")), (405, "GET"))

    def test_authentication(self) -> None:
        """Both need it, also for ids that do not exist."""
        for path in ("/v1/models", "/v1/models/openclaw", "/v1/models/nope", "/v1/models/"):
            self.assertEqual(self.gateway.ask("GET", path, authorised=False).response.status, 401)
