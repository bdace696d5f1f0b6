# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Row packets as lines of a chunk file, in C: no Python object is made of a value, and the GIL is let go of meanwhile.

A line is what keymap.wire.values_json makes of the row that the plain loop reads (text_lines.PlainLines); tests hold it
to that, byte by byte. A value that does not look as a server writes it is left to the column's `write`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t
from libc.stdlib cimport free

from keyshift.mysql._packet cimport (
    BYTES,
    DATETIME,
    DECIMAL,
    DOUBLE,
    HEADER,
    INT,
    JSON,
    TEXT,
    TIMESTAMP,
    packet_end,
    value_at,
)
from keyshift.mysql._put cimport (
    AROUND,
    Room,
    make_room,
    put_byte,
    put_bytes,
    put_decimal,
    put_double,
    put_int,
    put_json,
    put_moment,
    put_string,
)
from keyshift.mysql._strings cimport put_base64

cdef enum:
    EXPANSION = 6  # times its size is what a value's JSON has at most, and AROUND it
    FIRST_ROOM = 4


cdef struct Column:
    int form
    PyObject* write  # borrowed: the scanner holds it


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
