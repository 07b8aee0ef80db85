#include "bench.h"

#include "base/util.h"
#include "object/recover.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

static void make(void)
{
	bench_open(&(struct object_store_config){ 0 });
}

TestSuite(object_write, .init = make, .fini = bench_close);

static void write_all(struct prog *p, const char *data, size_t len, uint64_t off)
{
	cr_assert_eq(prog_write(p, data, len, off), (int)len);
}

/* What a file of @size bytes made by bench_make() is after @patch was written at @off. */
static char *patched(size_t size, unsigned seed, const char *patch, size_t len, size_t off)
{
	size_t all = off + len > size ? off + len : size;
	char *data = calloc(1, all + 1), *old = bench_bytes(size, seed);

	memcpy(data, old, size);
	memcpy(data + off, patch, len);
	free(old);
	return data;
}

Test(object_write, a_new_small_file_is_one_put)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "hello", 5, 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "hello", 5));
	cr_assert_eq(fake_total(), 1);
	cr_assert_eq(fake_count(S3_PUT_OBJECT), 1);
}

Test(object_write, a_new_empty_file_is_made)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "", 0));
}

Test(object_write, nothing_is_sent_where_nothing_differs)
{
	cleanup_free char *data = bench_bytes(KIB(200), 1);
	struct prog p;

	bench_make("k", KIB(200), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, data + 1000, 5000, 1000);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_total(), fake_count(S3_GET_OBJECT));
}

Test(object_write, overwriting_in_a_small_object_keeps_the_rest)
{
	cleanup_free char *want = patched(KIB(200), 1, "XYZ", 3, 100000);
	struct prog p;

	bench_make("k", KIB(200), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "XYZ", 3, 100000);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, KIB(200)));
	cr_assert_eq(fake_count(S3_PUT_OBJECT), 1);
}

Test(object_write, appending_to_a_big_object_copies_it_on_the_server)
{
	size_t size = MIB(12) + 12345;
	cleanup_free char *want = patched(size, 1, "!", 1, size);
	struct prog p;

	bench_make("k", size, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY | O_APPEND), 0);
	cr_assert_eq(object_claim(p.o, size, UINT64_MAX, &p.claim, NULL), 0);
	write_all(&p, "!", 1, size);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size + 1));
	cr_assert_eq(fake_total(), 4);
	cr_assert_eq(fake_count(S3_CREATE_MULTIPART_UPLOAD), 1);
	cr_assert_eq(fake_count(S3_UPLOAD_PART_COPY), 1);
	cr_assert_eq(fake_count(S3_UPLOAD_PART), 1);
	cr_assert_eq(fake_count(S3_COMPLETE_MULTIPART_UPLOAD), 1);
	cr_assert_eq(fake_sent_bytes(), 1);
	cr_assert_eq(fake_got_bytes(), 0);
}

Test(object_write, appending_twice_with_fsync_between_loses_nothing)
{
	size_t size = MIB(12) + 12345;
	cleanup_free char *want = patched(size, 1, "abcd", 4, size);
	struct err err = ERR_INIT;
	struct prog p;
	char buf[4];

	bench_make("k", size, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(object_claim(p.o, size, UINT64_MAX, &p.claim, NULL), 0);
	write_all(&p, "ab", 2, size);
	cr_assert_eq(object_sync(p.o, &err), 0, "%s", err_text(&err));
	write_all(&p, "cd", 2, size + 2);
	cr_assert_eq(prog_read(&p, buf, 4, size - 2), 4);
	cr_assert_eq(prog_read(&p, buf, 4, size), 4);
	cr_assert_eq(memcmp(buf, "abcd", 4), 0, "a fill ran over what was written");
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size + 4));
}

Test(object_write, appending_in_two_sessions_of_writers_leaves_no_gap_unread)
{
	size_t size = MIB(12) + 12345;
	cleanup_free char *want = patched(size, 1, "abcd", 4, size);
	struct prog p, reader;
	char buf[8];

	bench_make("k", size, 1);
	cr_assert_eq(prog_open(&reader, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "ab", 2, size);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "cd", 2, size + 2);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size + 4));
	cr_assert_eq(prog_read(&reader, buf, 8, size - 4), 8);
	cr_assert_eq(memcmp(buf, want + size - 4, 8), 0);
	prog_close(&reader);
}

