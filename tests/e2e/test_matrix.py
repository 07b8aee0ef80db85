"""The matrix: real programs, each natively and on a mount, with equal output, status and tree; see matrix.py.

CI runs the core, `tests/run.sh programs` all of them; that writes docs/COMPATIBILITY.md from what came out.
"""
import json
import os

import compatibility
import matrix
import pytest
from conftest import BUILD

TIMEOUT = float(os.environ.get("S3SHIM_PROGRAM_TIMEOUT", "300"))
VOLUMES = ["file", "s3"]


@pytest.fixture(scope="session")
def results():
    """{(scenario, volume): what is said of it}: the last result of each with this build; the page is written from them."""
    page, kept = os.environ.get("S3SHIM_COMPATIBILITY"), BUILD / "matrix.json"
    found = {}
    if page and kept.exists():
        found = {tuple(k.split()): v for k, v in json.loads(kept.read_text()).items()}
    yield found
    if page:
        kept.write_text(json.dumps({" ".join(k): v for k, v in found.items()}))
        compatibility.write(page, matrix.scenarios(), VOLUMES, found)


@pytest.fixture(params=VOLUMES)
def place(request):
    return matrix.Place(request.getfixturevalue({"file": "files", "s3": "gw"}[request.param]))


def compare(place, scenario):
    """Run it in both places. Return: sentences about what is not equal."""
    native, native_tree = place.native(scenario, TIMEOUT)
    if native.returncode == matrix.CANNOT_BE_HAD:
        pytest.skip(native.stdout.decode(errors="replace").strip() or "something that it needs cannot be had here")
    assert native.returncode == 0, f"it fails natively:\n{native.stdout.decode()[-1500:]}\n{native.stderr.decode()[-1500:]}"
    routed, routed_tree = place.routed(scenario, TIMEOUT)
    found = []
    if routed.status != native.returncode:
        tail = " / ".join(routed.err.splitlines()[-6:])
        found.append(f"status {routed.status} instead of {native.returncode}: {tail}")
    ours, theirs = routed.stdout.splitlines(), native.stdout.splitlines()
    if ours != theirs:
        at = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
        found.append(f"stdout, line {at + 1}: {ours[at:at + 3]} instead of {theirs[at:at + 3]}")
    found += matrix.differences(matrix.without_content(routed_tree, scenario.differs),
                                matrix.without_content(native_tree, scenario.differs))
    if place.mount.kind == "s3":
        found += matrix.check_bucket(place, routed_tree)
    if "Bad file descriptor" in routed.err and b"Bad file descriptor" not in native.stderr:
        found.append("stderr: " + routed.err[-300:])
    return found


@pytest.mark.parametrize("scenario", matrix.scenarios(), ids=lambda s: s.name)
def test_program(place, scenario, results):
    volume = "file" if place.mount.kind == "file" else "s3"
    known = scenario.fails.get(volume, scenario.fails.get("all"))
    if reason := scenario.why_not():
        results[scenario.name, volume] = f"not run: {reason}"
        pytest.skip(reason)
    try:
        found = compare(place, scenario)
    except pytest.skip.Exception as e:
        results[scenario.name, volume] = f"not run: {e}"
        raise
    results[scenario.name, volume] = "fails" if found else "passes"
    assert found or not known, f"passes, though its head says that it fails: {known}"
    if known:
        pytest.xfail(known)
    assert not found, "\n".join(found[:40])
