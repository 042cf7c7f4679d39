"""The command ``conceptlab``. Nothing here imports torch or Lightning before the command that needs them is known."""

import argparse
import atexit
import difflib
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conceptlab import __version__
from conceptlab.importing import importing

if TYPE_CHECKING:
    from conceptlab.core.registry import Registry

EXAMPLES = """\
examples:
  conceptlab compare experiment=digits_cnn                      the same on torch's parts and on handmade ones
  conceptlab train experiment=digits_mlp parts=handmade parts.relu=naive
  conceptlab train -m experiment=digits_mlp parts=builtin,handmade seed=1,2,3
  conceptlab train experiment=digits_mlp ckpt_path=last         go on after Ctrl-C
  conceptlab test ckpt_path=outputs/…/checkpoints/best.ckpt parts=naive
  conceptlab bisect experiment=digits_cnn a=builtin b=handmade  the first layer that differs
  conceptlab show convolution
  conceptlab verify mypkg:MyNorm --like BatchNorm2d             is it right? what is wrong, and where
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and not argv[0].startswith("-") and argv[0] not in COMMANDS:
        near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(COMMANDS)}."
        return _fail(f"expected a command, received {argv[0]!r}. {remedy}", code=2)
    atexit.register(gc.freeze)  # what dies with the process need not be searched for garbage first, for 0.8 s
    try:
        if not argv or argv[0] not in COMMANDS:
            return _help(argv)
        return COMMANDS[argv[0]](argv[1:]) or 0
    except KeyboardInterrupt:
        return _fail("interrupted", code=130)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone
        return 1
    except Exception as error:
        if _is_mistake(error):
            return _fail(str(error))
        raise


def _help(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="conceptlab",
        description="The ideas of a deep-learning course by hand, beside PyTorch's own, in real experiments.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"conceptlab {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0], add_help=False)
    parser.parse_args(argv)
    parser.print_help()
    return 0


def train(argv: Sequence[str]) -> int | None:
    """Train an experiment; -m sweeps over values separated by commas."""
    parser = _parser(
        "train",
        "Train one experiment, or with -m one for each combination of values.",
        epilog="Settings are Hydra's: key=value, group=choice. They also take --cfg job (show, do not run).",
    )
    parser.add_argument("-m", "--multirun", action="store_true", help="run every combination of a=1,2 b=3,4")
    parser.add_argument("--cfg", choices=["job", "hydra", "all"], help="show the configuration and do not run")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="experiment=…, parts=…, seed=…, optimizer.lr=…"
    )
    arguments = parser.parse_args(argv)

    with importing():
        from conceptlab.launch import launch

    return launch(arguments.overrides, multirun=arguments.multirun, show=arguments.cfg)


def test(argv: Sequence[str]) -> None:
    """Test a checkpoint, on any parts: ckpt_path=… parts=…."""
    parser = _parser("test", "Test a checkpoint; what is not given is as it was when it was trained.")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="ckpt_path=FILE, parts=…, trainer=…")
    arguments = parser.parse_args(argv)

    from conceptlab.launch import test_checkpoint

    for name, value in test_checkpoint(arguments.overrides).items():
        print(f"{name} {value:.6g}")


def compare(argv: Sequence[str]) -> int | None:
    """Run an experiment once for each variant, and write a report."""
    with importing():
        from conceptlab.compare.command import main

    return main(list(argv))


def list_parts(argv: Sequence[str]) -> None:
    """List the concepts, their parts and tiers."""
    _parser("list", "List the concepts, their parts, and the tiers that each part has.").parse_args(argv)

    registry = _registry()
    for name, concept in sorted(registry.concepts.items()):
        print(f"{name}: {concept.title}")
        tiers: dict[str, list[str]] = {}
        for part in registry.parts.values():
            if part.concept == name:
                tiers.setdefault(", ".join(sorted(part.tiers)), []).append(part.name)
        for available, parts in tiers.items():
            print(f"  {' '.join(parts)}  [{available}]")


def show(argv: Sequence[str]) -> None:
    """Show the page of a concept, or of the concept that has a part."""
    parser = _parser("show", "Show a concept's page, and where its files are.")
    parser.add_argument("name", metavar="CONCEPT", help="a concept or a part")
    name = parser.parse_args(argv).name

    registry = _registry()
    from conceptlab.configuration.mistake import Mistake
    from conceptlab.core import did_you_mean, message

    concept = registry.parts[name].concept if name in registry.parts else name
    if concept not in registry.concepts:
        known = [*registry.concepts, *registry.parts]
        raise Mistake(
            message("show", expected="a concept or part", received=repr(name), remedy=did_you_mean(name, known))
        )
    page = registry.package(concept)
    print((page.__doc__ or "").strip())
    parts = [part for part in registry.parts.values() if part.concept == concept]
    print("\nparts:", *(part.name for part in parts))
    print("files:")
    for path in sorted(Path(page.__path__[0]).rglob("*.py")):
        print(f"  {path}")


def audit(argv: Sequence[str]) -> None:
    """Show which operations the parts of a network are made of."""
    parser = _parser("audit", "Swap a network's parts and show the operations that they ran.")
    parser.add_argument("network", metavar="MODEL", help="one of torchvision's models, or an experiment")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="parts=… and other settings")
    arguments = parser.parse_args(argv)

    from conceptlab.launch import audit_network

    print(audit_network(arguments.network, arguments.overrides))


def bisect(argv: Sequence[str]) -> int:
    """Find the first module in which an experiment parts on two settings of its parts."""
    parser = _parser(
        "bisect",
        "Run an experiment's model on one batch, forward and backward, on parts a and on parts b, and name the first "
        "module in which they differ. Exit status: 0 if they agree, 1 if they part, 2 for a setting that cannot be "
        "used.",
        epilog="a and b are settings of parts, builtin and handmade if they are not given: a=builtin b=naive, "
        "b.convolution=naive, b.BatchNorm2d=mypkg:MyNorm, 'b={default: builtin, relu: naive}'.",
    )
    parser.add_argument(
        "--dtype",
        choices=["float64", "float32", "bfloat16", "float16"],
        default="float64",
        help="float64, the default, has the sharpest bound; else the error ratio decides",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="experiment=…, a=…, b=…, and other settings")
    arguments = parser.parse_args(argv)

    from conceptlab.compare.bisect import bisect_experiment
    from conceptlab.configuration.mistake import Mistake

    try:
        found = bisect_experiment(arguments.overrides, arguments.dtype)
    except Mistake as mistake:
        return _fail(str(mistake), code=2)
    print(found)
    return 0 if found.agree else 1


def bench(argv: Sequence[str]) -> int | None:
    """Measure the speed of parts against torch's."""
    from conceptlab.bench.command import main

    return main(list(argv))


def verify(argv: Sequence[str]) -> int | None:
    """Check concepts, or a layer of your own, against torch's own."""
    from conceptlab.verify.command import main

    return main(list(argv))


COMMANDS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "train": train,
    "test": test,
    "compare": compare,
    "list": list_parts,
    "show": show,
    "audit": audit,
    "verify": verify,
    "bisect": bisect,
    "bench": bench,
}


def _registry() -> "Registry":
    with importing():
        from conceptlab.core import registry

        registry.load()
    return registry


def _parser(name: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"conceptlab {name}", description=description, epilog=epilog)


def _is_mistake(error: Exception) -> bool:
    from conceptlab.configuration.mistake import Mistake

    return isinstance(error, Mistake)


def _fail(words: str, code: int = 1) -> int:
    print(f"conceptlab: {words}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
