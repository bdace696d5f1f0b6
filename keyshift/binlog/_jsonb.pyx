# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""MySQL's binary JSON to its canonical text (keymap.jsons), in one pass over the usual documents.

What is unusual (opaque values, a key that is there twice, absurd depth) and what is no document at all is left to
jsonb.py: `canonical` gives None then. So this module decides nothing by itself, and has no errors of its own.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject_GenericSetAttr, PyTypeObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy

from keyshift.binlog._ascii cimport double_text, little, put

from decimal import Decimal

from keymap.jsons import Json, number_text

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject* type, Py_ssize_t items)

cdef enum:
    SMALL_OBJECT, LARGE_OBJECT, SMALL_ARRAY, LARGE_ARRAY, LITERAL, INT16, UINT16, INT32, UINT32, INT64, UINT64, DOUBLE, STRING
    DEPTH_MAX = 100  # as the server's
    FEW = 16  # members of an object that are sorted without another allocation
    NUMBER_MAX = 48  # characters of an integer or a double
    GROWTH_MAX = 8  # characters of text per byte of a document: more is the same bytes read over and over


cdef struct Text:
    char* begin
    char* at
    char* end
    Py_ssize_t most  # characters it may have
    Py_ssize_t left  # bytes of the document that entries, keys and strings may still take (as in jsonb.py)


cdef struct Member:
    const uint8_t* key
    Py_ssize_t size
    Py_ssize_t entry  # where its value's entry is in its object


def canonical(bytes data not None, Py_ssize_t at, Py_ssize_t end):
    """The document data[at:end] as Json, None where jsonb.py must look."""
    cdef Py_ssize_t size = end - at
    cdef Text text
    if not 0 <= at < end <= PyBytes_GET_SIZE(data):
        return None
    cdef const uint8_t* begin = <const uint8_t*> PyBytes_AS_STRING(data) + at
    text.begin = text.at = <char*> PyMem_Malloc(2 * size + NUMBER_MAX)
    if text.begin is NULL:
        raise MemoryError
    text.end = text.begin + 2 * size + NUMBER_MAX
    text.most, text.left = GROWTH_MAX * size + 2 * NUMBER_MAX, size
    try:
        if not value(&text, begin[0], begin + 1, begin + size, DEPTH_MAX):
            return None
        return document_of(PyUnicode_DecodeUTF8(text.begin, text.at - text.begin, NULL))
    except UnicodeDecodeError:
        return None
    finally:
        PyMem_Free(text.begin)


cdef object document_of(str text):
    """Json(text), past the frozen dataclass's slow way to set its one attribute."""
    found = PyType_GenericAlloc(<PyTypeObject*> Json, 0)
    PyObject_GenericSetAttr(found, "text", text)
    return found


cdef bint room(Text* text, Py_ssize_t size) except? 0:
    """Make room for `size` characters; False where the text has grown out of all proportion."""
    if text.end - text.at >= size:
        return True
    cdef Py_ssize_t used = text.at - text.begin, wanted = 2 * (used + size)
    if used + size > text.most:
        return False
    cdef char* begin = <char*> PyMem_Realloc(text.begin, wanted)
    if begin is NULL:
        raise MemoryError
    text.begin, text.at, text.end = begin, begin + used, begin + wanted
    return True


cdef bint value(Text* text, int kind, const uint8_t* at, const uint8_t* stop, int depth) except? 0:
    """Write the value of this kind at `at`, which must end by `stop`; False where that is left to jsonb.py."""
    cdef Py_ssize_t size
    if kind == STRING:
        size = length(&at, stop)
        return size >= 0 and string(text, at, size)
    if kind <= LARGE_ARRAY:
        return container(text, kind, at, stop, depth)
    if not room(text, NUMBER_MAX):
        return False
    if kind == LITERAL:
        return at < stop and literal(text, at[0])
    if kind == DOUBLE:
        return stop - at >= 8 and double(text, at)
    if not INT16 <= kind <= UINT64:
        return False
    size = 2 << (kind - INT16 >> 1)
    if stop - at < size:
        return False
    integer(text, little(at, size), size, kind == INT16 or kind == INT32 or kind == INT64)
    return True


