"""The libraries inside every page are the ones that were published."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from wattleak.reports import assets

VENDOR = files("wattleak.reports") / "vendor"


def test_vendored_files_are_what_npm_published():
    entries = assets.vendored_files()

    assert [entry["file"] for entry in entries] == ["vega.min.js", "vega-lite.min.js", "vega-embed.min.js"]
    for entry in entries:
        content = (VENDOR / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert len(content) == entry["bytes"]


def test_no_script_is_vendored_without_a_record():
    listed = {entry["file"] for entry in assets.vendored_files()}

    assert {path.name for path in VENDOR.iterdir() if path.name.endswith(".js")} == listed


def test_licences_of_all_packages_are_passed_on():
    notice = assets.licence_notice()

    for entry in assets.vendored_files():
        for package, version in {entry["package"]: entry["version"], **entry["contains"]}.items():
            assert f"{package} {version}" in notice


def test_scripts_can_stand_inside_a_page():
    for script in (*assets.libraries(), assets.template("fold.js"), assets.template("charts.js")):
        assert "</script" not in script.lower()
        assert "<!--" not in script
        assert "sourceMappingURL" not in script
