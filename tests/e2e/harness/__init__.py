# SPDX-License-Identifier: MIT
"""What the end-to-end tests are made of: processes, ports, services, visitors."""
