# Numbers from bytes, and numbers and dates as ASCII: what the compiled readers share. Whoever calls has made the room.

from cpython.bytes cimport PyBytes_FromString
from cpython.mem cimport PyMem_Free
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_DATA(object text)
    char* PyOS_double_to_string(double value, char form, int digits, int flags, int* kind) except NULL
    int Py_DTSF_ADD_DOT_0


cdef inline uint64_t little(const uint8_t* at, Py_ssize_t size) noexcept nogil:
    """An unsigned integer of `size` bytes, lowest first."""
    cdef uint64_t number = 0
    while size:
        size -= 1
        number = number << 8 | at[size]
    return number


cdef inline uint64_t big(const uint8_t* at, Py_ssize_t size) noexcept nogil:
    """An unsigned integer of `size` bytes, highest first."""
    cdef uint64_t number = 0
    cdef Py_ssize_t index
    for index in range(size):
        number = number << 8 | at[index]
    return number


cdef inline char* put(char* to, uint64_t number, int width) noexcept nogil:
    """Write the number with at least `width` digits; gives where it ends."""
    cdef char digits[20]
    cdef int count = 0
    while number or count < width:
        digits[count] = <char> (48 + number % 10)
        number //= 10
        count += 1
    while count:
        count -= 1
        to[0] = digits[count]
        to += 1
    return to


cdef inline str ascii(const char* begin, const char* end):
    """The characters from `begin` to `end`, which are ASCII."""
    cdef str text = PyUnicode_New(end - begin, 127)
    memcpy(PyUnicode_DATA(text), begin, end - begin)
    return text


