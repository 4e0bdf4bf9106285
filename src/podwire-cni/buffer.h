/* Bytes that grow. */
#ifndef PODWIRE_BUFFER_H
#define PODWIRE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

/* Make room for `more` bytes and one zero byte. Ends the program where there is no memory. */
void reserve(struct buffer *buffer, size_t more);

void append(struct buffer *buffer, const char *data, size_t length);

#endif
