# What both compiled readers of row packets share: packets, the values in them, numbers. Nothing here touches Python.

from libc.stdint cimport uint8_t, uint64_t

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

cdef enum:  # as text_values.Form numbers them
    OTHER, INT, DECIMAL, DOUBLE, FLOAT, TEXT, BYTES, DATETIME, TIMESTAMP, JSON

cdef enum:
    HEADER = 4
    PACKET_MAX = 0xFFFFFF
    NULL_VALUE = 0xFB
    SPECIAL = 0xFE
    REPR_BYTES_MAX = 20  # a point and at most 19 digits, which fit 64 bits
    DATETIME_BYTES_MAX = 26


cdef inline uint64_t exact_end() noexcept nogil:
    return 1_000_000_000_000_000  # 15 digits are always the shortest of their double


cdef inline uint64_t shortest_end() noexcept nogil:
    return 100_000_000_000_000_000  # 17 are the most that are needed


cdef inline const uint8_t* packet_end(const uint8_t* here, const uint8_t* stop, int sequence) noexcept nogil:
    """Where the packet at `here` ends, NULL unless it is whole, a plain row, and numbered `sequence`."""
    cdef Py_ssize_t length
    if stop - here <= HEADER:
        return NULL
    length = here[0] | here[1] << 8 | here[2] << 16
    if length == 0 or length == PACKET_MAX or length > stop - here - HEADER:
        return NULL
    if here[3] != sequence or here[HEADER] >= SPECIAL:
        return NULL
    return here + HEADER + length


cdef inline const uint8_t* value_at(const uint8_t* at, const uint8_t* end, Py_ssize_t* size) noexcept nogil:
    """Where the value at `at` begins, and its size, -1 for NULL; NULL where it is not within the packet."""
    cdef int first, width, index
    cdef uint64_t length = 0
    if at >= end:
        return NULL
    first = at[0]
    at += 1
    if first < NULL_VALUE:
        length = first
    elif first == NULL_VALUE:
        size[0] = -1
        return at
    elif first > SPECIAL:
        return NULL
    else:
        width = 8 if first == SPECIAL else first - 0xFA
        if end - at < width:
            return NULL
        at += width
        for index in range(1, width + 1):
            length = length << 8 | (at - index)[0]
    if length > <uint64_t> (end - at):
        return NULL
    size[0] = <Py_ssize_t> length
    return at


cdef inline bint is_digit(uint8_t letter) noexcept nogil:
    return <uint8_t> (letter - 48) < 10


cdef inline bint is_repr(const uint8_t* at, Py_ssize_t size) noexcept nogil:
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
    return digits < exact_end() or digits < shortest_end() and are_shortest(digits, <int> places)
