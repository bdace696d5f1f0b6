# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Row packets as lines of a chunk file, in C: no Python object is made of a value, and the GIL is let go of meanwhile.

A line is what keymap.wire.values_json makes of the row that the plain loop reads (text_lines.PlainLines); tests hold it
to that, byte by byte. A value that does not look as a server writes it is left to the column's `write`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from keyshift.mysql._json cimport Copy, copy_document
from keyshift.mysql._packet cimport (
    BYTES,
    DATETIME,
    DATETIME_BYTES_MAX,
    DECIMAL,
    DOUBLE,
    HEADER,
    INT,
    JSON,
    TEXT,
    TIMESTAMP,
    is_digit,
    is_repr,
    packet_end,
    value_at,
)

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

cdef enum:
    INT_DIGITS_MAX = 18  # no more is looked at: what is above 64 bits is written otherwise
    PLACES_MAX = 6  # with more, Decimal writes some numbers with an exponent
    WHOLE_DIGITS_MAX = 15  # of a double without a point: Python adds ".0" to these
    EXPANSION = 6  # times its size is what a value's JSON has at most,
    AROUND = 16  # and these around it
    FIRST_ROOM = 4


cdef struct Column:
    int form
    PyObject* write  # borrowed: the scanner holds it


cdef struct Room:  # memory that grows
    char* begin
    char* at
    char* end


cdef class LineScanner:
    """`scan` for rows whose columns have these forms; `writes` make the JSON of a value of which C knows nothing."""

    cdef tuple writes
    cdef Column* columns
    cdef Py_ssize_t count
    cdef Py_ssize_t extra

    def __cinit__(self, forms, writes, Py_ssize_t extra):
        self.writes = tuple(writes)
        self.count = len(self.writes)
        self.extra = extra
        self.columns = <Column*> PyMem_Malloc(max(1, self.count) * sizeof(Column))
        if self.columns is NULL:
            raise MemoryError
        for index, form in enumerate(forms):
            write = self.writes[index]
            self.columns[index].form = form
            self.columns[index].write = <PyObject*> write

    def __dealloc__(self):
        PyMem_Free(self.columns)

    def scan(self, bytes data not None, Py_ssize_t at, int sequence, Py_ssize_t most):
        """Write whole, plain rows from `at` on, at most `most`: their lines, how many, where the last one's packet is
        (-1: none), where it stopped, and the sequence number there. Raises ValueError, or whatever wrong bytes lead to.
        """
        cdef const uint8_t* base = <const uint8_t*> PyBytes_AS_STRING(data)
        cdef const uint8_t* here = base + at
        cdef const uint8_t* stop = base + PyBytes_GET_SIZE(data)
        cdef const uint8_t* last = NULL
        cdef const uint8_t* end
        cdef Py_ssize_t rows = 0
        cdef Room lines, spare
        if not 0 <= at <= PyBytes_GET_SIZE(data):
            raise ValueError("a place beyond the block")
        lines.begin = lines.at = lines.end = NULL
        spare.begin = spare.at = spare.end = NULL
        try:
            with nogil:
                make_room(&lines, FIRST_ROOM * (stop - here))
                while rows < most:
                    end = packet_end(here, stop, sequence)
                    if end is NULL:
                        break
                    self.write_row(here + HEADER, end, &lines, &spare)
                    last, here = here, end
                    sequence = (sequence + 1) & 0xFF
                    rows += 1
            found = PyBytes_FromStringAndSize(lines.begin, lines.at - lines.begin)
            return found, rows, (-1 if last is NULL else last - base), here - base, sequence
        finally:
            free(lines.begin)
            free(spare.begin)

    cdef int write_row(self, const uint8_t* at, const uint8_t* end, Room* lines, Room* spare) except -1 nogil:
        cdef Py_ssize_t index, size
        make_room(lines, 2)
        put_byte(lines, b'[')
        for index in range(self.count + self.extra):
            at = value_at(at, end, &size)
            if at is NULL:
                raise_damaged()
            if index < self.count:
                write_value(&self.columns[index], at, size, lines, spare)
                put_byte(lines, b',')
            if size > 0:
                at += size
        if at != end:
            raise_damaged()
        if self.count:
            lines.at -= 1  # the last comma
        put_byte(lines, b']')
        make_room(lines, 1)
        put_byte(lines, b'\n')
        return 0


cdef int raise_damaged() except -1 with gil:
    raise ValueError("a row does not have the columns that were selected")


cdef int raise_memory() except -1 with gil:
    raise MemoryError


cdef inline int make_room(Room* room, Py_ssize_t size) except -1 nogil:
    """Room for `size` bytes more."""
    cdef Py_ssize_t used = room.at - room.begin, wanted
    cdef char* begin
    if room.end - room.at >= size and room.begin is not NULL:
        return 0
    wanted = 2 * (used + size) + AROUND
    begin = <char*> realloc(room.begin, wanted)
    if begin is NULL:
        raise_memory()
    room.begin, room.at, room.end = begin, begin + used, begin + wanted
    return 0


cdef inline void put_byte(Room* room, char letter) noexcept nogil:
    room.at[0] = letter
    room.at += 1


cdef inline void put_bytes(Room* room, const void* at, Py_ssize_t size) noexcept nogil:
    memcpy(room.at, at, size)
    room.at += size


