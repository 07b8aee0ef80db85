"""docs/COMPATIBILITY.md, from the results of the matrix."""
from pathlib import Path

HEAD = """# Compatibility

Real programs, each run natively and on a mount with equal standard output, exit status and resulting tree (names, types,
sizes, hashes, modes, symlinks); on S3 the objects are compared too, by boto3. Scenarios are in `tests/e2e/programs`, one
small file each. This page is generated: `tests/run.sh programs` runs them all and writes it.

"""


def cell(result):
    return result.split(":")[0]


def notes(scenario, volumes, results):
    found = [f"{'both' if v == 'all' else v}: {reason}" for v, reason in scenario.fails.items()]
    found += [r for r in {results.get((scenario.name, v), "") for v in volumes} if r.startswith("not run: ")]
    failing = [v for v in volumes if results.get((scenario.name, v)) == "fails" and not scenario.fails]
    return "; ".join(found + [f"{v}: not understood yet" for v in failing])


def write(page, scenarios, volumes, results):
    results = {(s.name, v): results.get((s.name, v), "not run: not tried") for s in scenarios for v in volumes}
    passed = sum(all(results[s.name, v] == "passes" for v in volumes) for s in scenarios)
    rows = [HEAD, f"{passed} of {len(scenarios)} scenarios pass on both volumes.\n\n",
            "| scenario | what it does | programs | File volume | S3 | notes |\n|---|---|---|---|---|---|\n"]
    for s in scenarios:
        cells = [s.name, s.what, ", ".join(s.versions() + s.pip + s.built) or "Debian's base",
                 *(cell(results[s.name, v]) for v in volumes), notes(s, volumes, results)]
        rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n")
    Path(page).write_text("".join(rows))