Test(object_write, a_change_in_the_middle_of_a_big_object_sends_little)
{
	size_t size = MIB(30);
	cleanup_free char *want = patched(size, 1, "middle", 6, MIB(14));
	struct prog p;

	bench_make("k", size, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "middle", 6, MIB(14));
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size));
	cr_assert_eq(fake_count(S3_UPLOAD_PART_COPY), 2);
	cr_assert_eq(fake_count(S3_UPLOAD_PART), 1);
	cr_assert_eq(fake_sent_bytes(), S3_PART_MIN);
}

Test(object_write, a_server_that_does_not_copy_parts_gets_all_of_them)
{
	size_t size = MIB(12) + 12345;
	cleanup_free char *want = patched(size, 1, "!?", 2, size);
	struct prog p;

	bench_make("k", size, 1);
	fake.fail_op = S3_UPLOAD_PART_COPY;
	fake.fail_times = -1;
	fake.fail_status = -ENOTSUP;
	fake.fail_http = 501;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "!", 1, size);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size + 1));
	cr_assert_eq(fake_uploads_open(), 0);
	fake_forget_counts();
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "?", 1, size + 1);
	cr_assert_eq(object_sync(p.o, NULL), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size + 2));
	cr_assert_eq(fake_count(S3_UPLOAD_PART_COPY), 0, "it is not asked again");
}

Test(object_write, cutting_a_big_object_copies_what_is_left)
{
	cleanup_free char *want = bench_bytes(MIB(20), 1);
	struct err err = ERR_INIT;
	struct prog p;

	bench_make("k", MIB(20), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	cr_assert_eq(object_truncate(p.o, MIB(10) + 100, &err), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(10) + 100));
	cr_assert_eq(fake_got_bytes() + fake_sent_bytes(), 0);
	cr_assert_eq(fake_total(), 3, "Create, UploadPartCopy, Complete");
}

/* That their checksums are those of zeros is told by the last commit, which finds nothing to send. */
Test(object_write, holes_of_a_new_file_are_zeros)
{
	size_t size = MIB(3) + 77;
	cleanup_free char *want = calloc(1, size);
	static const char zeros[1000];
	struct err err = ERR_INIT;
	struct prog p, reader;
	unsigned sent;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "abc", 3, 100000);
	memcpy(want + 100000, "abc", 3);
	cr_assert_eq(object_truncate(p.o, size, &err), 0);
	cr_assert_eq(prog_open(&reader, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, size));
	sent = fake_total();
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, zeros, sizeof(zeros), MIB(2));
	write_all(&p, zeros, 50, size - 50);
	write_all(&p, "b", 1, 100001);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_total(), sent);
	cr_assert_eq(prog_close(&reader), 0);
}

Test(object_write, cut_and_grown_again_the_rest_is_zeros)
{
	cleanup_free char *want = bench_bytes(MIB(20), 1);
	struct err err = ERR_INIT;
	struct prog p;
	char buf[100];

	memset(want + MIB(10) + 100, 0, MIB(10) - 100);
	bench_make("k", MIB(20), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(object_truncate(p.o, MIB(10) + 100, &err), 0);
	cr_assert_eq(object_truncate(p.o, MIB(20), &err), 0);
	cr_assert_eq(prog_read(&p, buf, 100, MIB(10) + 50), 100);
	cr_assert_eq(memcmp(buf, want + MIB(10) + 50, 100), 0);
	cr_assert_eq(prog_read(&p, buf, 100, MIB(15)), 100);
	cr_assert_eq(memcmp(buf, want + MIB(15), 100), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(20)));
}