cdef int write_value(Column* column, const uint8_t* at, Py_ssize_t size, Room* lines, Room* spare) except -1 nogil:
    """The value, and room for one more byte than that."""
    cdef int form = column.form
    cdef char* begin
    if size < 0:
        make_room(lines, AROUND)
        put_bytes(lines, b"null", 4)
        return 0
    make_room(lines, EXPANSION * size + AROUND)
    begin = lines.at
    if form == TEXT:
        if put_string(lines, at, size):
            return 0
    elif form == INT:
        if put_int(lines, at, size):
            return 0
    elif form == DECIMAL:
        if put_decimal(lines, at, size):
            return 0
    elif form == DATETIME or form == TIMESTAMP:
        if put_moment(lines, at, size, form == TIMESTAMP):
            return 0
    elif form == DOUBLE:
        if put_double(lines, at, size):
            return 0
    elif form == BYTES:
        put_bytes(lines, b'{"B":"', 6)
        lines.at = put_base64(lines.at, at, at + size)
        put_bytes(lines, b'"}', 2)
        return 0
    elif form == JSON:
        if put_json(lines, spare, at, size):
            return 0
    lines.at = begin
    return write_odd(column, at, size, lines)


cdef int write_odd(Column* column, const uint8_t* at, Py_ssize_t size, Room* lines) except -1 with gil:
    cdef bytes text = (<object> column.write)(PyBytes_FromStringAndSize(<char*> at, size))
    make_room(lines, PyBytes_GET_SIZE(text) + AROUND)
    put_bytes(lines, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return 0


cdef inline bint put_string(Room* lines, const uint8_t* at, Py_ssize_t size) noexcept nogil:
    cdef char* found = put_text(lines.at, at, at + size)
    if found is NULL:
        return False
    lines.at = found
    return True


cdef inline bint put_int(Room* lines, const uint8_t* at, Py_ssize_t size) noexcept nogil:
    """Digits as they are, without zeros in front (ZEROFILL)."""
    cdef const uint8_t* end = at + size
    cdef const uint8_t* digit
    cdef bint negative = size > 0 and at[0] == b'-'
    at += negative
    while end - at > 1 and at[0] == b'0':
        at += 1
    if not 0 < end - at <= INT_DIGITS_MAX or negative and at[0] == b'0':
        return False
    digit = at
    while digit < end:
        if not is_digit(digit[0]):
            return False
        digit += 1
    if negative:
        put_byte(lines, b'-')
    put_bytes(lines, at, end - at)
    return True


cdef inline bint is_plain(const uint8_t* at, Py_ssize_t size, Py_ssize_t* places) noexcept nogil:
    """Whether it is `-?digits[.digits]` without a zero too many in front; `places` follow the point, -1: no point."""
    cdef const uint8_t* end = at + size
    cdef const uint8_t* point = NULL
    if size and at[0] == b'-':
        at += 1
    if at >= end or not is_digit(at[0]) or at[0] == b'0' and end - at > 1 and at[1] != b'.':
        return False
    while at < end:
        if at[0] == b'.' and point is NULL:
            point = at
        elif not is_digit(at[0]):
            return False
        at += 1
    places[0] = -1 if point is NULL else end - point - 1
    return places[0] != 0


cdef inline void put_number(Room* lines, const uint8_t* at, Py_ssize_t size, bint whole) noexcept nogil:
    put_bytes(lines, b'{"N":"', 6)
    put_bytes(lines, at, size)
    if whole:
        put_bytes(lines, b".0", 2)
    put_bytes(lines, b'"}', 2)


cdef inline bint put_decimal(Room* lines, const uint8_t* at, Py_ssize_t size) noexcept nogil:
    """As str(Decimal(text)) has it."""
    cdef Py_ssize_t places
    if not is_plain(at, size, &places):
        return False
    if places > PLACES_MAX and at[at[0] == b'-'] == b'0':
        return False
    put_number(lines, at, size, False)
    return True


cdef inline bint put_double(Room* lines, const uint8_t* at, Py_ssize_t size) noexcept nogil:
    """As repr(float(text)) has it."""
    cdef Py_ssize_t places
    cdef bint whole = size <= WHOLE_DIGITS_MAX and is_plain(at, size, &places) and places == -1
    if not whole and not is_repr(at, size):
        return False
    put_number(lines, at, size, whole)
    return True


cdef inline bint put_moment(Room* lines, const uint8_t* at, Py_ssize_t size, bint utc) noexcept nogil:
    """`YYYY-MM-DD HH…`: the blank becomes a T, and a Z follows where it is UTC."""
    cdef Py_ssize_t index
    cdef uint8_t letter
    if not 10 < size <= DATETIME_BYTES_MAX or at[10] != b' ':
        return False
    put_byte(lines, b'"')
    for index in range(size):
        letter = at[index]
        if not (is_digit(letter) or letter == b'-' or letter == b':' or letter == b'.' or index == 10):
            return False
        put_byte(lines, b'T' if index == 10 else letter)
    if utc:
        put_byte(lines, b'Z')
    put_byte(lines, b'"')
    return True


cdef int put_json(Room* lines, Room* spare, const uint8_t* at, Py_ssize_t size) except -1 nogil:
    """Canonical by _json.pxd, if it is one of its documents."""
    cdef Copy copy
    spare.at = spare.begin
    make_room(spare, 2 * size)
    copy.at, copy.end, copy.to, copy.spare = at, at + size, spare.begin, spare.begin + size
    if not copy_document(&copy):
        return False
    put_bytes(lines, b'{"J":', 5)
    if not put_string(lines, <const uint8_t*> spare.begin, copy.to - spare.begin):
        return False
    put_byte(lines, b'}')
    return True
