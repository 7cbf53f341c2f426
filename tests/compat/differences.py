# -*- test-case-name: tests.compat.test_http -*-
"""Where this gateway answers otherwise than the recorded ones, and why.

docs/compatibility.md, section HTTP, shows the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple


class Row(NamedTuple):
    """One difference."""

    what: str
    why: str
    labels: str
    """Regular expression of what L{tests.compat.replay.differences} calls it."""
    now: str = ""
    """Names or patterns of cases of the newer release; C{*} = wherever it comes up."""
    jan: str = ""
    """The same of the older release."""

    def covers(self, release: str, name: str, label: str) -> bool:
        """Whether this row is about one difference in one case."""
        named = any(fnmatchcase(name, pattern) for pattern in self.patterns(release))
        return named and re.fullmatch(self.labels, label) is not None

    def patterns(self, release: str) -> list[str]:
        """The cases of a release."""
        return (self.now if release.startswith("2026.9") else self.jan).split()

    def stale(self, release: str, differing: Iterable[str], names: Iterable[str]) -> list[str]:
        """Cases that this row names and that do not differ in this respect any more.

        @param differing: names of the cases that do.
        @param names: names of all cases of the release.
        """
        differing = set(differing)
        stale = []
        for pattern in self.patterns(release):
            meant = {name for name in names if fnmatchcase(name, pattern)}
            if pattern == "*" and meant & differing:
                continue
            stale += sorted(meant - differing) or ([] if meant else [pattern])
        return stale

    def __str__(self) -> str:
        """The row of the documentation's table."""
        where = "; ".join(
            f"{release}: {_listed(names)}"
            for release, names in (("September", self.now), ("January", self.jan))
            if names
        )
        return f"| {self.what} | {where} | {self.why} |"


def _listed(names: str) -> str:
    return "everywhere" if names == "*" else ", ".join(f"`{name}`" for name in names.split())


PROBES = (
    "route-health-auth route-health-noauth route-healthz-auth route-healthz-head route-healthz-noauth "
    "route-healthz-post route-ready-auth route-ready-noauth route-readyz-auth route-readyz-noauth route-readyz-options "
    "ratelimit-healthz-while-locked"
)
MODELS = (
    "auth-raw-token-noscheme auth-scheme-lowercase auth-token-query auth-x-api-key auth-x-openclaw-token "
    "cors-get-models-origin host-header-foreign http10 models-head models-list models-list-noauth models-one "
    "models-one-badpct models-one-default models-one-empty models-one-nope models-one-openclaw models-one-slash "
    "models-post models-post-one"
)

