# SPDX-License-Identifier: MIT
"""The agent of another platform, against a relay of this machine's build (TAUPE_BUILD). It shares
the harness of tests/e2e.

TAUPE_AGENT         the command that starts the agent, as "qemu-mips-static …/taupe-agent"
TAUPE_AGENT_MEMORY  the file that takes what it has resident when it is connected and idle
TAUPE_AGENT_SIGNALS "no": the emulator does not bear a signal, and the agent is ended from outside
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.process import Group  # noqa: E402  pylint: disable=wrong-import-position


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of its programs' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            group = getattr(value, "group", value)
            if isinstance(group, Group):
                report.sections.append((f"logs in {group.folder}", group.logs()))


@pytest.fixture
def group(tmp_path):
    """The programs of one test."""
    group = Group(tmp_path)
    yield group
    group.close()
