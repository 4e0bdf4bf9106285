/* The CNI plugin of podwire, for nodes without Python: hands its environment and input to the node's agent and prints
 * the answer. It behaves as src/podwire/pods/runtime/plugin.py does; the same tests run over both.
 * Source: CNI specification 1.1.0 (github.com/containernetworking/cni, SPEC.md). */
#include "agent.h"
#include "buffer.h"
#include "configuration.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEWEST_VERSION "1.1.0"
#define SUPPORTED_VERSIONS "[\"0.3.1\", \"0.4.0\", \"1.0.0\", \"1.1.0\"]"
#define INPUT_LIMIT (16 << 20)

enum code {
    INPUT_OUTPUT = 5,
    BAD_ENVIRONMENT = 4,
    DECODE_FAILURE = 6,
    INVALID_CONFIGURATION = 7,
    TRY_AGAIN_LATER = 11,
    NOT_AVAILABLE = 50,
};

extern char **environ;

static struct configuration configuration;

static void print_string(const char *text)
{
    putchar('"');
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        if ((unsigned char)*text < 0x20)
            printf("\\u%04x", *text);
        else
            putchar(*text);
    }
    putchar('"');
}

/* Begin an answer with the version of the configuration, where it has one. */
static void print_version(void)
{
    bool is_known = configuration.version != NULL && *configuration.version != 0;
    printf("{\"cniVersion\": ");
    print_string(is_known ? configuration.version : NEWEST_VERSION);
}

/* End the plugin with a CNI error. Does not return. */
static _Noreturn void fail(enum code code, const char *message, const char *details)
{
    print_version();
    printf(", \"code\": %d, \"msg\": ", code);
    print_string(message);
    printf(", \"details\": ");
    print_string(details);
    printf("}");
    fflush(stdout);
    _exit(1);
}

static struct buffer read_input(void)
{
    struct buffer input = {NULL, 0, 0};
    for (;;) {
        reserve(&input, 1 << 14);
        ssize_t count = read(STDIN_FILENO, input.data + input.length, input.capacity - input.length - 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            fail(INPUT_OUTPUT, "the network configuration on standard input cannot be read", strerror(errno));
        if (count == 0)
            return input;
        input.length += count;
        if (input.length > INPUT_LIMIT)
            fail(INVALID_CONFIGURATION, "the network configuration is longer than 16777216 bytes", "");
    }
}

/* Fill in `configuration`. */
static void decode(const struct buffer *input)
{
    size_t place = 0;
    const char *error = read_configuration(input->data, input->length, &configuration, &place);
    if (error == NULL)
        return;
    char details[128];
    snprintf(details, sizeof details, "byte %zu: %s", place, error);
    fail(DECODE_FAILURE, "the network configuration on standard input is no JSON object", details);
}

/* The frame that `podwire.pods.runtime.cni` reads: the CNI variables as NAME=value with a zero byte between them, two zero
 * bytes, the input. Of several variables with one name the first counts, as for getenv(3). */
static struct buffer frame(const struct buffer *input)
{
    struct buffer result = {NULL, 0, 0};
    for (char **variable = environ; *variable != NULL; variable++) {
        char name[64];
        const char *equals = strchr(*variable, '=');
        size_t length = equals != NULL ? (size_t)(equals - *variable) : sizeof name;
        if (strncmp(*variable, "CNI_", 4) != 0 || length >= sizeof name)
            continue;
        memcpy(name, *variable, length);
        name[length] = 0;
        if (getenv(name) == equals + 1)
            append(&result, *variable, strlen(*variable) + 1);
    }
    append(&result, "", 1);
    append(&result, input->data, input->length);
    return result;
}

/* End the plugin where the agent gives no answer. */
static void fail_without_answer(const char *command, const char *path, const char *reason)
{
    static const char before[] = "the podwire agent does not answer at ", after[] = ": is it running on this node?";
    struct buffer message = {NULL, 0, 0};
    append(&message, before, strlen(before));
    append(&message, path, strlen(path));
    append(&message, after, sizeof after);
    fail(strcmp(command, "STATUS") == 0 ? NOT_AVAILABLE : TRY_AGAIN_LATER, message.data, reason);
}

static void write_all(const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = write(STDOUT_FILENO, data, length);
        if (count < 0 && errno != EINTR)
            _exit(1);
        data += count > 0 ? count : 0;
        length -= count > 0 ? count : 0;
    }
}

static int print_versions(void)
{
    print_version();
    printf(", \"supportedVersions\": " SUPPORTED_VERSIONS "}");
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(void)
{
    struct buffer input = read_input();
    const char *command = getenv("CNI_COMMAND");
    if (command == NULL || *command == 0) {
        size_t place;
        read_configuration(input.data, input.length, &configuration, &place);
        fail(BAD_ENVIRONMENT, "CNI_COMMAND is not set: a container runtime starts this program", "");
    }
    decode(&input);
    if (strcmp(command, "VERSION") == 0)
        return print_versions();
    if (configuration.socket == NULL || configuration.socket[0] != '/')
        fail(INVALID_CONFIGURATION,
             SOCKET_KEY ": the network configuration must name the agent's socket (a full path)", "");
    struct buffer question = frame(&input), answer = {NULL, 0, 0};
    const char *reason = request(command, configuration.socket, &question, &answer);
    if (reason != NULL)
        fail_without_answer(command, configuration.socket, reason);
    write_all(answer.data + 1, answer.length - 1);
    return (unsigned char)answer.data[0];
}
