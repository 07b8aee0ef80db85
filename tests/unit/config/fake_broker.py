#!/usr/bin/env python3
"""A broker for s3run's tests: speaks HELLO and DRAIN on the control connection, and does what FAKE_BROKER says.

FAKE_BROKER is JSON: refuse (the sentence that HELLO is refused with), failures (list of [name, sentence] that DRAIN
reports), drain (seconds it takes), die ("hello" or "drain": end there instead of answering), status (to exit with).
"""
import json
import os
import signal
import socket
import struct
import sys
import time

HEADER = struct.Struct("=IHHIi")  # struct wire_header
HELLO_REPLY = struct.Struct("=QQII")
DRAIN_REPLY = struct.Struct("=II")


def reply(sock, kind, number, status, fixed, tail):
    sock.sendall(HEADER.pack(HEADER.size + len(fixed) + len(tail), kind, 0, number, status) + fixed + tail)


def main():
    plan = json.loads(os.environ.get("FAKE_BROKER", "{}"))
    args = sys.argv[1:]
    if "FAKE_BROKER_SEEN" in os.environ:
        with open(os.environ["FAKE_BROKER_SEEN"], "w") as f:
            json.dump({"args": args, "preload": os.environ.get("LD_PRELOAD")}, f)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setsid()
    sock = socket.socket(fileno=int(args[args.index("--control-fd") + 1]))
    first = True
    while True:
        data = sock.recv(4096)
        if not data:
            sys.exit(plan.get("status", 0))
        _, kind, _, number, _ = HEADER.unpack(data[: HEADER.size])
        step = "hello" if first else "drain"
        if plan.get("die") == step:
            sys.exit(plan.get("status", 3))
        if first:
            first = False
            refuse = plan.get("refuse", "").encode()
            reply(sock, kind, number, -13 if refuse else 0, HELLO_REPLY.pack(1, 0, 1, 1), refuse)
            continue
        time.sleep(plan.get("drain", 0))
        failures = [{"name": n, "sentence": s} for n, s in plan.get("failures", [])]
        tail = json.dumps({"requests": {"total": 3}, "bytes_up": 7, "failures": failures}).encode()
        reply(sock, kind, number, 0, DRAIN_REPLY.pack(len(failures), 0), tail)


main()
