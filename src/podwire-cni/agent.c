#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 100
#define STATUS_SECONDS 10 /* for its answer, which a runtime's node waits for */
#define AWAY_SECONDS 30   /* how long ADD and DEL wait for an agent that restarts */
#define TRIES_A_SECOND 10
#define MARK_LIMIT 256
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Connect to the agent. Returns the socket, or -1 with errno. */
static int connect_agent(const char *path, int patience)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = patience};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (agent < 0)
        return -1;
    setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(agent, (struct sockaddr *)&address, sizeof address) == 0)
        return agent;
    int error = errno;
    close(agent);
    errno = error;
    return -1;
}

static bool send_all(int agent, const struct buffer *data)
{
    size_t sent = 0;
    while (sent < data->length) {
        ssize_t count = send(agent, data->data + sent, data->length - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR)
            return false;
        sent += count > 0 ? count : 0;
    }
    return shutdown(agent, SHUT_WR) == 0;
}

static bool receive_all(int agent, struct buffer *answer)
{
    for (;;) {
        reserve(answer, 1 << 12);
        ssize_t count = recv(agent, answer->data + answer->length, answer->capacity - answer->length - 1, 0);
        if (count == 0)
            return true;
        if (count < 0 && errno != EINTR)
            return false;
        answer->length += count > 0 ? count : 0;
    }
}

/* One try. Returns NULL, or what is wrong; *timed_out: whether the agent took too long. */
static const char *exchange(const char *path, const struct buffer *frame, int patience, struct buffer *answer,
                            bool *timed_out)
{
    answer->length = 0;
    int agent = connect_agent(path, patience);
    bool complete = agent >= 0 && send_all(agent, frame) && receive_all(agent, answer);
    int error = errno;
    if (agent >= 0)
        close(agent);
    *timed_out = !complete && (error == EAGAIN || error == EWOULDBLOCK);
    if (complete)
        return answer->length > 0 ? NULL : "it ended before it had answered";
    return *timed_out ? "timed out" : strerror(error);
}

/* Read the begin of a file and cut off space at its end. */
static bool read_line(const char *path, char text[MARK_LIMIT + 1])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, text, MARK_LIMIT);
    close(file);
    if (length < 0)
        return false;
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    text[length] = 0;
    return true;
}

/* The number of this network namespace, which no other one has before the next boot: socket(7), SO_NETNS_COOKIE. */
static bool read_namespace(uint64_t *cookie)
{
    socklen_t size = sizeof *cookie;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    bool result = getsockopt(probe, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size) == 0;
    close(probe);
    return result;
}

/* Whether a mark `BOOT NETNS EXPIRY` is of this boot and this network namespace and has not expired. */
static bool is_valid(char *mark)
{
    char boot[MARK_LIMIT + 1], namespace[32];
    uint64_t cookie;
    if (!read_namespace(&cookie) || !read_line("/proc/sys/kernel/random/boot_id", boot))
        return false;
    size_t length = (size_t)snprintf(namespace, sizeof namespace, "%" PRIu64, cookie);
    size_t boot_length = strlen(boot);
    char *rest = mark + boot_length + 1 + length;
    if (strlen(mark) <= boot_length + 1 + length || memcmp(mark, boot, boot_length) != 0 ||
        mark[boot_length] != ' ' || memcmp(mark + boot_length + 1, namespace, length) != 0 || *rest != ' ')
        return false;
    const char *digits = rest + 1;
    if (*digits == 0 || strspn(digits, "0123456789") != strlen(digits))
        return false;
    struct timespec now;
    return clock_gettime(CLOCK_BOOTTIME, &now) == 0 && strtoll(digits, NULL, 10) > now.tv_sec;
}

/* Whether the agent left the mark that this node's network is set up (src/podwire/pods/runtime/ready_mark.py). */
static bool is_marked(const char *path)
{
    struct buffer name = {NULL, 0, 0};
    char mark[MARK_LIMIT + 1];
    append(&name, path, strlen(path));
    append(&name, ".ready", sizeof ".ready");
    bool result = read_line(name.data, mark) && is_valid(mark);
    free(name.data);
    return result;
}

const char *request(const char *command, const char *path, const struct buffer *frame, struct buffer *answer)
{
    bool status = strcmp(command, "STATUS") == 0;
    bool again = strcmp(command, "ADD") == 0 || strcmp(command, "DEL") == 0;
    const struct timespec pause = {.tv_nsec = 1000000000 / TRIES_A_SECOND};
    for (int left = again ? AWAY_SECONDS * TRIES_A_SECOND : 0;; left--) {
        bool timed_out;
        const char *error = exchange(path, frame, status ? STATUS_SECONDS : PATIENCE_SECONDS, answer, &timed_out);
        if (error == NULL)
            return NULL;
        bool marked = is_marked(path);
        if (marked && status) {
            answer->length = 0;
            append(answer, "", 1);
            return NULL;
        }
        if (!marked || timed_out || left == 0)
            return error;
        nanosleep(&pause, NULL);
    }
}
