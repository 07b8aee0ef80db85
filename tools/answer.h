/**
 * answer.h - what the daemon says at its control socket, as JSON; s3shimd(8) tells the members.
 *
 * Each puts one line into @t. Where there is no memory for it, the connection is cut.
 */
#ifndef S3SHIM_TOOLS_ANSWER_H
#define S3SHIM_TOOLS_ANSWER_H

struct hosted;
struct talk;

/** answer_error() - nothing came of it. @status: what s3ctl exits with. @assets: JSON of what became of them; NULL: none. */
void answer_error(struct talk *t, int status, const char *sentence, const char *assets);
void answer_started(struct talk *t, const struct hosted *h);
/** answer_ended() - the session's end is told. */
void answer_ended(struct talk *t, struct hosted *h);
/** answer_list() - @sessions: the first of a list; NULL: there are none. */
void answer_list(struct talk *t, const struct hosted *sessions);

#endif
