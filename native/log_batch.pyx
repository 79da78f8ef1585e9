# cython: boundscheck=False, wraparound=False, cdivision=True
"""Payloads of log entries, filled by scanning telemetry bodies: plain lines are taken, the rest is handed back.

The compiled twin of `thimble.kernels.log_batch_py`, which says what an entry is and when a scan stops. This one also
hands back events with keys beyond time, type and record, or with one of them twice: the caller makes the same of them.

Bounds and wrap-around checks are off since nothing here indexes a Python sequence: every pointer is compared with the
end of the body, or stays within room that was made before.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

cdef extern from *:
    """
    /* 16 bytes at a time, in the compiler's own vectors: SSE2 and NEON alike. */
    typedef uint8_t thimble_block __attribute__((vector_size(16)));

    static inline int thimble_any(thimble_block block) {
        uint64_t halves[2];
        memcpy(halves, &block, 16);
        return (halves[0] | halves[1]) != 0;
    }

    static inline thimble_block thimble_load(const uint8_t *at) {
        thimble_block block;
        memcpy(&block, at, 16);
        return block;
    }

    /* The first quote, backslash or control character, or `end`. */
    static const uint8_t *thimble_special(const uint8_t *at, const uint8_t *end) {
        while (end - at >= 16) {
            thimble_block block = thimble_load(at);
            if (thimble_any((thimble_block)(block == '"') | (thimble_block)(block == 0x5C) | (thimble_block)(block < 0x20)))
                break;
            at += 16;
        }
        while (at < end && *at != '"' && *at != 0x5C && *at >= 0x20)
            at++;
        return at;
    }

    /* Whether the text may hold `emory` or `signal: killed`: `mor` or `: k` is in it. */
    static int thimble_may_hint(const uint8_t *at, const uint8_t *end) {
        while (end - at >= 18) {
            thimble_block first = thimble_load(at), second = thimble_load(at + 1), third = thimble_load(at + 2);
            thimble_block more = (thimble_block)(first == 'm') & (thimble_block)(second == 'o') & (thimble_block)(third == 'r');
            thimble_block kill = (thimble_block)(first == ':') & (thimble_block)(second == ' ') & (thimble_block)(third == 'k');
            if (thimble_any(more | kill))
                return 1;
            at += 16;
        }
        for (; end - at >= 3; at++)
            if ((at[0] == 'm' && at[1] == 'o' && at[2] == 'r') || (at[0] == ':' && at[1] == ' ' && at[2] == 'k'))
                return 1;
        return 0;
    }
    """
    const uint8_t* find_special "thimble_special"(const uint8_t* at, const uint8_t* end) noexcept nogil
    bint may_hint "thimble_may_hint"(const uint8_t* at, const uint8_t* end) noexcept nogil

cdef extern from "string.h":
    void* memmem(const void* haystack, size_t size, const void* needle, size_t needle_size) noexcept nogil
    void* memchr(const void* at, int byte, size_t size) noexcept nogil

cdef enum:
    # The same numbers as thimble.kernels.log_batch_codes; a test compares them.
    END = 0
    FULL = 1
    EVENT = 2
    CUT = 3
    GARBAGE = 4
    DIGITS_MAX = 20             # of a 64-bit integer with its sign
    REPLACEMENT = 0xFFFD
    FIRST_BYTES = 16384
    KEPT_BYTES_MAX = 2097152    # a payload of 1,000 usual lines has 1 MB; what unusual ones took is given back


cdef struct Line:
    # One plain log line: its text as a JSON string inside the body, quotes included, and its time.
    const uint8_t* text
    const uint8_t* text_end
    const uint8_t* event_end
    int64_t time_ms
    bint is_canonical


cdef class LogBatch:
    """The payload that is being filled, and the scan that fills it; see the pure twin for arguments and answers.

    Owns `data`, the payload without its closing bracket. The buffer stays for the next payload: fresh memory for each
    costs more in page faults than the scan itself. No pointer into it or into a body leaves this class.
    """

    cdef readonly Py_ssize_t count, position, event_start, event_end
    cdef Py_ssize_t entries_max, bytes_max
    cdef uint8_t* data
    cdef Py_ssize_t used, capacity
    cdef bytes head, after_text, after_time

    def __cinit__(self, Py_ssize_t entries_max, Py_ssize_t bytes_max):
        self.entries_max = entries_max
        self.bytes_max = bytes_max
        self.head = b""
        self.after_text = b""
        self.after_time = b""

    def __dealloc__(self):
        free(self.data)

    @property
    def size(self):
        return self.used + 1 if self.count else 2

    def set_fragments(self, bytes head not None, bytes after_text not None, bytes after_time not None):
        """Set what stands around the text and the time of each entry; an empty `head` hands every event back."""
        self.head = head
        self.after_text = after_text
        self.after_time = after_time

    def append(self, bytes before not None, bytes text_json not None, bytes after not None):
        """Take one entry in three pieces, or answer False if there is no room for it."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(before) + PyBytes_GET_SIZE(text_json) + PyBytes_GET_SIZE(after)
        if not self.has_room(size):
            return False
        self.begin_entry(size)
        self.write(before)
        self.write(text_json)
        self.write(after)
        self.count += 1
        return True

    def take(self):
        """The finished payload; the next one begins empty."""
        cdef bytes payload
        if self.count == 0:
            return b"[]"
        self.make_room(1)
        self.data[self.used] = c']'
        payload = PyBytes_FromStringAndSize(<const char*>self.data, self.used + 1)
        self.count = 0
        self.used = 0
        if self.capacity > KEPT_BYTES_MAX:
            free(self.data)
            self.data = NULL
            self.capacity = 0
        return payload

    def scan(self, bytes body not None, Py_ssize_t position):
        """Take entries from a body until it ends, there is no room, or something is met that the caller must handle."""
        cdef const uint8_t* begin = <const uint8_t*>PyBytes_AS_STRING(body)
        cdef const uint8_t* end = begin + PyBytes_GET_SIZE(body)
        cdef const uint8_t* at
        cdef const uint8_t* stop
        cdef Line line
        cdef int reason = END
        cdef bint takes_lines = PyBytes_GET_SIZE(self.head) > 0
        if position < 0 or position > end - begin:
            raise ValueError(f"position {position} outside of a body of {end - begin} bytes")
        at = begin + position
        while True:
            while at < end and (at[0] == c' ' or at[0] == c'\t' or at[0] == c'\r' or at[0] == c'\n'
                                or at[0] == c',' or at[0] == c'[' or at[0] == c']'):
                at += 1
            self.event_start = at - begin
            self.event_end = end - begin
            if at == end:
                break
            if at[0] != c'{':
                at = skip_garbage(at, end)
                self.event_end = at - begin
                reason = GARBAGE
                break
            if takes_lines and read_line(at, end, &line):
                self.event_end = line.event_end - begin
                reason = self.take_line(&line)
                if reason == END:
                    at = line.event_end
                    continue
                if reason == EVENT:
                    at = line.event_end
                break
            stop = object_end(at, end)
            if stop == NULL:
                reason = CUT
                break
            self.event_end = stop - begin
            at = stop
            reason = EVENT
            break
        self.position = at - begin
        return reason

    cdef int take_line(self, const Line* line) except -1:
        """Write the entry of one line and answer END, or change nothing and answer EVENT or FULL."""
        cdef Py_ssize_t used_before = self.used
        cdef Py_ssize_t entry_begin, size
        cdef uint8_t* text
        cdef uint8_t* text_end
        # Room for the text as it came: its final form is not longer. What is too much is taken back below.
        self.begin_entry(PyBytes_GET_SIZE(self.head) + PyBytes_GET_SIZE(self.after_text)
                         + PyBytes_GET_SIZE(self.after_time) + (line.text_end - line.text) + DIGITS_MAX)
        entry_begin = self.used
        self.write(self.head)
        text = self.data + self.used
        if line.is_canonical:
            memcpy(text, line.text, line.text_end - line.text)
            text_end = text + (line.text_end - line.text)
        else:
            text_end = write_canonical(text, line.text, line.text_end)
        self.used += text_end - text
        if looks_like_object(text + 1, text_end) or has_hint(text, text_end):
            self.used = used_before
            return EVENT
        self.write(self.after_text)
        self.used += write_integer(self.data + self.used, line.time_ms)
        self.write(self.after_time)
        size = self.used - entry_begin
        if size > self.bytes_max - 2:
            self.used = used_before
            return EVENT
        if self.count >= self.entries_max or self.used + 1 > self.bytes_max:
            self.used = used_before
            return FULL
        self.count += 1
        return END

    cdef inline bint has_room(self, Py_ssize_t size):
        """Whether an entry of this size fits, with its comma and the closing bracket."""
        return self.count < self.entries_max and (self.used if self.count else 0) + 1 + size + 1 <= self.bytes_max

    cdef inline int begin_entry(self, Py_ssize_t size) except -1:
        """Make room for an entry of at most `size` bytes and write what stands before it."""
        self.make_room(size + 1)
        self.data[self.used] = c',' if self.count else c'['
        self.used += 1
        return 0

    cdef inline void write(self, bytes piece) noexcept:
        """Copy a piece for which there is room."""
        memcpy(self.data + self.used, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        self.used += PyBytes_GET_SIZE(piece)

    cdef int make_room(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t capacity
        cdef void* data
        if self.capacity - self.used < more:
            capacity = max(self.used + more, self.capacity + self.capacity // 2, FIRST_BYTES)
            data = realloc(self.data, capacity)
            if data == NULL:
                raise MemoryError(f"no memory for {capacity} bytes of log entries")
            self.data = <uint8_t*>data
            self.capacity = capacity
        return 0


cdef bint read_line(const uint8_t* at, const uint8_t* end, Line* line) noexcept nogil:
    """Read the event that begins at `at` if it is a log line with exactly time, type and a text as record."""
    cdef bint has_time = False, has_type = False, has_record = False
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
        if at == end or at[0] != c'"':
            return False
        value = at
        if key_bytes == 6 and memcmp(key, b"record", 6) == 0:
            if has_record or (end - value > 1 and value[1] == c'{'):
                return False
            has_record = True
            line.is_canonical = True
            at = text_end(value, end, &line.is_canonical)
            if at == NULL:
                return False
            line.text = value
            line.text_end = at
        else:
            if key_bytes != 4:
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
                if not is_log_type(value + 1, at - value - 1):
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


cdef inline bint is_log_type(const uint8_t* value, Py_ssize_t size) noexcept nogil:
    if size == 8:
        return memcmp(value, b"function", 8) == 0
    return size == 9 and memcmp(value, b"extension", 9) == 0


cdef inline const uint8_t* skip_space(const uint8_t* at, const uint8_t* end) noexcept nogil:
    while at < end and (at[0] == c' ' or at[0] == c'\t' or at[0] == c'\r' or at[0] == c'\n'):
        at += 1
    return at


cdef const uint8_t* text_end(const uint8_t* at, const uint8_t* end, bint* is_canonical) noexcept nogil:
    """Behind the JSON string that begins at `at`, or NULL if it is no valid one or not closed."""
    cdef int code
    at += 1
    while True:
        at = find_special(at, end)
        if at == end or at[0] < 0x20:
            return NULL
        if at[0] == c'"':
            return at + 1
        if end - at < 2:
            return NULL
        if at[1] == c'u':
            code = read_unit(at, end)
            if code < 0:
                return NULL
            if not is_canonical_unit(at, code):
                is_canonical[0] = False
            at += 6
            continue
        if at[1] == c'/':
            is_canonical[0] = False
        elif not (at[1] == c'"' or at[1] == 0x5C or at[1] == c'n' or at[1] == c't' or at[1] == c'r' or at[1] == c'b'
                  or at[1] == c'f'):
            return NULL
        at += 2


cdef inline int read_unit(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The UTF-16 unit of the escape that may begin at `at`, or -1."""
    cdef int code = 0
    cdef int index, digit
    if end - at < 6 or at[0] != 0x5C or at[1] != c'u':
        return -1
    for index in range(2, 6):
        digit = hexadecimal(at[index])
        if digit < 0:
            return -1
        code = code * 16 + digit
    return code


cdef inline int hexadecimal(uint8_t byte) noexcept nogil:
    if c'0' <= byte <= c'9':
        return byte - c'0'
    if c'a' <= byte <= c'f':
        return byte - c'a' + 10
    if c'A' <= byte <= c'F':
        return byte - c'A' + 10
    return -1


cdef inline bint is_canonical_unit(const uint8_t* at, int code) noexcept nogil:
    """Whether this is how the output writes the character: lower-case hex, a control without a shorter escape."""
    if code >= 0x20 or code == 8 or code == 9 or code == 10 or code == 12 or code == 13:
        return False
    return not c'A' <= at[5] <= c'F'


cdef uint8_t* write_canonical(uint8_t* to, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Rewrite a valid JSON string with the output's escapes; never longer than what it was."""
    cdef const uint8_t* run
    cdef int code, low
    to[0] = c'"'
    to += 1
    at += 1
    while True:
        run = at
        at = find_special(at, end)
        memcpy(to, run, at - run)
        to += at - run
        if at[0] == c'"':
            to[0] = c'"'
            return to + 1
        if at[1] == c'/':
            to[0] = c'/'
            to += 1
            at += 2
            continue
        if at[1] != c'u':
            to[0] = at[0]
            to[1] = at[1]
            to += 2
            at += 2
            continue
        code = read_unit(at, end)
        at += 6
        if 0xD800 <= code <= 0xDBFF:
            low = read_unit(at, end)
            if 0xDC00 <= low <= 0xDFFF:
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                at += 6
            else:
                code = REPLACEMENT
        elif 0xDC00 <= code <= 0xDFFF:
            code = REPLACEMENT
        to = write_character(to, <uint32_t>code)


cdef uint8_t* write_character(uint8_t* to, uint32_t code) noexcept nogil:
    """Write one character of a JSON string: an escape if it needs one, else UTF-8."""
    cdef uint8_t short_escape = 0
    if code == c'"' or code == 0x5C:
        short_escape = <uint8_t>code
    elif code == 8:
        short_escape = c'b'
    elif code == 9:
        short_escape = c't'
    elif code == 10:
        short_escape = c'n'
    elif code == 12:
        short_escape = c'f'
    elif code == 13:
        short_escape = c'r'
    if short_escape:
        to[0] = 0x5C
        to[1] = short_escape
        return to + 2
    if code < 0x20:
        memcpy(to, b"\\u00", 4)
        to[4] = c'0' + <uint8_t>(code >> 4)
        to[5] = <uint8_t>((c'0' if (code & 15) < 10 else c'a' - 10) + (code & 15))
        return to + 6
    if code < 0x80:
        to[0] = <uint8_t>code
        return to + 1
    if code < 0x800:
        to[0] = <uint8_t>(0xC0 | (code >> 6))
        to[1] = <uint8_t>(0x80 | (code & 0x3F))
        return to + 2
    if code < 0x10000:
        to[0] = <uint8_t>(0xE0 | (code >> 12))
        to[1] = <uint8_t>(0x80 | ((code >> 6) & 0x3F))
        to[2] = <uint8_t>(0x80 | (code & 0x3F))
        return to + 3
    to[0] = <uint8_t>(0xF0 | (code >> 18))
    to[1] = <uint8_t>(0x80 | ((code >> 12) & 0x3F))
    to[2] = <uint8_t>(0x80 | ((code >> 6) & 0x3F))
    to[3] = <uint8_t>(0x80 | (code & 0x3F))
    return to + 4


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


cdef const uint8_t* string_end(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Behind the string that begins at `at`, whatever is in it, or NULL if it is not closed."""
    at += 1
    while True:
        at = find_special(at, end)
        if at == end:
            return NULL
        if at[0] == c'"':
            return at + 1
        if at[0] == 0x5C:
            if end - at < 2:
                return NULL
            at += 2
        else:
            at += 1


cdef const uint8_t* object_end(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Behind the object that begins at `at`, found by counting brackets outside of strings, or NULL."""
    cdef Py_ssize_t depth = 0
    while at < end:
        if at[0] == c'"':
            at = string_end(at, end)
            if at == NULL:
                return NULL
            continue
        if at[0] == c'{' or at[0] == c'[':
            depth += 1
        elif at[0] == c'}' or at[0] == c']':
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return NULL


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
