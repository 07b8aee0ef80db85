#include "s3/notes.h"

#include "base/log.h"
#include "base/util.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_BYTES 16 /* of the digest: ids are long, and hold what names of files cannot */

static bool digest(const struct notes_upload *upload, unsigned char *ret)
{
	const char *const parts[] = { upload->endpoint, upload->bucket, upload->key, upload->id };
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	unsigned int len = 0;
	bool ok = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL);

	for (size_t i = 0; ok && i < ARRAY_SIZE(parts); i++)
		ok = EVP_DigestUpdate(sha, parts[i], strlen(parts[i]) + 1);
	ok = ok && EVP_DigestFinal_ex(sha, ret, &len);
	EVP_MD_CTX_free(sha);
	return ok;
}

static bool path_of(const char *dir, const struct notes_upload *upload, char *buf, size_t size)
{
	unsigned char sha[EVP_MAX_MD_SIZE];
	char name[2 * NAME_BYTES + 1];
	int n;

	if (!dir || !digest(upload, sha))
		return false;
	for (size_t i = 0; i < NAME_BYTES; i++)
		(void)snprintf(name + 2 * i, 3, "%02x", sha[i]);
	n = snprintf(buf, size, "%s/%s", dir, name);
	return n > 0 && (size_t)n < size;
}

void notes_add(const char *dir, const struct notes_upload *upload)
{
	char path[PATH_MAX];
	int fd;

	if (!path_of(dir, upload, path, sizeof(path)))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ENOENT && mkdir(dir, 0700) == 0)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_debug("s3", "upload of '%s' is not noted in '%s': %s", upload->key, dir, strerror(errno));
	else
		close(fd);
}

void notes_remove(const char *dir, const struct notes_upload *upload)
{
	char path[PATH_MAX];

	if (path_of(dir, upload, path, sizeof(path)))
		(void)unlink(path);
}

bool notes_has(const char *dir, const struct notes_upload *upload)
{
	char path[PATH_MAX];

	return path_of(dir, upload, path, sizeof(path)) && access(path, F_OK) == 0;
}
