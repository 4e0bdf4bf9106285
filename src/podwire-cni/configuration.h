/* What the plugin reads from a network configuration (CNI specification 1.1.0, section 1). */
#ifndef PODWIRE_CONFIGURATION_H
#define PODWIRE_CONFIGURATION_H

#include <stddef.h>

#define SOCKET_KEY "podwire.socket" /* of the network configuration: the path of the agent's socket */
#define DEPTH_LIMIT 900             /* of nested lists and objects */

/* The values are UTF-8 and end with a zero byte; NULL where the key is missing or its value is not a string. */
struct configuration {
    char *version;
    char *socket;
};

/* Read a JSON object (RFC 8259). As in Python's json module the last of several equal keys counts.
 * Returns NULL, or what is wrong; then *place is the offset of the byte at fault. The text is not changed. */
const char *read_configuration(const char *text, size_t length, struct configuration *result, size_t *place);

#endif
