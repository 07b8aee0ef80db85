/**
 * process.h - keys that a program prints.
 *
 * Source of facts: AWS SDKs and Tools Reference Guide, "Process credential provider". Threads as provider.h.
 */
#ifndef S3SHIM_S3_CREDENTIALS_PROCESS_H
#define S3SHIM_S3_CREDENTIALS_PROCESS_H

#include "s3/credentials/provider.h"

/** process_keys() - run @command by the shell, a minute at most, and read its JSON. Return: as a provider. */
int process_keys(const struct provider_ask *ask, const char *command, struct s3_keys *ret, struct err *err);

#endif