cdef inline void integer(Text* text, uint64_t stored, int size, bint is_signed) noexcept nogil:
    if is_signed and stored >> (8 * size - 1):
        text.at[0] = b'-'
        text.at += 1
        stored = -(stored | ~<uint64_t> 0 << (8 * size - 1))
    text.at = put(text.at, stored, 1)


cdef inline bint literal(Text* text, int number) noexcept nogil:
    cdef const char* word = "null" if number == 0 else "true" if number == 1 else "false"
    cdef int size = 5 if number == 2 else 4
    memcpy(text.at, word, size)
    text.at += size
    return number <= 2


cdef bint double(Text* text, const uint8_t* at) except? 0:
    cdef bytes digits = double_text(at)
    cdef Py_ssize_t size = len(digits)
    if b"e" in digits or b"n" in digits:  # with an exponent, or no number at all
        try:
            digits = number_text(Decimal(digits.decode())).encode()
        except ValueError:
            return False
        size = len(digits)
    elif digits.endswith(b".0"):
        size -= 2
        if digits == b"-0.0":
            digits, size = b"0", 1
    if size > NUMBER_MAX:
        return False
    memcpy(text.at, PyBytes_AS_STRING(digits), size)
    text.at += size
    return True


cdef inline Py_ssize_t length(const uint8_t** at, const uint8_t* end) noexcept nogil:
    """A length of seven bits per byte, lowest first, at most 32 bits; -1 where there is none, or less than it says."""
    cdef Py_ssize_t found = 0
    cdef int shift = 0
    cdef uint8_t byte
    while shift < 35:
        if at[0] >= end:
            return -1
        byte = at[0][0]
        found |= <Py_ssize_t> (byte & 0x7F) << shift
        at[0] += 1
        if byte < 0x80:
            return found if found <= end - at[0] else -1
        shift += 7
    return -1


cdef bint string(Text* text, const uint8_t* at, Py_ssize_t size) except? 0:
    """Write a string in quotes, with the escapes that JSON requires."""
    cdef const uint8_t* end = at + size
    cdef const uint8_t* plain
    text.left -= size
    if text.left < 0 or not room(text, size + 2):
        return False
    text.at = add(text.at, b'"')
    while True:
        plain = at
        while at < end and at[0] >= 0x20 and at[0] != b'"' and at[0] != b'\\':
            at += 1
        memcpy(text.at, plain, at - plain)
        text.at += at - plain
        if at == end:
            text.at = add(text.at, b'"')
            return True
        if not room(text, 6 + (end - at)):
            return False
        text.at = escape(text.at, at[0])
        at += 1


cdef inline char* add(char* to, char character) noexcept nogil:
    to[0] = character
    return to + 1


cdef inline char* escape(char* to, uint8_t character) noexcept nogil:
    cdef const char* letters = b"\"\\\b\f\n\r\t"
    cdef const char* names = b"\"\\bfnrt"
    cdef const char* hexadecimal = b"0123456789abcdef"
    cdef int index
    to[0] = b'\\'
    for index in range(7):
        if character == <uint8_t> letters[index]:
            to[1] = names[index]
            return to + 2
    memcpy(to + 1, b"u00", 3)
    to[4] = hexadecimal[character >> 4]
    to[5] = hexadecimal[character & 15]
    return to + 6


