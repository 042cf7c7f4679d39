"""The same experiment on several implementations of its parts, side by side.

`command` is ``conceptlab compare``. It trains an experiment once a variant, through the same Trainer, with the same
seed, first weights, batches, masks and augmentation; once more as a `yardstick`, which shows what a rounding does to
it; and measures the variants' models in turns (`measure`). All that is left in run folders. What follows only reads
them (`runs`), so that any sweep becomes a report: it judges whether they are the same (`differences`), and writes
``report.json`` (`report`) and the page (`page`).
"""
