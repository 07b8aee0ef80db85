"""What the documents say of the tree is so."""
import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def test_architecture_names_every_source():
    listed = set()
    text = (TOP / "docs/ARCHITECTURE.md").read_text().split("## A line per file")[1]
    for row in re.findall(r"^\| ([^|]+) \|", text, re.M):
        listed |= {name.split(".")[0] for name in row.split()}
    files = subprocess.run(["git", "ls-files", "shim", "core", "tools"], cwd=TOP, capture_output=True, text=True).stdout
    stems = {Path(f).stem for f in files.split() if f.endswith((".c", ".h", ".S"))}
    assert stems - listed == set()


def test_generated_parts_are_what_the_tables_say():
    build = os.environ.get("S3SHIM_BUILD", "build/ci")
    r = subprocess.run([TOP / "docs/generate.py", "--check", build], cwd=TOP, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr


def test_links_lead_somewhere():
    for page in [TOP / "README.md", *(TOP / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_compatibility_has_every_scenario():
    page = (TOP / "docs/COMPATIBILITY.md").read_text()
    rows = set(re.findall(r"^\| ([\w-]+) \|", page, re.M)) - {"scenario"}
    scenarios = {p.stem for p in (TOP / "tests/e2e/programs").iterdir() if p.suffix in (".sh", ".py")}
    assert rows == scenarios, "tests/run.sh programs writes it"
