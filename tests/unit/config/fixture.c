#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct config config;
struct config_args rest;
struct err err = ERR_INIT;

static char path[64];
static char *argv_copy[64];

void fixture_begin(void)
{
	extern char **environ;
	static char *none[] = { NULL };

	environ = none;
}

void fixture_end(void)
{
	config_deinit(&config);
	for (size_t i = 0; argv_copy[i]; i++)
		free(argv_copy[i]);
	if (path[0])
		unlink(path);
}

int load_words(const char *const *words)
{
	int argc = 1;

	config_deinit(&config);
	for (size_t i = 0; argv_copy[i]; i++)
		free(argv_copy[i]);
	argv_copy[0] = strdup("s3run");
	while (*words)
		argv_copy[argc++] = strdup(*words++);
	argv_copy[argc] = NULL;
	err = (struct err)ERR_INIT;
	return config_load(&config, argc, argv_copy, &rest, &err);
}

const char *json_file(const char *text)
{
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/s3shim-config-%d.json", (int)getpid());
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return path;
}
