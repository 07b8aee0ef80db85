/* Metadata of four systems, paths and keys, names of listings, what is believed and for how long. */
#include "volume/attr.h"
#include "volume/hold.h"
#include "volume/listing.h"
#include "volume/names.h"
#include "volume/s3path.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* attributes */

Test(attr, four_systems_are_read)
{
	static const struct {
		const char *meta[10];
		struct attr want;
	} cases[] = {
		{ { "file-permissions", "0100640", "file-owner", "1000", "file-group", "1001", "file-mtime",
		    "1700000000123456789ns" },
		  { 15, 0100640, 1000, 1001, 1700000000123456789, 0 } },
		{ { "file-mtime", "1700000000123", "file-permissions", "0755" },
		  { 9, 0755, 0, 0, 1700000000123000000, 0 } },
		{ { "mode", "33188", "uid", "5", "gid", "6", "mtime", "1700000000.000000007" },
		  { 15, 0100644, 5, 6, 1700000000000000007, 0 } },
		{ { "mtime", "1700000000.5" }, { 8, 0, 0, 0, 1700000000500000000, 0 } },
		{ { "mtime", "-1.5" }, { 8, 0, 0, 0, -1500000000, 0 } },
		{ { "goog-reserved-posix-mode", "644", "goog-reserved-posix-uid", "7", "goog-reserved-posix-gid", "8",
		    "goog-reserved-file-mtime", "1700000000" },
		  { 15, 0644, 7, 8, 1700000000000000000, 0 } },
		{ { "mode", "41471", "file-permissions", "0100600" }, { 1, 0100600, 0, 0, 0, 0 } },
		{ { "mode", "rw-r--r--", "mtime", "yesterday", "uid", "-1", "file-owner", "99999999999" },
		  { 0, 0, 0, 0, 0, 0 } },
		{ { "file-permissions", "7777777" }, { 0, 0, 0, 0, 0, 0 } },
		{ { "file-mtime", "9999999999999999999999" }, { 0, 0, 0, 0, 0, 0 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct s3_meta meta = { .len = 0 };
		struct attr got;

		for (size_t m = 0; m < 10 && cases[i].meta[m]; m += 2)
			s3_meta_set(&meta, cases[i].meta[m], cases[i].meta[m + 1]);
		attr_from_meta(&meta, &got);
		cr_expect_eq(got.have, cases[i].want.have, "case %zu: %x", i, got.have);
		cr_expect_eq(got.mode, cases[i].want.mode, "case %zu: %o", i, got.mode);
		cr_expect_eq(got.uid, cases[i].want.uid);
		cr_expect_eq(got.gid, cases[i].want.gid);
		cr_expect_eq(got.mtime_ns, cases[i].want.mtime_ns, "case %zu: %lld", i, (long long)got.mtime_ns);
	}
}

Test(attr, written_by_awss_names_and_foreign_ones_kept_true)
{
	struct attr a = { 15, 0100640, 10, 20, 1700000000000000005, 0 };
	struct s3_meta meta = { .len = 0 };

	s3_meta_set(&meta, "color", "red");
	s3_meta_set(&meta, "mode", "33188");
	s3_meta_set(&meta, "mtime", "1");
	cr_assert_eq(attr_to_meta(&a, &meta), 0);
	cr_assert_str_eq(s3_meta_get(&meta, "file-permissions"), "0100640");
	cr_assert_str_eq(s3_meta_get(&meta, "file-owner"), "10");
	cr_assert_str_eq(s3_meta_get(&meta, "file-group"), "20");
	cr_assert_str_eq(s3_meta_get(&meta, "file-mtime"), "1700000000000000005ns");
	cr_assert_str_eq(s3_meta_get(&meta, "mode"), "33184");
	cr_assert_str_eq(s3_meta_get(&meta, "mtime"), "1700000000.000000005");
	cr_assert_str_eq(s3_meta_get(&meta, "color"), "red");
	cr_assert_null(s3_meta_get(&meta, "uid"));
}

Test(attr, round_trip)
{
	struct attr a = { 15, 0100640, 10, 20, -5, 0 }, b;
	struct s3_meta meta = { .len = 0 };

	cr_assert_eq(attr_to_meta(&a, &meta), 0);
	attr_from_meta(&meta, &b);
	cr_assert_eq(a.mtime_ns, b.mtime_ns);
	cr_assert_eq(a.mode, b.mode);
}

Test(attr, defaults)
{
	struct attr none = { 0 }, dir = { ATTR_MODE, 0040700, 0, 0, 0, 0 }, plain = { ATTR_MODE, 0600, 0, 0, 0, 0 };

	cr_assert_eq(attr_mode(&none, false), 0100644);
	cr_assert_eq(attr_mode(&none, true), 0040755);
	cr_assert_eq(attr_mode(&plain, false), 0100600);
	cr_assert_eq(attr_mode(&dir, true), 0040700);
	cr_assert_eq(attr_mode(&dir, false), 0100700);
}

Test(attr, permission_bits)
{
	cr_assert(attr_may(0100640, 1, 2, 1, 9, 6));
	cr_assert(attr_may(0100640, 1, 2, 9, 2, 4));
	cr_assert_not(attr_may(0100640, 1, 2, 9, 2, 2));
	cr_assert_not(attr_may(0100640, 1, 2, 9, 9, 4));
	cr_assert(attr_may(0100000, 1, 2, 0, 0, 6));
	cr_assert_not(attr_may(0100644, 1, 2, 0, 0, 1));
}

Test(attr, content_types)
{
	cr_assert_str_eq(attr_content_type("a.json"), "application/json");
	cr_assert_str_eq(attr_content_type("a.PNG"), "image/png");
	cr_assert_str_eq(attr_content_type("noext"), "binary/octet-stream");
	cr_assert_str_eq(attr_content_type(".json"), "binary/octet-stream");
}

/* paths */

Test(s3path, clean)
{
	static const struct {
		const char *in, *out;
		int rc;
	} cases[] = {
		{ "", "", 0 },
		{ "a/b", "a/b", 0 },
		{ "a/../b", "b", 0 },
		{ "a/b/../../c", "c", 0 },
		{ "a/..", "", 0 },
		{ "a/", "a", 0 },
		{ "../x", "../x", -EXDEV },
		{ "a/../../x", "../x", -EXDEV },
		{ "../../x/../y", "../../y", -EXDEV },
		{ "//a//./b/", "a/b", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[WIRE_PATH_MAX];
		bool slash;

		cr_expect_eq(s3path_clean(cases[i].in, out, &slash), cases[i].rc, "'%s'", cases[i].in);
		cr_expect_str_eq(out, cases[i].out);
	}
}

Test(s3path, keys_are_confined_to_the_prefix)
{
	struct s3path_root root;
	struct s3key k, p;

	cr_assert_eq(s3path_root_init(&root, "buck", "/a/b"), 0);
	cr_assert_eq(s3path_key(&root, "c/d", &k), 0);
	cr_assert_str_eq(k.key, "a/b/c/d");
	s3path_parent(&root, &k, &p);
	cr_assert_str_eq(p.key, "a/b/c");
	s3path_parent(&root, &p, &p);
	cr_assert_eq(p.place, S3PLACE_TOP);
	cr_assert_str_eq(p.key, "a/b");
	s3path_parent(&root, &p, &p);
	cr_assert_str_eq(p.key, "a/b");
	cr_assert_eq(s3path_root_init(&root, "buck", "a/../.."), -EINVAL);
	cr_assert_eq(s3path_root_init(&root, "", "a"), -EINVAL);
}

Test(s3path, what_cannot_be_a_key)
{
	struct s3path_root root;
	struct s3key k;
	char name[1200];

	cr_assert_eq(s3path_root_init(&root, "buck", ""), 0);
	memset(name, 'x', sizeof(name));
	name[255] = 0;
	cr_assert_eq(s3path_key(&root, name, &k), 0);
	name[255] = 'x';
	name[256] = 0;
	cr_assert_eq(s3path_key(&root, name, &k), -ENAMETOOLONG);
	name[256] = 'x';
	for (int i = 100; i < 1100; i += 100)
		name[i] = '/';
	name[1024] = 0;
	cr_assert_eq(s3path_key(&root, name, &k), -ENAMETOOLONG);
	name[1023] = 0;
	cr_assert_eq(s3path_key(&root, name, &k), 0);
	cr_assert_eq(s3path_key(&root, "\xff", &k), -EILSEQ);
	cr_assert_eq(s3path_key(&root, "\xc3\xa4\xf0\x9f\x98\x80", &k), 0);
	cr_assert_eq(s3path_key(&root, "\xed\xa0\x80", &k), -EILSEQ);
	cr_assert_eq(s3path_key(&root, "\xc0\x80", &k), -EILSEQ);
}

Test(s3path, buckets_as_folders)
{
	struct s3path_root root;
	struct s3key k;

	cr_assert_eq(s3path_root_init(&root, NULL, NULL), 0);
	cr_assert_eq(s3path_key(&root, "", &k), 0);
	cr_assert_eq(k.place, S3PLACE_BUCKETS);
	cr_assert_eq(s3path_key(&root, "buck", &k), 0);
	cr_assert_eq(k.place, S3PLACE_TOP);
	cr_assert_eq(s3path_key(&root, "buck/a", &k), 0);
	cr_assert_eq(k.place, S3PLACE_KEY);
	cr_assert_str_eq(k.key, "a");
	cr_assert_eq(s3path_key(&root, "no", &k), -ENOENT);
	cr_assert_eq(s3path_key(&root, "with space/a", &k), -ENOENT);
}

Test(s3path, within)
{
	struct s3path_root root;
	struct s3key a, b;

	s3path_root_init(&root, "buck", "");
	s3path_key(&root, "a/b", &a);
	s3path_key(&root, "a/bc", &b);
	cr_assert_not(s3path_within(&a, &b));
	cr_assert_not(s3path_within(&a, &a));
	s3path_key(&root, "a/b/c", &b);
	cr_assert(s3path_within(&a, &b));
}

/* listings */

Test(listing, names)
{
	static const struct {
		const char *key;
		bool prefix;
		const char *name;
	} cases[] = {
		{ "d/a", false, "a" },     { "d/a/", true, "a" },  { "d/", false, NULL },
		{ "d//", true, NULL },     { "d/.", false, NULL }, { "d/../", true, NULL },
		{ "d/...", false, "..." }, { "e/a", false, NULL }, { "d/.hidden", false, ".hidden" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = 0;
		const char *name = listing_name("d/", cases[i].key, cases[i].prefix, &len);

		cr_expect_eq(name != NULL, cases[i].name != NULL, "'%s'", cases[i].key);
		if (name && cases[i].name) {
			cr_expect_eq(len, strlen(cases[i].name));
			cr_expect_eq(memcmp(name, cases[i].name, len), 0);
		}
	}
}

Test(listing, sorted_and_the_object_wins)
{
	struct s3_entry entries[] = { { "d/a-", "\"1\"", 1, 0, false },
				      { "d/b", "\"2\"", 2, 0, false },
				      { "d/a/", "", 0, 0, true },
				      { "d/b/", "", 0, 0, true } };
	struct s3_page page = { .entries = entries, .count = 4 };
	struct listing *l = listing_new();

	cr_assert_eq(listing_add_page(l, "d/", &page), 0);
	listing_finish(l);
	cr_assert_eq(l->count, 3);
	cr_assert_str_eq(l->entries[0].name, "a");
	cr_assert_str_eq(l->entries[1].name, "a-");
	cr_assert_not(listing_find(l, "b")->dir);
	cr_assert_str_eq(listing_etag(listing_find(l, "b")), "\"2\"");
	cr_assert_null(listing_find(l, "c"));
	cr_assert(l->any);
	cr_assert_not(l->marker);
	listing_unref(l);
}

/* holds */

struct other {
	struct holds *all;
	pthread_mutex_t *lock;
	enum hold_how how;
	const char *id, *id2;
	_Atomic int has;
};

static void *take_and_drop(void *arg)
{
	struct other *o = arg;
	struct hold h;

	pthread_mutex_lock(o->lock);
	hold_take_locked(o->all, o->lock, &h, o->how, o->id, o->id2);
	o->has = 1;
	hold_drop_locked(o->all, &h);
	pthread_mutex_unlock(o->lock);
	return NULL;
}

Test(hold, what_conflicts)
{
	static const struct {
		enum hold_how how;
		const char *id;
		enum hold_how other;
		const char *id1, *id2;
		bool waits;
	} cases[] = {
		{ HOLD_ALONE, "b/a", HOLD_ALONE, "b/a", NULL, true },
		{ HOLD_SHARED, "b/a", HOLD_SHARED, "b/a", NULL, false },
		{ HOLD_SHARED, "b/a", HOLD_ALONE, "b/a", NULL, true },
		{ HOLD_ALONE, "b/a", HOLD_ALONE, "b/a/x", NULL, false },
		{ HOLD_TREE, "b/a", HOLD_SHARED, "b/a/x/y", NULL, true },
		{ HOLD_TREE, "b/a", HOLD_ALONE, "b/ab", NULL, false },
		{ HOLD_ALONE, "b/a/x", HOLD_TREE, "b/c", "b/a", true },
		{ HOLD_TREE, "b/a", HOLD_TREE, "b/c", "b/d", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
		struct holds all;
		struct hold h;
		struct other o = { &all, &lock, cases[i].other, cases[i].id1, cases[i].id2, 0 };
		pthread_t t;

		holds_init(&all);
		pthread_mutex_lock(&lock);
		hold_take_locked(&all, &lock, &h, cases[i].how, cases[i].id, NULL);
		pthread_mutex_unlock(&lock);
		cr_assert_eq(pthread_create(&t, NULL, take_and_drop, &o), 0);
		for (int ms = 0; ms < (cases[i].waits ? 20 : 5000) && !o.has; ms++)
			usleep(1000);
		cr_expect_eq(o.has, !cases[i].waits, "case %zu", i);
		pthread_mutex_lock(&lock);
		hold_drop_locked(&all, &h);
		pthread_mutex_unlock(&lock);
		pthread_join(t, NULL);
		cr_expect_eq(o.has, 1);
		holds_deinit(&all);
	}
}

/* names */

Test(names, believed_for_the_ttl)
{
	struct s3_info info = { .size = 5, .etag = "\"e\"" };
	struct names n;
	struct node *node;

	names_init(&n, 30);
	node = names_get(&n, "b/k");
	cr_assert_not(names_valid(node, clock_now_ms()));
	names_set_file(&n, node, &info, true);
	cr_assert(names_valid(node, clock_now_ms()));
	usleep(40000);
	cr_assert_not(names_valid(node, clock_now_ms()));
	names_set_absent(&n, node);
	cr_assert(names_valid(node, clock_now_ms()));
	names_deinit(&n);
}

Test(names, numbers_move_along_and_are_never_given_twice)
{
	struct names n;
	uint64_t a, b;

	names_init(&n, 1000);
	a = names_ino(&n, "b/a");
	b = names_ino(&n, "b/b");
	cr_assert_neq(a, 0);
	cr_assert_neq(a, b);
	cr_assert_not_null(names_move(&n, "b/a", "b/b"));
	cr_assert_eq(names_ino(&n, "b/b"), a);
	cr_assert_neq(names_ino(&n, "b/a"), a);
	cr_assert_neq(names_ino(&n, "b/a"), b);
	names_deinit(&n);
}

Test(names, a_listing_begun_before_a_change_is_not_hung_up)
{
	struct s3path_root root;
	struct names n;
	struct node *dir;

	s3path_root_init(&root, "b", "");
	names_init(&n, 1000);
	dir = names_get(&n, "b/d");
	names_changed(&n, &root, names_get(&n, "b/d/x"));
	names_attach(&n, dir, listing_new(), 0);
	cr_assert_null(dir->listing);
	names_attach(&n, dir, listing_new(), dir->changes);
	cr_assert_not_null(dir->listing);
	names_deinit(&n);
}

Test(names, nodes_are_thrown_away_when_they_are_too_many)
{
	struct names n;
	char id[32];

	names_init(&n, 0);
	names_get(&n, "b/d")->whole = true;
	for (int i = 0; i < NAMES_MAX + 10; i++) {
		snprintf(id, sizeof(id), "b/d/%d", i);
		names_set_absent(&n, names_get(&n, id));
	}
	cr_assert_leq(HASH_COUNT(n.nodes), NAMES_MAX);
	cr_assert(!names_find(&n, "b/d") || !names_find(&n, "b/d")->whole);
	names_deinit(&n);
}

/* Many names that are all believed: the number of nodes stays bounded, and each costs little. */
Test(names, believed_nodes_are_bounded_too)
{
	struct names n;
	struct node *dir;
	char id[32];

	names_init(&n, 3600000);
	dir = names_get(&n, "b/d");
	names_set_dir(&n, dir);
	dir->pins++;
	names_attach(&n, dir, listing_new(), 0);
	for (int i = 0; i < 3 * NAMES_MAX; i++) {
		snprintf(id, sizeof(id), "b/d/%d", i);
		names_set_dir(&n, names_get(&n, id));
	}
	cr_assert_leq(HASH_COUNT(n.nodes), NAMES_MAX);
	cr_assert_not_null(names_find(&n, "b/d/599999"));
	cr_assert_not_null(dir->listing, "nothing that contradicts it was thrown away");
	names_deinit(&n);
}

Test(names, a_listing_goes_with_a_change_that_is_thrown_away)
{
	struct names n;
	struct s3path_root root;
	struct node *dir;
	char id[32];

	s3path_root_init(&root, "b", "");
	names_init(&n, 3600000);
	dir = names_get(&n, "b/d");
	names_set_dir(&n, dir);
	dir->pins++;
	names_set_absent(&n, names_get(&n, "b/d/removed"));
	names_changed(&n, &root, names_find(&n, "b/d/removed"));
	names_attach(&n, dir, listing_new(), dir->changes);
	cr_assert_not_null(dir->listing);
	for (int i = 0; i < NAMES_MAX + 10; i++) {
		snprintf(id, sizeof(id), "b/d/%d", i);
		names_set_dir(&n, names_get(&n, id));
	}
	cr_assert_null(dir->listing);
	names_deinit(&n);
}
