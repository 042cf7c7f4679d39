"""Writes the table of parts in the README, from the registry: ``python -m conceptlab.catalog``, in a checkout."""

from pathlib import Path

from conceptlab.core import registry

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- parts: written by `python -m conceptlab.catalog` -->\n", "<!-- end of parts -->\n"


def table() -> str:
    """A row for each concept of this package; a second one where some of its parts have other tiers."""
    rows: dict[tuple[str, str], list[str]] = {}
    for part in registry.parts.values():
        package = registry.package(part.concept).__name__
        if package == f"conceptlab.concepts.{part.concept}":
            tiers = ", ".join(sorted(part.tiers))
            concept = f"[{part.concept}]({package.replace('.', '/')})"
            rows.setdefault((concept, tiers), []).append(f"`{part.name}`")
    lines = [f"| {concept} | {' '.join(parts)} | {tiers} |\n" for (concept, tiers), parts in sorted(rows.items())]
    return "".join(["| concept | parts | tiers |\n|---|---|---|\n", *lines])


def with_table(readme: str) -> str:
    """The text of the README with the table between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
