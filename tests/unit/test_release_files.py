"""What every release wrote, a profile, a pane and a store, is read by this program."""

import base64

import pytest
from support.aggregator_rig import Clock, in_loop, running
from support.release_files import FIRST_PANE, PANE, PROFILE, RELEASES, live, reference
from support.store_fixture import DATA

from tidegauge import Counts, Profile
from tidegauge.protocol.names import pane_path
from tidegauge.protocol.pane import Pane


def profile_of(release: str) -> Profile:
    return Profile.load(DATA / release / PROFILE)


def pane_of(release: str) -> Pane:
    return Pane.from_bytes(base64.decodebytes((DATA / release / PANE).read_bytes()))


def test_a_release_has_left_files():
    assert "0.2.0" in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_a_profile_of_a_release_keeps_its_hash_and_counts_its_own_rows(release):
    profile = profile_of(release)
    assert pane_of(release).profile == profile.hash
    assert Profile.from_bytes(profile.to_bytes()).hash == profile.hash
    rows = reference().drop(columns="time").rename(columns={"price": "prediction"})
    results = profile.count(rows).ks()
    assert {name: result.statistic for name, result in results.items()} == dict.fromkeys(results, 0.0)


@pytest.mark.parametrize("release", RELEASES)
def test_a_pane_of_a_release_holds_the_counts_that_this_program_makes(release):
    pane, profile, rows = pane_of(release), profile_of(release), live()
    then, now = Counts.from_bytes(pane.counts, profile), profile.count(rows)
    assert pane.rows == then.rows == len(rows)
    assert then.to_bytes() == now.to_bytes()


@pytest.mark.parametrize("release", RELEASES)
@in_loop
async def test_an_aggregator_takes_the_pane_of_a_sidecar_of_a_release(tmp_path, release):
    pane, profile = pane_of(release), profile_of(release)
    clock = Clock(FIRST_PANE)
    clock.after(FIRST_PANE)
    async with running(tmp_path, clock) as rig:
        assert (await rig.put_profile(profile, pane.model)).status_code in (200, 201)
        path = pane_path(pane.model, pane.profile, pane.pane, pane.instance)
        assert (await rig.client.put(path, content=pane.to_bytes())).status_code == 201
        await rig.evaluate(FIRST_PANE)
        report = await rig.report()
        assert report["coverage"]["rows_counted"] == pane.rows
        assert report["coverage"]["rows_lost"] == 2
