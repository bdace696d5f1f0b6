# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The row decoder in C: walks over the bytes of a rows event with pointers, every read checked against the end.

It gives what the plain loop over `Field.read` gives (rows.reference_rows), value by value and type by type; tests hold
it to that. A kind that it does not know, or a field whose measures are not a server's, is left to `Field.read`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_SetItem
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from decimal import Decimal
from sys import intern

from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Kind

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_DATA(object text)
    char* PyOS_double_to_string(double value, char form, int digits, int flags, int* kind) except NULL
    double PyOS_string_to_double(const char* text, char** end, PyObject* overflow) except? -1.0
    int Py_DTSF_ADD_DOT_0

cdef enum:
    OTHER, INT, UINT, FLOAT, DOUBLE, DECIMAL, DATE, YEAR, BIT, TIMESTAMP, DATETIME, TIME, ENUM, SET, TEXT, BYTES, BINARY, JSON

assert [kind.value for kind in Kind] == list(range(JSON + 1)), "the kinds are numbered alike here and in fields.py"

cdef enum:
    SETS_MAX = 4096  # combinations of a SET's labels that are kept
    DIGITS_MAX = 65  # of a DECIMAL

cdef uint64_t[10] POWERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000]


cdef struct Column:
    int kind
    int size
    int scale
    PyObject* name  # borrowed, as are the others: the codec holds the fields and the names
    PyObject* field
    PyObject* labels
    PyObject* decode
    PyObject* sets


cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end
    const uint8_t* base
    PyObject* data


cdef class CompiledRows:
    """A codec of rows of these columns (rows.RowCodec)."""

    cdef readonly tuple names
    cdef tuple fields
    cdef list sets
    cdef dict empty
    cdef Column* columns
    cdef Py_ssize_t count

    def __cinit__(self, fields):
        self.fields = tuple(fields)
        self.names = tuple([intern(field.name) for field in self.fields])
        self.empty = dict.fromkeys(self.names)
        self.sets = [{} for _ in self.fields]
        self.count = len(self.fields)
        self.columns = <Column*> PyMem_Malloc(max(1, self.count) * sizeof(Column))
        if self.columns is NULL:
            raise MemoryError
        for index, field in enumerate(self.fields):
            _prepare(&self.columns[index], self.names[index], field, self.sets[index])

    def __dealloc__(self):
        PyMem_Free(self.columns)

    def rows(self, bytes data not None, Py_ssize_t at, Py_ssize_t end):
        """One image per row."""
        cdef Cursor cursor = self.begin(data, at, end)
        cdef list found = []
        while cursor.at < cursor.end:
            found.append(self.image(&cursor))
        return found

    def pairs(self, bytes data not None, Py_ssize_t at, Py_ssize_t end):
        """Two images per row: before and after."""
        cdef Cursor cursor = self.begin(data, at, end)
        cdef list found = []
        while cursor.at < cursor.end:
            before = self.image(&cursor)
            found.append((before, self.image(&cursor)))
        return found

    cdef Cursor begin(self, bytes data, Py_ssize_t at, Py_ssize_t end) except *:
        cdef Cursor cursor
        if not 0 <= at <= end <= PyBytes_GET_SIZE(data) or at < end and not self.count:
            raise Malformed("the rows are not where the event says, or have no columns")
        cursor.data = <PyObject*> data
        cursor.base = <const uint8_t*> PyBytes_AS_STRING(data)
        cursor.at, cursor.end = cursor.base + at, cursor.base + end
        return cursor

    cdef dict image(self, Cursor* cursor):
        cdef const uint8_t* nulls = take(cursor, self.count + 7 >> 3)
        cdef dict row = PyDict_Copy(self.empty)
        cdef Column* column
        cdef Py_ssize_t index
        for index in range(self.count):
            if nulls[index >> 3] >> (index & 7) & 1:
                continue
            column = &self.columns[index]
            PyDict_SetItem(row, <object> column.name, value(cursor, column))
        return row


