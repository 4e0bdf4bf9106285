/* The node's agent, as the plugin sees it: one request and one answer by a unix socket. */
#ifndef PODWIRE_AGENT_H
#define PODWIRE_AGENT_H

#include "buffer.h"

/* Request an answer: the exit status as one byte, then what to print. While the agent restarts, the answer to STATUS
 * is success, and ADD and DEL are sent again for a time. Returns NULL, or why there is no answer. */
const char *request(const char *command, const char *path, const struct buffer *frame, struct buffer *answer);

#endif
