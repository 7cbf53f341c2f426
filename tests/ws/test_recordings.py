# -*- test-case-name: tests.ws.test_recordings -*-
"""Handshakes and requests recorded from two releases of OpenClaw, played to this gateway.

What differs is listed with its reason in L{DIFFERENCES}; docs/compatibility.md explains it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.pairing_records import DeviceToken, PairedDevice, digest
from tests.ws.harness import House, Line

HERE = Path(__file__).parent
RECORDINGS = json.loads((HERE / "recordings.json").read_text("utf-8"))
BASE = {
    "client": {"id": "cli", "version": "1.2.3", "platform": "linux", "mode": "cli"},
    "role": "operator",
    "scopes": ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"],
    "caps": [],
    "auth": {"token": "lab-token"},
}
SECRETS = {"hs": "lab-token", "pw": "lab-pass"}

ANY_CLIENT = "any client id and mode is accepted"
SCOPES = "what takes which scope is as in the newer release"
BOTH = "both protocols are spoken"
ONE_ERROR = "only the first fault is named"
FIELD = "either field may carry the secret"
DEVICELESS = "no device is needed on loopback"
AT_UPGRADE = "refused at the upgrade with 403"
MORE = "told more"
NODE = "nodes call node.invoke.result and node.event only"

WITH_TOKEN = ("hs-device-token-as-token", "hs-device-token-field")
"""Recordings that come with the token of a device that was paired in another one."""

JAN, NOW = "2026.1.30", "2026.9.6"
DIFFERENCES: dict[tuple[str, str], str] = {
    (NOW, "hs-docs-example-mode-operator"): ANY_CLIENT,
    (NOW, "hs-unknown-client-id"): ANY_CLIENT,
    (NOW, "hs-token-nodevice-test"): ANY_CLIENT,
    (NOW, "hs-control-ui-client"): ANY_CLIENT,
    (NOW, "hs-webchat-client"): ANY_CLIENT,
    (NOW, "hs-proto-3"): BOTH,
    (NOW, "hs-origin-evil"): AT_UPGRADE,
    (NOW, "hs-origin-local"): "a page on loopback may read",
    (NOW, "rpc-node-role"): NODE,
    (JAN, "rpc-readonly-scope"): SCOPES,
    (JAN, "first-big-70k"): "64 KiB before connect",
    (JAN, "first-binary"): ONE_ERROR,
    (JAN, "first-emptyparams"): ONE_ERROR,
    (JAN, "hs-control-ui-client"): ANY_CLIENT,
    (JAN, "hs-device-token-field"): "the field is known in both protocols",
    (JAN, "hs-device-v3"): "v3 is understood in both protocols",
    (JAN, "hs-device-v3-new-read"): "v3 is understood in both protocols",
    (JAN, "hs-docs-example-mode-operator"): ANY_CLIENT,
    (JAN, "hs-unknown-client-id"): ANY_CLIENT,
    (JAN, "hs-origin-evil"): AT_UPGRADE,
    (JAN, "hs-password-field"): FIELD,
    (JAN, "hs-proto-1"): MORE,
    (JAN, "hs-proto-4"): BOTH,
    (JAN, "hs-proto-99"): MORE,
    (JAN, "hs-proto-range"): BOTH,
    (JAN, "hs-xff"): AT_UPGRADE,
    (JAN, "pw-password-as-token-device"): FIELD,
    (JAN, "pw-password-as-token-nodevice"): FIELD,
    (JAN, "pw-password-backend-nodevice"): DEVICELESS,
    (JAN, "pw-password-nodevice"): DEVICELESS,
    (JAN, "rpc-noscope"): "health needs no scope",
    (JAN, "rpc-node-role"): NODE,
    (JAN, "rpc-write-scope"): "who may read may read the configuration: it is redacted",
}
"""Recordings that this gateway answers otherwise, and why."""

MISSING: dict[str, set[str]] = {
    "health": {"configReload", "eventLoop", "modelRuntime", "plugins"},
    "sessions.list": {"nextOffset", "owners"},
    "config.get": {"agentRosterIncludeOwned", "bindingsIncludeOwned", "includeProvenance"},
    "chat.history": {"defaults", "hasMore", "pendingInputs", "sessionInfo", "totalMessages"},
}
"""Properties of good answers of the newer release that this gateway has nothing to say about."""


class Play:
    """One recording, played."""

    def __init__(self, recording: Any) -> None:
        self.recording = recording
        self.house = house = House()
        name = recording["name"]
        if name.startswith("pw"):
            house.authenticator.secret = "lab-pass"
            house.authenticator.mode = "password"
        if name.startswith("pw-rl") and any("too many" in json.dumps(frame) for frame in recording["frames"]):
            house.authenticator.locked = 17.0
        if "nonce" in recording:
            house.clock.advance(recording["ts"] / 1000 - house.clock.seconds())
            house.ids.insert(0, recording["nonce"])
        if name in WITH_TOKEN:
            self._pair()
        self.line: Line = house.open(headers=recording.get("headers"), path=recording.get("path", "/"))
        self.wanted: list[Any] = []
        self.got: list[Any] = []
        for kind, what in recording["frames"]:
            getattr(self, f"_{kind}")(what)
        if self.line.closed is not None:
            self.got.append(["close", list(self.line.closed)])

    def _pair(self) -> None:
        """The device was paired in an earlier recording, and its token is what this one comes with."""
        (params,) = [what["set"] for kind, what in self.recording["frames"] if kind == "connect"]
        auth = params["auth"]
        token = DeviceToken(hash=digest(auth.get("deviceToken") or auth["token"]))
        self.house.book.put(
            PairedDevice(
                device_id=params["device"]["id"],
                public_key=params["device"]["publicKey"],
                roles=("operator",),
                scopes=tuple(BASE["scopes"]),  # type: ignore[arg-type]
                tokens={"operator": token},
            )
        )

    def _connect(self, what: Any) -> None:
        version = 4 if self.recording["release"] == NOW else 3
        params = {**BASE, "minProtocol": version, "maxProtocol": version, **what["set"]}
        for name in what.get("unset", ()):
            del params[name]
        self._send(msgspec.json.encode({"type": "req", "id": "r0", "method": "connect", "params": params}))

    def _out(self, frame: Any) -> None:
        self._send(msgspec.json.encode(frame))

    def _raw(self, what: Any) -> None:
        if isinstance(what, str):
            self._send(what.encode())
        elif "binary" in what:
            self._send(what["binary"].encode(), binary=True)
        else:
            head = b'{"type":"req","id":"1","method":"connect","params":{"x":"'
            self._send(head + b"y" * (what["length"] - len(head) - 3) + b'"}}')

    def _send(self, data: bytes, binary: bool = False) -> None:
        if not self.line.client.opened or self.line.closed:
            return
        before = len(self.line.frames)
        self.line.raw(data, binary)
        self.got += [["in", reduced(frame)] for frame in self.line.frames[before:] if frame["type"] == "res"][:1]

    def _in(self, frame: Any) -> None:
        self.wanted.append(["in", forget_waits(frame)])

    def _close(self, what: Any) -> None:
        if what != [1000, ""] or self.recording["name"] == "first-garbage":  # the recorder hung up
            self.wanted.append(["close", what])
        elif self.recording["name"] == "first-silence":
            self.wanted.append(["close", what])
            self.house.advance(15.0)

    def end(self) -> None:
        self.house.close()


def reduced(frame: Any) -> Any:
    """A response as the recordings keep it."""
    if not frame["ok"]:
        return forget_waits({name: value for name, value in frame.items() if name != "type"})
    payload = frame["payload"]
    if payload.get("type") == "hello-ok":
        auth = payload.get("auth")
        scopes = sorted(auth["scopes"]) if auth else None
        return {"hello": {"protocol": payload["protocol"], "scopes": scopes, "method": (auth or {}).get("method")}}
    return {"ok": True, "keys": sorted(payload)}


def forget_waits(frame: Any) -> Any:
    """Without the seconds that a lockout happened to have left."""
    if "retryAfterMs" in (frame.get("error") or {}):
        return {**frame, "error": {**frame["error"], "retryAfterMs": 0}}
    return frame


def comparable(steps: list[Any]) -> list[Any]:
    """Without what is known to differ everywhere: which properties a good answer has (another test's business), and
    that protocol 3's hello has C{auth} only with a device."""
    plain = []
    for kind, step in steps:
        if kind == "in" and "hello" in step:
            hello = step["hello"]
            step = {"hello": hello if hello and hello["protocol"] == 4 else hello and {"protocol": 3}}
        elif kind == "in" and step.get("ok"):
            step = {"ok": True}
        plain.append([kind, step])
    return plain


class RecordingsTests(SynchronousTestCase):
    """Played and compared."""

    def test_every_recording(self) -> None:
        """Each recording gets the recorded answers and close, or is a known difference; and each known difference
        does differ, so that the list stays true."""
        wrong = []
        for recording in RECORDINGS:
            key = (recording["release"], recording["name"])
            play = Play(recording)
            same = comparable(play.wanted) == comparable(play.got)
            if "status" in recording:
                same = not play.line.client.opened and not play.got
            if any(step == ["in", {"hello": None}] for step in play.wanted):
                play.got = [["in", {"hello": None}], *play.got[1:]]
                same = comparable(play.wanted) == comparable(play.got)
            if same == (key in DIFFERENCES):
                wrong.append((key, play.wanted, play.got))
            play.end()
        self.assertEqual(wrong, [])

    def test_properties_of_good_answers(self) -> None:
        """A good answer has the recorded properties, but for those in L{MISSING}."""
        seen: dict[str, set[str]] = {}
        for recording in (one for one in RECORDINGS if one["name"].startswith("rpc-")):
            play = Play(recording)
            methods = ["connect", *(what["method"] for kind, what in recording["frames"] if kind == "out")]
            wanted = [step for kind, step in play.wanted if kind == "in"]
            got = [step for kind, step in play.got if kind == "in"]
            for method, theirs, ours in zip(methods, wanted, got, strict=False):
                if "keys" in theirs and "keys" in ours:
                    lacking = set(theirs["keys"]) - set(ours["keys"]) - MISSING.get(method, set())
                    seen.setdefault(method, set()).update(lacking)
            play.end()
        self.assertEqual({method: sorted(keys) for method, keys in seen.items() if keys}, {})
        self.assertEqual(
            sorted(seen),
            ["agent", "chat.history", "config.get", "health", "models.list", "node.event", "sessions.list"],
        )

    def test_all_differences_are_recordings(self) -> None:
        """No difference is listed that nothing shows."""
        self.assertEqual(set(DIFFERENCES) - {(one["release"], one["name"]) for one in RECORDINGS}, set())