cdef bint container(Text* text, int kind, const uint8_t* at, const uint8_t* stop, int depth) except? 0:
    """Layout: count and size, then the entries of the keys (of an object), then those of the values; offsets from `at`."""
    cdef bint is_object = kind <= LARGE_OBJECT, is_large = kind & 1
    cdef int width = 4 if is_large else 2
    if depth == 0 or stop - at < 2 * width or not room(text, 2):
        return False
    cdef Py_ssize_t count = <Py_ssize_t> little(at, width), size = <Py_ssize_t> little(at + width, width), index
    cdef Py_ssize_t values = 2 * width + (count * (width + 2) if is_object else 0)
    cdef Py_ssize_t entries = values + count * (width + 1)
    text.left -= entries
    if size > stop - at or entries > size or text.left < 0:
        return False
    text.at = add(text.at, b'{' if is_object else b'[')
    if is_object:
        if count and not members(text, at, at + size, count, width, depth - 1):
            return False
    else:
        for index in range(count):
            if not entry(text, at, at + size, values + index * (width + 1), width, depth - 1):
                return False
    if count:
        text.at -= 1  # the last comma
    text.at = add(text.at, b'}' if is_object else b']')
    return True


cdef bint entry(Text* text, const uint8_t* at, const uint8_t* stop, Py_ssize_t where, int width, int depth) except? 0:
    """Write one value of a container and a comma. A small value is in its entry, any other behind an offset."""
    cdef int kind = at[where]
    cdef Py_ssize_t offset = where + 1
    if not (LITERAL <= kind <= UINT16 or width == 4 and (kind == INT32 or kind == UINT32)):
        offset = <Py_ssize_t> little(at + offset, width)
    if offset > stop - at or not value(text, kind, at + offset, stop, depth) or not room(text, 2):
        return False
    text.at = add(text.at, b',')
    return True


cdef bint members(Text* text, const uint8_t* at, const uint8_t* stop, Py_ssize_t count, int width, int depth) except? 0:
    """Write an object's members in the order of their keys' code points, which is that of their UTF-8 bytes."""
    cdef Member few[FEW]
    cdef Member* found = few
    cdef Py_ssize_t index
    if count > FEW:
        found = <Member*> PyMem_Malloc(count * sizeof(Member))
        if found is NULL:
            raise MemoryError
    try:
        if not sorted_members(found, at, stop, count, width):
            return False
        for index in range(count):
            if not string(text, found[index].key, found[index].size) or not room(text, 1):
                return False
            text.at = add(text.at, b':')
            if not entry(text, at, stop, found[index].entry, width, depth):
                return False
        return True
    finally:
        if found is not few:
            PyMem_Free(found)


cdef bint sorted_members(Member* found, const uint8_t* at, const uint8_t* stop, Py_ssize_t count, int width) noexcept nogil:
    """Fill in the members and sort them by key; False where a key is not in the object, or is there twice."""
    cdef Py_ssize_t index, offset
    cdef const uint8_t* where = at + 2 * width
    for index in range(count):
        offset, found[index].size = <Py_ssize_t> little(where, width), <Py_ssize_t> little(where + width, 2)
        if offset + found[index].size > stop - at:
            return False
        found[index].key = at + offset
        found[index].entry = 2 * width + count * (width + 2) + index * (width + 1)
        where += width + 2
    if count > FEW:
        qsort(found, count, sizeof(Member), &by_key)
    else:
        insertion_sort(found, count)
    for index in range(1, count):
        if by_key(&found[index - 1], &found[index]) == 0:
            return False
    return True


cdef inline void insertion_sort(Member* found, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t index, to
    cdef Member moved
    for index in range(1, count):
        moved, to = found[index], index
        while to > 0 and by_key(&found[to - 1], &moved) > 0:
            found[to] = found[to - 1]
            to -= 1
        found[to] = moved


cdef int by_key(const void* one, const void* other) noexcept nogil:
    cdef const Member* first = <const Member*> one
    cdef const Member* second = <const Member*> other
    cdef int found = memcmp(first.key, second.key, min(first.size, second.size))
    return found if found else (first.size > second.size) - (first.size < second.size)
