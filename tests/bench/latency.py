"""What programs cost when a round trip takes 40 ms more: seconds (median of the rounds), requests, and raw HTTP beside it.

Called by bench.py (`--only latency`). Raw: the same objects by `curl --parallel` on 64 connections through the same
proxy, or, for what has no such equal, the round trips that the operation cannot do without, times 40 ms.
"""
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from delay import Delay  # noqa: E402

RTT_MS = 40
FILES, NAMES, BODY = 200, 1000, 4096


class Latency:
    def __init__(self, server, scratch, build):
        self.server, self.scratch, self.build = server, scratch, build
        self.bucket, self.client = server.make_bucket("latency"), server.client()
        self.local = scratch / "local"
        self.local.mkdir()
        for i in range(FILES):
            (self.local / f"f{i:03}").write_bytes(os.urandom(BODY))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.put, [f"small/f{i:03}" for i in range(FILES)] + [f"names/f{i:04}" for i in range(NAMES)]))
        self.rounds_done = 0

    def put(self, key):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=os.urandom(BODY))

    def copies(self, folder):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: self.client.copy_object(
                Bucket=self.bucket, Key=f"{folder}/f{i:03}", CopySource=f"{self.bucket}/small/f{i:03}"), range(FILES)))

    def session(self, script, options=()):
        """Seconds inside a session, start and end of s3run left out: the program's own clock."""
        stats, out = self.scratch / "stats.json", self.scratch / "seconds"
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.scratch), **self.server.env, "S3SHIM_ENDPOINT": self.far}
        timed = f'a=$(date +%s%N); {{ {script}; }} >/dev/null || exit; echo $(($(date +%s%N) - a)) >{out}'
        subprocess.run([str(a) for a in (self.build / "s3run", "--bucket", self.bucket, "--cache-dir", self.scratch / "cache", "--stats",
                        stats, "--log", self.scratch / "log", *options, "--", "bash", "-c", timed)], check=True, env=env)
        requests = {k: v for k, v in json.loads(stats.read_text())["requests"].items() if v and k not in ("HeadBucket", "total")}
        return int(out.read_text()) / 1e9, requests

    def curl(self, method, keys, parallel=64, source=None):
        """Seconds for the same objects by curl."""
        far = self.server.client_at(self.far)
        name = {"GET": "get_object", "PUT": "put_object", "HEAD": "head_object", "DELETE": "delete_object"}[method]
        lines = []
        for key in keys:
            url = far.generate_presigned_url(name, Params={"Bucket": self.bucket, "Key": key})
            how = {"HEAD": "head\n", "DELETE": 'request = "DELETE"\n', "PUT": f'upload-file = "{source}"\n', "GET": ""}[method]
            lines.append(f'silent\nfail\noutput = "/dev/null"\nurl = "{url}"\n{how}')
        conf = self.scratch / "latency.conf"
        conf.write_text("next\n".join(lines))
        began = time.perf_counter()
        subprocess.run(["curl", "--parallel", "--parallel-immediate", "--parallel-max", str(parallel), "--no-progress-meter",
                        "--config", conf], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    # One row each: a script, what must be there before, raw HTTP beside it, and options of the session, if any.

    def rows(self):
        n = self.rounds_done
        small = [f"small/f{i:03}" for i in range(FILES)]
        names = [f"names/f{i:04}" for i in range(NAMES)]
        one = self.local / "f000"
        background = ("--commit", "background")
        return {
            "stat of a file": ("stat /s3/small/f000", None, lambda: self.curl("HEAD", small[:1])),
            "cat of a file": ("cat /s3/small/f000", None, lambda: self.curl("GET", small[:1])),
            "create of a file": (f"echo new >/s3/small/new{n}", None, lambda: self.curl("PUT", [f"raw{n}"], source=one)),
            f"tar of {FILES} files": ("tar -C /s3 -cf - small | cat", None, lambda: self.curl("GET", small)),
            f"cat of {FILES} files": ("cat /s3/small/*", None, lambda: self.curl("GET", small)),
            f"cp -r of {FILES} files in": (f"cp -r {self.local} /s3/in{n}", None,
                                           lambda: self.curl("PUT", [f"rawin{n}/{i}" for i in range(FILES)], source=one)),
            f"cp -r of {FILES} files out": (f"cp -r /s3/small {self.scratch}/out{n}", None, lambda: self.curl("GET", small)),
            f"ls -l of {NAMES} names": ("ls -l /s3/names", None, lambda: self.curl("HEAD", names)),
            f"ls -l of {NAMES} names, attributes of the listing": ("ls -l /s3/names", None, None, ("--attributes", "list")),
            f"ls of {NAMES} names": ("ls /s3/names", None, None),
            f"cp -r of {FILES} files in, background, all uploaded": (f"cp -r {self.local} /s3/inb{n}; sync", None, None, background),
            f"rm -r of a folder of {FILES}, background": (f"rm -r /s3/rmb{n}", f"rmb{n}", None, background),
            f"mv of a folder of {FILES}": (f"mv /s3/mv{n} /s3/moved{n}", f"mv{n}", None),
            f"rm -r of a folder of {FILES}": (f"rm -r /s3/rm{n}", f"rm{n}",
                                              lambda: self.curl("DELETE", [f"moved{n}/f{i:03}" for i in range(FILES)], parallel=1)),
        }

    def run(self, rounds, only=None, note=lambda text: None):
        result = {"rtt_ms": RTT_MS, "rounds": rounds, "rows": {}}
        times, raws, requests = {}, {}, {}
        with Delay(self.server.endpoint, RTT_MS) as far:
            self.far = far.endpoint
            for _ in range(rounds):
                self.rounds_done += 1
                for name, (script, folder, raw, *options) in self.rows().items():
                    if only and only not in name:
                        continue
                    if folder:
                        self.copies(folder)
                    seconds, requests[name] = self.session(script, *options)
                    times.setdefault(name, []).append(seconds)
                    if raw:
                        raws.setdefault(name, []).append(raw())
                    note(f"{name}: {seconds:.3f} s, raw {raws[name][-1] if raw else 0:.3f} s, {requests[name]}")
                shutil.rmtree(self.scratch / f"out{self.rounds_done}", ignore_errors=True)
        for name in times:
            seconds = statistics.median(times[name])
            row = {"seconds": round(seconds, 3), "round_trips": round(seconds * 1000 / RTT_MS, 1), "requests": requests[name]}
            if name in raws:
                row["raw_seconds"] = round(statistics.median(raws[name]), 3)
                row["ratio"] = round(seconds / row["raw_seconds"], 2)
            result["rows"][name] = row
        return result
