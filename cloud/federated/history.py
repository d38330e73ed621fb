"""A registry's past: which model each version is, which one it was made from, and which models were given up."""

from collections.abc import Mapping

ROLLBACK = "version "
SHIPPED = "shipped"


def models(origins: Mapping[int, str]) -> dict[int, int]:
    """For each version the first version with the same weights: a rollback makes no new model."""
    found: dict[int, int] = {}
    for version in sorted(origins):
        source = rolled_back_to(origins[version])
        found[version] = version if source is None else found.get(source, source)
    return found


def before(origins: Mapping[int, str]) -> int | None:
    """The newest version of the model to go back to from the newest one; None where there is none.

    That is the model that it came of; or the one before that, and so on, where somebody has gone back from it already.
    `origins` are those of all versions that are kept.
    """
    model_of = models(origins)
    given_up = _given_up(origins, model_of)
    model = _parent(model_of[max(origins)], origins, model_of)
    while model is not None:
        if model not in given_up:
            return max(version for version, of in model_of.items() if of == model)
        model = _parent(model, origins, model_of)
    return None


def _parent(model: int, origins: Mapping[int, str], model_of: Mapping[int, int]) -> int | None:
    """The model that was the newest when this one was made; none for the one that a package ships."""
    return None if origins.get(model, SHIPPED) == SHIPPED else model_of.get(model - 1)


def _given_up(origins: Mapping[int, str], model_of: Mapping[int, int]) -> set[int]:
    """Models that were rolled back, and that nobody has returned to by name since."""
    found: set[int] = set()
    for version in sorted(origins):
        if rolled_back_to(origins[version]) is not None and version - 1 in model_of:
            found.add(model_of[version - 1])
            found.discard(model_of[version])
    return found


def rolled_back_to(origin: str) -> int | None:
    number = origin.removeprefix(ROLLBACK)
    return int(number) if origin.startswith(ROLLBACK) and number.isdecimal() else None
