# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The reader of row packets in C: pointers over a block of the stream, every read checked against its packet's end.

It gives what the plain loop over `TextColumn.read` gives (text_rows.ReferenceRows), value by value and type by type;
tests hold it to that. Text that does not look as a server writes it is left to `TextColumn.read`, also to be refused.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_SetItem
from cpython.list cimport PyList_Append
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from decimal import Decimal
from sys import intern

from keymap.values import Json
from keyshift.binlog._ascii cimport ascii
from keyshift.mysql._json cimport Copy, copy_document
from keyshift.mysql._packet cimport (
    BYTES,
    DATETIME,
    DATETIME_BYTES_MAX,
    DECIMAL,
    DOUBLE,
    FLOAT,
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
from keyshift.mysql.text_values import Form

cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char form, int digits, int flags, int* kind) except NULL
    double PyOS_string_to_double(const char* text, char** end, PyObject* overflow) except? -1.0
    int Py_DTSF_ADD_DOT_0

assert [form.value for form in Form] == list(range(JSON + 1)), "the forms are numbered alike here and there"

cdef enum:
    INT_DIGITS_MAX = 18  # fit 64 bits whatever they are
    DOUBLE_BYTES_MAX = 40  # a server writes 24 at most
    JSON_BYTES_FEW = 2048  # for which there is room on the stack


cdef struct Column:
    int form
    PyObject* name  # borrowed, as is the other: the scanner holds both
    PyObject* read


cdef class Scanner:
    """`scan` is that of text_rows.TextRows, but for wrong bytes it raises whatever they lead to."""

    cdef tuple names
    cdef tuple reads
    cdef dict empty
    cdef Column* columns
    cdef Py_ssize_t count
    cdef Py_ssize_t extra

    def __cinit__(self, columns, Py_ssize_t extra):
        self.names = tuple([intern(column.name) for column in columns])
        self.reads = tuple([column.read for column in columns])
        self.empty = dict.fromkeys(self.names)
        self.count = len(self.names)
        self.extra = extra
        self.columns = <Column*> PyMem_Malloc(max(1, self.count) * sizeof(Column))
        if self.columns is NULL:
            raise MemoryError
        for index, column in enumerate(columns):
            name, read = self.names[index], self.reads[index]
            self.columns[index].form = column.form
            self.columns[index].name, self.columns[index].read = <PyObject*> name, <PyObject*> read

    def __dealloc__(self):
        PyMem_Free(self.columns)

    def scan(self, bytes data not None, Py_ssize_t at, int sequence, list rows not None, list extras not None):
        """Read whole, plain rows from `at` on; gives where it stopped and the sequence number there."""
        cdef const uint8_t* base = <const uint8_t*> PyBytes_AS_STRING(data)
        cdef const uint8_t* here = base + at
        cdef const uint8_t* stop = base + PyBytes_GET_SIZE(data)
        cdef const uint8_t* begin
        cdef const uint8_t* end
        if not 0 <= at <= PyBytes_GET_SIZE(data):
            raise ValueError("a place beyond the block")
        while True:
            end = packet_end(here, stop, sequence)
            if end is NULL:
                break
            begin = self.read_row(here + HEADER, end, rows)
            if self.extra:
                begin = self.read_extra(begin, end, extras)
            if begin != end:
                raise ValueError("a row of more columns")
            here = end
            sequence = (sequence + 1) & 0xFF
        return here - base, sequence

    cdef const uint8_t* read_row(self, const uint8_t* at, const uint8_t* end, list rows) except NULL:
        cdef dict row = PyDict_Copy(self.empty)
        cdef Column* column = self.columns
        cdef Column* last = column + self.count
        cdef Py_ssize_t size
        while column < last:
            at = value_at(at, end, &size)
            if at is NULL:
                raise ValueError("a row ends too early")
            if size >= 0:
                PyDict_SetItem(row, <object> column.name, value(column, at, size))
                at += size
            column += 1
        PyList_Append(rows, row)
        return at

    cdef const uint8_t* read_extra(self, const uint8_t* at, const uint8_t* end, list extras) except NULL:
        cdef list found = []
        cdef Py_ssize_t size
        for _ in range(self.extra):
            at = value_at(at, end, &size)
            if at is NULL:
                raise ValueError("a row ends too early")
            found.append(None if size < 0 else PyBytes_FromStringAndSize(<char*> at, size))
            at += max(0, size)
        extras.append(tuple(found))
        return at