cdef int _prepare(Column* column, str name, object field, dict sets) except -1:
    column.name, column.field, column.sets = <PyObject*> name, <PyObject*> field, <PyObject*> sets
    labels, decode = field.labels, field.decode  # the field holds both
    column.labels, column.decode = <PyObject*> labels, NULL if decode is None else <PyObject*> decode
    column.kind, column.size, column.scale = field.kind, field.size, field.scale
    if not _is_known(field):
        column.kind = OTHER
    return 0


def _is_known(field):
    """Whether the field's measures are those of its kind, so that the functions below stay within their buffers."""
    size, scale = field.size, field.scale
    if field.kind in (Kind.INT, Kind.UINT):
        return size in (1, 2, 3, 4, 8)
    if field.kind == Kind.DECIMAL:
        return 0 < size <= DIGITS_MAX and 0 <= scale <= size
    if field.kind in (Kind.TIMESTAMP, Kind.DATETIME, Kind.TIME):
        return 0 <= scale <= 6
    if field.kind in (Kind.TEXT, Kind.BYTES, Kind.BINARY):
        return 1 <= size <= 4
    if field.kind == Kind.ENUM:
        return 1 <= size <= 2 and type(field.labels) is tuple
    if field.kind in (Kind.SET, Kind.BIT):
        return 1 <= size <= 8 and type(field.labels) is tuple
    return True


cdef inline const uint8_t* take(Cursor* cursor, Py_ssize_t size) except NULL:
    """The next `size` bytes."""
    cdef const uint8_t* begin = cursor.at
    if size > cursor.end - begin:
        raise Malformed("a row ends within a value")
    cursor.at = begin + size
    return begin


cdef inline uint64_t little(const uint8_t* at, int size) noexcept:
    cdef uint64_t number = 0
    while size:
        size -= 1
        number = number << 8 | at[size]
    return number


cdef inline uint64_t big(const uint8_t* at, int size) noexcept:
    cdef uint64_t number = 0
    cdef int index
    for index in range(size):
        number = number << 8 | at[index]
    return number


cdef inline char* put(char* to, uint64_t number, int width) noexcept:
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
    cdef str text = PyUnicode_New(end - begin, 127)
    memcpy(PyUnicode_DATA(text), begin, end - begin)
    return text


cdef object value(Cursor* cursor, Column* column):
    """The value that begins at the cursor, which is moved behind it."""
    cdef int kind = column.kind, size = column.size
    cdef uint64_t number
    if kind == TEXT:
        return text_value(cursor, column)
    if kind == INT:
        number = little(take(cursor, size), size)
        return (<int64_t> (number << 64 - 8 * size)) >> 64 - 8 * size
    if kind == UINT:
        return little(take(cursor, size), size)
    if kind == DECIMAL:
        return decimal_value(cursor, column)
    if kind == DOUBLE:
        return double_value(take(cursor, 8))
    if kind == FLOAT:
        return float_value(take(cursor, 4))
    if kind == DATETIME:
        return datetime_value(cursor, column)
    if kind == TIMESTAMP:
        return timestamp_value(cursor, column)
    if kind == TIME:
        return time_value(cursor, column)
    if kind == DATE:
        return date_value(little(take(cursor, 3), 3))
    if kind == YEAR:
        number = take(cursor, 1)[0]
        return number + 1900 if number else 0
    if kind == BIT:
        return big(take(cursor, size), size)
    if kind == ENUM:
        return enum_value(little(take(cursor, size), size), <tuple> column.labels)
    if kind == SET:
        return set_value(little(take(cursor, size), size), <tuple> column.labels, <dict> column.sets)
    if kind == BYTES or kind == BINARY:
        return bytes_value(cursor, column)
    return other_value(cursor, column)


cdef object other_value(Cursor* cursor, Column* column):
    """By `Field.read`, which does not know where the row ends."""
    cdef Py_ssize_t after
    found, after = (<object> column.field).read(<object> cursor.data, cursor.at - cursor.base)
    take(cursor, after - (cursor.at - cursor.base))
    return found


