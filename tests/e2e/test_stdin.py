"""Descriptor 0: who reads it by read(2) gets what it asks for; who reads libc's stream of it never reads a hole."""
import hashlib
import os

SIZE = 40 << 20


def big(volume):
    data = os.urandom(1 << 20) * (SIZE >> 20)
    volume.put("big", data)
    return data


def test_dd_of_one_block_fetches_no_more_than_a_window(s3):
    big(s3)
    r = s3.run(["dd", f"if={s3.path('big')}", "of=/dev/null", "bs=64K", "count=1"])
    assert r.requests == {"GetObject": 1} and r.stats["bytes_down"] < 1 << 20


def test_redirection_of_a_program_that_reads_by_itself(gw):
    big(gw)
    r = gw.run(["dash", "-c", f"head -c 1000 < {gw.path('big')} | wc -c"])
    assert r.out.strip() == "1000" and r.stats["bytes_down"] < 8 << 20


def test_the_stream_of_a_redirected_program_is_whole(s3):
    data = big(s3)
    script = "import sys, hashlib; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    r = s3.sh(f"/usr/bin/python3 -c '{script}' < {s3.path('big')}")
    assert r.out.strip() == hashlib.sha256(data).hexdigest()
    r = s3.sh(f"tr -d '\\n' < {s3.path('big')} | wc -c")
    assert int(r.out) == SIZE - data.count(b"\n")
