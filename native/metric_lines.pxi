"""One line of DogStatsD, read over bytes. Included by `metric_store.pyx`; the pure twin is `core.metrics.dogstatsd`.

Every pointer lies in the buffer that holds the datagram. Behind its end is one byte that may be written.
"""

cdef enum:
    # The same numbers as thimble.kernels.metric_codes; a test compares them.
    COUNT = 0
    GAUGE = 1
    DISTRIBUTION = 2
    FORMAT = 0
    VALUE = 1
    UNSUPPORTED_TYPE = 2
    UNKNOWN_TYPE = 3
    TAGS = 4
    TIMESTAMP = 5
    RATE = 6
    ENCODING = 7
    CUT = 8
    CONTEXT_LIMIT = 9
    REASONS = 10
    TAGS_MAX = 100
    FINE = -1               # the line, or a number, is in order
    NOT_A_NUMBER = 1
    NOT_FINITE = 2
    EXACT_DIGITS_MAX = 15   # a double holds as many, and the powers of ten up to 22, exactly
    EXACT_POWER_MAX = 22

cdef double* POWERS_OF_TEN = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
]


cdef struct Text:
    uint8_t* begin
    uint8_t* end


cdef struct Line:
    int kind
    Text name
    Text values
    Text tags
    double first        # the first value
    bint is_packed      # there may be more
    double weight
    double timestamp_s  # 0: now


cdef inline uint8_t* find_byte(uint8_t* at, uint8_t* end, uint8_t wanted) noexcept nogil:
    """Where a byte is, or `end`. A loop: what is looked for is a few bytes away."""
    while at < end and at[0] != wanted:
        at += 1
    return at


cdef inline uint8_t* find_far(uint8_t* at, uint8_t* end, uint8_t wanted) noexcept nogil:
    """The same for what is dozens of bytes away."""
    cdef void* found = memchr(at, wanted, end - at)
    return end if found == NULL else <uint8_t*>found


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return <uint8_t>(byte - c'0') <= 9


cdef int parse_number(uint8_t* begin, uint8_t* end, double* value) except -2:
    """Read a number: FINE, NOT_A_NUMBER or NOT_FINITE. Short ones are exact by arithmetic, the rest is Python's."""
    cdef uint8_t* at = begin
    cdef uint64_t mantissa = 0
    cdef int digits = 0, power = 0, exponent = 0
    cdef bint is_negative = False, has_digits = False, is_exponent_negative = False
    cdef uint8_t saved
    if at < end and (at[0] == c'-' or at[0] == c'+'):
        is_negative = at[0] == c'-'
        at += 1
    while at < end and is_digit(at[0]):
        has_digits = True
        if digits or at[0] != c'0':
            digits += 1
            if digits <= EXACT_DIGITS_MAX:
                mantissa = mantissa * 10 + (at[0] - c'0')
        at += 1
    if at < end and at[0] == c'.':
        at += 1
        while at < end and is_digit(at[0]):
            has_digits = True
            power -= 1
            if digits or at[0] != c'0':
                digits += 1
                if digits <= EXACT_DIGITS_MAX:
                    mantissa = mantissa * 10 + (at[0] - c'0')
            at += 1
    if not has_digits:
        return NOT_FINITE if is_name_of_infinity(at, end) else NOT_A_NUMBER
    if at < end and (at[0] == c'e' or at[0] == c'E'):
        at += 1
        if at < end and (at[0] == c'-' or at[0] == c'+'):
            is_exponent_negative = at[0] == c'-'
            at += 1
        if at == end:
            return NOT_A_NUMBER
        while at < end and is_digit(at[0]):
            if exponent < 100000:
                exponent = exponent * 10 + (at[0] - c'0')
            at += 1
        power += -exponent if is_exponent_negative else exponent
    if at != end:
        return NOT_A_NUMBER
    if digits <= EXACT_DIGITS_MAX and -EXACT_POWER_MAX <= power <= EXACT_POWER_MAX:
        value[0] = <double>mantissa
        if power < 0:
            value[0] /= POWERS_OF_TEN[-power]
        elif power > 0:
            value[0] *= POWERS_OF_TEN[power]
        if is_negative:
            value[0] = -value[0]
        return FINE
    saved = end[0]
    end[0] = 0
    try:
        value[0] = PyOS_string_to_double(<const char*>begin, NULL, NULL)
    finally:
        end[0] = saved
    return FINE if isfinite(value[0]) else NOT_FINITE


