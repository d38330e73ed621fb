"""A few attacks of each kind on a running system, as a test of the script; all attacks together take half an hour.

Waiting times are not judged here, since that needs a machine that does nothing else.
"""

import pytest

from security.attacks import ATTACKS, MAX_GROWTH_MB, assault

QUICK = ("line-separators", "deep-json", "huge-vp8", "huge-h264", "webp-bomb", "rebound-host", "nan-timings")


@pytest.fixture(scope="module")
def rows():
    chosen = [attack for attack in ATTACKS if attack.name in QUICK]
    found = assault(chosen, patience_s=60.0, on_row=lambda row: None, calm_s=1.0, after_s=1.0)
    return {row.attack: row for row in found}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUICK)
def test_an_attack_reaches_nothing_and_looks_go_on(rows, name):
    row = rows[name]

    assert not row.reached
    assert row.felt.looks > 0
    assert row.cost.grew_mb <= MAX_GROWTH_MB and row.cost.traces == 0


def test_every_attack_says_what_it_is_and_has_a_name_of_its_own():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.doc for attack in ATTACKS)
