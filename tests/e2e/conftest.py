# SPDX-License-Identifier: MIT
"""Fixtures of all end-to-end tests. TAUPE_BUILD names the build folder (default: build),
TAUPE_AGENT_BUILD another one for the agent alone."""
import pathlib
import shutil
import tempfile

import pytest

from harness.process import Group, binary


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes, or many agents; run by --long")
    config.addinivalue_line("markers", "alone: measures, takes much of the machine, or installs: no "
                            "other test is to run beside it")


def pytest_collection_modifyitems(config, items):
    """Without --long the long tests are not there: no skip that somebody gets used to."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_sessionstart(session):
    if not session.config.option.collectonly:
        for name in ("taupe-relay", "taupe-agent", "taupe-router"):
            if not pathlib.Path(binary(name)).exists():
                pytest.exit(f"no {binary(name)}: build first, or set TAUPE_BUILD", 4)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of its programs' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for group in {id(g): g for g in find_groups(item)}.values():
            report.sections.append((f"logs in {group.folder}", group.logs()))


def find_groups(item):
    for value in getattr(item, "funcargs", {}).values():
        group = getattr(value, "group", value)
        if isinstance(group, Group):
            yield group


def closing(folder):
    group = Group(folder)
    yield group
    group.close()


@pytest.fixture
def group(tmp_path):
    """The programs of one test."""
    yield from closing(tmp_path)


@pytest.fixture
def open_group():
    """The same in a folder that every user may enter and write to; pytest's own are its user's."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="taupe-e2e-", dir="/var/tmp"))
    folder.chmod(0o777)
    try:
        yield from closing(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def module_group(tmp_path_factory, request):
    """The programs of one file of tests."""
    yield from closing(tmp_path_factory.mktemp(request.module.__name__))
