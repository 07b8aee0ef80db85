/**
 * isolate.h - what a program under --isolate may not learn from its environment.
 *
 * Threads: none; called in the child before the exec, which is what drops the memory of before.
 */
#ifndef S3SHIM_TOOLS_ISOLATE_H
#define S3SHIM_TOOLS_ISOLATE_H

#include "config/config.h"

/**
 * isolate_environment() - take keys, endpoints and proxies out of the environment
 * What is of AWS's, this software's and the assets' names, proxies, and whatever holds a secret of @config under any
 * name. Before program_environment(), which sets what the library needs.
 */
void isolate_environment(const struct config *config);

#endif
