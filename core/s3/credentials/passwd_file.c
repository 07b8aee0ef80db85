/*
 * s3fs's password file (s3fs(1), "AUTHENTICATION"): lines `id:secret`, or `bucket:id:secret` for one bucket, which beats
 * them; or AWSAccessKeyId=... and AWSSecretKey=... . Like s3fs, a file that others may look into is refused;
 * /etc/passwd-s3fs may be its group's.
 */
#include "s3/credentials/provider.h"

#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct found {
	struct s3_keys keys;
	char id[256], secret[256]; /* of the form with = */
	bool any, of_bucket;
};

static int check_mode(const char *path, int fd, struct err *err)
{
	bool system_file = strcmp(path, "/etc/passwd-s3fs") == 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "passwd file '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "passwd file '%s' is no ordinary file", path);
	if (st.st_mode & (system_file ? S_IRWXO : S_IRWXO | S_IRWXG))
		return err_set(err, EPERM, "passwd file '%s' has mode %04o, so others may read the key: chmod %s '%s'",
			       path, (unsigned)st.st_mode & 07777, system_file ? "640" : "600", path);
	return 0;
}

static int keys_line(char *line, const char *bucket, struct found *found, struct err *err)
{
	char *first = strchr(line, ':'), *last = strrchr(line, ':'), *id = line;
	bool of_bucket = first && first != last;

	if (!first)
		return err_set(err, EINVAL, "want id:secret or bucket:id:secret");
	*first = *last = '\0';
	if (of_bucket && (!bucket || strcmp(line, bucket) != 0))
		return 0;
	if (found->any && (found->of_bucket || !of_bucket))
		return found->of_bucket == of_bucket ? err_set(err, EINVAL, "a second key for the same bucket") : 0;
	if (of_bucket)
		id = first + 1;
	if (!*id || !last[1])
		return err_set(err, EINVAL, "the key id or the secret is empty");
	int r = provider_keys(id, last + 1, NULL, &found->keys, err);
	found->any = true;
	found->of_bucket = of_bucket;
	return r < 0 ? r : 0;
}

static int one_line(char *line, const char *bucket, struct found *found, struct err *err)
{
	char *equals = strchr(line, '='), *to = NULL;

	line[strcspn(line, "\r\n")] = '\0';
	if (!*line || *line == '#')
		return 0;
	if (line[0] == ' ' || line[0] == '\t')
		return err_set(err, EINVAL, "it begins with a blank");
	if (equals && strncmp(line, "AWSAccessKeyId", (size_t)(equals - line)) == 0)
		to = found->id;
	if (equals && strncmp(line, "AWSSecretKey", (size_t)(equals - line)) == 0)
		to = found->secret;
	if (!to)
		return keys_line(line, bucket, found, err);
	snprintf(to, sizeof(found->id), "%s", equals + 1);
	return 0;
}

static int read_lines(FILE *file, const struct s3_credentials_config *config, struct found *found, struct err *err)
{
	cleanup_free char *line = NULL;
	size_t room = 0;
	int r = 0, number = 0;

	while (r == 0 && getline(&line, &room, file) >= 0) {
		number++;
		r = one_line(line, config->bucket, found, err);
		if (r < 0)
			r = err_wrap(err, "passwd file '%s' line %d", config->passwd_file, number);
	}
	if (line)
		explicit_bzero(line, room);
	if (r == 0 && !found->any && found->id[0] && found->secret[0]) {
		r = provider_keys(found->id, found->secret, NULL, &found->keys, err);
		found->any = r > 0;
	}
	if (r >= 0 && !found->any)
		r = err_set(err, EINVAL, "passwd file '%s' has no key for bucket '%s'", config->passwd_file,
			    config->bucket ? config->bucket : "");
	return r;
}

int provider_passwd_file(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	const char *path = ask->config->passwd_file;
	struct found found = { .any = false };
	FILE *file;

	if (!path)
		return PROVIDER_NONE;
	file = fopen(path, "re");
	if (!file)
		return err_set(err, errno, "passwd file '%s': %s", path, strerror(errno));
	int r = check_mode(path, fileno(file), err);
	if (r == 0)
		r = read_lines(file, ask->config, &found, err);
	if (r >= 0) {
		*ret = found.keys;
		r = PROVIDER_FOUND;
	}
	fclose(file);
	explicit_bzero(&found, sizeof(found));
	return r;
}
