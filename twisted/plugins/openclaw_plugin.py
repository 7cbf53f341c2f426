"""C{twistd openclaw} and C{twist openclaw}."""

from twisted.application.service import ServiceMaker

openclaw = ServiceMaker(
    "OpenClaw Gateway", "openclaw_tx.tap", "OpenClaw Gateway: agents over OpenAI HTTP and WebSocket.", "openclaw"
)
