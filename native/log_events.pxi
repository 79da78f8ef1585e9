"""Telemetry events that are log lines, read over bytes: type, time and where the record lies.

Included by `log_batch.pyx`, after `json_strings.pxi`.
"""

cdef extern from *:
    """
    /* Whether the text may hold `emory` or `signal: killed`: `mor` or `: k` is in it. */
    static int thimble_may_hint(const uint8_t *at, const uint8_t *end) {
        while (end - at >= 18) {
            thimble_block first = thimble_load(at), second = thimble_load(at + 1), third = thimble_load(at + 2);
            thimble_block more = (thimble_block)(first == 'm') & (thimble_block)(second == 'o') & (thimble_block)(third == 'r');
            thimble_block kill = (thimble_block)(first == ':') & (thimble_block)(second == ' ') & (thimble_block)(third == 'k');
            if (thimble_first(more | kill) < 16)
                return 1;
            at += 16;
        }
        for (; end - at >= 3; at++)
            if ((at[0] == 'm' && at[1] == 'o' && at[2] == 'r') || (at[0] == ':' && at[1] == ' ' && at[2] == 'k'))
                return 1;
        return 0;
    }
    """
    bint may_hint "thimble_may_hint"(const uint8_t* at, const uint8_t* end) noexcept nogil

cdef extern from "string.h":
    void* memmem(const void* haystack, size_t size, const void* needle, size_t needle_size) noexcept nogil
    void* memchr(const void* at, int byte, size_t size) noexcept nogil


cdef enum:
    DIGITS_MAX = 20             # of a 64-bit integer


cdef struct Line:
    # One log line: its record inside the body, a JSON string with its quotes or an object, and its time.
    const uint8_t* record
    const uint8_t* record_end
    const uint8_t* event_end
    int64_t time_ms
    bint is_object
    bint is_function
    bint is_canonical           # of a string: its escapes are those of the output


cdef bint read_line(const uint8_t* at, const uint8_t* end, Line* line) noexcept nogil:
    """Read the event that begins at `at` if it is a log line with exactly time, type and a text or an object as record."""
    cdef bint has_time = False, has_type = False, has_record = False, has_surrogate = False
    cdef const uint8_t* key
    cdef const uint8_t* value
    cdef Py_ssize_t key_bytes
    at += 1
    while True:
        at = skip_space(at, end)
        if at == end or at[0] != c'"':
            return False
        key = at + 1
        at = find_special(key, end)
        if at == end or at[0] != c'"':
            return False
        key_bytes = at - key
        at = skip_space(at + 1, end)
        if at == end or at[0] != c':':
            return False
        at = skip_space(at + 1, end)
        if at == end:
            return False
        value = at
        if key_bytes == 6 and memcmp(key, b"record", 6) == 0:
            if has_record:
                return False
            has_record = True
            line.is_object = at[0] == c'{'
            if line.is_object:
                at = object_end(value, end)
            elif at[0] == c'"':
                line.is_canonical = True
                at = text_end(value, end, &line.is_canonical, &has_surrogate)
            else:
                return False
            if at == NULL:
                return False
            line.record = value
            line.record_end = at
        else:
            if key_bytes != 4 or at[0] != c'"':
                return False
            at = find_special(value + 1, end)
            if at == end or at[0] != c'"':
                return False
            if memcmp(key, b"time", 4) == 0 and not has_time:
                has_time = True
                if not read_time(value + 1, at, &line.time_ms):
                    return False
            elif memcmp(key, b"type", 4) == 0 and not has_type:
                has_type = True
                line.is_function = at - value == 9 and memcmp(value + 1, b"function", 8) == 0
                if not line.is_function and not (at - value == 10 and memcmp(value + 1, b"extension", 9) == 0):
                    return False
            else:
                return False
            at += 1
        at = skip_space(at, end)
        if at == end:
            return False
        if at[0] == c'}':
            line.event_end = at + 1
            return has_time and has_type and has_record
        if at[0] != c',':
            return False
        at += 1


