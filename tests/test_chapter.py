"""The chapter on rules runs: its code blocks, in order, in one namespace, show what the text says they show."""

import doctest
import re
from pathlib import Path

CHAPTER = Path(__file__).parents[1] / "docs" / "writing_a_rule.md"


def test_chapter():
    text = CHAPTER.read_text(encoding="utf-8")
    # everything outside of the blocks is blanked out, so that line numbers in a failure are the chapter's
    blocks = re.split(r"^```(?:python)?$", text, flags=re.MULTILINE)
    code = "".join(block if i % 2 else re.sub(r"[^\n]", "", block) for i, block in enumerate(blocks))
    chapter = doctest.DocTestParser().get_doctest(code, {}, CHAPTER.name, str(CHAPTER), 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.FAIL_FAST)
    runner.run(chapter, out=report.append)
    assert not runner.failures, "".join(report)
    assert runner.tries > 30, "the chapter's blocks were not found"
