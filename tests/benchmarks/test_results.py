"""benchmarks.results: a run replaces what it has measured and nothing else."""

from pathlib import Path

from benchmarks.results import BEGIN, END, keep, table


def _verdicts(**figures: str) -> str:
    return table(("target", "measured"), list(figures.items()))


def test_the_first_run_makes_the_file(tmp_path: Path):
    path = tmp_path / "RESULTS.md"
    keep(path, "A machine.", _verdicts(rate="1"), {"Rates": "fast"})
    assert path.read_text() == (
        f"# Benchmarks\n\n{BEGIN}\n\nA machine.\n\n"
        "## Targets\n\n| target | measured |\n| --- | ---: |\n| rate | 1 |\n\n"
        f"## Rates\n\nfast\n\n{END}\n"
    )


def test_a_later_run_of_one_part_leaves_the_others(tmp_path: Path):
    path = tmp_path / "RESULTS.md"
    keep(path, "Old.", _verdicts(rate="1", size="7"), {"Rates": "### A\n\nslow", "Sizes": "small"})
    path.write_text(path.read_text() + "\nWritten by hand.\n")
    keep(path, "New.", _verdicts(rate="2", start="3"), {"Rates": "### A\n\nfast"})
    assert path.read_text() == (
        f"# Benchmarks\n\n{BEGIN}\n\nNew.\n\n"
        "## Targets\n\n| target | measured |\n| --- | ---: |\n"
        "| rate | 2 |\n| size | 7 |\n| start | 3 |\n\n"
        f"## Rates\n\n### A\n\nfast\n\n## Sizes\n\nsmall\n\n{END}\n\nWritten by hand.\n"
    )


def test_a_run_without_targets_keeps_them(tmp_path: Path):
    path = tmp_path / "RESULTS.md"
    keep(path, "Old.", _verdicts(rate="1"), {"Rates": "slow"})
    keep(path, "New.", "", {"Ceiling": "high"})
    assert "| rate | 1 |" in path.read_text()
    assert "## Rates\n\nslow\n\n## Ceiling\n\nhigh\n" in path.read_text()
