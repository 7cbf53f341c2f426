"""The relay one would write with aiohttp in an hour: parse the body, post it on, pass the stream through.

    python aiohttp_proxy.py PORT UPSTREAM_URL

It has no authentication, agents, sessions or limits: it is the least that a Python relay can do.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web


async def chat(request: web.Request) -> web.StreamResponse:
    """Relay one chat completion."""
    body = await request.json()
    session = request.app["session"]
    async with session.post(request.app["upstream"] + request.path, json=body) as upstream:
        if not body.get("stream"):
            return web.Response(body=await upstream.read(), status=upstream.status, content_type="application/json")
        response = web.StreamResponse(status=upstream.status, headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for data in upstream.content.iter_any():
            await response.write(data)
        await response.write_eof()
        return response


async def client(app: web.Application) -> AsyncIterator[None]:
    """One upstream session, without a limit on its connections, for the life of the proxy."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        app["session"] = session
        yield


if __name__ == "__main__":
    application = web.Application()
    application["upstream"] = sys.argv[2]
    application.cleanup_ctx.append(client)
    application.router.add_post("/v1/chat/completions", chat)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, backlog=16384)