cdef inline bytes double_text(const uint8_t* at):
    """repr() of the double that is stored there."""
    cdef uint64_t bits = little(at, 8)
    cdef double number
    memcpy(&number, &bits, 8)
    cdef char* digits = PyOS_double_to_string(number, b'r', 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        return PyBytes_FromString(digits)
    finally:
        PyMem_Free(digits)


cdef inline int digit_bytes(int digits) noexcept nogil:
    """How many bytes so many digits on one side of the point take: groups of nine in four bytes, else two in each."""
    return digits // 9 * 4 + (digits % 9 + 1) // 2


cdef inline char* put_decimal(char* to, const uint8_t* at, int whole, int scale) noexcept nogil:
    """Groups of nine digits; the highest bit is set unless negative, and then all bits are inverted.

    Odd digits are outermost on both sides of the point. NULL where a group has more digits than it should.
    """
    cdef uint8_t stored[64]
    cdef uint8_t inverted = 0 if at[0] & 0x80 else 0xFF
    cdef uint8_t bits = at[0] ^ inverted ^ 0x80
    cdef int size = digit_bytes(whole) + digit_bytes(scale), index
    stored[0] = bits
    for index in range(1, size):
        stored[index] = at[index] ^ inverted
        bits |= stored[index]
    to[0] = b'-' if inverted and bits else b'0'
    at = stored
    to = put_digits(to + 1, &at, whole % 9, whole // 9, 0)
    if to is NULL:
        return NULL
    to[0] = b'.'
    return put_digits(to + 1, &at, 0, scale // 9, scale % 9)


cdef inline char* put_digits(char* to, const uint8_t** at, int first, int nines, int last) noexcept nogil:
    """The digits of one side of the point, whose bytes are passed over."""
    if first:
        to = put_group(to, at, first)
    while nines and to is not NULL:
        to = put_group(to, at, 9)
        nines -= 1
    return put_group(to, at, last) if last and to is not NULL else to


cdef inline char* put_group(char* to, const uint8_t** at, int digits) noexcept nogil:
    cdef int size = digit_bytes(digits)
    cdef uint64_t number = big(at[0], size)
    at[0] += size
    return put(to, number, digits) if number < power(digits) else NULL


cdef inline uint64_t power(int digits) noexcept nogil:
    cdef uint64_t found = 1
    while digits:
        found *= 10
        digits -= 1
    return found


cdef inline char* put_fraction(char* to, const uint8_t* at, int digits) noexcept nogil:
    """`.ffffff`, of which `digits` are kept; two are stored per byte. NULL where there are more."""
    cdef int even = digits + 1 & ~1
    cdef uint64_t number = big(at, even >> 1)
    if number >= power(even):
        return NULL
    if digits == 0:
        return to
    to[0] = b'.'
    return put(to + 1, number, even) - (even - digits)


cdef inline char* put_date(char* to, uint64_t year, uint64_t month, uint64_t day) noexcept nogil:
    to = put(to, year, 4)
    to[0] = b'-'
    to = put(to + 1, month, 2)
    to[0] = b'-'
    return put(to + 1, day, 2)


cdef inline char* put_time(char* to, uint64_t hour, uint64_t minute, uint64_t second) noexcept nogil:
    to = put(to, hour, 2)
    to[0] = b':'
    to = put(to + 1, minute, 2)
    to[0] = b':'
    return put(to + 1, second, 2)


cdef inline char* put_day(char* to, int days) noexcept nogil:
    """The date so many days after 1970-01-01, by eras of 400 years that begin on a first of March."""
    cdef int shifted = days + 719468
    cdef int era = shifted // 146097, day = shifted % 146097
    cdef int year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    cdef int yearday = day - (365 * year + year // 4 - year // 100)
    cdef int month = (5 * yearday + 2) // 153
    cdef int monthday = yearday - (153 * month + 2) // 5 + 1
    return put_date(to, year + era * 400 + (month >= 10), month + 3 if month < 10 else month - 9, monthday)


cdef inline char* put_stored_date(char* to, const uint8_t* at) noexcept nogil:
    """DATE: day, month and year in 5, 4 and 15 bits."""
    cdef uint64_t packed = little(at, 3)
    return put_date(to, packed >> 9, packed >> 5 & 15, packed & 31)


cdef inline char* put_datetime(char* to, const uint8_t* at, int scale) noexcept nogil:
    """DATETIME: a sign (set: else NULL), 13 * year + month in 17 bits, day 5, hour 5, minute 6, second 6; then the fraction."""
    cdef uint64_t packed = big(at, 5), months = packed >> 22 & 0x1FFFF
    if not packed >> 39:
        return NULL
    to = put_date(to, months // 13, months % 13, packed >> 17 & 31)
    to[0] = b'T'
    to = put_time(to + 1, packed >> 12 & 31, packed >> 6 & 63, packed & 63)
    return put_fraction(to, at + 5, scale)


cdef inline char* put_timestamp(char* to, const uint8_t* at, int scale) noexcept nogil:
    """TIMESTAMP: seconds since 1970 in UTC, then the fraction; nothing at all is MySQL's zero date."""
    cdef uint64_t seconds = big(at, 4), of_day = seconds % 86400
    to = put_day(to, seconds // 86400) if big(at, 4 + digit_bytes(scale)) else put_date(to, 0, 0, 0)
    to[0] = b'T'
    to = put_fraction(put_time(to + 1, of_day // 3600, of_day // 60 % 60, of_day % 60), at + 4, scale)
    if to is NULL:
        return NULL
    to[0] = b'Z'
    return to + 1


cdef inline char* put_span(char* to, const uint8_t* at, int scale) noexcept nogil:
    """TIME: hours in 10 bits, minutes 6, seconds 6, then the fraction: all of it one number, moved up by its middle.

    NULL where there are more hours.
    """
    cdef int size = 3 + digit_bytes(scale), shift = 8 * digit_bytes(scale), index
    cdef int64_t packed = <int64_t> big(at, size) - (<int64_t> 0x800000 << shift)
    cdef uint8_t fraction[3]
    if packed < 0:
        to[0] = b'-'
        to += 1
        packed = -packed
    for index in range(size - 3):
        fraction[index] = packed >> (shift - 8 - 8 * index) & 0xFF
    cdef uint64_t whole = packed >> shift
    if whole >> 22:
        return NULL
    return put_fraction(put_time(to, whole >> 12, whole >> 6 & 63, whole & 63), fraction, scale)
