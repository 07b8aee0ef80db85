#!/usr/bin/python3
"""Run the fuzz targets of build/fuzz for some seconds each: tests/fuzz/run.py [--seconds S] [--keep] [target]...

Each begins with the seeds of tests/fuzz/corpus/<target>; as many run at once as there are processors. What a target ends
with is left in build/fuzz/findings, and the status is 1. --keep merges what was found of use into the corpus.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD, CORPUS = TOP / "build/fuzz", TOP / "tests/fuzz/corpus"
SEED_BYTES_MAX = 1024  # of what --keep takes over, one for each edge of the code: the tree stays small


def run(target, seconds, keep):
    """The report's line, and whether nothing was found."""
    program, findings = BUILD / f"fuzz/fuzz_{target}", BUILD / "findings"
    findings.mkdir(exist_ok=True)
    seeds = CORPUS / target
    with tempfile.TemporaryDirectory(prefix="s3fuzz-") as found:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3SHIM_"))}
        p = subprocess.run([program, found, seeds, f"-max_total_time={seconds}", "-print_final_stats=1", "-timeout=20",
                            "-rss_limit_mb=1024", f"-artifact_prefix={findings}/{target}-", "-close_fd_mask=1", "-verbosity=1"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
        log = p.stderr.decode(errors="replace")
        if keep and p.returncode == 0:
            subprocess.run([program, "-merge=1", "-use_counters=0", f"-max_len={SEED_BYTES_MAX}", seeds, found], env=env, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    executions = re.search(r"number_of_executed_units: (\d+)", log)
    coverage = re.findall(r"cov: (\d+)", log)
    line = f"{target}: {executions[1] if executions else '?'} executions, {coverage[-1] if coverage else '?'} edges"
    return (line, True) if p.returncode == 0 else (f"{line}\n{log[-6000:]}", False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*")
    args = parser.parse_args()
    targets = args.targets or sorted(p.name.removeprefix("fuzz_") for p in (BUILD / "fuzz").iterdir())
    good = bool(targets)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for line, ok in pool.map(lambda t: run(t, args.seconds, args.keep), targets):
            print(line, flush=True)
            good &= ok
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
