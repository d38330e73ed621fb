"""A registry's past, for going back: which model is each version, which was it made from, and which were given up?

A model is a set of weights. A rollback makes a new version of an old model.
"""

from collections.abc import Mapping

ROLLBACK = "version "
SHIPPED = "shipped"


def models(origins: Mapping[int, str]) -> dict[int, int]:
    """For each version, its model, which is named by the first version with the same weights."""
    found: dict[int, int] = {}
    for version in sorted(origins):
        source = rolled_back_to(origins[version])
        found[version] = version if source is None else found.get(source, source)
    return found


def before(origins: Mapping[int, str]) -> int | None:
    """The version to go back to from the newest one; None if there is none.

    It is the newest version of the model that the newest one was made from. If that model was given up by an earlier
    rollback, it is the one that that was made from, and so on. `origins` holds `Record.origin` of all kept versions.
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
    """The model that was the newest when this one was made; None for a shipped model."""
    return None if origins.get(model, SHIPPED) == SHIPPED else model_of.get(model - 1)


def _given_up(origins: Mapping[int, str], model_of: Mapping[int, int]) -> set[int]:
    """The models that were rolled back from, and that no later rollback returned to."""
    found: set[int] = set()
    for version in sorted(origins):
        if rolled_back_to(origins[version]) is not None and version - 1 in model_of:
            found.add(model_of[version - 1])
            found.discard(model_of[version])
    return found


def rolled_back_to(origin: str) -> int | None:
    """The version that a rollback restored; None for any other origin."""
    number = origin.removeprefix(ROLLBACK)
    return int(number) if origin.startswith(ROLLBACK) and number.isdecimal() else None
