/* Journals of the staging folder: whatever a folder holds is listed or left; what stage.c writes reads back as it was. */
#include "fuzz.h"

#include "object/recover.h"
#include "object/stage.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct stage_journal written;
static bool compare;
static int shown;

static void on_entry(void *arg, const struct recover_entry *e)
{
	(void)arg;
	shown++;
	CHECK(e->bucket[0] && e->key[0] && e->endpoint && e->base_etag && e->reason);
	if (!compare)
		return;
	CHECK(strcmp(e->bucket, written.bucket) == 0 && strcmp(e->key, written.key) == 0);
	CHECK(strcmp(e->base_etag, written.base_etag) == 0 && strcmp(e->endpoint, written.endpoint) == 0);
	CHECK(strcmp(e->reason, written.reason) == 0);
	CHECK(e->base_end == written.base_end && e->missing_off == written.missing_off &&
	      e->missing_end == written.missing_end);
}

static int list(void)
{
	shown = 0;
	return recover_list(fuzz_folder(), on_entry, NULL, NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[4200];

	(void)argc, (void)argv;
	(void)snprintf(path, sizeof(path), "%s/session-1", fuzz_folder());
	CHECK(mkdir(path, 0700) == 0);
	(void)fuzz_file("session-1/lock", "1\n", 2);
	(void)fuzz_file("session-1/0000000000000001.data", "0123456789", 10);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, data + size };
	struct stage s = STAGE_INIT;
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s", fuzz_file("session-1/0000000000000001.journal", data, size));
	compare = false;
	CHECK(list() == shown);

	written = (struct stage_journal){ .base_end = fuzz_byte(&f), .missing_off = fuzz_byte(&f) };
	written.missing_end = written.missing_off + fuzz_byte(&f);
	if (written.missing_end == written.missing_off)
		written.missing_off = written.missing_end = 0;
	written.bucket = fuzz_text(&f);
	written.key = fuzz_text(&f);
	written.endpoint = fuzz_text(&f);
	written.base_etag = fuzz_text(&f);
	written.reason = fuzz_text(&f);
	if (strlen(written.key) + strlen(written.bucket) + strlen(written.endpoint) + strlen(written.base_etag) +
		strlen(written.reason) >
	    4000) {
		fuzz_free();
		return 0;
	}
	s.journal = path;
	CHECK(stage_write_journal(&s, &written, NULL) == 0);
	compare = true;
	CHECK(list() == (written.bucket[0] && written.key[0]));
	fuzz_free();
	return 0;
}
