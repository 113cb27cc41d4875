# SPDX-License-Identifier: MIT
"""HAProxy with the repository's own configuration, and the router that fills its maps."""
from . import ports
from .process import ROOT, Process, binary
from .wait import until


class HAProxy:
    pass


class Router:
    pass