cdef inline object value(Column* column, const uint8_t* at, Py_ssize_t size):
    cdef int form = column.form
    cdef object found = None
    if form == TEXT:
        return PyUnicode_DecodeUTF8(<char*> at, size, NULL)
    if form == INT:
        found = int_value(at, size)
    elif form == DECIMAL:
        found = decimal_value(at, size)
    elif form == DATETIME or form == TIMESTAMP:
        found = datetime_value(at, size, form == TIMESTAMP)
    elif form == DOUBLE:
        found = double_value(at, size)
    elif form == FLOAT:
        found = float_value(at, size)
    elif form == JSON:
        found = json_value(at, size)
    elif form == BYTES:
        return PyBytes_FromStringAndSize(<char*> at, size)
    if found is None:  # a form, or a text, that only `read` knows
        return (<object> column.read)(PyBytes_FromStringAndSize(<char*> at, size))
    return found


cdef object int_value(const uint8_t* at, Py_ssize_t size):
    cdef const uint8_t* end = at + size
    cdef bint negative = size > 0 and at[0] == b'-'
    cdef int64_t number = 0
    at += negative
    if not 0 < end - at <= INT_DIGITS_MAX:
        return None
    while at < end:
        if not is_digit(at[0]):
            return None
        number = 10 * number + (at[0] - 48)
        at += 1
    return -number if negative else number


cdef object decimal_value(const uint8_t* at, Py_ssize_t size):
    """`-?digits[.digits]`: that Decimal takes as it is."""
    cdef Py_ssize_t index
    if size == 0 or not is_digit(at[size - 1]):
        return None
    for index in range(size):
        if not (is_digit(at[index]) or at[index] == b'.' or index == 0 and at[index] == b'-'):
            return None
    return Decimal(ascii(<char*> at, <char*> at + size))


cdef object double_value(const uint8_t* at, Py_ssize_t size):
    """Decimal(repr(float(text))); of a number that is its own repr, Decimal(text)."""
    cdef char* digits
    cdef double number
    if is_repr(at, size):
        return Decimal(ascii(<char*> at, <char*> at + size))
    if not to_double(at, size, &number):
        return None
    digits = PyOS_double_to_string(number, b'r', 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        return Decimal(digits.decode("ascii"))
    finally:
        PyMem_Free(digits)


cdef bint to_double(const uint8_t* at, Py_ssize_t size, double* number) except -1:
    """Whether it is a number as servers write them, and which."""
    cdef char text[DOUBLE_BYTES_MAX + 1]
    cdef char* end
    cdef Py_ssize_t index
    cdef uint8_t letter
    if not 0 < size <= DOUBLE_BYTES_MAX:
        return False
    for index in range(size):
        letter = at[index]
        if not (is_digit(letter) or letter == b'.' or letter == b'-' or letter == b'+' or letter == b'e'):
            return False
    memcpy(text, at, size)
    text[size] = 0
    number[0] = PyOS_string_to_double(text, &end, NULL)
    return end == text + size


cdef object float_value(const uint8_t* at, Py_ssize_t size):
    """As keymap.values.shortest_float32: six digits, or as many more as tell it from its neighbours."""
    cdef double number
    cdef char* digits
    cdef int precision
    if not to_double(at, size, &number) or <float> number != number:
        return None
    for precision in range(6, 10):
        digits = PyOS_double_to_string(number, b'g', precision, 0, NULL)
        try:
            if precision == 9 or <float> PyOS_string_to_double(digits, NULL, NULL) == <float> number:
                return Decimal(digits.decode("ascii"))
        finally:
            PyMem_Free(digits)


cdef object datetime_value(const uint8_t* at, Py_ssize_t size, bint utc):
    """`YYYY-MM-DD HH…`: the blank becomes a T, and a Z follows where it is UTC."""
    cdef char[DATETIME_BYTES_MAX + 1] text
    cdef Py_ssize_t index
    if not 10 < size <= DATETIME_BYTES_MAX or at[10] != b' ':
        return None
    for index in range(size):
        if at[index] >= 0x80 or at[index] == b' ' and index < 10:
            return None
    memcpy(text, at, size)
    text[10] = b'T'
    text[size] = b'Z'
    return ascii(text, text + size + utc)


cdef object json_value(const uint8_t* at, Py_ssize_t size):
    """By _json.pxd, if it is one of its documents."""
    cdef char[2 * JSON_BYTES_FEW] few
    cdef char* room = few
    cdef Copy copy
    if size > JSON_BYTES_FEW:
        room = <char*> PyMem_Malloc(2 * size)
        if room is NULL:
            raise MemoryError
    copy.at, copy.end, copy.to, copy.spare = at, at + size, room, room + size
    try:
        if not copy_document(&copy):
            return None
        return Json(PyUnicode_DecodeUTF8(room, copy.to - room, NULL))
    finally:
        if room != few:
            PyMem_Free(room)