Test(object_write, cut_grown_and_committed_while_somebody_reads)
{
	cleanup_free char *want = bench_bytes(MIB(20), 1);
	struct err err = ERR_INIT;
	struct prog p, reader;
	char buf[200];

	memset(want + MIB(10) + 100, 0, MIB(10) - 100);
	bench_make("k", MIB(20), 1);
	cr_assert_eq(prog_open(&reader, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(object_truncate(p.o, MIB(10) + 100, &err), 0);
	cr_assert_eq(object_truncate(p.o, MIB(20), &err), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(20)));
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "second", 6, MIB(10) + 200);
	memcpy(want + MIB(10) + 200, "second", 6);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(20)));
	cr_assert_eq(prog_read(&reader, buf, 200, MIB(10) + 50), 200);
	cr_assert_eq(memcmp(buf, want + MIB(10) + 50, 200), 0);
	prog_close(&reader);
}

Test(object_write, a_late_fill_does_not_bring_back_what_was_cut)
{
	struct err err = ERR_INIT;
	struct prog p;
	char buf[10], zeros[10] = "";

	bench_make("k", MIB(4), 1);
	fake.chunk_delay_us = 200;
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDWR), 0);
	cr_assert_eq(prog_read(&p, buf, 10, 0), 10);
	cr_assert_eq(object_grant(p.o, &p.ra, KIB(128), 10, false, &p.grant, &err), 0);
	cr_assert_eq(object_grant(p.o, &p.ra, p.ra.next, 10, false, &p.grant, &err), 0);
	cr_assert_eq(object_truncate(p.o, 5, &err), 0);
	cr_assert_eq(object_truncate(p.o, MIB(4), &err), 0);
	usleep(50000);
	for (uint64_t off = 16; off < MIB(4); off += 10000) {
		cr_assert_eq(prog_read(&p, buf, 10, off), 10);
		cr_assert_eq(memcmp(buf, zeros, 10), 0, "at %llu", (unsigned long long)off);
	}
	prog_close(&p);
}

Test(object_write, truncating_open_replaces_under_if_match)
{
	struct prog p;

	bench_make("k", MIB(3), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_TRUNCATE, O_WRONLY), 0);
	write_all(&p, "new", 3, 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "new", 3));
	cr_assert_eq(fake_total(), 1);
}

Test(object_write, truncating_open_and_no_write_empties)
{
	struct prog p;

	bench_make("k", 10, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_TRUNCATE, O_WRONLY), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "", 0));
}

Test(object_write, a_big_new_file_is_sent_in_parts)
{
	cleanup_free char *want = bench_bytes(MIB(17), 3);
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	for (size_t off = 0; off < MIB(17); off += MIB(1))
		write_all(&p, want + off, MIB(1), off);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(17)));
	cr_assert_eq(fake_count(S3_UPLOAD_PART), 4);
	cr_assert_eq(fake_uploads_open(), 0);
}

Test(object_write, parts_travel_while_the_file_is_written)
{
	cleanup_free char *want = bench_bytes(MIB(17), 3);
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	for (size_t off = 0; off < MIB(17); off += MIB(1))
		write_all(&p, want + off, MIB(1), off);
	for (int i = 0; i < 5000 && fake_count(S3_UPLOAD_PART) < 3; i++)
		usleep(1000);
	usleep(20000);
	cr_assert_eq(fake_count(S3_UPLOAD_PART), 3);
	memcpy(want + MIB(6), "changed", 7);
	write_all(&p, "changed", 7, MIB(6));
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(17)));
	cr_assert_eq(fake_count(S3_UPLOAD_PART), 5, "the tail, and the part that changed again");
	cr_assert_eq(fake_count(S3_CREATE_MULTIPART_UPLOAD), 1);
	cr_assert_eq(fake_uploads_open(), 0);
}

Test(object_write, parts_that_were_not_written_yet_are_not_sent_ahead)
{
	cleanup_free char *want = calloc(1, MIB(22)), *data = bench_bytes(MIB(6), 3);
	struct err err = ERR_INIT;
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	cr_assert_eq(object_truncate(p.o, MIB(22), &err), 0);
	memcpy(want, data, MIB(6));
	write_all(&p, data, MIB(6), 0);
	for (int i = 0; i < 5000 && fake_count(S3_UPLOAD_PART) < 1; i++)
		usleep(1000);
	usleep(500000); /* some ticks */
	cr_assert_eq(fake_count(S3_UPLOAD_PART), 1);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(22)));
}

