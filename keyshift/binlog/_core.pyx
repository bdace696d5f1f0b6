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
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from decimal import Decimal
from sys import intern

from keyshift.binlog._jsonb import canonical
from keyshift.binlog.errors import Malformed
from keyshift.binlog.fields import Kind
from keyshift.binlog.reference import BROKEN, malformed

from keyshift.binlog._ascii cimport ascii, big, double_text, little, put, put_date, put_day, put_time

cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char form, int digits, int flags, int* kind) except NULL
    double PyOS_string_to_double(const char* text, char** end, PyObject* overflow) except? -1.0

cdef enum:
    OTHER, INT, UINT, FLOAT, DOUBLE, DECIMAL, DATE, YEAR, BIT, TIMESTAMP, DATETIME, TIME, ENUM, SET, TEXT, BYTES, BINARY, JSON

assert [kind.value for kind in Kind] == list(range(JSON + 1)), "the kinds are numbered alike here and in fields.py"

cdef enum:
    SETS_MAX = 4096  # combinations of a SET's labels that are kept
    DIGITS_MAX = 65  # of a DECIMAL

NOT_FINITE = "a floating-point number is infinite or none"
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
        try:
            while cursor.at < cursor.end:
                found.append(self.image(&cursor))
        except BROKEN as error:
            raise malformed(error) from error
        return found

    def pairs(self, bytes data not None, Py_ssize_t at, Py_ssize_t end):
        """Two images per row: before and after."""
        cdef Cursor cursor = self.begin(data, at, end)
        cdef list found = []
        try:
            while cursor.at < cursor.end:
                before = self.image(&cursor)
                found.append((before, self.image(&cursor)))
        except BROKEN as error:
            raise malformed(error) from error
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
    if field.kind in (Kind.TEXT, Kind.BYTES, Kind.BINARY, Kind.JSON):
        return 1 <= size <= 4
    if field.kind == Kind.ENUM:
        return 1 <= size <= 2 and type(field.labels) is tuple
    if field.kind in (Kind.SET, Kind.BIT):
        return 1 <= size <= 8 and type(field.labels) is tuple and len(field.labels) <= 64
    return True


cdef inline const uint8_t* take(Cursor* cursor, Py_ssize_t size) except NULL:
    """The next `size` bytes."""
    cdef const uint8_t* begin = cursor.at
    if size < 0 or size > cursor.end - begin:
        raise Malformed("a row ends within a value")
    cursor.at = begin + size
    return begin


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
    if kind == JSON:
        return json_value(cursor, column)
    return other_value(cursor, column)


cdef object other_value(Cursor* cursor, Column* column):
    """By `Field.read`, which does not know where the row ends."""
    cdef Py_ssize_t after
    found, after = (<object> column.field).read(<object> cursor.data, cursor.at - cursor.base)
    take(cursor, after - (cursor.at - cursor.base))
    return found


cdef object json_value(Cursor* cursor, Column* column):
    cdef const uint8_t* begin = cursor.at
    cdef Py_ssize_t size = <Py_ssize_t> little(take(cursor, column.size), column.size)
    take(cursor, size)
    found = canonical(<object> cursor.data, cursor.at - size - cursor.base, cursor.at - cursor.base)
    if found is None:
        cursor.at = begin
        return other_value(cursor, column)
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
    if at[7] & 0x7F == 0x7F and at[6] & 0xF0 == 0xF0:
        raise Malformed(NOT_FINITE)
    return Decimal(double_text(at).decode("ascii"))


cdef object float_value(const uint8_t* at):
    """As keymap.values.shortest_float32: six digits, or as many more as tell it from its neighbours."""
    cdef uint32_t bits = <uint32_t> little(at, 4)
    cdef float number
    cdef char* digits
    cdef int precision
    memcpy(&number, &bits, 4)
    if not isfinite(number):
        raise Malformed(NOT_FINITE)
    for precision in range(6, 10):
        digits = PyOS_double_to_string(number, b'g', precision, 0, NULL)
        try:
            if precision == 9 or <float> PyOS_string_to_double(digits, NULL, NULL) == number:
                return Decimal(digits.decode("ascii"))
        finally:
            PyMem_Free(digits)


cdef object decimal_value(Cursor* cursor, Column* column):
    """Groups of nine digits; the highest bit is set unless negative, and then all bits are inverted."""
    cdef int whole = column.size - column.scale, index
    cdef int total = bytes_of(whole) + bytes_of(column.scale)
    cdef char text[2 * DIGITS_MAX]
    cdef uint8_t stored[DIGITS_MAX]
    cdef uint8_t inverted = 0, bits = 0
    cdef const uint8_t* at = take(cursor, total)
    cdef char* to = text + 1
    if not at[0] & 0x80:
        inverted = 0xFF
    bits = stored[0] = at[0] ^ inverted ^ 0x80
    for index in range(1, total):
        stored[index] = at[index] ^ inverted
        bits |= stored[index]
    at = put_groups(&to, stored, whole % 9, whole // 9, 0)
    to[0] = b'.'
    to += 1
    put_groups(&to, at, 0, column.scale // 9, column.scale % 9)
    text[0] = b'-' if inverted and bits else b'0'
    return Decimal(ascii(text, to))


cdef inline int bytes_of(int digits) noexcept nogil:
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
