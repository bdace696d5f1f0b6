# JSON text as canonical text (keymap.jsons), where that takes no more than to leave out blanks and to sort keys. All
# else, mistakes included, is refused here and left to keymap.jsons. The text is never longer than it was.

from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

cdef enum:
    MEMBERS_MAX = 64  # of one object
    DEPTH_MAX = 24
    NUMBER_MAX = 36  # characters
    WHOLE_MAX = 18


cdef struct Member:  # of an object, in the copy: `"key":value`
    char* begin
    char* colon
    char* end


cdef struct Copy:
    const uint8_t* at
    const uint8_t* end
    char* to
    char* spare  # room for one more copy


cdef inline bint copy_document(Copy* copy) noexcept nogil:
    """Copy the document that is all of the text; False where it is not one of those described above."""
    if not copy_value(copy, 0):
        return False
    skip(copy)
    return copy.at == copy.end


cdef inline void skip(Copy* copy) noexcept nogil:
    """Blanks."""
    while copy.at < copy.end and (
        copy.at[0] == b' ' or copy.at[0] == b'\n' or copy.at[0] == b'\t' or copy.at[0] == b'\r'
    ):
        copy.at += 1


cdef inline void keep(Copy* copy, Py_ssize_t size) noexcept nogil:
    memcpy(copy.to, copy.at, size)
    copy.to += size
    copy.at += size


cdef inline bint copy_value(Copy* copy, int depth) noexcept nogil:
    cdef uint8_t first
    skip(copy)
    if copy.at == copy.end or depth > DEPTH_MAX:
        return False
    first = copy.at[0]
    if first == b'"':
        return copy_string(copy) != 0
    if first == b'{':
        return copy_object(copy, depth)
    if first == b'[':
        return copy_array(copy, depth)
    if first == b't':
        return copy_word(copy, b"true", 4)
    if first == b'f':
        return copy_word(copy, b"false", 5)
    if first == b'n':
        return copy_word(copy, b"null", 4)
    return copy_number(copy)


cdef inline bint copy_word(Copy* copy, const char* word, Py_ssize_t size) noexcept nogil:
    if copy.end - copy.at < size or memcmp(copy.at, word, size):
        return False
    keep(copy, size)
    return True


cdef inline int copy_string(Copy* copy) noexcept nogil:
    """1 for a string, 2 for one with escapes, 0 for none."""
    cdef const uint8_t* at = copy.at + 1
    cdef int found = 1
    if copy.at == copy.end or copy.at[0] != b'"':
        return 0
    while at < copy.end and at[0] != b'"':
        if at[0] < 0x20:
            return 0
        if at[0] == b'\\':
            found = 2
            at += 1
            if at == copy.end or not is_short_escape(at[0]):
                return 0
        at += 1
    if at >= copy.end:
        return 0
    keep(copy, at + 1 - copy.at)
    return found


cdef inline bint is_short_escape(uint8_t letter) noexcept nogil:
    """Of the escapes in two characters those that the canonical text has too."""
    return (
        letter == b'"' or letter == b'\\' or letter == b'n' or letter == b't'
        or letter == b'r' or letter == b'b' or letter == b'f'
    )


cdef inline bint copy_number(Copy* copy) noexcept nogil:
    """`-?digits` but for -0; or `-?digits.digits`, where a zero at the end must be the only one, and goes."""
    cdef const uint8_t* at = copy.at
    cdef const uint8_t* whole
    cdef const uint8_t* point = NULL
    at += at[0] == b'-'
    whole = at
    while at < copy.end and <uint8_t> (at[0] - 48) < 10:
        at += 1
    if not 0 < at - whole <= WHOLE_MAX or whole[0] == b'0' and at - whole > 1:
        return False
    if at < copy.end and at[0] == b'.':
        point = at
        at += 1
        while at < copy.end and <uint8_t> (at[0] - 48) < 10:
            at += 1
    if at < copy.end and (at[0] == b'e' or at[0] == b'E'):
        return False
    if point is NULL or at - point == 2 and point[1] == b'0':
        if whole[0] == b'0' and whole != copy.at:
            return False
        keep(copy, (at if point is NULL else point) - copy.at)
        copy.at = at
        return True
    if at - point < 2 or (at - 1)[0] == b'0' or at - copy.at > NUMBER_MAX:
        return False
    if whole[0] == b'0' and at - point > 5 and memcmp(point, b".00000", 6) == 0:
        return False
    keep(copy, at - copy.at)
    return True


cdef inline bint copy_array(Copy* copy, int depth) noexcept nogil:
    keep(copy, 1)
    skip(copy)
    if copy.at < copy.end and copy.at[0] == b']':
        keep(copy, 1)
        return True
    while copy_value(copy, depth + 1):
        skip(copy)
        if copy.at == copy.end:
            return False
        if copy.at[0] == b']':
            keep(copy, 1)
            return True
        if copy.at[0] != b',':
            return False
        keep(copy, 1)
    return False


cdef inline bint copy_object(Copy* copy, int depth) noexcept nogil:
    cdef Member[MEMBERS_MAX] members
    cdef int count = 0
    cdef bint is_sorted = True
    keep(copy, 1)
    skip(copy)
    if copy.at < copy.end and copy.at[0] == b'}':
        keep(copy, 1)
        return True
    while count < MEMBERS_MAX:
        if not copy_member(copy, &members[count], depth) or copy.at == copy.end:
            return False
        if count and is_sorted:
            is_sorted = order(&members[count - 1], &members[count]) < 0
        count += 1
        if copy.at[0] == b'}':
            if not is_sorted and not sort(copy, members, count):
                return False
            keep(copy, 1)
            return True
        if copy.at[0] != b',':
            return False
        keep(copy, 1)
        skip(copy)
    return False


cdef inline bint copy_member(Copy* copy, Member* member, int depth) noexcept nogil:
    """And the blanks behind it. A key with escapes is refused: their characters sort elsewhere."""
    member.begin = copy.to
    if copy_string(copy) != 1:
        return False
    member.colon = copy.to
    skip(copy)
    if copy.at == copy.end or copy.at[0] != b':':
        return False
    keep(copy, 1)
    if not copy_value(copy, depth + 1):
        return False
    member.end = copy.to
    skip(copy)
    return True


cdef inline int order(const Member* one, const Member* other) noexcept nogil:
    """As the keys compare by code point, which in UTF-8 is by byte. Their closing quotes are not part of that."""
    cdef Py_ssize_t size = one.colon - one.begin - 1, length = other.colon - other.begin - 1
    cdef int found = memcmp(one.begin, other.begin, min(size, length))
    return found if found else (size > length) - (size < length)


cdef inline bint sort(Copy* copy, Member* members, int count) noexcept nogil:
    """Put the members of the object that ends here in order; False where a key is there twice."""
    cdef char* begin = members[0].begin
    cdef Py_ssize_t size = copy.to - begin
    cdef Member one
    cdef int index, place, compared
    for index in range(1, count):
        one = members[index]
        place = index
        while place:
            compared = order(&members[place - 1], &one)
            if compared == 0:
                return False
            if compared < 0:
                break
            members[place] = members[place - 1]
            place -= 1
        members[place] = one
    memcpy(copy.spare, begin, size)
    copy.to = begin
    for index in range(count):
        if index:
            copy.to[0] = b','
            copy.to += 1
        size = members[index].end - members[index].begin
        memcpy(copy.to, copy.spare + (members[index].begin - begin), size)
        copy.to += size
    return True