Test(object_write, a_file_that_shrinks_after_parts_were_sent_is_one_put)
{
	cleanup_free char *want = bench_bytes(MIB(11), 3);
	struct err err = ERR_INIT;
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, want, MIB(11), 0);
	for (int i = 0; i < 5000 && fake_count(S3_UPLOAD_PART) < 2; i++)
		usleep(1000);
	cr_assert_eq(object_truncate(p.o, 1000, &err), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, 1000));
	cr_assert_eq(fake_uploads_open(), 0);
}

Test(object_write, a_failed_part_aborts_the_upload)
{
	cleanup_free char *want = bench_bytes(MIB(11), 3);
	struct prog p;

	fake.fail_op = S3_UPLOAD_PART;
	fake.fail_times = -1;
	fake.fail_status = -EIO;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, want, MIB(11), 0);
	cr_assert_eq(prog_close(&p), -EIO);
	cr_assert_not(fake_has("k"));
	cr_assert_eq(fake_uploads_open(), 0);
}

static void *sync_by_itself(void *arg)
{
	return (void *)(intptr_t)object_sync(arg, NULL);
}

/* Whoever waited for a commit that failed does not try it again: its failure is theirs. */
Test(object_write, a_failed_upload_is_tried_once)
{
	struct object *o;
	pthread_t syncer;
	struct prog p;
	void *status;

	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = -1;
	fake.fail_status = -EIO;
	fake.delay_us = 300000;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "x", 1, 0);
	o = object_ref(p.o);
	cr_assert_eq(pthread_create(&syncer, NULL, sync_by_itself, o), 0);
	while (!fake_count(S3_PUT_OBJECT))
		usleep(1000);
	cr_assert_eq(prog_close(&p), -EIO);
	cr_assert_eq(pthread_join(syncer, &status), 0);
	cr_assert_eq((intptr_t)status, -EIO);
	object_unref(o);
	cr_assert_eq(object_store_drain(bench.store, false, NULL, NULL), 1);
	cr_assert_eq(fake_count(S3_PUT_OBJECT), 1);
}

Test(object_write, who_loses_a_race_gets_estale)
{
	struct prog p;

	bench_make("k", 100, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_TRUNCATE, O_WRONLY), 0);
	bench_make("k", 100, 2);
	write_all(&p, "mine", 4, 0);
	cr_assert_eq(prog_close(&p), -ESTALE);
	cr_assert_not(fake_is("k", "mine", 4));
}

Test(object_write, a_base_that_was_deleted_is_estale)
{
	struct prog p;

	bench_make("k", 100, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_TRUNCATE, O_WRONLY), 0);
	fake_delete("k");
	write_all(&p, "mine", 4, 0);
	cr_assert_eq(prog_close(&p), -ESTALE);
	cr_assert_not(fake_has("k"));
}

Test(object_write, exclusive_creation_that_loses_is_eexist)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	object_exclusive(p.o);
	bench_make("k", 100, 2);
	cr_assert_eq(prog_close(&p), -EEXIST);
}

Test(object_write, an_answer_that_was_lost_is_not_a_conflict)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "hello", 5, 0);
	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = 1;
	fake.lose_answer = true;
	fake.fail_status = -EEXIST; /* what the retry inside the client meets */
	fake.fail_http = 412;
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "hello", 5));
}

Test(object_write, a_server_that_wants_bare_etags_is_learned)
{
	struct prog p;

	fake.bare_etags = true;
	bench_make("k", 100, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_TRUNCATE, O_WRONLY), 0);
	write_all(&p, "mine", 4, 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "mine", 4));
	fake_forget_counts();
	cr_assert_eq(prog_open(&p, "k", OBJECT_TRUNCATE, O_WRONLY), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_total(), 1, "the second time it is known");
}

