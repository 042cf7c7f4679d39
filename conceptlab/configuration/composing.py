"""From the files in ``conf/`` and what was typed to one configuration, with errors that say what was meant."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import did_you_mean, message, registry

PRIMARY = "train"
"""The configuration that all others are chosen from."""


def folder() -> Path:
    """The folder of the configuration: the one inside the package, else the repository's."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str) -> list[str]:
    """What can be chosen of a group: ``options("optimizer")`` are adam, adamw, sgd."""
    if group == "parts":
        return sorted(registry.tiers)
    return sorted(path.stem for path in (folder() / group).glob("*.yaml"))


def groups() -> list[str]:
    """The groups of the configuration."""
    return sorted(["parts", *(path.name for path in folder().iterdir() if path.is_dir())])


def register_parts() -> None:
    """Tell Hydra of the group ``parts``: a preset for each tier, to which any key can be added."""
    store = ConfigStore.instance()
    for tier in registry.tiers:
        # Hydra need not know the hundreds of keys that there are: `Parts` does, and says so of what is none
        store.store(group="parts", name=tier, node=OmegaConf.create({"default": tier}, flags={"struct": False}))


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that ``conceptlab train`` would run with these overrides, checked.

    >>> compose(["experiment=digits_mlp", "parts=naive"]).parts.default
    'naive'

    Raises:
        Mistake: an override that cannot be understood, or a configuration that cannot be run.
    """
    from conceptlab.configuration.validation import validate

    cfg = compose_unchecked(overrides)
    validate(cfg)
    return cfg


def compose_unchecked(overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """The configuration as Hydra composes it; ``with_hydra`` leaves in it what Hydra says of itself."""
    register_parts()
    try:
        with hydra.initialize_config_dir(str(folder()), version_base="1.3"):
            return hydra.compose(PRIMARY, list(overrides), return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise Mistake(_in_words(error, overrides)) from error


def parse(overrides: Sequence[str]) -> list[Override]:
    """What was typed, taken apart."""
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise Mistake(_in_words(error, overrides)) from error


def plain(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as plain dicts and lists, interpolations resolved, without the parts that are null."""
    config = cfg if isinstance(cfg, DictConfig) else OmegaConf.create(dict(cfg))
    try:
        container: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise Mistake(
            message(
                "configuration",
                expected="references that lead somewhere",
                received=str(error).splitlines()[0],
                remedy="Correct the ${…}; a model, for instance, has to go with its data.",
            )
        ) from error
    if isinstance(container.get("parts"), Mapping):
        container["parts"] = {key: value for key, value in container["parts"].items() if value is not None}
    return container


def _in_words(error: Exception, overrides: Sequence[str]) -> str:
    if isinstance(error, OverrideParseException):
        return _unparsable(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return message(
            f"{group}={name}",
            expected=f"one of {group}",
            received=repr(name),
            remedy=did_you_mean(name, options(group)),
        )
    unknown = _unknown_key(overrides) if isinstance(error, ConfigCompositionException) else None
    if unknown:
        return unknown
    words = " ".join(str(cause).splitlines()[0] for cause in (error, error.__cause__) if cause)
    return f"configuration: {words} Typed: {' '.join(overrides)}"


def _unparsable(error: OverrideParseException) -> str:
    typed = error.override
    known = {choice: f"{group}={choice}" for group in groups() for choice in options(group)}
    remedy = f"Did you mean {known[typed]}?" if typed in known else "For instance optimizer.lr=0.01."
    return message("override", expected="key=value", received=repr(typed), remedy=remedy)


def _unknown_key(overrides: Sequence[str]) -> str | None:
    """Words for the first override whose key is not there; without the values, every other one can be composed."""
    parsed = parse(overrides)
    chosen = [str(o.input_line) for o in parsed if o.key_or_group in groups() and not o.is_delete()]
    base = compose_unchecked(chosen)
    for override in parsed:
        key = override.key_or_group
        if override.is_add() or override.package or key in groups() or key.split(".")[0] == "hydra":
            continue
        where, _, name = key.rpartition(".")
        while where and not OmegaConf.is_dict(OmegaConf.select(base, where)):
            where, _, name = where.rpartition(".")
        siblings = OmegaConf.select(base, where) if where else base
        if name not in siblings:
            known = [str(k) for k in siblings] if where else [*siblings, *groups()]
            remedy = did_you_mean(name, known)
            return message(key, expected=f"a key of {where or 'the configuration'}", received=repr(name), remedy=remedy)
    return None