cdef const uint8_t* skip_garbage(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The next brace behind a comma, an opening bracket or a line break, blanks between allowed, or the end."""
    cdef const uint8_t* begin = at
    cdef const uint8_t* before
    while at < end:
        at = <const uint8_t*>memchr(at, c'{', end - at)
        if at == NULL:
            return end
        before = at - 1
        while before > begin and (before[0] == c' ' or before[0] == c'\t' or before[0] == c'\r'):
            before -= 1
        if before[0] == c',' or before[0] == c'[' or before[0] == c'\n':
            return at
        at += 1
    return end


cdef struct Text:
    # The message of an entry as a JSON string, and what the line says about itself.
    uint8_t* begin
    uint8_t* end
    const uint8_t* request_id   # a JSON string, or NULL
    Py_ssize_t request_id_bytes
    int status


cdef bint write_text(Text* text, const Line* line) noexcept nogil:
    """Write a line whose record is a string; answer False if it may be an object and is not a usual one."""
    cdef Walk walk
    cdef const uint8_t* decoded
    cdef const uint8_t* decoded_end
    cdef const uint8_t* at
    if line.is_canonical:
        memcpy(text.begin, line.record, line.record_end - line.record)
        text.end = text.begin + (line.record_end - line.record)
    else:
        text.end = write_canonical(text.begin, line.record, line.record_end)
    if not looks_like_object(text.begin + 1, text.end):
        return True
    decoded = text.end
    decoded_end = write_decoded(text.end, text.begin, text.end)
    memset(&walk, 0, sizeof(Walk))
    at = walk_object(skip_space(decoded, decoded_end), decoded_end, &walk, 0)
    if at == NULL or skip_space(at, decoded_end) != decoded_end:
        return False
    text.status = status_of(&walk, decoded_end)
    return text.status != STATUS_UNDECIDED and memmem(decoded, decoded_end - decoded, b"ddtags", 6) == NULL


cdef bint write_object(Text* text, const Line* line) noexcept nogil:
    """Write a line whose record is an object; answer False if it is not a usual one."""
    cdef Walk walk
    cdef uint8_t* compact = text.begin + 2 * (line.record_end - line.record) + 2
    cdef const uint8_t* value
    cdef const uint8_t* value_end
    if memmem(line.record, line.record_end - line.record, b"ddtags", 6) != NULL:
        return False
    memset(&walk, 0, sizeof(Walk))
    walk.out = compact
    if walk_object(line.record, line.record_end, &walk, 0) != line.record_end or walk.execution_arn != NULL:
        return False
    text.status = status_of(&walk, line.record_end)
    if text.status == STATUS_UNDECIDED:
        return False
    value = walk.request_id if walk.request_id != NULL else walk.aws_request_id
    if line.is_function and value != NULL and value[0] == c'"':
        value_end = find_special(value + 1, line.record_end)
        if value_end[0] != c'"':
            return False
        text.request_id = value
        text.request_id_bytes = value_end + 1 - value
    text.end = write_encoded(text.begin, compact, walk.out)
    return True


cdef inline bint looks_like_object(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Whether the first character of a text in the output's form that is not JSON's white space is a brace."""
    while at < end:
        if at[0] == c' ':
            at += 1
        elif at[0] == 0x5C and (at[1] == c'n' or at[1] == c't' or at[1] == c'r'):
            at += 2
        else:
            return at[0] == c'{'
    return False


cdef inline bint has_hint(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Whether a text must be searched for signs of an exhausted memory."""
    if not may_hint(at, end):
        return False
    return (memmem(at, end - at, <const char*>b"emory", 5) != NULL
            or memmem(at, end - at, <const char*>b"signal: killed", 14) != NULL)


cdef Py_ssize_t write_integer(uint8_t* to, int64_t value) noexcept nogil:
    """Write a decimal number; answer its length."""
    cdef uint8_t digits[DIGITS_MAX]
    cdef Py_ssize_t count = 0, size = 0
    if value < 0:
        to[0] = c'-'
        size = 1
        value = -value
    while True:
        digits[count] = c'0' + <uint8_t>(value % 10)
        value //= 10
        count += 1
        if value == 0:
            break
    while count > 0:
        count -= 1
        to[size] = digits[count]
        size += 1
    return size


cdef inline int two_digits(const uint8_t* at) noexcept nogil:
    """The number in two digits, or -1."""
    if c'0' <= at[0] <= c'9' and c'0' <= at[1] <= c'9':
        return (at[0] - c'0') * 10 + at[1] - c'0'
    return -1


cdef bint read_time(const uint8_t* at, const uint8_t* end, int64_t* time_ms) noexcept nogil:
    """Read an RFC 3339 date-time that fills `at..end`; the rules of `thimble.core.codec.rfc3339`."""
    cdef int century, year, month, day, hour, minute, second, east_hour, east_minute
    cdef int64_t days, milliseconds = 0, offset = 0
    cdef int scale = 100
    cdef const uint8_t* fraction
    if end - at < 20 or at[4] != c'-' or at[7] != c'-' or at[13] != c':' or at[16] != c':':
        return False
    if at[10] != c'T' and at[10] != c't' and at[10] != c' ':
        return False
    century = two_digits(at)
    year = two_digits(at + 2)
    month = two_digits(at + 5)
    day = two_digits(at + 8)
    hour = two_digits(at + 11)
    minute = two_digits(at + 14)
    second = two_digits(at + 17)
    if century < 0 or year < 0 or month < 1 or month > 12 or day < 1:
        return False
    year += 100 * century
    if day > days_in_month(year, month) or not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 60):
        return False
    at += 19
    if at[0] == c'.':
        at += 1
        fraction = at
        while at < end and c'0' <= at[0] <= c'9':
            milliseconds += (at[0] - c'0') * scale
            scale //= 10
            at += 1
        if at == fraction:
            return False
    if end - at == 1 and (at[0] == c'Z' or at[0] == c'z'):
        offset = 0
    elif end - at == 6 and (at[0] == c'+' or at[0] == c'-') and at[3] == c':':
        east_hour = two_digits(at + 1)
        east_minute = two_digits(at + 4)
        if not (0 <= east_hour <= 23 and 0 <= east_minute <= 59):
            return False
        offset = east_hour * 60 + east_minute
        if at[0] == c'-':
            offset = -offset
    else:
        return False
    if month <= 2:
        year -= 1
        month += 12
    # Year -1 begins 1 January and February of year 0: C's division rounds toward zero, so count from year 400 on.
    year += 400
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469 - 146097
    time_ms[0] = (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + milliseconds
    return True


cdef inline int days_in_month(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
