# JSON strings and Base64 of a value's bytes, for the lines of chunk files. Nothing here touches Python.

from libc.stdint cimport uint8_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    /* Any byte of the eight below 0x20, above 0x7f, a quotation mark or a backslash? */
    static inline int are_special(uint64_t eight)
    {
        const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
        uint64_t quote = eight ^ ones * '"', slash = eight ^ ones * 92;
        return ((eight | (eight - ones * 32) | (quote - ones) | (slash - ones)) & highs) != 0;
    }

    static inline int follows(const uint8_t *at, const uint8_t *end, int count)
    {
        if (end - at <= count)
            return 0;
        while (count)
            if ((at[count--] & 0xC0) != 0x80)
                return 0;
        return 1;
    }

    /* How many bytes the UTF-8 character at `at`, which is not ASCII, has; 0 where it is none. */
    static inline int utf8_width(const uint8_t *at, const uint8_t *end)
    {
        uint8_t first = at[0];
        if (first >= 0xC2 && first <= 0xDF)
            return follows(at, end, 1) ? 2 : 0;
        if (first >= 0xE0 && first <= 0xEF) {
            if (!follows(at, end, 2) || (first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F))
                return 0;
            return 3;
        }
        if (first >= 0xF0 && first <= 0xF4) {
            if (!follows(at, end, 3) || (first == 0xF0 && at[1] < 0x90) || (first == 0xF4 && at[1] > 0x8F))
                return 0;
            return 4;
        }
        return 0;
    }

    static inline char *put_escape(char *to, uint8_t letter)
    {
        static const char digits[] = "0123456789abcdef";
        char name = letter == 8 ? 'b' : letter == 9 ? 't' : letter == 10 ? 'n' : letter == 12 ? 'f'
                  : letter == 13 ? 'r' : letter == '"' || letter == 92 ? (char)letter : 0;
        *to++ = 92;
        if (name) {
            *to++ = name;
            return to;
        }
        memcpy(to, "u00", 3);
        to[3] = digits[letter >> 4];
        to[4] = digits[letter & 15];
        return to + 5;
    }

    /* A JSON string of this UTF-8, in at most 6 * size + 2 bytes; gives where it ends, NULL where it is no UTF-8. */
    static char *put_text(char *to, const uint8_t *at, const uint8_t *end)
    {
        uint64_t eight;
        int width;
        *to++ = '"';
        while (at < end) {
            while (end - at >= 8) {
                memcpy(&eight, at, 8);
                if (are_special(eight))
                    break;
                memcpy(to, at, 8);
                at += 8;
                to += 8;
            }
            if (at == end)
                break;
            if (*at >= 0x80) {
                width = utf8_width(at, end);
                if (!width)
                    return 0;
                memcpy(to, at, width);
                at += width;
                to += width;
            } else if (*at < 32 || *at == '"' || *at == 92)
                to = put_escape(to, *at++);
            else
                *to++ = (char)*at++;
        }
        *to++ = '"';
        return to;
    }

    /* Base64, in at most 4 * (size / 3 + 1) bytes. */
    static char *put_base64(char *to, const uint8_t *at, const uint8_t *end)
    {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        uint32_t three;
        while (end - at >= 3) {
            three = (uint32_t)at[0] << 16 | at[1] << 8 | at[2];
            *to++ = letters[three >> 18];
            *to++ = letters[three >> 12 & 63];
            *to++ = letters[three >> 6 & 63];
            *to++ = letters[three & 63];
            at += 3;
        }
        if (at < end) {
            three = (uint32_t)at[0] << 16 | (end - at > 1 ? at[1] << 8 : 0);
            *to++ = letters[three >> 18];
            *to++ = letters[three >> 12 & 63];
            *to++ = end - at > 1 ? letters[three >> 6 & 63] : '=';
            *to++ = '=';
        }
        return to;
    }
    """
    char* put_text(char* to, const uint8_t* at, const uint8_t* end) noexcept nogil
    char* put_base64(char* to, const uint8_t* at, const uint8_t* end) noexcept nogil