cdef bint is_name_of_infinity(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Whether a text is `inf`, `infinity` or `nan` in any case."""
    return is_word(at, end, b"inf", 3) or is_word(at, end, b"infinity", 8) or is_word(at, end, b"nan", 3)


cdef inline bint is_word(const uint8_t* at, const uint8_t* end, const char* word, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t index
    if end - at != size:
        return False
    for index in range(size):
        if (at[index] | 0x20) != <uint8_t>word[index]:
            return False
    return True


cdef bint is_utf8(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Whether bytes are UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF."""
    cdef uint64_t word
    cdef uint8_t first, low, high
    cdef int more
    while True:
        while end - at >= 8:
            memcpy(&word, at, 8)
            if word & 0x8080808080808080ULL:
                break
            at += 8
        while at < end and at[0] < 0x80:
            at += 1
        if at == end:
            return True
        first = at[0]
        low, high = 0x80, 0xBF
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            if first == 0xE0:
                low = 0xA0
            elif first == 0xED:
                high = 0x9F
        elif 0xF0 <= first <= 0xF4:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F
        else:
            return False
        if end - at <= more or not low <= at[1] <= high:
            return False
        at += 2
        while more > 1:
            if at[0] & 0xC0 != 0x80:
                return False
            at += 1
            more -= 1


cdef inline bint begins_with(const uint8_t* at, const uint8_t* end, const char* prefix, Py_ssize_t size) noexcept nogil:
    return end - at >= size and memcmp(at, prefix, size) == 0


cdef inline bint is_ignored(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Service checks, events, and the client library's own count of invocations."""
    if at[0] == c'_':
        return begins_with(at, end, b"_sc|", 4) or begins_with(at, end, b"_e{", 3)
    return at[0] == c'a' and begins_with(at, end, b"aws.lambda.enhanced.invocations", 31)


cdef int read_line(uint8_t* at, uint8_t* end, bint maps_histograms, Line* line) except -2:
    """Read a line that is not empty: FINE, or why it is refused."""
    cdef uint8_t* bar
    cdef uint8_t* stop
    cdef Text time, rate
    if not is_utf8(at, end):
        return ENCODING
    line.name.begin = at
    while at < end and at[0] != c':' and at[0] != c'|':
        at += 1
    if at == end or at[0] == c'|' or at == line.name.begin:
        return FORMAT
    line.name.end = at
    at += 1
    bar = find_byte(at, end, c'|')
    if bar == at or bar == end:
        return FORMAT
    line.values.begin = at
    line.values.end = bar
    at = bar + 1
    stop = find_byte(at, end, c'|')
    if stop == at:
        return FORMAT
    if not read_values(line):
        return VALUE
    line.kind = read_kind(at, stop, maps_histograms)
    if line.kind < 0:
        return -1 - line.kind
    line.tags.begin = line.tags.end = end
    time.begin = time.end = rate.begin = rate.end = NULL
    while stop < end:
        at = stop + 1
        stop = find_far(at, end, c'|')
        if at == stop:
            continue
        if at[0] == c'#':
            line.tags.begin = at + 1
            line.tags.end = stop
        elif at[0] == c'T':
            time.begin = at + 1
            time.end = stop
        elif at[0] == c'@':
            rate.begin = at + 1
            rate.end = stop
    line.timestamp_s = 0.0
    line.weight = 1.0
    if time.begin != NULL and (parse_number(time.begin, time.end, &line.timestamp_s) != FINE or line.timestamp_s < 1.0):
        return TIMESTAMP
    if rate.begin != NULL:
        return read_rate(&rate, line)
    return FINE


cdef bint read_values(Line* line) except -1:
    """Check all values and keep the first."""
    cdef uint8_t* at = line.values.begin
    cdef uint8_t* stop = find_byte(at, line.values.end, c':')
    cdef double value
    cdef bint has_value = False
    line.is_packed = stop != line.values.end
    if not line.is_packed:
        return parse_number(at, stop, &line.first) == FINE
    while True:
        if stop > at:
            if parse_number(at, stop, &value) != FINE:
                return False
            if not has_value:
                line.first = value
                has_value = True
        if stop == line.values.end:
            return has_value
        at = stop + 1
        stop = find_byte(at, line.values.end, c':')


cdef int read_kind(const uint8_t* at, const uint8_t* end, bint maps_histograms) noexcept nogil:
    """The kind, or -1 less the reason."""
    cdef bint is_histogram
    if end - at == 1:
        if at[0] == c'd':
            return DISTRIBUTION
        if at[0] == c'c':
            return COUNT
        if at[0] == c'g':
            return GAUGE
        if at[0] == c's':
            return -1 - UNSUPPORTED_TYPE
    is_histogram = (end - at == 1 and at[0] == c'h') or (end - at == 2 and at[0] == c'm' and at[1] == c's')
    if not is_histogram:
        return -1 - UNKNOWN_TYPE
    return DISTRIBUTION if maps_histograms else -1 - UNSUPPORTED_TYPE


cdef int read_rate(const Text* rate, Line* line) except -2:
    cdef double value
    cdef int verdict = parse_number(rate.begin, rate.end, &value)
    if verdict == NOT_A_NUMBER:
        return RATE
    if verdict == FINE and 0.0 < value < 1.0:
        line.weight = 1.0 / value
    return FINE


# --- tags ------------------------------------------------------------------------------------------------------------


cdef struct Tag:
    const uint8_t* begin
    Py_ssize_t key_size
    Py_ssize_t size         # without a colon at its end, if that is the only one


cdef inline int compare_bytes(const uint8_t* left, Py_ssize_t left_size, const uint8_t* right,
                              Py_ssize_t right_size) noexcept nogil:
    cdef int order = memcmp(left, right, min(left_size, right_size))
    if order:
        return order
    return (left_size > right_size) - (left_size < right_size)


cdef inline int compare_tags(const Tag* left, const Tag* right) noexcept nogil:
    """By key, then by value, as bytes."""
    cdef int order = compare_bytes(left.begin, left.key_size, right.begin, right.key_size)
    if order:
        return order
    return compare_bytes(left.begin + left.key_size, left.size - left.key_size,
                         right.begin + right.key_size, right.size - right.key_size)


cdef Py_ssize_t write_canonical_tags(const Text* text, uint8_t* to) noexcept nogil:
    """Write tags sorted and without repetitions; answer the bytes written, or -1 for too many tags.

    Never writes more than there is in `text`.
    """
    cdef Tag tags[TAGS_MAX]
    cdef Tag tag
    cdef const uint8_t* at = text.begin
    cdef const uint8_t* stop
    cdef uint8_t* begin = to
    cdef int count = 0, index, place
    while at < text.end:
        stop = find_byte(<uint8_t*>at, text.end, c',')
        tag.begin = at
        tag.size = stop - at
        tag.key_size = find_byte(<uint8_t*>at, <uint8_t*>stop, c':') - at
        at = stop + 1
        if tag.key_size == tag.size - 1:
            tag.size -= 1
        if tag.size == 0:
            continue
        if count and compare_tags(&tags[count - 1], &tag) == 0:
            continue
        if count == TAGS_MAX:
            return -1
        tags[count] = tag
        count += 1
    for index in range(1, count):
        tag = tags[index]
        place = index
        while place > 0 and compare_tags(&tag, &tags[place - 1]) < 0:
            tags[place] = tags[place - 1]
            place -= 1
        tags[place] = tag
    for index in range(count):
        if index and compare_tags(&tags[index - 1], &tags[index]) == 0:
            continue
        if to != begin:
            to[0] = c','
            to += 1
        memcpy(to, tags[index].begin, tags[index].size)
        to += tags[index].size
    return to - begin
