/* JSON texts: the tree is walked whole; and what credential services answer. */
#include "fuzz.h"

#include "config/jtree.h"
#include "s3/credentials/provider.h"

#include <stdlib.h>
#include <string.h>

static int walk(const struct jtree *j, int node)
{
	char place[128], *text;
	int count = 1;

	jtree_place(j, node, place, sizeof(place));
	CHECK(strncmp(place, "t:", 2) == 0);
	switch (jtree_kind(j, node)) {
	case JTREE_OBJECT:
		for (int key = jtree_first(j, node); key >= 0; key = jtree_next(j, key)) {
			CHECK(jtree_kind(j, key) == JTREE_STRING);
			text = jtree_text(j, key);
			if (text) /* keys are there once, so the value is found by name */
				CHECK(jtree_get(j, node, text) == jtree_value(j, key));
			free(text);
			count += 1 + walk(j, jtree_value(j, key));
		}
		break;
	case JTREE_ARRAY:
		for (int item = jtree_first(j, node); item >= 0; item = jtree_next(j, item))
			count += walk(j, item);
		break;
	default:
		free(jtree_text(j, node));
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, data + size };
	struct err err = ERR_INIT;
	struct s3_keys keys;
	struct jtree j;
	size_t len;
	char *text = fuzz_rest(&f, &len);

	if (jtree_parse(&j, "t", text, len, &err) == 0) {
		CHECK(walk(&j, 0) == j.count);
		jtree_deinit(&j);
	} else {
		CHECK(err.errnum > 0 && !strchr(err.text, '\n'));
	}
	if (provider_json(text, len, "Token", &keys, &err) < 0)
		CHECK(!strchr(err.text, '\n'));
	fuzz_free();
	return 0;
}
