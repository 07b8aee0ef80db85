"""Random calls of several processes, natively and on a mount: same answers, same tree, and in the bucket the same.

In CI few examples with a fixed seed. Long: tests/run.sh model --minutes N, half of them for each volume; --seed S to begin
with another, --shrink to look for the shortest sequence that fails, which takes its time.
"""
import time

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import Machine
from mounts import ModelFile, ModelS3

STEPS = 50


def run(make, number, examples, shrink):
    """One machine of `examples` sequences; how many calls they made."""

    @seed(number)
    class Seeded(Machine):
        make_mount = staticmethod(make)

    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    run_state_machine_as_test(Seeded, settings=settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None, phases=phases, print_blob=False,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck)))
    return Seeded.steps, Seeded.rows_used


def maker(request, volume):
    def make():
        mount = ModelFile() if volume == "file" else ModelS3(request.getfixturevalue(volume))
        return mount, mount.scratch / "n/tree"

    return make


@pytest.mark.parametrize("volume", ["file", "versitygw"])
def test_model(request, volume):
    minutes, first = request.config.getoption("--minutes"), request.config.getoption("--seed")
    shrink = request.config.getoption("--shrink")
    if not minutes:
        run(maker(request, volume), first, 25, shrink)
        return
    steps, number, rows, until = 0, first, {}, time.monotonic() + 60 * minutes / 2
    while time.monotonic() < until:
        n, used = run(maker(request, volume), number, 20, shrink)
        steps, number, rows = steps + n, number + 1, {r: rows.get(r, 0) + used.get(r, 0) for r in {*rows, *used}}
        print(f"\n{volume}: seeds {first} to {number - 1}, {steps} calls; rows used: {rows}", flush=True)


@pytest.mark.sanitized
@pytest.mark.parametrize("volume", ["file", "versitygw", "radosgw"])
def test_few(request, volume):
    if not request.config.getoption("--minutes"):
        run(maker(request, volume), 3, 14, False)
