/* Configuration files: sandboxMapping, settings and assets, for everybody and for one user. */
#include "fuzz.h"

#include "config/assets.h"
#include "config/config.h"

#include <string.h>

static void check_config(const struct config *c)
{
	for (size_t i = 0; i < c->mount_count; i++) {
		const struct mount_config *m = &c->mounts[i];

		CHECK(m->mount[0] == '/' && m->mount[1] && !strchr(m->mount, ':'));
		CHECK(!strstr(m->mount, "/../") && !strstr(m->mount, "//"));
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(c->mounts[k].mount, m->mount) != 0);
		if (m->type == MOUNT_FILE)
			CHECK(m->path && m->path[0] == '/');
		if (m->type == MOUNT_S3 && m->prefix)
			CHECK(m->prefix[0] != '/');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const users[] = { NULL, "", "alice", "alice@b/../c" };
	const char *path = fuzz_file("config.json", data, size);

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct err err = ERR_INIT;
		struct config c;

		if (config_load_file(&c, path, users[i], &err) == 0)
			check_config(&c);
		else
			CHECK(err.errnum > 0 && err.text[0]);
		config_deinit(&c);
	}
	return 0;
}
