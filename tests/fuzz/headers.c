/* Headers of an answer: line by line into struct answer, then what is made of it. */
#include "fuzz.h"

#include "s3/answer.h"
#include "s3/when.h"
#include "volume/attr.h"

#include <ctype.h>
#include <string.h>

static void take_line(struct answer *answer, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return;
	*colon++ = '\0';
	for (char *p = line; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	answer_header(answer, line, colon + strspn(colon, " \t"));
}

static void check_range(struct answer *answer, uint64_t off, uint64_t end)
{
	const struct answer_want want = { .ranged = true, .off = off, .end = end };
	struct answer copy = *answer;
	struct err err = ERR_INIT;
	uint64_t len = 0;

	if (answer_check_get(&copy, 206, &want, &len, &err) == 0) {
		CHECK(copy.range_first == off && len == copy.range_last - off + 1 && copy.range_last < copy.info.size);
		CHECK(!end || len <= end - off);
	}
	copy = *answer;
	if (answer_check_get(&copy, 200, &want, &len, &err) == 0)
		CHECK(off == 0 && (!end || len <= end));
}

/* What is written of attributes reads back as the same. */
static void check_attributes(const struct s3_meta *meta)
{
	struct s3_meta written = { .len = 0 };
	struct attr a, b;

	attr_from_meta(meta, &a);
	CHECK(attr_mode(&a, false) && attr_mode(&a, true));
	if (attr_to_meta(&a, &written) < 0)
		return;
	attr_from_meta(&written, &b);
	if ((a.have & ATTR_MODE) && (b.have & ATTR_MODE))
		CHECK((a.mode & 07777) == (b.mode & 07777));
	if (a.have & ATTR_UID)
		CHECK((b.have & ATTR_UID) && a.uid == b.uid);
	if (a.have & ATTR_MTIME)
		CHECK((b.have & ATTR_MTIME) && a.mtime_ns == b.mtime_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, data + size };
	struct answer answer = { .length = 0 };
	const char *value;
	int64_t ns;

	for (int i = 0; i < 40 && f.at < f.end; i++) {
		char *line = fuzz_text(&f);

		if (when_parse_iso(line, &ns) == 0 || when_parse_http(line, &ns) == 0)
			CHECK(ns % 1000000000 == 0);
		take_line(&answer, line);
	}
	check_range(&answer, 0, 0);
	check_range(&answer, 0, 10);
	check_range(&answer, 5, 100);
	check_range(&answer, UINT64_MAX / 2, 0);
	if (answer_checksum(&answer, &value) != CHECKSUM_NONE)
		CHECK(strlen(value) < sizeof(answer.info.checksum));
	CHECK(s3_etag_equal(answer.info.etag, answer.info.etag));
	CHECK(answer.info.meta.len <= sizeof(answer.info.meta.data));
	check_attributes(&answer.info.meta);
	fuzz_free();
	return 0;
}
