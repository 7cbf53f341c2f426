"""The process that runs the embedded model: llama.cpp behind HTTP on loopback.

Run as a file by L{openclaw_tx.models.supervisor}: it needs nothing of this package, and a crash of
native code takes nothing else down. First line of stdin: its settings as JSON, the key among them, so that no process
list shows the key. One JSON line on stdout when it listens, or when it can not. It ends when stdin does, so it
never outlives its parent.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, TextIO

BATCH_TOKENS = 64
"""Tokens that are worked on at a time."""


def main() -> None:
    """Load the model, say where it listens, serve until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever native code prints is no answer of ours
    settings = json.loads(sys.stdin.buffer.readline())
    watcher = threading.Thread(target=_end_with_parent, daemon=True)
    watcher.start()
    try:
        server = serve(settings)
    except ImportError as error:
        _say(out, {"error": "import", "message": str(error)})
        os._exit(3)
    except Exception as error:
        _say(out, {"error": "load", "message": str(error)})
        os._exit(4)
    _say(out, {"ready": str(server.listening_address)})
    watcher.join()


def serve(settings: dict[str, Any]) -> Any:
    """Start the server.

    @param settings: C{path}, C{model}, C{context_window}, C{threads}, C{api_key}.
    @return: the native server; it serves as long as it is referred to.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["model"]}
    params.n_ctx = settings["context_window"]
    params.n_parallel = 1
    # Small batches: between two of them llama.cpp notices that the asker has gone.
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    threads = settings["threads"] or max(1, _cores() - 1)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]
    params.ui = False
    params.offline = True
    params.cache_ram_mib = 0  # its default may grow to 8 GiB
    params.endpoint_slots = True
    # Embeddings beside the answers: the mean over a text's tokens, which must fit into one batch.
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.verbosity = 0
    return xllamacpp.Server(params)


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _say(out: TextIO, message: dict[str, str]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
