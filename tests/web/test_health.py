# -*- test-case-name: tests.web.test_health -*-
"""Probes."""

from __future__ import annotations

from typing import Literal

from twisted.trial.unittest import SynchronousTestCase

from tests.support.web import Harness, Response


class HealthTests(SynchronousTestCase):
    """What probes say in each phase."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)

    def probe(self, path: str, *, authorised: bool = False) -> Response:
        """Ask."""
        response = self.gateway.ask("GET", path, authorised=authorised).response
        self.assertEqual(response.header("cache-control"), "no-store")
        return response

    def test_live(self) -> None:
        """Well in every phase."""
        phases: tuple[Literal["starting", "started", "draining"], ...] = ("starting", "started", "draining")
        for phase in phases:
            self.gateway.phases.phase = phase
            for path in ("/health", "/healthz"):
                response = self.probe(path)
                self.assertEqual((response.status, response.json), (200, {"ok": True, "status": "live"}))

    def test_ready(self) -> None:
        """Started, and nothing failing."""
        for path in ("/ready", "/readyz"):
            response = self.probe(path)
            self.assertEqual((response.status, response.json), (200, {"ready": True}))
        self.gateway.phases.trouble = ["sessions"]
        response = self.probe("/readyz")
        self.assertEqual((response.status, response.json), (503, {"ready": False}))
        self.gateway.phases.trouble = []
        self.gateway.phases.phase = "draining"
        self.assertEqual(self.probe("/readyz").status, 503)

    def test_ready_for_those_who_may_know(self) -> None:
        """A secret, or being on this machine, shows what is wrong; a wrong secret does not, and is no error."""
        self.gateway.phases.trouble = ["sessions"]
        self.gateway.phases.phase = "draining"
        details = {"ready": False, "failing": ["draining", "sessions"], "uptimeMs": 1234}
        self.assertEqual(self.probe("/readyz", authorised=True).json, details)
        response = self.gateway.ask("GET", "/readyz", headers={"Authorization": "Bearer no"}, authorised=False)
        self.assertEqual((response.response.status, response.response.json), (503, {"ready": False}))
        self.gateway.one_secret.local_direct = True
        self.assertEqual(self.probe("/readyz").json, details)

    def test_startup(self) -> None:
        """503 before and after."""
        for path in ("/startup", "/startupz"):
            self.gateway.phases.phase = "starting"
            response = self.probe(path)
            self.assertEqual((response.status, response.json), (503, {"ok": False, "status": "starting"}))
            self.gateway.phases.phase = "started"
            response = self.probe(path)
            self.assertEqual((response.status, response.json), (200, {"ok": True, "status": "started"}))
            self.gateway.phases.phase = "draining"
            self.assertEqual(self.probe(path).json["status"], "draining")

    def test_methods(self) -> None:
        """GET and HEAD."""
        for path in ("/healthz", "/readyz", "/startupz"):
            response = self.gateway.ask("POST", path, authorised=False).response
            self.assertEqual((response.status, response.header("allow")), (405, "GET, HEAD"))
            response = self.gateway.ask("HEAD", path, authorised=False).response
            self.assertEqual((response.status, response.body), (200, b""))
