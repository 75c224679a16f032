import pytest

from tests.support.requirements import require


def test_a_peer_that_is_installed_is_used(monkeypatch):
    monkeypatch.setenv("CI", "true")
    require("something", found=True)


def test_a_missing_peer_is_skipped_by_name(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="something"):
        require("something", found=False)


def test_a_missing_peer_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="something"):
        require("something", found=False)
