/**
 * notes.h - which multipart uploads are ours: an empty file for each in a folder, named after it.
 *
 * A listing of uploads tells keys, ids and dates, but nothing that a client could mark as its own. So what
 * CreateMultipartUpload gave is noted beside the staging folders, and the note is removed when the upload is completed or
 * aborted: what is left was left behind. Notes outlive their session; several sessions share the folder. Any thread;
 * failures are logged only, since an upload without a note is swept by hand at worst.
 */
#ifndef S3SHIM_S3_NOTES_H
#define S3SHIM_S3_NOTES_H

#include <stdbool.h>

/** One upload. Borrowed strings. */
struct notes_upload {
	const char *endpoint, *bucket, *key, *id;
};

/** notes_add() - @dir is made if it is missing; NULL: nothing is noted. */
void notes_add(const char *dir, const struct notes_upload *upload);
void notes_remove(const char *dir, const struct notes_upload *upload);
bool notes_has(const char *dir, const struct notes_upload *upload);

#endif
