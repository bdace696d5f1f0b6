# Numbers from bytes, and numbers and dates as ASCII: what the compiled readers share. Whoever calls has made the room.

from cpython.bytes cimport PyBytes_FromString
from cpython.mem cimport PyMem_Free
from libc.stdint cimport uint8_t, uint64_t
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
