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

from keyshift.binlog._ascii cimport (
    ascii, big, digit_bytes, double_text, little, put_datetime, put_decimal, put_span, put_stored_date, put_timestamp
)

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


cdef struct Column:
    int kind
    int size
    int scale
    PyObject* name  # borrowed, as are the others, from CompiledRows.kept
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
    cdef list kept  # what the columns point to
    cdef dict empty
    cdef Column* columns
    cdef Py_ssize_t count

    def __cinit__(self, fields):
        fields = tuple(fields)
        self.names = tuple([intern(field.name) for field in fields])
        self.empty = dict.fromkeys(self.names)
        self.kept = [(name, field, field.labels, field.decode, {}) for name, field in zip(self.names, fields)]
        self.count = len(fields)
        self.columns = <Column*> PyMem_Malloc(max(1, self.count) * sizeof(Column))
        if self.columns is NULL:
            raise MemoryError
        for index, kept in enumerate(self.kept):
            _prepare(&self.columns[index], kept)

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


cdef int _prepare(Column* column, tuple kept) except -1:
    name, field, labels, decode, sets = kept
    column.name, column.field, column.sets = <PyObject*> name, <PyObject*> field, <PyObject*> sets
    column.labels, column.decode = <PyObject*> labels, NULL if decode is None else <PyObject*> decode
    column.size, column.scale = field.size, field.scale
    column.kind = field.kind if _is_known(field) else OTHER
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
    if kind == DATETIME or kind == TIMESTAMP or kind == TIME or kind == DATE:
        return moment_value(cursor, column)
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
    cdef int whole = column.size - column.scale
    cdef char text[2 * DIGITS_MAX]
    cdef char* end = put_decimal(text, take(cursor, digit_bytes(whole) + digit_bytes(column.scale)), whole, column.scale)
    if end is NULL:
        raise Malformed("a decimal has a group of digits that is too large")
    return Decimal(ascii(text, end))


cdef object moment_value(Cursor* cursor, Column* column):
    cdef int kind = column.kind, scale = column.scale, fraction = digit_bytes(scale)
    cdef char text[64]
    cdef char* end
    if kind == DATETIME:
        end = put_datetime(text, take(cursor, 5 + fraction), scale)
    elif kind == TIMESTAMP:
        end = put_timestamp(text, take(cursor, 4 + fraction), scale)
    elif kind == TIME:
        end = put_span(text, take(cursor, 3 + fraction), scale)
    else:
        end = put_stored_date(text, take(cursor, 3))
    if end is NULL:
        raise Malformed("a time is none that a server writes")
    return ascii(text, end)
