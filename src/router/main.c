/* SPDX-License-Identifier: MIT */
/* taupe-router: see router.h. */
#include "router/router.h"

int
main(int argc, char **argv)
{
	return router_main(argc, argv);
}
