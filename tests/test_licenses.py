"""One vocabulary of licences, whatever a source calls them."""

import pytest

from carharvest.errors import BadSettings
from carharvest.licenses import LICENSES, allowed_licenses, license_id, license_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("by", "by"),
        ("BY-SA", "by-sa"),
        ("cc-by-sa-4.0", "by-sa"),
        ("CC BY-SA 3.0 de", "by-sa"),
        ("CC-BY-SA-3.0,2.5,2.0,1.0", "by-sa"),
        ("CC BY-NC-ND 2.0", "by-nc-nd"),
        ("cc_by_nc", "by-nc"),
        ("https://creativecommons.org/licenses/by-nc-sa/2.0/", "by-nc-sa"),
        ("http://creativecommons.org/licenses/by/4.0/deed.en", "by"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "pdm"),
        ("Creative Commons Attribution-Share Alike 4.0", "by-sa"),
        ("Attribution-NonCommercial-NoDerivs License", "by-nc-nd"),
        ("Attribution License", "by"),
        ("CC0", "cc0"),
        ("cc-zero", "cc0"),
        ("CC0 1.0", "cc0"),
        ("Public domain", "pdm"),
        ("PD-self", "pdm"),
        ("pd", "pdm"),
        ("GFDL", "gfdl"),
        ("Pexels License", "pexels"),
        ("All Rights Reserved", "all-rights-reserved"),
        ("© 2020 A. Nobody", "all-rights-reserved"),
        ("No known copyright restrictions", "no-known-copyright"),
        ("United States Government Work", "us-gov"),
        ("by-nd-sa", ""),
        ("", ""),
        ("free to use by anyone", ""),
        ("ask the author", ""),
        ("cc-byzantine", ""),
    ],
)
def test_a_licence_is_known_in_any_spelling(text: str, expected: str) -> None:
    assert license_id(text) == expected


def test_the_surest_text_counts_first() -> None:
    assert license_id("", "nobody knows", "CC BY 2.0", "CC0") == "by"


def test_a_licence_s_address_has_the_version_that_was_named() -> None:
    assert license_url("by-sa", "CC BY-SA 3.0") == "https://creativecommons.org/licenses/by-sa/3.0/"
    assert license_url("by-sa") == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert license_url("cc0", "CC0 1.0") == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert license_url("") == ""


def test_every_id_names_itself() -> None:
    for id_, license_ in LICENSES.items():
        assert license_id(id_) == license_id(license_.name) == id_
        assert not license_.url or license_id(license_.url) == id_


def test_a_filter_takes_any_spelling_and_refuses_what_is_no_licence() -> None:
    assert allowed_licenses(["cc0", "CC BY 4.0", "pexels", "unknown"]) == {"cc0", "by", "pexels", ""}
    with pytest.raises(BadSettings):
        allowed_licenses(["free"])
