"""The benchmark: the gateway beside a minimal aiohttp proxy and nginx, in one interleaved run on loopback."""