Test(object_write, a_server_without_conditions_is_written_to_all_the_same)
{
	struct prog p;

	fake.no_conditions = true;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "mine", 4, 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "mine", 4));
}

Test(object_write, readers_and_writers_share_one_inode)
{
	struct prog r, w;
	char buf[4];

	bench_make("k", KIB(10), 1);
	cr_assert_eq(prog_open(&r, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(prog_open(&w, "k", OBJECT_WRITE, O_WRONLY), 0);
	cr_assert_eq(r.o, w.o);
	write_all(&w, "seen", 4, 100);
	cr_assert_eq(prog_read(&r, buf, 4, 100), 4);
	cr_assert_eq(memcmp(buf, "seen", 4), 0);
	cr_assert_eq(prog_close(&w), 0);
	prog_close(&r);
}

Test(object_write, only_the_last_writers_close_uploads)
{
	struct prog a, b;
	struct err err = ERR_INIT;
	bool last = true;

	cr_assert_eq(prog_open(&a, "k", OBJECT_WRITE, O_WRONLY), 0);
	cr_assert_eq(prog_open(&b, "k", OBJECT_WRITE, O_WRONLY), 0);
	close(a.fd);
	a.fd = -1;
	cr_assert_eq(object_closed(a.o, &last, &err), 0);
	cr_assert_not(last);
	cr_assert_not(fake_has("k"));
	cr_assert_eq(prog_close(&b), 0);
	cr_assert(fake_has("k"));
	prog_close(&a);
}

Test(object_write, a_writer_that_was_killed_is_committed)
{
	struct prog p;
	pid_t child;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	child = fork();
	if (!child) {
		(void)!pwrite(p.fd, "last words", 10, 0);
		kill(getpid(), SIGKILL);
	}
	close(p.fd);
	p.fd = -1;
	waitpid(child, NULL, 0);
	cr_assert(bench_becomes(&bench_committed, 1));
	cr_assert(fake_is("k", "last words", 10));
	cr_assert(bench_becomes(&bench_idle, 1));
	object_unref(p.o);
}

Test(object_write, a_writable_mapping_that_outlives_its_descriptor_is_committed)
{
	struct prog p;
	char *map;

	bench_make("k", 4096, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(object_grant(p.o, NULL, 0, 0, true, &p.grant, NULL), 0);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, p.fd, 0);
	close(p.fd);
	p.fd = -1;
	memcpy(map, "mapped", 6);
	munmap(map, 4096);
	cr_assert(bench_becomes(&bench_committed, 1));
	object_unref(p.o);
}

Test(object_write, fsync_sends_while_writers_go_on)
{
	struct err err = ERR_INIT;
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "one", 3, 0);
	cr_assert_eq(object_sync(p.o, &err), 0);
	cr_assert(fake_is("k", "one", 3));
	write_all(&p, "two", 3, 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", "two", 3));
	cr_assert_eq(fake_count(S3_PUT_OBJECT), 2);
}

Test(object_write, an_unlinked_file_is_never_uploaded)
{
	struct err err = ERR_INIT;
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "secret", 6, 0);
	cr_assert_eq(object_forget(p.o, &err), 0);
	cr_assert_null(
	    object_find(bench.store, &(struct object_name){ .client = fake_client(), .bucket = "bucket", .key = "k" }));
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_total(), 0);
}

