"""L{openclaw_tx.bodies}."""

from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from openclaw_tx.bodies import RequestBody


class RequestBodyTests(SynchronousTestCase):
    """L{RequestBody}."""

    def test_one_write(self) -> None:
        """It knows its length, and is gone before anything turns."""
        body, transport = RequestBody(b"hello"), StringTransport()
        self.assertTrue(verifyObject(IBodyProducer, body))
        self.assertEqual(body.length, 5)
        self.assertIsNone(self.successResultOf(body.startProducing(transport)))
        self.assertEqual(transport.value(), b"hello")

    def test_stopped(self) -> None:
        """Stopping, as an agent does when the connection is lost, harms nothing."""
        body, transport = RequestBody(b"hello"), StringTransport()
        body.startProducing(transport)
        body.stopProducing()
        self.assertEqual(transport.value(), b"hello")
