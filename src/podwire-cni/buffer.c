#include "buffer.h"

#include <stdlib.h>
#include <string.h>

void reserve(struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->length > more)
        return;
    buffer->capacity = (buffer->length + more) * 2 + 1;
    buffer->data = realloc(buffer->data, buffer->capacity);
    if (buffer->data == NULL)
        abort();
}

void append(struct buffer *buffer, const char *data, size_t length)
{
    reserve(buffer, length);
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}