Test(object_write, what_is_unlinked_is_completed_for_its_readers)
{
	cleanup_free char *want = bench_bytes(MIB(1), 1), *buf = malloc(MIB(1));
	struct err err = ERR_INIT;
	struct prog p;

	bench_make("k", MIB(1), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(object_forget(p.o, &err), 0);
	fake_delete("k");
	cr_assert_eq(prog_read(&p, buf, MIB(1), 0), (int)MIB(1));
	cr_assert_eq(memcmp(buf, want, MIB(1)), 0);
	prog_close(&p);
}

Test(object_write, a_renamed_file_is_committed_under_its_new_key)
{
	struct object_name to = bench_name("new");
	struct err err = ERR_INIT;
	struct prog p;

	cr_assert_eq(prog_open(&p, "old", OBJECT_WRITE, O_RDWR), 0);
	write_all(&p, "data", 4, 0);
	cr_assert_eq(object_rename(p.o, &to, NULL, &err), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("new", "data", 4));
	cr_assert_not(fake_has("old"));
}

Test(object_write, renaming_onto_an_open_name_is_ebusy)
{
	struct object_name to = bench_name("b");
	struct err err = ERR_INIT;
	struct prog a, b;

	bench_make("a", 10, 1);
	bench_make("b", 10, 2);
	cr_assert_eq(prog_open(&a, "a", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(prog_open(&b, "b", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(object_rename(a.o, &to, NULL, &err), -EBUSY);
	prog_close(&a);
	prog_close(&b);
}

Test(object_write, punched_ranges_are_zeros)
{
	cleanup_free char *want = bench_bytes(KIB(300), 1);
	struct err err = ERR_INIT;
	struct prog p;

	memset(want + 1000, 0, KIB(100));
	bench_make("k", KIB(300), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(object_allocate(p.o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, KIB(100), &err), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, KIB(300)));
}

static bool give_mtime(void *arg, struct object *o, struct s3_meta *meta, char *content_type, size_t room)
{
	(void)arg, (void)content_type, (void)room;
	s3_meta_set(meta, "file-mtime", object_mtime_ns(o) == 1234567890000000005 ? "1234567890000000005ns" : "other");
	return false;
}

static bool give_mode(void *arg, struct object *o, struct s3_meta *meta, char *content_type, size_t room)
{
	(void)arg, (void)o, (void)content_type, (void)room;
	s3_meta_set(meta, "file-permissions", "0100600");
	return true;
}

Test(object_write, a_mode_that_is_due_is_a_copy_onto_itself)
{
	struct s3_info info;
	struct prog p;

	bench_events.prepare = give_mode;
	bench_make("k", 100, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1);
	cr_assert(fake_info("k", &info));
	cr_assert_str_eq(s3_meta_get(&info.meta, "file-permissions"), "0100600");
}

Test(object_write, times_alone_are_a_copy_onto_itself)
{
	struct s3_info info;
	struct prog p;

	bench_events.prepare = give_mtime;
	bench_make("k", 100, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	object_touch(p.o, 1234567890000000005);
	cr_assert_eq(object_mtime_ns(p.o), 1234567890000000005);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_total(), 1);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1);
	cr_assert(fake_info("k", &info));
	cr_assert_str_eq(s3_meta_get(&info.meta, "file-mtime"), "1234567890000000005ns");
}

static void count_failure(void *arg, const struct object_failure *f)
{
	cr_assert_str_eq(f->name, "s3://bucket/k");
	++*(int *)arg;
}

static void check_entry(void *arg, const struct recover_entry *e)
{
	struct recover_entry *seen = arg;

	cr_assert_str_eq(e->bucket, "bucket");
	cr_assert_str_eq(e->key, "k");
	cr_assert_str_eq(e->endpoint, "test");
	seen->size = e->size;
	seen->partial = e->partial;
	seen->mtime_ns++;
}

Test(object_write, what_could_not_be_uploaded_is_kept_and_listed)
{
	struct recover_entry seen = { 0 };
	struct err err = ERR_INIT;
	int failures = 0;
	struct prog p;
	char command[200];

	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = -1;
	fake.fail_status = -EACCES;
	fake.fail_http = 403;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "precious", 8, 0);
	cr_assert_eq(prog_close(&p), -EACCES);
	cr_assert_eq(object_store_drain(bench.store, true, count_failure, &failures), 1);
	cr_assert_eq(failures, 1);
	cr_assert_eq(recover_list(bench.cache, check_entry, &seen, &err), 0, "its broker is alive");
	snprintf(command, sizeof(command), "flock -n %s/lock true", bench.staging);
	cr_assert_neq(system(command), 0);
	snprintf(command, sizeof(command), "cp -r %s %s/session-2", bench.staging, bench.cache);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(recover_list(bench.cache, check_entry, &seen, &err), 1);
	cr_assert_eq(seen.size, 8);
	cr_assert_not(seen.partial);
	snprintf(command, sizeof(command), "rm -rf %s/session-2", bench.cache);
	cr_assert_eq(system(command), 0);
}

static void leave(void *arg, const struct recover_entry *e)
{
	check_entry(arg, e);
	cr_assert_str_eq(e->reason, "the broker ended before the upload");
}

/* The broker's part, in a process of its own, that is killed with a file half overwritten. */
static void broker_that_is_killed(int cache_to)
{
	struct prog p;

	bench_open(&(struct object_store_config){ 0 });
	bench_make("k", MIB(2), 1);
	if (prog_open(&p, "k", OBJECT_WRITE, O_RDWR) < 0 || prog_write(&p, "half", 4, MIB(1)) != 4 ||
	    write(cache_to, bench.cache, sizeof(bench.cache)) < 0)
		_exit(1);
	kill(getpid(), SIGKILL);
}

Test(object_recover, what_a_killed_broker_leaves_is_listed)
{
	struct recover_entry seen = { 0 };
	struct err err = ERR_INIT;
	char cache[sizeof(bench.cache)], command[200];
	int pipe_fds[2];
	pid_t child;

	cr_assert_eq(pipe(pipe_fds), 0);
	child = fork();
	if (!child)
		broker_that_is_killed(pipe_fds[1]);
	waitpid(child, NULL, 0);
	cr_assert_eq(read(pipe_fds[0], cache, sizeof(cache)), (ssize_t)sizeof(cache));
	cr_assert_eq(recover_list(cache, leave, &seen, &err), 1);
	cr_assert_eq(seen.size, MIB(2));
	cr_assert(seen.partial, "most of the base was never fetched");
	snprintf(command, sizeof(command), "rm -rf %s", cache);
	cr_assert_eq(system(command), 0);
}

Test(object_write, a_failed_fsync_is_told_again_by_close)
{
	struct err err = ERR_INIT;
	struct prog p;

	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = 1;
	fake.fail_status = -EIO;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "precious", 8, 0);
	cr_assert_eq(object_sync(p.o, &err), -EIO);
	cr_assert_eq(prog_close(&p), -EIO, "a close that follows tells again");
	cr_assert_eq(object_store_drain(bench.store, true, NULL, NULL), 1);
}

Test(object_write, a_later_success_takes_the_failure_back)
{
	struct err err = ERR_INIT;
	struct prog p;

	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = 1;
	fake.fail_status = -EIO;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "precious", 8, 0);
	cr_assert_eq(object_sync(p.o, &err), -EIO);
	cr_assert_eq(object_sync(p.o, &err), 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(object_store_drain(bench.store, true, NULL, NULL), 0);
}

Test(object_write, drain_commits_what_is_still_open)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "open", 4, 0);
	cr_assert_eq(object_store_drain(bench.store, false, NULL, NULL), 0);
	cr_assert_not(fake_has("k"));
	cr_assert_eq(object_store_drain(bench.store, true, NULL, NULL), 0);
	cr_assert(fake_is("k", "open", 4));
	prog_close(&p);
}

