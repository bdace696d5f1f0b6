# Values of each form as the JSON of a line, put into memory that grows, in which the caller has made room for them. What
# gives False has met a value that does not look as a server writes it. Nothing here touches Python but to raise.

from libc.stdint cimport uint8_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from keyshift.mysql._json cimport Copy, copy_document
from keyshift.mysql._packet cimport DATETIME_BYTES_MAX, is_digit, is_repr
from keyshift.mysql._strings cimport put_text

cdef enum:
    INT_DIGITS_MAX = 18  # no more is looked at: what is above 64 bits is written otherwise
    PLACES_MAX = 6  # with more, Decimal writes some numbers with an exponent
    WHOLE_DIGITS_MAX = 15  # of a double without a point: Python adds ".0" to these
    AROUND = 16  # bytes that a value's JSON may have beside what its own bytes make


cdef struct Room:  # memory that grows
    char* begin
    char* at
    char* end


cdef inline int raise_memory() except -1 with gil:
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


cdef inline int put_json(Room* lines, Room* spare, const uint8_t* at, Py_ssize_t size) except -1 nogil:
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
