/* SPDX-License-Identifier: MIT */
/* taupe-relay */
#include <string.h>

#include "relay/init/init.h"
#include "relay/relay.h"

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "init") == 0)
		return init_main(argc - 1, argv + 1);
	return relay_main(argc, argv);
}
