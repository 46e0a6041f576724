"""What a failure in Slicer ends a script with: what the command line ends with for the same error."""

from __future__ import annotations

import pytest

from GTVAutoSegLib import errors

KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.GTVAutoSegError)]


@pytest.mark.parametrize("error", [one for one in KINDS if one is not errors.ExportError])
def test_an_error_that_the_worker_tells_of_ends_a_script_as_it_ends_the_command(logic, error):
    from GTVAutoSegSlicer.failures import Failure

    assert Failure(error.kind, "no").exit_code == Failure.of(error("no")).exit_code == error.exit_code


@pytest.mark.parametrize("kind", ["segment", "no-dicom", "export"])
def test_so_does_an_export_that_gave_no_file(logic, kind):
    from GTVAutoSegSlicer.failures import Failure

    error = errors.ExportError(kind, "no")
    assert Failure(kind, "no").exit_code == Failure.of(error).exit_code == error.exit_code


def test_a_card_of_its_own_leaves_an_unsuitable_input_what_it_is(logic):
    from GTVAutoSegSlicer.failures import Failure

    failure = Failure.of(errors.InputError("no"), "box")
    assert (failure.code, failure.exit_code) == ("box", 2) and Failure.of(failure) is failure
    assert (Failure.of(failure, "collect").code, Failure("transform", "no").exit_code) == ("collect", 2)