cdef object text_value(Cursor* cursor, Column* column):
    cdef Py_ssize_t size = <Py_ssize_t> little(take(cursor, column.size), column.size)
    cdef const uint8_t* begin = take(cursor, size)
    if column.decode is NULL:
        return PyUnicode_DecodeUTF8(<char*> begin, size, NULL)
    return (<object> column.decode)(PyBytes_FromStringAndSize(<char*> begin, size))


cdef object bytes_value(Cursor* cursor, Column* column):
    cdef Py_ssize_t size = <Py_ssize_t> little(take(cursor, column.size), column.size)
    cdef bytes stored = PyBytes_FromStringAndSize(<char*> take(cursor, size), size)
    return stored.ljust(column.scale, b"\0") if column.kind == BINARY and size < column.scale else stored


cdef object enum_value(uint64_t number, tuple labels):
    if number >= <uint64_t> len(labels):
        raise Malformed("an ENUM holds a number that no label has")
    return labels[<Py_ssize_t> number]


cdef object set_value(uint64_t bits, tuple labels, dict known):
    cdef Py_ssize_t index, count = len(labels)
    found = known.get(bits)
    if found is not None:
        return found
    if count < 64 and bits >> count:
        raise Malformed("a SET holds a bit that no label has")
    found = tuple([labels[index] for index in range(count) if bits >> index & 1])
    if len(known) < SETS_MAX:
        known[bits] = found
    return found


