/* A strict JSON scanner: it validates the whole text and keeps two strings of the outermost object. */
#include "configuration.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
    const unsigned char *at;
    const unsigned char *end;
    const char *error;
};

static const char NO_MEMORY[] = "not enough memory";

static bool fail(struct scanner *scanner, const char *error)
{
    if (scanner->error == NULL)
        scanner->error = error;
    return false;
}

/* The next byte, or -1 at the end of the text. */
static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->end ? *scanner->at : -1;
}

static bool accept(struct scanner *scanner, int byte)
{
    if (peek(scanner) != byte)
        return false;
    scanner->at++;
    return true;
}

static void skip_space(struct scanner *scanner)
{
    while (accept(scanner, ' ') || accept(scanner, '\t') || accept(scanner, '\n') || accept(scanner, '\r'))
        ;
}

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

static bool digits(struct scanner *scanner)
{
    if (!is_digit(peek(scanner)))
        return fail(scanner, "a digit is missing");
    while (is_digit(peek(scanner)))
        scanner->at++;
    return true;
}

static bool number(struct scanner *scanner)
{
    accept(scanner, '-');
    if (!accept(scanner, '0') && !digits(scanner))
        return false;
    if (accept(scanner, '.') && !digits(scanner))
        return false;
    if (!accept(scanner, 'e') && !accept(scanner, 'E'))
        return true;
    if (!accept(scanner, '+'))
        accept(scanner, '-');
    return digits(scanner);
}

static bool word(struct scanner *scanner, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(scanner->end - scanner->at) < length || memcmp(scanner->at, text, length) != 0)
        return fail(scanner, "a value is missing");
    scanner->at += length;
    return true;
}

/* The length of the UTF-8 sequence at a byte of 0x80 or more, 0 where there is none (RFC 3629: the shortest form,
 * no surrogates, nothing above U+10FFFF). */
static size_t sequence(const unsigned char *at, const unsigned char *end)
{
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || (size_t)(end - at) < length)
        return 0;
    for (size_t index = 1; index < length; index++)
        if ((at[index] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
    bool too_high = at[0] == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || too_high ? 0 : length;
}

/* The four digits of an escape \uXXXX, or -1. */
static int32_t four_digits(struct scanner *scanner)
{
    int32_t value = 0;
    for (int index = 0; index < 4; index++) {
        int byte = peek(scanner);
        int lower = byte | 0x20;
        if (is_digit(byte))
            value = value * 16 + byte - '0';
        else if (byte >= 0 && lower >= 'a' && lower <= 'f')
            value = value * 16 + lower - 'a' + 10;
        else
            return -1;
        scanner->at++;
    }
    return value;
}

/* Write a code point as UTF-8; one half of a surrogate pair alone becomes three bytes that are not valid UTF-8. */
static unsigned char *encode(unsigned char *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = point;
    } else if (point < 0x800) {
        *to++ = 0xc0 | point >> 6;
        *to++ = 0x80 | (point & 0x3f);
    } else if (point < 0x10000) {
        *to++ = 0xe0 | point >> 12;
        *to++ = 0x80 | (point >> 6 & 0x3f);
        *to++ = 0x80 | (point & 0x3f);
    } else {
        *to++ = 0xf0 | point >> 18;
        *to++ = 0x80 | (point >> 12 & 0x3f);
        *to++ = 0x80 | (point >> 6 & 0x3f);
        *to++ = 0x80 | (point & 0x3f);
    }
    return to;
}

/* The code point after `\u`, of two escapes where they are a surrogate pair. */
static bool code_point(struct scanner *scanner, uint32_t *point)
{
    int32_t first = four_digits(scanner);
    if (first < 0)
        return fail(scanner, "four hexadecimal digits are missing");
    *point = first;
    if (first < 0xd800 || first > 0xdbff || scanner->end - scanner->at < 2 || memcmp(scanner->at, "\\u", 2) != 0)
        return true;
    const unsigned char *before = scanner->at;
    scanner->at += 2;
    int32_t second = four_digits(scanner);
    if (second >= 0xdc00 && second <= 0xdfff)
        *point = 0x10000 + ((uint32_t)(first - 0xd800) << 10) + (second - 0xdc00);
    else
        scanner->at = before; /* it is read again as an escape of its own */
    return true;
}

static bool escape(struct scanner *scanner, unsigned char **to)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (accept(scanner, 'u')) {
        uint32_t point;
        if (!code_point(scanner, &point))
            return false;
        *to = encode(*to, point);
        return true;
    }
    int byte = peek(scanner);
    const char *name = byte > 0 ? strchr(names, byte) : NULL;
    if (name == NULL)
        return fail(scanner, "an escape is not known");
    scanner->at++;
    *(*to)++ = meanings[name - names];
    return true;
}

/* Copy a string's content, of which each byte of the text becomes at most one, and end it with a zero byte. */
static bool content(struct scanner *scanner, unsigned char *to, size_t *length)
{
    const unsigned char *begin = to;
    while (!accept(scanner, '"')) {
        int byte = peek(scanner);
        if (byte < 0)
            return fail(scanner, "a string has no end");
        if (byte < 0x20)
            return fail(scanner, "a control character is in a string");
        if (byte == '\\') {
            scanner->at++;
            if (!escape(scanner, &to))
                return false;
            continue;
        }
        size_t size = byte < 0x80 ? 1 : sequence(scanner->at, scanner->end);
        if (size == 0)
            return fail(scanner, "a byte is not UTF-8");
        memcpy(to, scanner->at, size);
        to += size;
        scanner->at += size;
    }
    *to = 0;
    *length = to - begin;
    return true;
}