Test(object_write, staging_is_empty_after_a_successful_close)
{
	struct recover_entry seen = { 0 };
	struct err err = ERR_INIT;
	char command[200];
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "x", 1, 0);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(recover_list(bench.cache, check_entry, &seen, &err), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(command, sizeof(command), "test $(ls %s | wc -l) = 1", bench.staging);
		if (system(command) == 0)
			return;
		usleep(1000);
	}
	cr_assert(false, "something is left in the staging folder");
}

Test(object_write_alone, memory_staging_is_bounded)
{
	cleanup_free char *data = bench_bytes(MIB(8), 1);
	struct object_range r;
	struct prog p;

	bench_open_memory(&(struct object_store_config){ .memory_max = MIB(16) });
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	cr_assert_eq(object_claim(p.o, 0, 10, &r, NULL), 0);
	cr_assert_eq(r.len, MIB(8));
	write_all(&p, data, MIB(8), 0);
	cr_assert_eq(object_claim(p.o, MIB(15), 10, &r, NULL), 0);
	cr_assert_eq(object_claim(p.o, MIB(16), 10, &r, NULL), -ENOSPC);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", data, MIB(8)));
	bench_close();
}

static void make_slow(void)
{
	bench_open(&(struct object_store_config){ .dirty_max = MIB(10), .parallel = 2 });
}