cdef object double_value(const uint8_t* at):
    """Decimal(repr(value))."""
    cdef uint64_t bits = little(at, 8)
    cdef double number
    memcpy(&number, &bits, 8)
    cdef char* digits = PyOS_double_to_string(number, b'r', 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        return Decimal(digits.decode("ascii"))
    finally:
        PyMem_Free(digits)


cdef object float_value(const uint8_t* at):
    """As keymap.values.shortest_float32: six digits, or as many more as tell it from its neighbours."""
    cdef uint32_t bits = <uint32_t> little(at, 4)
    cdef float number
    cdef char* digits
    cdef int precision
    memcpy(&number, &bits, 4)
    for precision in range(6, 10):
        digits = PyOS_double_to_string(number, b'g', precision, 0, NULL)
        try:
            if precision == 9 or <float> PyOS_string_to_double(digits, NULL, NULL) == number:
                return Decimal(digits.decode("ascii"))
        finally:
            PyMem_Free(digits)


cdef object decimal_value(Cursor* cursor, Column* column):
    """Groups of nine digits; the highest bit is the sign, and all bits are inverted when it is negative."""
    cdef int whole = column.size - column.scale, digits, size, index
    cdef int total = bytes_of(whole) + bytes_of(column.scale)
    cdef char text[2 * DIGITS_MAX + 20]
    cdef uint8_t stored[DIGITS_MAX]
    cdef const uint8_t* at = stored
    cdef char* to = text
    memcpy(stored, take(cursor, total), total)
    if stored[0] & 0x80:
        stored[0] ^= 0x80
    else:
        stored[0] ^= 0x80
        for index in range(total):
            stored[index] ^= 0xFF
        to[0] = b'-'
        to += 1
    at = put_groups(&to, at, whole % 9, whole // 9, 0)
    if whole == 0:
        to[0] = b'0'
        to += 1
    if column.scale:
        to[0] = b'.'
        to += 1
        put_groups(&to, at, 0, column.scale // 9, column.scale % 9)
    return Decimal(ascii(text, to))


cdef inline int bytes_of(int digits) noexcept:
    """How many bytes so many digits on one side of the point take."""
    return digits // 9 * 4 + (digits % 9 + 1) // 2


cdef const uint8_t* put_groups(char** to, const uint8_t* at, int first, int nines, int last) except NULL:
    """Write the digits of one side of the point; gives where its bytes end."""
    if first:
        at = put_group(to, at, first)
    while nines:
        at = put_group(to, at, 9)
        nines -= 1
    return put_group(to, at, last) if last else at


cdef inline const uint8_t* put_group(char** to, const uint8_t* at, int digits) except NULL:
    cdef int size = 4 if digits == 9 else (digits + 1) // 2
    cdef uint64_t number = big(at, size)
    if number >= POWERS[digits]:
        raise Malformed("a DECIMAL holds a group of too many digits")
    to[0] = put(to[0], number, digits)
    return at + size


cdef inline char* put_date(char* to, int year, int month, int day) noexcept:
    to = put(to, year, 4)
    to[0] = b'-'
    to = put(to + 1, month, 2)
    to[0] = b'-'
    return put(to + 1, day, 2)


cdef inline char* put_time(char* to, int hour, int minute, int second) noexcept:
    to = put(to, hour, 2)
    to[0] = b':'
    to = put(to + 1, minute, 2)
    to[0] = b':'
    return put(to + 1, second, 2)


cdef inline char* put_fraction(char* to, uint64_t stored, int digits) except NULL:
    """`.ffffff`, of which `digits` are kept; two digits are stored per byte."""
    cdef int even = digits + 1 & ~1
    if digits == 0:
        return to
    if stored >= POWERS[even]:
        raise Malformed("a fraction of a second is more than a second")
    to[0] = b'.'
    return put(to + 1, stored, even) - (even - digits)


cdef object date_value(uint64_t packed):
    cdef char text[32]
    return ascii(text, put_date(text, packed >> 9, packed >> 5 & 15, packed & 31))


cdef object datetime_value(Cursor* cursor, Column* column):
    cdef int extra = (column.scale + 1) // 2
    cdef const uint8_t* at = take(cursor, 5 + extra)
    cdef uint64_t packed = big(at, 5), months = packed >> 22 & 0x1FFFF
    cdef char text[64]
    cdef char* to = put_date(text, months // 13, months % 13, packed >> 17 & 31)
    to[0] = b'T'
    to = put_time(to + 1, packed >> 12 & 31, packed >> 6 & 63, packed & 63)
    return ascii(text, put_fraction(to, big(at + 5, extra), column.scale))


cdef object timestamp_value(Cursor* cursor, Column* column):
    """Seconds since 1970, in UTC; nothing at all is MySQL's zero timestamp."""
    cdef int extra = (column.scale + 1) // 2
    cdef const uint8_t* at = take(cursor, 4 + extra)
    cdef uint64_t seconds = big(at, 4), fraction = big(at + 4, extra)
    cdef char text[64]
    cdef char* to = put_day(text, seconds // 86400) if seconds or fraction else put_date(text, 0, 0, 0)
    to[0] = b'T'
    to = put_time(to + 1, seconds % 86400 // 3600, seconds % 3600 // 60, seconds % 60)
    to = put_fraction(to, fraction, column.scale)
    to[0] = b'Z'
    return ascii(text, to + 1)


cdef inline char* put_day(char* to, int days) noexcept:
    """The date so many days after 1970-01-01, by eras of 400 years that begin on a first of March."""
    cdef int shifted = days + 719468
    cdef int era = shifted // 146097, day = shifted % 146097
    cdef int year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    cdef int yearday = day - (365 * year + year // 4 - year // 100)
    cdef int month = (5 * yearday + 2) // 153
    return put_date(
        to, year + era * 400 + (month >= 10), month + 3 if month < 10 else month - 9, yearday - (153 * month + 2) // 5 + 1
    )


cdef object time_value(Cursor* cursor, Column* column):
    cdef int extra = (column.scale + 1) // 2
    cdef int64_t packed = <int64_t> big(take(cursor, 3 + extra), 3 + extra) - (<int64_t> 0x800000 << 8 * extra)
    cdef char text[64]
    cdef char* to = text
    if packed < 0:
        to[0] = b'-'
        to += 1
        packed = -packed
    cdef int64_t whole = packed >> 8 * extra, fraction = packed & ((<int64_t> 1 << 8 * extra) - 1)
    to = put_time(to, whole >> 12 & 1023, whole >> 6 & 63, whole & 63)
    return ascii(text, put_fraction(to, fraction, column.scale))