/* Returns the string at the scanner's place in memory of its own, and its length. NULL after an error. */
static char *string(struct scanner *scanner, size_t *length)
{
    if (!accept(scanner, '"')) {
        fail(scanner, "a string is missing");
        return NULL;
    }
    const unsigned char *close = scanner->at;
    while (close < scanner->end && *close != '"')
        close += *close == '\\' && close + 1 < scanner->end ? 2 : 1;
    unsigned char *result = malloc(close - scanner->at + 1);
    if (result == NULL) {
        fail(scanner, NO_MEMORY);
        return NULL;
    }
    if (content(scanner, result, length))
        return (char *)result;
    free(result);
    return NULL;
}

static bool skip_string(struct scanner *scanner)
{
    size_t length;
    char *text = string(scanner, &length);
    free(text);
    return text != NULL;
}

/* Whether the string can be a path or be printed: it has no zero byte and no half of a surrogate pair. */
static bool is_plain(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end) {
        size_t size = *at < 0x80 ? *at != 0 : sequence(at, end);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

static bool value(struct scanner *scanner, int depth);

static bool list(struct scanner *scanner, int depth)
{
    skip_space(scanner);
    if (accept(scanner, ']'))
        return true;
    do {
        if (!value(scanner, depth))
            return false;
        skip_space(scanner);
    } while (accept(scanner, ','));
    return accept(scanner, ']') || fail(scanner, "a list has no end");
}

static bool colon(struct scanner *scanner)
{
    skip_space(scanner);
    return accept(scanner, ':') || fail(scanner, "a colon is missing");
}

static bool object(struct scanner *scanner, int depth)
{
    skip_space(scanner);
    if (accept(scanner, '}'))
        return true;
    do {
        skip_space(scanner);
        if (!skip_string(scanner) || !colon(scanner) || !value(scanner, depth))
            return false;
        skip_space(scanner);
    } while (accept(scanner, ','));
    return accept(scanner, '}') || fail(scanner, "an object has no end");
}

/* Pass over one value and the space before it. */
static bool value(struct scanner *scanner, int depth)
{
    skip_space(scanner);
    if (depth >= DEPTH_LIMIT)
        return fail(scanner, "lists and objects are nested too deeply");
    switch (peek(scanner)) {
    case '{':
        scanner->at++;
        return object(scanner, depth + 1);
    case '[':
        scanner->at++;
        return list(scanner, depth + 1);
    case '"':
        return skip_string(scanner);
    case 't':
        return word(scanner, "true");
    case 'f':
        return word(scanner, "false");
    case 'n':
        return word(scanner, "null");
    default:
        return is_digit(peek(scanner)) || peek(scanner) == '-' ? number(scanner) : fail(scanner, "a value is missing");
    }
}

/* Where the value of a key of the outermost object belongs, or NULL. */
static char **target(struct configuration *result, const char *key, size_t length)
{
    if (strlen(key) != length)
        return NULL;
    return strcmp(key, "cniVersion") == 0 ? &result->version : strcmp(key, SOCKET_KEY) == 0 ? &result->socket : NULL;
}

static bool member(struct scanner *scanner, struct configuration *result)
{
    size_t length;
    skip_space(scanner);
    char *key = string(scanner, &length);
    char **wanted = key != NULL ? target(result, key, length) : NULL;
    free(key);
    if (key == NULL || !colon(scanner))
        return false;
    skip_space(scanner);
    if (wanted == NULL)
        return value(scanner, 1);
    free(*wanted);
    *wanted = NULL;
    if (peek(scanner) != '"')
        return value(scanner, 1);
    char *text = string(scanner, &length);
    if (text != NULL && is_plain(text, length))
        *wanted = text;
    else
        free(text);
    return text != NULL;
}

static bool outermost(struct scanner *scanner, struct configuration *result)
{
    skip_space(scanner);
    if (!accept(scanner, '{'))
        return fail(scanner, "it is not an object");
    skip_space(scanner);
    if (!accept(scanner, '}')) {
        do {
            if (!member(scanner, result))
                return false;
            skip_space(scanner);
        } while (accept(scanner, ','));
        if (!accept(scanner, '}'))
            return fail(scanner, "the object has no end");
    }
    skip_space(scanner);
    return scanner->at == scanner->end || fail(scanner, "there is more after the object");
}

const char *read_configuration(const char *text, size_t length, struct configuration *result, size_t *place)
{
    struct scanner scanner = {(const unsigned char *)text, (const unsigned char *)text + length, NULL};
    *result = (struct configuration){NULL, NULL};
    if (outermost(&scanner, result))
        return NULL;
    free(result->version);
    free(result->socket);
    *result = (struct configuration){NULL, NULL};
    *place = scanner.at - (const unsigned char *)text;
    return scanner.error;
}
