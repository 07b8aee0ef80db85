"""Sources as text: format, clang-tidy, and rules of the house that a grep can hold."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import BUILD, TOP


def tracked(*patterns):
    r = subprocess.run(["git", "-c", f"safe.directory={TOP}", "ls-files", *patterns], cwd=TOP, check=True,
                       stdout=subprocess.PIPE, text=True)
    return [f for f in r.stdout.splitlines() if (TOP / f).exists()]


def test_format():
    r = subprocess.run(["clang-format", "--dry-run", "-Werror", *tracked("*.c", "*.h")], cwd=TOP, capture_output=True,
                       text=True)
    assert r.returncode == 0, "run clang-format -i on\n" + "\n".join(sorted(set(re.findall(r"^([^\s:]+):\d", r.stderr, re.M))))


def compiled():
    commands = BUILD / "compile_commands.json"
    if not commands.exists():
        return []
    found = {e["file"] for e in json.loads(commands.read_text())}
    return sorted(f for f in found if re.match(rf"{re.escape(str(TOP))}/(core|shim|tools)/.*\.c$", f))


def test_clang_tidy():
    files = compiled()
    if not files:
        pytest.fail(f"no compile_commands.json in {BUILD}: configure by a preset")

    def check(f):
        r = subprocess.run(["clang-tidy", "-p", str(BUILD), "--quiet", "--extra-arg=-Wno-unknown-warning-option", f], cwd=TOP, capture_output=True, text=True)
        return r.stdout if r.returncode else ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = "".join(pool.map(check, files))
    assert not found, found[-8000:]


def test_nothing_is_put_off():
    hits = []
    for f in tracked("shim", "core", "tools", "tests", "examples", "docs", "README.md"):
        if f == "tests/lint/test_sources.py":
            continue
        for n, line in enumerate((TOP / f).read_text(errors="replace").splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                hits.append(f"{f}:{n}: {line.strip()}")
    assert not hits, "\n".join(hits)


def test_layers():
    """Who may include whom: base < config < s3 < cache < assets < object < volume < broker; the shim sees base alone."""
    order = ["base", "config", "s3", "cache", "assets", "object", "volume", "broker"]
    bad = []
    for f in tracked("core/*.c", "core/*.h", "shim/*.c", "shim/*.h"):
        parts = f.split("/")
        rank = order.index(parts[1]) if parts[0] == "core" else 0
        for included in re.findall(r'#include "(\w+)/', (TOP / f).read_text()):
            if included in order and order.index(included) > rank:
                bad.append(f"{f} includes {included}/")
    assert not bad, bad


def test_scripts():
    for f in tracked("*.sh", ".ci/run"):
        subprocess.run(["bash", "-n", f], cwd=TOP, check=True)
        assert os.access(TOP / f, os.X_OK), f"{f} is not executable"
