#!/usr/bin/python3
"""Figures, as JSON on stdout: tests/run.sh bench [--mib N] [--rounds N] [--only SECTION]

  pass_through  foreign paths with the preload / without: open+close, stat, read of a cached file (least of paired runs);
                `true`, `python3 -c pass`, `git status` in a tree of 5,000 files (medians of paired runs)
  transfer      N MiB (1024) read and written with dd through s3run, against the same by parallel curl, boto3 and, where
                it is there, `aws s3 cp`, on one versitygw in the same run; seconds (median of the rounds), and the ratio
                of the fastest peer's time to ours (above 1: we are faster)
  requests      what each of our transfers cost
  latency       programs on many small files when a round trip takes 40 ms more (latency.py), raw HTTP beside them

Never fails because of a time.
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(TOP / "tests/support"))
sys.path.insert(0, str(TOP / "tests/bench"))
import servers  # noqa: E402
from latency import Latency  # noqa: E402
from boto3.s3.transfer import TransferConfig  # noqa: E402

BUILD = Path(os.environ.get("S3SHIM_BUILD", TOP / "build/ci")).resolve()
PART = 8 << 20
PARALLEL = 8


def note(text):
    print(text, file=sys.stderr, flush=True)


def timed(argv, env=None, check=True, **kw):
    began = time.perf_counter()
    subprocess.run([str(a) for a in argv], check=check, env=env, stdout=subprocess.DEVNULL, **kw)
    return time.perf_counter() - began


def compiled(scratch, name):
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", scratch / name, TOP / f"tests/bench/{name}.c"], check=True)
    return scratch / name


def foreign_tree(top):
    """A repository of 5,000 small files in 50 folders, nothing changed."""
    for i in range(5000):
        folder = top / f"d{i // 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{i}").write_text(f"{i}\n" * 20)
    git = ["git", "-C", top, "-c", "user.name=x", "-c", "user.email=x@y.z"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["status", "--porcelain"]):
        subprocess.run([*git, *words], check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(top)})


def passing(scratch):
    program, source = compiled(scratch, "passing"), scratch / "cached"
    source.write_bytes(os.urandom(1 << 20))
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(scratch)}
    preload = {"LD_PRELOAD": str(BUILD / "libs3shim.so"), "S3SHIM_BUCKET": "none"}
    figures = {"open_close_ns": ([], []), "stat_ns": ([], []), "read_4k_ns": ([], [])}
    for _ in range(5):
        for side, env in enumerate((plain, {**plain, **preload})):
            r = subprocess.run([program, source], env=env, check=True, capture_output=True, text=True)
            for name, ns in json.loads(r.stdout).items():
                figures[name][side].append(ns)
    result = {name: {"plain": min(a), "preloaded": min(b), "ratio": round(min(b) / min(a), 3)}
              for name, (a, b) in figures.items()}
    paired, tree = compiled(scratch, "paired"), scratch / "tree"
    foreign_tree(tree)
    for name, rounds, argv in (("exec_true_ms", 2000, ["/bin/true"]),
                               ("python3_pass_ms", 100, ["/usr/bin/python3", "-c", "pass"]),
                               ("git_status_5000_ms", 60, ["git", "-C", tree, "status", "--porcelain"])):
        r = subprocess.run([paired, str(rounds), *(f"{k}={v}" for k, v in preload.items()), "--", *argv], env=plain, check=True,
                           capture_output=True, text=True)
        result[name] = json.loads(r.stdout)
    return result


class Transfers:
    def __init__(self, server, scratch, mib):
        self.server, self.scratch, self.size = server, scratch, mib << 20
        self.bucket, self.client = server.make_bucket("bench"), server.client()
        self.source = scratch / "source"
        block = os.urandom(16 << 20)
        with open(self.source, "wb") as f:
            for i in range(-(-self.size // len(block))):
                f.write(block[: min(len(block), self.size - i * len(block))])
        self.config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=PARALLEL)
        self.client.upload_file(str(self.source), self.bucket, "source", Config=self.config)
        self.stats = {}

    def base_env(self):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.scratch), **self.server.env}

    def s3run(self, name, argv):
        stats = self.scratch / "stats.json"
        seconds = timed([BUILD / "s3run", "--bucket", self.bucket, "--cache-dir", self.scratch / "cache", "--stats", stats,
                         "--log", self.scratch / "log", "--", *argv], self.base_env())
        self.stats[name] = json.loads(stats.read_text())
        return seconds

    # Reading: to /dev/null, by whoever can; into a file where a tool knows no other way.

    def read_s3run(self):
        return self.s3run("read", ["dd", "if=/s3/source", "of=/dev/null", "bs=1M", "status=none"])

    def read_curl(self):
        url = self.client.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "source"})
        conf = self.scratch / "curl.conf"
        conf.write_text("next\n".join(
            f'silent\nfail\noutput = "/dev/null"\nrange = "{off}-{min(off + PART, self.size) - 1}"\nurl = "{url}"\n'
            for off in range(0, self.size, PART)))
        return timed(["curl", "--parallel", "--parallel-immediate", "--parallel-max", PARALLEL, "--no-progress-meter", "--config", conf])

    def read_boto3(self):
        def part(off):
            end = min(off + PART, self.size) - 1
            body = self.client.get_object(Bucket=self.bucket, Key="source", Range=f"bytes={off}-{end}")["Body"]
            while body.read(1 << 20):
                pass
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(part, range(0, self.size, PART)))
        return time.perf_counter() - began

    def read_aws(self):
        return timed(["aws", "--endpoint-url", self.server.endpoint, "s3", "cp", "--quiet", f"s3://{self.bucket}/source",
                      self.scratch / "copy"], self.base_env())

    # Writing, from the same local file.

    def write_s3run(self):
        return self.s3run("write", ["dd", f"if={self.source}", "of=/s3/written", "bs=1M", "status=none"])

    def write_curl(self):
        c = self.client
        began = time.perf_counter()
        upload = c.create_multipart_upload(Bucket=self.bucket, Key="by-curl")["UploadId"]
        jobs = []
        for n, off in enumerate(range(0, self.size, PART), 1):
            url = c.generate_presigned_url("upload_part", Params={"Bucket": self.bucket, "Key": "by-curl", "UploadId": upload,
                                                                   "PartNumber": n})
            jobs.append((n, off, url))

        def part(job):
            n, off, url = job
            with open(self.source, "rb") as f:
                f.seek(off)
                r = subprocess.run(["curl", "-sf", "-X", "PUT", "--data-binary", "@-", "-H", "Content-Type:", "-H", "Expect:",
                                    "-D", "-", "-o", "/dev/null", url], input=f.read(PART), check=True, capture_output=True)
            etag = next(line.split(b":", 1)[1].strip() for line in r.stdout.splitlines() if line.lower().startswith(b"etag"))
            return {"PartNumber": n, "ETag": etag.decode()}

        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            parts = list(pool.map(part, jobs))
        c.complete_multipart_upload(Bucket=self.bucket, Key="by-curl", UploadId=upload, MultipartUpload={"Parts": parts})
        return time.perf_counter() - began

    def write_boto3(self):
        began = time.perf_counter()
        self.client.upload_file(str(self.source), self.bucket, "by-boto3", Config=self.config)
        return time.perf_counter() - began

    def write_aws(self):
        return timed(["aws", "--endpoint-url", self.server.endpoint, "s3", "cp", "--quiet", self.source,
                      f"s3://{self.bucket}/by-aws"], self.base_env())

    def run(self, rounds):
        peers = ["curl", "boto3"] + (["aws"] if shutil.which("aws", path="/usr/bin:/bin") else [])
        result = {"mib": self.size >> 20, "rounds": rounds}
        for direction in ("read", "write"):
            times = {who: [] for who in ["s3run", *peers]}
            for _ in range(rounds):  # taking turns, so that all see the same machine
                for who in times:
                    times[who].append(getattr(self, f"{direction}_{who}")())
                    note(f"{direction} {who}: {times[who][-1]:.2f} s")
            seconds = {who: round(statistics.median(t), 3) for who, t in times.items()}
            fastest = min(peers, key=seconds.get)
            result[direction] = {"seconds": seconds, "mib_per_s": round((self.size >> 20) / seconds["s3run"], 1),
                                 "fastest_peer": fastest, "ratio": round(seconds[fastest] / seconds["s3run"], 3)}
        if "aws" not in peers:
            result["note"] = "no aws command here: `aws s3 cp` is left out"
        result["stats"] = self.stats
        return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mib", type=int, default=1024)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", choices=["pass_through", "transfer", "latency"], help="one section alone")
    p.add_argument("--row", help="of latency: only rows whose name contains this")
    args = p.parse_args()
    # Names that begin like the mount point cost some 50 ns more: they are the rare ones (docs/PERFORMANCE.md).
    scratch = Path(tempfile.mkdtemp(prefix="bench-s3shim-", dir="/var/tmp"))
    (scratch / "cache").mkdir(mode=0o700)
    try:
        result = {}
        if args.only in (None, "pass_through"):
            result["pass_through"] = passing(scratch)
            note(json.dumps(result))
        with servers.Versitygw() as server:
            if args.only in (None, "transfer"):
                result["transfer"] = Transfers(server, scratch, args.mib).run(args.rounds)
            if args.only in (None, "latency"):
                result["latency"] = Latency(server, scratch, BUILD).run(args.rounds, args.row, note)
        print(json.dumps(result, indent=2))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
