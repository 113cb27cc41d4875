/* SPDX-License-Identifier: MIT */
/* What both registries share at their ends: being freed, and telling of events. */
#include "registry/registry.h"

void
registry_free(struct registry **registryp)
{
	struct registry *registry = *registryp;

	*registryp = NULL;
	if (registry != NULL)
		registry->ops->free(registry);
}
