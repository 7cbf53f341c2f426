# -*- test-case-name: tests.web.test_openapi -*-
"""C{GET /openapi.json}: the document says what the tree serves, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from twisted.trial.unittest import SynchronousTestCase

import openclaw_tx
from openclaw_tx.errors import CODES
from openclaw_tx.web.guard import Endpoint
from openclaw_tx.web.openapi import OPERATIONS, PATH, document
from openclaw_tx.wire import openai_chat_fields, openai_embeddings, openai_responses, openapi_requests, tools_invoke
from tests.support.web import Harness

PACKAGE = Path(openclaw_tx.__file__).parent
METHODS = {"get", "head", "post", "put", "delete", "patch", "options"}


def operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation."""
    for path, item in found["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item[method]


def literals() -> set[str]:
    """Every text that stands in the code, but for the list of codes and the document's own tables."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("errors.py", "openapi.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


class OpenApiTests(SynchronousTestCase):
    """The document and its resource."""

    def setUp(self) -> None:
        """The tree over scripted rooms."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)
        self.document = document(self.gateway.root.routes())

    def test_served_to_anybody(self) -> None:
        """Without a secret, the same each time; nothing can be posted to it."""
        first, second = (self.gateway.ask("GET", PATH, authorised=False).response for _ in range(2))
        self.assertEqual((first.status, first.json), (200, self.document))
        self.assertEqual(first.body, second.body)
        self.assertEqual(self.gateway.ask("POST", PATH).response.status, 405)

    def test_valid(self) -> None:
        """It is OpenAPI 3.1, its schemas are JSON Schema, and every reference leads somewhere."""
        self.assertEqual([error.message for error in OpenAPIV31SpecValidator(self.document).iter_errors()], [])

    def test_headers_are_optional(self) -> None:
        """Nothing beside the body has to be said, and the path is all there is to be told."""
        shared = self.document["components"]["parameters"]
        self.assertEqual({name for name, told in shared.items() if told["required"] and told["in"] != "path"}, set())

    def test_every_route_and_nothing_else(self) -> None:
        """Paths and methods are those of the tree; the table of operations has no row too many."""
        served = {
            (path, method.decode().lower())
            for path, resource in self.gateway.root.routes()
            for method in resource.methods  # type: ignore[attr-defined]
        }
        self.assertEqual({(path, method) for path, method, _ in operations(self.document)}, served)
        listed = {(path, method.lower()) for path, methods in OPERATIONS.items() for method in methods}
        self.assertEqual(listed, {(path, method) for path, method in served if method != "head"})

    def test_security(self) -> None:
        """What is guarded says so, and has 401, 403 and 429; what is not does not."""
        guarded = {path for path, resource in self.gateway.root.routes() if isinstance(resource, Endpoint)}
        for path, method, operation in operations(self.document):
            self.assertEqual(
                {"bearer": []} in operation["security"] and {} not in operation["security"], path in guarded
            )
            if path in guarded:
                self.assertLessEqual({"401", "403", "429", "500"}, set(operation["responses"]), (path, method))

    def test_documented_errors_can_happen(self) -> None:
        """Each code that is told stands under its status, and somewhere in the code."""
        texts = literals()
        for path, method, operation in operations(self.document):
            for status, response in operation["responses"].items():
                if not response["description"].startswith("Codes: "):
                    continue
                for code in response["description"][len("Codes: ") :].rstrip(".").split(", "):
                    self.assertEqual(str(CODES[code].status), status, (path, method))
                    self.assertIn(code, texts)

    def test_operation_ids(self) -> None:
        """They are names, one each: generators of clients make methods of them."""
        ids = [operation["operationId"] for _, _, operation in operations(self.document)]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertTrue(all(name.isidentifier() for name in ids), ids)

    def test_fields(self) -> None:
        """The tables of types and those of what is done with fields have the same rows."""
        for fields, types in (
            (openai_chat_fields.CHAT_FIELDS, openapi_requests.CHAT_TYPES),
            (openai_responses.FIELDS, openapi_requests.RESPONSES_TYPES),
            (openai_embeddings.FIELDS, openapi_requests.EMBEDDING_TYPES),
            (tools_invoke.FIELDS, openapi_requests.TOOLS_TYPES),
        ):
            self.assertEqual(set(types), set(fields))

    def test_no_schema_in_vain(self) -> None:
        """Every component is used."""
        text = repr(self.document)
        for kind, components in self.document["components"].items():
            for name in components:
                if kind != "securitySchemes":
                    self.assertIn(f"'#/components/{kind}/{name}'", text)