TestSuite(object_write_held, .init = make_slow, .fini = bench_close);

/* A file larger than what may be dirty: its writer waits for parts on their way, and every byte arrives. */
Test(object_write_held, a_writer_that_is_too_fast_waits)
{
	cleanup_free char *want = bench_bytes(MIB(60), 3);
	struct prog p;

	fake.delay_us = 20000;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, want, MIB(16), 0);
	while (arena_slot(bench.arena, object_slot(p.o))->flags & WIRE_SLOT_NO_CLAIM)
		usleep(1000); /* the ticker has seen it */
	for (size_t off = MIB(16); off < MIB(60); off += MIB(1)) {
		write_all(&p, want + off, MIB(1), off);
		/* two windows: one may have been granted while the ticker counted */
		cr_assert_leq(off + MIB(1), fake_sent_bytes() + MIB(10 + 2 * 8 + 5));
	}
	cr_assert_eq(prog_close(&p), 0);
	cr_assert(fake_is("k", want, MIB(60)));
}

/* Nothing can be sent, so nothing is waited for: the close tells. */
Test(object_write_held, a_server_that_refuses_holds_nobody_back)
{
	cleanup_free char *want = bench_bytes(MIB(40), 3);
	struct prog p;

	fake.fail_op = S3_UPLOAD_PART;
	fake.fail_times = -1;
	fake.fail_status = -EIO;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, want, MIB(16), 0);
	while (arena_slot(bench.arena, object_slot(p.o))->flags & WIRE_SLOT_NO_CLAIM)
		usleep(1000);
	write_all(&p, want + MIB(16), MIB(24), MIB(16));
	cr_assert_eq(prog_close(&p), -EIO);
}

static void make_background(void)
{
	bench_open(&(struct object_store_config){ .commit_background = true });
}

TestSuite(object_write_background, .init = make_background, .fini = bench_close);

static void write_text(const char *key, enum object_intent intent, const char *text)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, key, intent, O_WRONLY), 0);
	write_all(&p, text, strlen(text), 0);
	cr_assert_eq(prog_close(&p), 0);
}

Test(object_write_background, close_does_not_wait_and_uploads_go_side_by_side)
{
	char key[16];

	fake.delay_us = 1000000;
	for (int i = 0; i < 48; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		write_text(key, OBJECT_WRITE, key);
	}
	cr_assert_eq(object_store_drain(bench.store, false, NULL, NULL), 0);
	for (int i = 0; i < 48; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		cr_assert(fake_is(key, key, strlen(key)));
	}
	cr_assert_gt(fake_peak(), 16);
}

Test(object_write_background, versions_of_one_key_arrive_in_order)
{
	static const char *const texts[] = { "one", "two", "three", "four" };

	fake.delay_us = 50000;
	for (int i = 0; i < 4; i++)
		write_text("k", OBJECT_TRUNCATE, texts[i]);
	cr_assert_eq(object_store_drain(bench.store, false, NULL, NULL), 0);
	cr_assert(fake_is("k", "four", 4));
}

Test(object_write_background, fsync_waits_all_the_same)
{
	struct prog p;

	fake.delay_us = 100000;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	write_all(&p, "x", 1, 0);
	cr_assert_eq(object_fsync(p.o, NULL), 0);
	cr_assert(fake_is("k", "x", 1));
	cr_assert_eq(prog_close(&p), 0);
}

Test(object_write_background, a_failure_is_drains_to_tell)
{
	struct prog p;

	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = -1;
	fake.fail_status = -EACCES;
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_WRONLY), 0);
	(void)prog_close(&p); /* it may have heard of it */
	cr_assert_eq(object_store_drain(bench.store, false, NULL, NULL), 1);
}