DIFFERENCES = [
    Row(
        "errors are JSON on every path",
        "clients show the body; plain text or HTML reads as a wrong URL",
        "header Content-Type: text/plain.*",
        "*",
        "*",
    ),
    Row(
        "a disabled endpoint says which switch is off",
        "still 404 before authentication, for every method (D1)",
        "message",
        "disabled-*",
        "disabled-*",
    ),
    Row(
        "`Cache-Control: no-cache, no-transform` on streams",
        "proxies must not buffer or compress them",
        "header Cache-Control: no-cache -> .*",
        "*",
        "*",
    ),
    Row(
        "the agent `main` answers where nobody is named, also among several",
        "the documented default (D3); the newer release wants one named as soon as there are two",
        "message|status 400 -> 200",
        "body-chunked-te body-empty model-absent-nomsg model-form-blank-nomsg model-form-empty-nomsg "
        "model-form-openclaw-default-nomsg model-form-openclaw-nomsg run-model-absent run-model-openclaw",
    ),
    Row(
        "foreign model names are answered by the default agent",
        "generic clients send `gpt-4o` (D5); `strictModel` refuses them as the newer release does",
        "message|status 400 -> 200",
        "model-form-gpt4o-nomsg model-form-stub-nomsg run-model-gpt4o",
    ),
    Row(
        "an unknown agent is refused",
        "as the newer release does (D4)",
        "message|status 200 -> 400|model calls",
        jan="agent-header-bad agent-header-nope model-form-agent-nope-nomsg model-form-badchars-nomsg "
        "model-form-colon-nope-nomsg run-model-nope",
    ),
    Row(
        "a session key of one agent beside the name of another is refused",
        "one of the two would be ignored in silence (D33)",
        "message|status 200 -> 400|model calls",
        "session-key-agent_beta_main-nomsg run-session-key-other-agent",
    ),
    Row(
        "reserved session keys are refused",
        "as the newer release does",
        "message",
        jan="session-key-acp_x-nomsg session-key-cron_x-nomsg session-key-subagent_x-nomsg session-key-agent_main_*",
    ),
    Row(
        "other words for what is not JSON, and no dangling colon where the body is no object",
        "the recorded words are the JavaScript engine's",
        "message",
        "body-malformed-json ctype-text-malformed body-array body-null body-number body-string",
        "body-malformed-json ctype-text-malformed body-array body-null body-number body-string",
    ),
    Row(
        "wrong types and values are refused",
        "as the newer release does, in its words",
        "message|status 200 -> 400",
        jan="messages-not-array model-nonstring param-* tools-choice-[!a]* tools-choice-allowed_tools tools-elementstr "
        "tools-no*",
    ),
    Row(
        "`n` other than 1, `logprobs` and the like are refused",
        "they would change the answer: to ignore them is to give another one than was asked for",
        "message|status 200 -> 400|model calls|sampling",
        "param-n-2 run-params",
        "run-params",
    ),
    Row(
        "images are understood, and bad ones refused",
        "as the newer release does",
        "message|status 200 -> 400|status 400 -> 200",
        jan="image-9-parts image-bad-mime image-http-url image-no-payload image-no-url image-not-base64 run-image-only",
    ),
    Row(
        "what is called an image and is none is refused",
        "providers refuse the whole request for it, in words that the client can not act on",
        "status 200 -> 400",
        now="image-garbage-png",
        jan="image-garbage-png",
    ),
    Row(
        "bodies up to 20 MiB; beyond, 413",
        "as the newer release does (D2); the older one cuts the connection past 1 MiB",
        "answered at all",
        jan="body-1.2MB body-1MiB-then-empty body-21MB body-content-length-huge",
    ),
    Row(
        "a failure that comes early has its own status, in streams too",
        "the status is held until the provider has answered, 2 s at most; SDKs then raise the right error",
        "status 200 -> 40[01]",
        "chat-upstream-400-stream run-upstream-400-stream run-upstream-401-stream",
    ),
    Row(
        "a failed run is an error",
        "as in the newer release; the older one gives the error text as the answer, or ends the stream as if all "
        "was well (D6, D16)",
        "status 200 -> (40[01]|429|50[23])|events|model calls",
        jan="chat-upstream-400-nonstream chat-upstream-400-stream run-upstream-* chat-drop-mid chat-drop-mid-stream "
        "run-drop-mid run-drop-mid-stream chat-errmid chat-errmid-stream run-errmid run-errmid-stream",
    ),
    Row(
        "errors of a provider name provider and model, and say what it said, but for refusals of our key",
        "an operator can not act on `upstream provider error`",
        "message",
        "chat-drop-mid-stream chat-errmid chat-errmid-stream chat-upstream-400-nonstream run-upstream-400 "
        "run-upstream-401 run-upstream-500 run-upstream-500-stream",
    ),
    Row(
        "a provider that breaks off is 502, not 408",
        "408 blames the client",
        "status 408 -> 502",
        "chat-drop-mid",
    ),
    Row(
        "three attempts within a few seconds, then the error",
        "bounded retries before the first byte (D25); the newer release tries eight times in 90 s or more, the older "
        "one up to twelve times",
        "model calls|answered at all|events",
        "run-upstream-500 run-upstream-500-stream run-upstream-429 run-upstream-429-stream",
    ),
    Row(
        "no answer is the error `empty_response`",
        "nothing is made up, and the model is not asked again behind the client's back",
        "status 200 -> 502|events|text",
        "run-empty run-empty-stream",
        "run-empty run-empty-stream",
    ),
    Row(
        "no remark of ours is added to an answer cut at its token limit",
        "`finish_reason` says `length`",
        "choices",
        "run-finish-length",
        "run-finish-length",
    ),
    Row(
        "the client's own tools reach the model whatever else is there",
        "the newer release hides them behind a search tool unless that is switched off (`single-tools-*` show it off); "
        "the older one ignores them",
        "choices|usage|events|text|model calls|status 502 -> 200|status 200 -> 502",
        "run-tools-auto run-tools-auto-stream run-tools-pinned run-tools-required-satisfied "
        "run-tools-text-and-call-stream",
        "run-tools-auto run-tools-auto-stream run-tools-pinned run-tools-required-satisfied "
        "run-tools-required-unsatisfied run-tools-required-unsatisfied-stream run-tools-text-and-call-stream",
    ),
    Row(
        "text that comes with a tool call is kept",
        "OpenAI gives both; a client may show one and answer the other",
        "choices|events|text",
        "single-tools-text-and-call single-tools-text-and-call-stream",
    ),
    Row(
        "tool call arguments stream as the provider sends them, in pieces of 256 characters at most",
        "a client sees a long call grow",
        "pieces",
        "single-tools-auto-stream single-tools-longargs-stream single-tools-pinned-stream",
    ),
    Row(
        "other tools of the agent's own",
        "`session_status` is there for every model, and says what it says here",
        "choices|text",
        "run-internal-tool run-internal-tool-stream",
        "run-internal-tool",
    ),
    Row(
        "a client's tool that is named like one of the agent's own is refused",
        "the newer release refuses it in other words; the older one takes no tools of clients",
        "message|status 200 -> 400|model calls",
        "run-tools-conflict-name",
        "run-tools-conflict-name",
    ),
    Row(
        "an unknown model is refused",
        "the newer release adds a hint at its own command line; the older one does not know the header",
        "message|status 200 -> 404",
        "x-openclaw-model-bad",
        "x-openclaw-model-bad",
    ),
    Row(
        "`/` is a page for people",
        "what a browser finds at the port; it holds no data",
        "status 404 -> 200",
        "route-root-get-noauth",
        "route-root-get-noauth",
    ),
    Row(
        "`/metrics` is served",
        "operators need it without a plugin; it takes the secret",
        "status 404 -> 401",
        "route-metrics-get-noauth",
        "route-metrics-get-noauth",
    ),
    Row(
        "errors that may pass tell when to try again",
        "clients that retry are told when, and those that must not are told so",
        "header Retry-After: None -> 1",
        "chat-errmid run-upstream-500",
    ),
    Row(
        "security headers",
        "as the newer release",
        "security headers",
        jan="*",
    ),
    Row(
        "`/v1/models`",
        "as the newer release; the older one has none",
        "status 404 -> .*|message",
        jan=f"{MODELS} models-one-colon",
    ),
    Row("probes", "as the newer release; the older one has none", "status 404 -> .*", jan=PROBES),
    Row(
        "forwarding headers nobody vouches for: 403",
        "as the newer release",
        "status 404 -> 403",
        jan="xff",
    ),
    Row(
        "failed attempts are limited",
        "as the newer release",
        "status.*",
        jan="ratelimit-bad-[456] ratelimit-bad-again ratelimit-good-while-locked ratelimit-noauth-while-locked",
    ),
    Row(
        "usage is the provider's",
        "as the newer release; the older one always says 0",
        "usage",
        jan="*",
    ),
    Row(
        "streams have `finish_reason` in every chunk, a finish chunk, and usage if asked for",
        "as the newer release (D6); SDKs need them",
        "events",
        jan="chat-stream chat-stream-usage run-finish-length-stream run-internal-tool-stream run-think-stream "
        "stream-close-timing",
    ),
    Row(
        "a client that leaves ends its run",
        "as the newer release (D7)",
        "aborted",
        jan="disconnect-*",
    ),
]

OUT_OF_SCOPE = {
    "/v1/responses": "body-21MB-responses disabled-responses responses-* route-responses-* single-responses-*",
    "/v1/embeddings": "disabled-embeddings embeddings-*",
    "/tools/invoke": "password-tools-* tools-invoke-*",
    "canvas, avatars, hooks, channels and plugins": "route-a2ui-* route-api-channels-* route-avatar-* route-canvas-* "
    "route-hooks-* route-plugins-* route-slack-*",
}
"""What the recordings also have and this gateway does not serve yet: routes -> names."""
