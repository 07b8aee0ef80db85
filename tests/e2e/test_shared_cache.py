"""The cache that sessions share: what one has read, the next takes from the cache folder, or the cache file, if the server
still has that version. What came from the server, its own access log and the broker's counters say."""
import hashlib
import json
import os

import pytest

MIB = 1 << 20
BIG = os.urandom(MIB) * 20


@pytest.fixture(params=["folder", "file"])
def cache(request, gw):
    """The options that ask for it, in each of its two places."""
    file = ["--cloud-cache-file", gw.scratch / "shared"] if request.param == "file" else []
    return ["--max-cloud-cache-size", "64M", *file]


def read(gw, key, options, **kw):
    """What a session of its own reads of it, and what that cost: (result, operations at the server)."""
    mark = gw.server.mark()
    r = gw.run(["/usr/bin/python3", "-S", "-c", "import sys\nsys.stdout.buffer.write(open(sys.argv[1], 'rb').read())",
                gw.path(key)], options=options, **kw)
    at_server = [op for op, bucket, *_ in gw.server.requests(mark, detail=True) if bucket == gw.bucket and op != "HeadBucket"]
    return r, at_server


def entries(gw):
    return [p for p in (gw.scratch / "cache/objects").iterdir() if len(p.name) == 64]


def test_a_second_session_fetches_no_byte(gw, cache):
    gw.put("d/big", BIG)
    first, _ = read(gw, "d/big", cache)
    assert first.stdout == BIG and first.stats["shared_cache_stored_bytes"] == len(BIG)
    second, at_server = read(gw, "d/big", cache)
    assert second.stdout == BIG
    assert at_server == ["HeadObject"]
    assert second.stats["bytes_down"] == 0 and second.stats["shared_cache_bytes"] == len(BIG)
    assert second.stats["shared_cache_hits"] == 1 and second.stats["shared_cache_stored_bytes"] == 0
