"""The page ``docs/benchmarks.md``, from the figures of a run."""

from typing import Any

import jinja2

from conceptlab.bench.measure import Row, geometric_mean, number
from conceptlab.core import registry

_TEMPLATE = """\
# Benchmarks

Made by `conceptlab bench {% for name in networks %}--network {{ name }} {% endfor %}--markdown docs/benchmarks.md`;
`--compiled` fills the column of that name.

Time and memory of the tier `{{ conditions.tier }}` as multiples of torch's own, or, of what torch lacks, of the
definition's: below 1 is better. Forward and backward
in {{ conditions.dtype }}, eager, torch {{ conditions.torch }}, Python {{ conditions.python }}, {{ conditions.device }},
{{ conditions.threads }} thread{{ "s" if conditions.threads != 1 }}. The two take turns (A B A B), the clock is the
thread's own, and a ratio is one of medians. A part that fails its checks is not measured.

**Geometric mean over {{ parts | length }} parts: {{ "%.2f" | format(geometric_mean) }}.**
{% if networks %}
| training step | ratio | ms | torch's own, ms |
|---|---|---|---|
{% for name, network in networks.items() -%}
| {{ name }} | {{ "%.2f" | format(network.ratio) }} | {{ "%.1f" | format(network.seconds[0] * 1e3) }} |\
 {{ "%.1f" | format(network.seconds[1] * 1e3) }} |
{% endfor %}{% endif %}
{% for concept, rows in concepts.items() %}
## {{ concept }}: {{ "%.2f" | format(mean(rows)) }}

| part | network | input | forward | with backward | compiled | memory | saved |
|---|---|---|---|---|---|---|---|
{% for row in rows -%}
| `{{ row.part }}` | {{ row.network }} | {{ row.shapes }} | {{ number(row.forward) }} | {{ number(row.both) }} |\
 {{ number(row.compiled) }} | {{ number(row.memory) }} | {{ number(row.saved) }} |
{% endfor %}{% endfor -%}
{% if failures %}
## Not measured

{% for part, failure in failures.items() -%}
- `{{ part }}`: {{ failure }}
{% endfor %}{% endif -%}
"""


def page(record: dict[str, Any]) -> str:
    """The page's text."""
    rows = [Row(**row) for row in record["rows"]]
    concepts: dict[str, list[Row]] = {}
    for row in rows:
        concepts.setdefault(registry.parts[row.part].concept, []).append(row)

    def mean(some: list[Row]) -> float:
        return geometric_mean(row.ratio for row in some)

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_TEMPLATE).render(**record | {"concepts": concepts}, mean=mean, number=number)
