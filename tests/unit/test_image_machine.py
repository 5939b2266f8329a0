"""Where images cannot be built, the tier is told so instead of failing."""

import pytest
from support.controlplane.unavailable import Unavailable
from support.images import check_machine


def test_an_image_of_another_architecture_is_reported_and_not_run() -> None:
    with pytest.raises(
        Unavailable, match="images are built for x86_64 only here, and this machine is aarch64"
    ):
        check_machine("aarch64")


def test_an_image_of_the_machines_own_architecture_builds() -> None:
    check_machine("x86_64")
