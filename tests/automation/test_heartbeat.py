# -*- test-case-name: tests.automation.test_heartbeat -*-
"""L{openclaw_tx.automation.heartbeat}: heartbeats on a clock."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.heartbeat import RETRY_SECONDS
from openclaw_tx.automation.rules import PROMPT, Beat
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import HeartbeatNews, Principal, RunRequest, TextPart, UserMessage
from tests.automation.rooms import House

MAIN = "agent:main:main"
HOURLY = {"agents": {"defaults": {"heartbeat": {"every": "1h"}}}}


class HeartbeatTests(SynchronousTestCase):
    """By the clock, and when somebody wakes."""

    def open(self, config: Any = None) -> House:
        """A house that was started."""
        house = House(self, config)
        house.start()
        self.addCleanup(self.close, house)
        return house

    def close(self, house: House) -> None:
        """It leaves nothing behind."""
        stopped = [house.heartbeat.stopService(), house.cron.stopService()]
        for run in house.engine.live():
            run.abort("shutdown")
        for each in stopped:
            self.successResultOf(each)
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def busy(self, house: House, key: str = MAIN) -> Any:
        """A run of somebody in a session."""
        message = UserMessage(content=(TextPart(text="hi"),), timestamp_ms=0)
        request = RunRequest(run_id="r", agent_id="main", session_key=key, messages=(message,))
        return house.engine.start(request, Principal(id="x", method="none", scopes=frozenset()))

    def heartbeat_file(self, house: House, text: str) -> None:
        """Write HEARTBEAT.md."""
        agent = house.agents.get("main")
        assert agent is not None
        house.directory.mkdir(exist_ok=True)
        house.configure({"agents": {"defaults": {**HOURLY["agents"]["defaults"], "workspace": str(house.directory)}}})
        (house.directory / "HEARTBEAT.md").write_text(text)

    def test_off(self) -> None:
        """Nobody has heartbeats by default, and nothing waits for any."""
        house = self.open()
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_pace(self) -> None:
        """Every hour, in the main session, in the agent's own words; what it has to tell is told."""
        house = self.open(HOURLY)
        house.advance(3599)
        self.assertEqual(house.runs, [])
        house.advance(1)
        (run,) = house.runs
        request = run.request
        self.assertEqual((request.session_key, request.trigger, request.lane), (MAIN, "heartbeat", "main"))
        self.assertEqual((request.messages[0].text, run.principal.id), (PROMPT, "heartbeat"))
        house.clock.advance(2)
        house.answer("The build is red.")
        news = house.heartbeat.last
        assert news is not None
        self.assertEqual((news.status, news.preview, news.duration_ms), ("sent", "The build is red.", 2000))
        house.advance(3598)
        self.assertEqual(len(house.runs), 2)
        house.answer()
        self.assertEqual(house.beats(), [("sent", "interval"), ("ok-token", "interval")])

    def test_configured(self) -> None:
        """Session, prompt and model may be others."""
        rules = {"every": "1h", "session": "watch", "prompt": "Look!", "model": "fast"}
        house = self.open({"agents": {"list": [{"id": "main", "heartbeat": rules}, {"id": "beta"}]}})
        house.advance(3600)
        (run,) = house.runs
        self.assertEqual(run.request.session_key, "agent:main:watch")
        self.assertEqual((run.request.messages[0].text, run.request.model), ("Look!", "p/fast"))
        house.answer()

    def test_session_of_another(self) -> None:
        """No session of another agent, and none of nobody's."""
        for key in ("agent:beta:main", "global"):
            house = self.open({"agents": {"defaults": {"heartbeat": {"every": "1h", "session": key}}}})
            house.advance(3600)
            self.assertEqual((house.runs, house.beats()), ([], []), key)

    def test_hours(self) -> None:
        """Outside of the hours there are none by the clock."""
        hours = {"start": "08:00", "end": "09:00", "timezone": "UTC"}
        house = self.open({"agents": {"defaults": {"heartbeat": {"every": "1h", "activeHours": hours}}}})
        house.advance(3600)
        self.assertEqual((house.runs, house.beats()), ([], [("skipped", "quiet-hours")]))
        house.heartbeat.wake("main", MAIN, "fire", now=True)
        house.advance(0)
        self.assertEqual(len(house.runs), 1)
        house.answer()

    def test_nothing_to_look_after(self) -> None:
        """A list with nothing in it is not looked at, unless news wait; without a list the agent is asked."""
        house = self.open(HOURLY)
        self.heartbeat_file(house, "# Watch\n\n")
        house.advance(3600)
        self.assertEqual((house.runs, house.beats()), ([], [("skipped", "empty-heartbeat-file")]))
        house.events.add(MAIN, "news")
        house.advance(3600)
        self.assertEqual(len(house.runs), 1)
        house.answer()
        house.events.take(MAIN)
        (house.directory / "HEARTBEAT.md").write_text("# Watch\n- the build\n")
        house.advance(3600)
        self.assertEqual(len(house.runs), 2)
        house.answer()

    def test_busy(self) -> None:
        """A session at work is left alone; the heartbeat comes when it is free. Those that wait are one."""
        house = self.open(HOURLY)
        run = self.busy(house)
        house.advance(3600)
        house.heartbeat.wake("main", MAIN, "one", now=True)
        house.heartbeat.wake("main", MAIN, "two", now=True)
        house.advance(600)
        self.assertEqual(len(house.runs), 1)
        run.end()
        house.advance(RETRY_SECONDS)
        self.assertEqual(len(house.runs), 2)
        self.assertEqual(house.events.peek(MAIN), ("one", "two"))
        house.answer()
        house.advance(60)
        self.assertEqual((len(house.runs), house.beats()), (2, [("ok-token", "wake")]))

    def test_other_session_busy(self) -> None:
        """Only its own session counts."""
        house = self.open()
        run = self.busy(house, "agent:main:other")
        house.heartbeat.wake("main", MAIN, "one", now=True)
        house.advance(0)
        self.assertEqual(len(house.runs), 2)
        house.answer()
        run.end()

    def test_wake_later(self) -> None:
        """News can wait for the next turn."""
        house = self.open()
        self.assertFalse(house.heartbeat.wake("main", MAIN, "one", now=False))
        house.advance(60)
        self.assertEqual((house.runs, house.events.peek(MAIN)), ([], ("one",)))

    def test_told_already(self) -> None:
        """What another turn was told meanwhile needs no heartbeat."""
        house = self.open()
        run = self.busy(house)
        house.heartbeat.wake("main", MAIN, "one", now=True)
        house.advance(1)
        house.events.take(MAIN)
        run.end()
        house.advance(RETRY_SECONDS)
        self.assertEqual((len(house.runs), house.beats()), (1, [("skipped", "already-told")]))

    def test_wake_while_beating(self) -> None:
        """News that come during a heartbeat get one of their own."""
        house = self.open()
        house.heartbeat.wake("main", MAIN, "one", now=True)
        house.advance(0)
        house.heartbeat.wake("main", MAIN, "two", now=True)
        house.advance(10)
        self.assertEqual(len(house.runs), 1)
        house.answer("hm")
        house.advance(RETRY_SECONDS)
        self.assertEqual(len(house.runs), 2)
        house.answer("hm")

    def test_switched_off(self) -> None:
        """Off, there are none at all, and what is noted stays; on again, they come at their pace."""
        house = self.open(HOURLY)
        house.heartbeat.set_enabled(False)
        self.assertFalse(house.heartbeat.wake("main", MAIN, "one", now=True))
        house.advance(7200)
        self.assertEqual((house.runs, house.events.peek(MAIN)), ([], ("one",)))
        house.heartbeat.set_enabled(True)
        house.advance(3600)
        self.assertEqual(len(house.runs), 1)
        house.answer()

    def test_hot(self) -> None:
        """A new interval counts at once; one that stays keeps its next time."""
        house = self.open(HOURLY)
        house.advance(1800)
        house.configure({**HOURLY, "logging": {"level": "debug"}})
        house.advance(1800)
        self.assertEqual(len(house.runs), 1)
        house.answer()
        house.configure({"agents": {"defaults": {"heartbeat": {"every": "1m"}}}})
        house.advance(60)
        self.assertEqual(len(house.runs), 2)
        house.answer()
        house.configure({})
        house.advance(7200)
        self.assertEqual(len(house.runs), 2)

    def test_clock_set(self) -> None:
        """A jump ahead is one heartbeat; after one back they go on by the new time."""
        house = self.open(HOURLY)
        house.advance(86_400)
        self.assertEqual(len(house.runs), 1)
        house.answer()
        house.clock.rightNow -= 7200
        for _ in range(121 + 61):
            house.advance(60)
        self.assertEqual(len(house.runs), 2)
        house.answer()

    def test_failed(self) -> None:
        """A heartbeat that fails is told, and the next one comes all the same."""
        house = self.open(HOURLY)
        house.advance(3600)
        house.runs[0].fail("provider_error", "the model is out")
        house.engine.refuse = GatewayError("queue_full", "Too many runs are waiting.")
        house.advance(3600)
        house.engine.refuse = None
        house.advance(3600)
        house.answer()
        house.advance(3600)
        house.runs[-1].end(finish_reason="length")
        house.advance(0)
        reasons = ["the model is out", "Too many runs are waiting."]
        stopped = ("failed", "The model was stopped before it had said anything (length).")
        beats = [*(("failed", reason) for reason in reasons), ("ok-token", "interval"), stopped]
        self.assertEqual(house.beats(), beats)

    def test_agent_gone(self) -> None:
        """An agent that is no more has none."""
        house = self.open()
        self.assertTrue(house.heartbeat.beat(Beat("nobody", "agent:nobody:main", "wake")))
        house.advance(0)
        self.assertEqual((house.runs, house.beats()), ([], []))

    def test_stopping(self) -> None:
        """A gateway that stops begins none, and waits for those at work."""
        house = self.open()
        house.heartbeat.wake("main", MAIN, "one", now=True)
        house.advance(0)
        stopped = house.heartbeat.stopService()
        self.assertFalse(house.heartbeat.wake("main", MAIN, "two", now=True))
        self.assertNoResult(stopped)
        house.answer()
        self.successResultOf(stopped)

    def test_bad_listener(self) -> None:
        """Who listens badly disturbs nobody."""
        house = self.open()
        heard: list[HeartbeatNews] = []
        house.heartbeat.subscribe(lambda news: 1 / 0)  # type: ignore[arg-type, return-value]
        house.heartbeat.subscribe(heard.append)
        house.heartbeat.wake("main", MAIN, "one", now=True)
        house.advance(0)
        house.answer()
        self.assertEqual((len(self.flushLoggedErrors(ZeroDivisionError)), len(heard)), (1, 1))
