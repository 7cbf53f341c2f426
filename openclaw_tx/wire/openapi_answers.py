# -*- test-case-name: tests.web.test_openapi -*-
"""JSON Schemas of what the gateway answers, for the OpenAPI document. Pure.

Sources: the renderers beside this module; JSON Schema 2020-12, OpenAPI 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from openclaw_tx.errors import CODES
from openclaw_tx.values import FileState, FinishReason, PromptMode, RunStatus
from openclaw_tx.wire.approvals import DECISIONS
from openclaw_tx.wire.openapi_requests import Schema, maybe, ref
from openclaw_tx.wire.run_events import TYPES

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}


def record(optional: Iterable[str] = (), /, **properties: Schema) -> Schema:
    """An object that has all of its properties but C{optional} ones."""
    spared = set(optional)
    return {"type": "object", "required": [name for name in properties if name not in spared], "properties": properties}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def error_schema(codes: Iterable[str]) -> Schema:
    """An error that has one of some codes."""
    code: Schema = {"properties": {"code": {"enum": list(codes)}}}
    return {"allOf": [ref("ErrorResponse"), {"properties": {"error": code}}]}


def _prompt_report() -> Schema:
    return record(
        mode={"enum": [*get_args(PromptMode), "short"]},
        model=TEXT,
        chars=COUNT,
        tokens_estimate=COUNT,
        context_window=COUNT,
        window_share={"type": "number"},
        extra_system_chars=COUNT,
        sections=_list(record(name=TEXT, chars=COUNT)),
        left_out=_list(TEXT),
        workspace=TEXT,
        bootstrap_max_chars=COUNT,
        bootstrap_total_max_chars=COUNT,
        files=_list(
            record(
                name=TEXT,
                state={"enum": list(get_args(FileState))},
                raw_chars=COUNT,
                chars=COUNT,
                problem=maybe(TEXT),
            )
        ),
        skills=_list(record(name=TEXT, chars=COUNT)),
        tools=record(
            count=COUNT,
            schema_chars=COUNT,
            entries=_list(record(name=TEXT, summary_chars=COUNT, schema_chars=COUNT, properties=COUNT)),
        ),
    )


def answer_schemas() -> dict[str, Schema]:
    """The components for answers, by name."""
    finish: Schema = {"enum": list(get_args(FinishReason))}
    call = record(
        id=TEXT, type={"const": "function"}, function=record(name=TEXT, arguments={**TEXT, "description": "JSON text"})
    )
    error = record(
        message=TEXT, type={"enum": sorted({kind.type for kind in CODES.values()})}, param=maybe(TEXT), code=TEXT
    )
    return {
        **_chat(finish, call),
        **_responses(),
        "ChatCompletionEvent": {
            "anyOf": [ref("ChatCompletionChunk"), ref("ErrorResponse")],
            "description": "An error ends the stream.",
        },
        "RunEventOrError": {
            "anyOf": [ref("RunEvent"), ref("ErrorResponse")],
            "description": "An error ends the stream, not the run.",
        },
        "ErrorResponse": record(error={**error, "properties": {**error["properties"], "code": {"enum": list(CODES)}}}),
        "Run": record(
            id=TEXT,
            object={"const": "run"},
            status={"enum": list(get_args(RunStatus))},
            agent=TEXT,
            session_key=TEXT,
            session_id=maybe(TEXT),
            model=maybe(TEXT),
            text=TEXT,
            payloads=_list(TEXT),
            tool_calls=_list(call),
            finish_reason=maybe(finish),
            usage=maybe(ref("Usage")),
            error=maybe(error),
            abort_reason=maybe(TEXT),
            media=_list(TEXT),
            reply_to=maybe(TEXT),
            prompt_report=maybe(ref("PromptReport")),
            timings=record(
                queued_at_ms=COUNT,
                started_at_ms=maybe(COUNT),
                ended_at_ms=maybe(COUNT),
                queue_ms=maybe(COUNT),
                work_ms=maybe(COUNT),
            ),
        ),
        "PromptReport": _prompt_report(),
        "RunEvent": record(seq=COUNT, ts=COUNT, type={"enum": list(TYPES)}),
        "RunApproval": record(
            id=TEXT, object={"const": "run.approval"}, run_id=TEXT, command=TEXT, decision={"enum": list(DECISIONS)}
        ),
        "Model": record(
            id=TEXT, object={"const": "model"}, created=COUNT, owned_by={"const": "openclaw"}, permission=_list(OBJECT)
        ),
        "ModelList": record(object={"const": "list"}, data=_list(ref("Model"))),
        "EmbeddingList": record(
            object={"const": "list"},
            data=_list(
                record(
                    object={"const": "embedding"},
                    index=COUNT,
                    embedding={"anyOf": [_list({"type": "number"}), {**TEXT, "contentEncoding": "base64"}]},
                )
            ),
            model=TEXT,
            usage=record(prompt_tokens=COUNT, total_tokens=COUNT),
        ),
        "ToolsInvokeResult": record(
            ok={"const": True},
            result=record(("details",), content=_list(record(type={"const": "text"}, text=TEXT)), details={}),
        ),
        "ToolsInvokeError": record(
            ok={"const": False},
            error=record(type={"enum": ["invalid_request", "not_found", "tool_error"]}, message=TEXT),
        ),
        "Capabilities": record(
            object={"const": "gateway.capabilities"},
            schema=COUNT,
            server=TEXT,
            version=TEXT,
            protocols=OBJECT,
            endpoints=_list(
                record(
                    ("allowed", "config_key"),
                    path=TEXT,
                    methods=_list(TEXT),
                    enabled=FLAG,
                    authenticated=FLAG,
                    allowed=_list(TEXT),
                    config_key=maybe(TEXT),
                )
            ),
            request_fields=OBJECT,
            features=OBJECT,
            limits=OBJECT,
            agents=_list(OBJECT),
            models=_list(OBJECT),
        ),
        "Health": record(ok=FLAG, status=TEXT),
        "Readiness": record(
            ("failing", "uptimeMs", "workers"),
            ready=FLAG,
            failing=_list(TEXT),
            uptimeMs=COUNT,
            workers=record(
                configured=COUNT, connected=COUNT, relays=_list(record(worker=COUNT, pid=COUNT, runs=COUNT))
            ),
        ),
        "ControlUiConfig": {"type": "object", "required": ["basePath", "assistantName", "serverVersion"]},
        "Document": {"type": "object", "required": ["openapi", "info", "paths"]},
    }


def _chat(finish: Schema, call: Schema) -> dict[str, Schema]:
    fragment = record(
        ("id", "type", "function"),
        index=COUNT,
        id=TEXT,
        type={"const": "function"},
        function=record(("name", "arguments"), name=TEXT, arguments=TEXT),
    )
    delta = record(
        ("role", "content", "refusal", "reasoning_content", "tool_calls"),
        role={"const": "assistant"},
        content=TEXT,
        refusal=TEXT,
        reasoning_content=TEXT,
        tool_calls=_list(fragment),
    )
    head: dict[str, Schema] = {"id": TEXT, "created": COUNT, "model": TEXT, "system_fingerprint": TEXT}
    message = record(
        ("reasoning_content", "tool_calls"),
        role={"const": "assistant"},
        content=maybe(TEXT),
        refusal=maybe(TEXT),
        reasoning_content=TEXT,
        tool_calls=_list(call),
    )
    choice = record(index={"const": 0}, message=message, logprobs={"type": "null"}, finish_reason=finish)
    piece = record(index={"const": 0}, delta=delta, finish_reason=maybe(finish))
    return {
        "Usage": record(
            ("prompt_tokens_details", "completion_tokens_details"),
            prompt_tokens=COUNT,
            completion_tokens=COUNT,
            total_tokens=COUNT,
            prompt_tokens_details=record(cached_tokens=COUNT),
            completion_tokens_details=record(reasoning_tokens=COUNT),
        ),
        "ChatCompletion": record(
            ("usage",),
            object={"const": "chat.completion"},
            **head,
            choices={**_list(choice), "minItems": 1, "maxItems": 1},
            usage={**ref("Usage"), "description": "absent when it is not known"},
        ),
        "ChatCompletionChunk": record(
            ("usage", "openclaw"),
            object={"const": "chat.completion.chunk"},
            **head,
            choices={**_list(piece), "maxItems": 1},
            usage=maybe(ref("Usage")),
            openclaw=OBJECT,
        ),
    }


def _responses() -> dict[str, Schema]:
    statuses = ["in_progress", "completed", "incomplete", "failed"]
    return {
        "Response": record(
            (),
            id=TEXT,
            object={"const": "response"},
            created_at=COUNT,
            status={"enum": statuses},
            model=TEXT,
            output=_list(record(type={"enum": ["message", "function_call"]}, id=TEXT, status={"enum": statuses})),
            usage=maybe(
                record(
                    input_tokens=COUNT,
                    input_tokens_details=record(cached_tokens=COUNT, cache_write_tokens=COUNT),
                    output_tokens=COUNT,
                    output_tokens_details=record(reasoning_tokens=COUNT),
                    total_tokens=COUNT,
                )
            ),
            error=maybe(record(code=TEXT, message=TEXT, type=TEXT, param=maybe(TEXT), openclaw_code=TEXT)),
            incomplete_details=maybe(record(reason={"enum": ["max_output_tokens", "content_filter"]})),
            instructions=maybe(TEXT),
            metadata={"type": "object", "additionalProperties": TEXT},
            parallel_tool_calls=FLAG,
            previous_response_id=maybe(TEXT),
            tools=_list(OBJECT),
            tool_choice={"anyOf": [TEXT, OBJECT]},
            store=FLAG,
        ),
        "ResponseEvent": record(type={**TEXT, "pattern": r"^response\."}, sequence_number=COUNT),
    }


__all__ = ["answer_schemas", "error_schema", "record"]
