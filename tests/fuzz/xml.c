/* What stores answer in XML: errors, results, listings, and what a folder shows of a listing. */
#include "fuzz.h"

#include "s3/xml.h"
#include "volume/listing.h"

#include <limits.h>
#include <string.h>

static void check_folder(const struct s3_page *page, const char *prefix)
{
	struct listing *l = listing_new();

	CHECK(l && listing_add_page(l, prefix, page) == 0);
	listing_finish(l);
	for (size_t i = 0; i < l->count; i++) {
		const char *name = l->entries[i].name;

		CHECK(name[0] && strlen(name) == l->entries[i].len && l->entries[i].len <= NAME_MAX);
		CHECK(!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
		CHECK(i == 0 || strcmp(l->entries[i - 1].name, name) < 0);
		CHECK(listing_find(l, name) == &l->entries[i]);
	}
	listing_unref(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, data + size };
	struct xml_error error;
	struct xml_result result;
	struct s3_page page;
	size_t len;
	char *text = fuzz_rest(&f, &len);

	(void)xml_read_error(text, len, &error);
	(void)xml_read_result(text, len, &result);
	if (xml_read_list(text, len, &page) == 0) {
		CHECK(!page.truncated || page.next_token);
		check_folder(&page, "");
		check_folder(&page, "a/");
		s3_page_deinit(&page);
	}
	fuzz_free();
	return 0;
}
