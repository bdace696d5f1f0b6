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
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from decimal import Decimal
from sys import intern

from keymap.values import Json
from keyshift.binlog._ascii cimport ascii
from keyshift.mysql._json cimport Copy, copy_document
from keyshift.mysql.text_values import Form

cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char form, int digits, int flags, int* kind) except NULL
    double PyOS_string_to_double(const char* text, char** end, PyObject* overflow) except? -1.0
    int Py_DTSF_ADD_DOT_0

cdef extern from *:
    """
    /* Whether digits / 10^places is what repr gives of its double: no shorter number has that double, and no other of
       as many digits is nearer to it. For 0.001 <= digits / 10^places < 10^16 and digits < 10^17, not divisible by 10.

       Exact. With power = 10^places the double is whole / 2^shift, and all is compared in units of
       1 / (power * 2^shift), where the double is whole * power and covers power / 2 to both sides. Any shorter number
       is a multiple of ten in the last digit, or has one between it and the digits. Doubt is a no: a tie, a power of
       two (whose neighbours are not equally far), an integer too large for a fraction. */
    static int are_shortest(uint64_t digits, int places)
    {
        typedef unsigned __int128 wide;
        const uint64_t limit = (uint64_t)1 << 53;
        uint64_t power = 1, whole, rest;
        wide scaled, centre, lower, upper, off;
        int shift;
        while (places-- > 0)
            power *= 10;
        shift = 53 + __builtin_clzll(digits) - __builtin_clzll(power);
        if (shift < 2 || shift > 68)
            return 0;
        whole = (uint64_t)(((wide)digits << shift) / power);
        if (whole >= limit)
            whole = (uint64_t)(((wide)digits << --shift) / power);
        scaled = (wide)digits << shift;
        rest = (uint64_t)(scaled - (wide)whole * power);
        if ((wide)2 * rest > power)
            whole += 1;
        if ((wide)2 * rest == power || whole <= limit / 2 || whole >= limit)
            return 0;
        centre = (wide)whole * power;
        lower = (wide)(digits - digits % 10) << shift;
        upper = lower + ((wide)10 << shift);
        off = centre > scaled ? centre - scaled : scaled - centre;
        if (2 * off >= (wide)1 << shift || centre <= lower || centre >= upper)
            return 0;
        return 2 * (centre - lower) > power && 2 * (upper - centre) > power;
    }
    """
    bint are_shortest(uint64_t digits, int places) noexcept nogil

cdef enum:
    OTHER, INT, DECIMAL, DOUBLE, FLOAT, TEXT, BYTES, DATETIME, TIMESTAMP, JSON

assert [form.value for form in Form] == list(range(JSON + 1)), "the forms are numbered alike here and there"

cdef enum:
    HEADER = 4
    PACKET_MAX = 0xFFFFFF
    NULL_VALUE = 0xFB
    SPECIAL = 0xFE
    INT_DIGITS_MAX = 18  # fit 64 bits whatever they are
    REPR_BYTES_MAX = 20  # a point and at most 19 digits, which fit 64 bits
    DOUBLE_BYTES_MAX = 40  # a server writes 24 at most
    DATETIME_BYTES_MAX = 26
    JSON_BYTES_FEW = 2048  # for which there is room on the stack


cdef uint64_t EXACT_END = 1_000_000_000_000_000  # 15 digits are always the shortest of their double
cdef uint64_t SHORTEST_END = 100_000_000_000_000_000  # 17 are the most that are needed


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
        cdef Py_ssize_t length
        if not 0 <= at <= PyBytes_GET_SIZE(data):
            raise ValueError("a place beyond the block")
        while stop - here > HEADER:
            begin = here + HEADER
            length = here[0] | here[1] << 8 | here[2] << 16
            if length == 0 or length == PACKET_MAX or length > stop - begin:
                break
            if here[3] != sequence or begin[0] >= SPECIAL:
                break
            end = begin + length
            begin = self.read_row(begin, end, rows)
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
            found.append(None if size < 0 else PyBytes_FromStringAndSize(<char*> at, size))
            at += max(0, size)
        extras.append(tuple(found))
        return at


cdef inline const uint8_t* value_at(const uint8_t* at, const uint8_t* end, Py_ssize_t* size) except NULL:
    """Where the value at `at` begins, and its size, -1 for NULL. It is within the packet."""
    cdef int first, width, index
    cdef uint64_t length = 0
    if at >= end:
        raise ValueError("a row of fewer columns")
    first = at[0]
    at += 1
    if first < NULL_VALUE:
        length = first
    elif first == NULL_VALUE:
        size[0] = -1
        return at
    elif first > SPECIAL:
        raise ValueError("no length")
    else:
        width = 8 if first == SPECIAL else first - 0xFA
        if end - at < width:
            raise ValueError("a row ends within a length")
        at += width
        for index in range(1, width + 1):
            length = length << 8 | (at - index)[0]
    if length > <uint64_t> (end - at):
        raise ValueError("a row ends within a value")
    size[0] = <Py_ssize_t> length
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


cdef inline bint is_digit(uint8_t letter) noexcept:
    return <uint8_t> (letter - 48) < 10


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


cdef bint is_repr(const uint8_t* at, Py_ssize_t size) noexcept:
    """Whether Python writes this number's double with these very characters, as far as that is quickly said.

    It must be `-?D.D`, 0.001 at least, with no more zeros on the outside than one before the point. Up to 15 digits
    are always the shortest ones of their double; 16 and 17 are examined.
    """
    cdef const uint8_t* end = at + size
    cdef const uint8_t* point = NULL
    cdef uint64_t digits = 0
    cdef Py_ssize_t places
    if size and at[0] == b'-':
        at += 1
    if not 3 <= end - at <= REPR_BYTES_MAX or (end - 1)[0] == b'0' or not is_digit(at[0]):
        return False
    if at[0] == b'0' and (at[1] != b'.' or end - at > 4 and at[2] == b'0' == at[3] == at[4]):
        return False
    while at < end:
        if is_digit(at[0]):
            digits = 10 * digits + (at[0] - 48)
        elif at[0] == b'.' and point is NULL:
            point = at
        else:
            return False
        at += 1
    if point is NULL or point == end - 1:
        return False
    places = end - point - 1
    return digits < EXACT_END or digits < SHORTEST_END and are_shortest(digits, <int> places)


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
