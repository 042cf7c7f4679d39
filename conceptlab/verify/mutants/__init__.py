"""Are the checks right? Each file of a tier is changed, one line at a time, and a check has to notice.

``python -m conceptlab.verify.mutants softmax`` says of each change whether it was killed, survived, is equivalent, or
not viable. What survives is a missing check, a missing sample, or equivalent: then `equivalent.toml` says why.
``--json FILE`` keeps each verdict as it comes, and ``--resume`` goes on from there.

(mutmut and cosmic-ray write the changed files to disk and start a test run for each; importing torch alone takes three
seconds. Here a process that has torch, the samples and everything else is forked for each mutant.)
"""

from conceptlab.verify.mutants.edits import Mutant, mutants_of
from conceptlab.verify.mutants.reviewed import Reviewed
from conceptlab.verify.mutants.running import Baseline, Verdict, baseline, baselines, run
from conceptlab.verify.mutants.subjects import TierFile, tier_files

__all__ = [
    "Baseline",
    "Mutant",
    "Reviewed",
    "TierFile",
    "Verdict",
    "baseline",
    "baselines",
    "mutants_of",
    "run",
    "tier_files",
]
