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


def test_sentences_of_operations_are_the_programs():
    """What its tables quote between backticks is in the source, but for what … stands for."""
    source = ""
    files = subprocess.run(["git", "ls-files", "core", "tools"], cwd=TOP, capture_output=True, text=True).stdout
    for f in files.split():
        if f.endswith((".c", ".h", ".def")):
            source += re.sub(r'"\s*PRI\w+\s*"', "u", (TOP / f).read_text())
    source = re.sub(r'"\s*"', "", source)
    page = (TOP / "docs/OPERATIONS.md").read_text().split("## Troubleshooting")[1]
    quoted = [q for cell in re.findall(r"^\| (.*?) \| ", page, re.M) for q in re.findall(r"`([^`]+)`", cell)]
    assert len(quoted) > 30
    parts = [part.strip(" ';:") for q in quoted if not q.startswith(("ls ", "echo ", "s3ctl ")) for part in q.split("…")]
    missing = [part for part in parts if len(part) > 5 and part not in source]
    assert not missing, missing
