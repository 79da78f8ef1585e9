"""JSON objects, read over bytes: validated, their log fields noted, and written compactly if asked.

Included by `log_batch.pyx`, after `json_strings.pxi`. Whatever is unusual makes a walk fail, and its caller leaves the
object to Python: exponents, numbers not written in the shortest way, keys with escapes or twice in one object,
surrogate escapes, deep nesting. What a walk accepts, orjson accepts, and writes in the same way.
"""

cdef enum:
    DEPTH_MAX = 32
    KEYS_MAX = 64
    INTEGER_DIGITS_MAX = 18     # fits in 64 bits
    DECIMAL_DIGITS_MAX = 15     # a double keeps that many, so the shortest form is the one that was written
    DECIMAL_ZEROS_MAX = 3       # behind the point; smaller numbers may come out with an exponent
    LOOSE_DIGITS_MAX = 300      # more may be no finite number

cdef enum:
    # Positions in STATUS_NAMES.
    STATUS_INFO = 0
    STATUS_ERROR = 1
    STATUS_WARN = 2
    STATUS_DEBUG = 3
    STATUS_TRACE = 4
    STATUS_CRITICAL = 5
    STATUS_UNDECIDED = -1

cdef const char** STATUS_NAMES = ["info", "error", "warn", "debug", "trace", "critical"]


cdef struct Walk:
    # Where the compact form goes on, or NULL if the object only has to be valid; duplicate keys pass then.
    uint8_t* out
    # Values of the outermost object's keys, where they begin, or NULL. The last of a key counts.
    const uint8_t* level
    const uint8_t* status
    const uint8_t* request_id
    const uint8_t* aws_request_id
    const uint8_t* execution_arn


cdef inline void put(Walk* walk, uint8_t byte) noexcept nogil:
    if walk.out != NULL:
        walk.out[0] = byte
        walk.out += 1


cdef const uint8_t* walk_object(const uint8_t* at, const uint8_t* end, Walk* walk, int depth) noexcept nogil:
    """Behind the object that begins at `at`, or NULL. The compact form is never longer than what was read."""
    cdef const uint8_t* keys[KEYS_MAX]
    cdef Py_ssize_t sizes[KEYS_MAX]
    cdef int count = 0, index
    cdef const uint8_t* key
    cdef Py_ssize_t size
    if depth > DEPTH_MAX:
        return NULL
    put(walk, c'{')
    at = skip_space(at + 1, end)
    if at < end and at[0] == c'}':
        put(walk, c'}')
        return at + 1
    while True:
        if at == end or at[0] != c'"':
            return NULL
        key = at + 1
        at = find_special(key, end)
        if at == end or at[0] != c'"':
            return NULL
        size = at - key
        if walk.out != NULL:
            if count == KEYS_MAX:
                return NULL
            for index in range(count):
                if sizes[index] == size and memcmp(keys[index], key, size) == 0:
                    return NULL
            keys[count] = key
            sizes[count] = size
            count += 1
            memcpy(walk.out, key - 1, size + 2)
            walk.out += size + 2
        at = skip_space(at + 1, end)
        if at == end or at[0] != c':':
            return NULL
        put(walk, c':')
        at = skip_space(at + 1, end)
        if depth == 0:
            note_key(walk, key, size, at)
        at = walk_value(at, end, walk, depth)
        if at == NULL:
            return NULL
        at = skip_space(at, end)
        if at == end:
            return NULL
        put(walk, at[0])
        if at[0] == c'}':
            return at + 1
        if at[0] != c',':
            return NULL
        at = skip_space(at + 1, end)


cdef const uint8_t* walk_array(const uint8_t* at, const uint8_t* end, Walk* walk, int depth) noexcept nogil:
    """Behind the array that begins at `at`, or NULL."""
    if depth > DEPTH_MAX:
        return NULL
    put(walk, c'[')
    at = skip_space(at + 1, end)
    if at < end and at[0] == c']':
        put(walk, c']')
        return at + 1
    while True:
        at = walk_value(at, end, walk, depth)
        if at == NULL:
            return NULL
        at = skip_space(at, end)
        if at == end:
            return NULL
        put(walk, at[0])
        if at[0] == c']':
            return at + 1
        if at[0] != c',':
            return NULL
        at = skip_space(at + 1, end)


cdef const uint8_t* walk_value(const uint8_t* at, const uint8_t* end, Walk* walk, int depth) noexcept nogil:
    """Behind the value that begins at `at`, or NULL."""
    if at == end:
        return NULL
    if at[0] == c'"':
        return walk_string(at, end, walk)
    if at[0] == c'{':
        return walk_object(at, end, walk, depth + 1)
    if at[0] == c'[':
        return walk_array(at, end, walk, depth + 1)
    if at[0] == c't':
        return walk_literal(at, end, walk, b"true", 4)
    if at[0] == c'f':
        return walk_literal(at, end, walk, b"false", 5)
    if at[0] == c'n':
        return walk_literal(at, end, walk, b"null", 4)
    return walk_number(at, end, walk)


cdef const uint8_t* walk_string(const uint8_t* at, const uint8_t* end, Walk* walk) noexcept nogil:
    cdef bint is_canonical = True
    cdef bint has_surrogate = False
    cdef const uint8_t* stop = text_end(at, end, &is_canonical, &has_surrogate)
    if stop == NULL or has_surrogate:
        return NULL
    if walk.out != NULL:
        if is_canonical:
            memcpy(walk.out, at, stop - at)
            walk.out += stop - at
        else:
            walk.out = write_canonical(walk.out, at, stop)
    return stop


cdef inline const uint8_t* walk_literal(const uint8_t* at, const uint8_t* end, Walk* walk, const char* name,
                                        Py_ssize_t size) noexcept nogil:
    if end - at < size or memcmp(at, name, size) != 0:
        return NULL
    if walk.out != NULL:
        memcpy(walk.out, name, size)
        walk.out += size
    return at + size


cdef const uint8_t* walk_number(const uint8_t* at, const uint8_t* end, Walk* walk) noexcept nogil:
    cdef const uint8_t* begin = at
    cdef const uint8_t* digits
    cdef const uint8_t* fraction = NULL
    cdef const uint8_t* point
    if at[0] == c'-':
        at += 1
    digits = at
    while at < end and c'0' <= at[0] <= c'9':
        at += 1
    point = at
    if at == digits or (digits[0] == c'0' and at - digits > 1):
        return NULL
    if at < end and at[0] == c'.':
        at += 1
        fraction = at
        while at < end and c'0' <= at[0] <= c'9':
            at += 1
        if at == fraction:
            return NULL
    if (at < end and (at[0] == c'e' or at[0] == c'E')) or at - begin > LOOSE_DIGITS_MAX:
        return NULL
    if walk.out != NULL:
        if not is_shortest(begin, digits, point, fraction, at):
            return NULL
        memcpy(walk.out, begin, at - begin)
        walk.out += at - begin
    return at


cdef inline bint is_shortest(const uint8_t* begin, const uint8_t* digits, const uint8_t* point,
                             const uint8_t* fraction, const uint8_t* end) noexcept nogil:
    """Whether a number is written as the output would write it."""
    if fraction == NULL:
        return point - digits <= INTEGER_DIGITS_MAX and not (digits[0] == c'0' and digits > begin)
    if (point - digits) + (end - fraction) > DECIMAL_DIGITS_MAX:
        return False
    if end - fraction == 1:
        return True
    if (end - 1)[0] == c'0':
        return False
    return digits[0] != c'0' or memcmp(fraction, b"000", min(end - fraction, DECIMAL_ZEROS_MAX)) != 0


cdef inline void note_key(Walk* walk, const uint8_t* key, Py_ssize_t size, const uint8_t* value) noexcept nogil:
    if size == 5 and memcmp(key, b"level", 5) == 0:
        walk.level = value
    elif size == 6 and memcmp(key, b"status", 6) == 0:
        walk.status = value
    elif size == 9 and memcmp(key, b"requestId", 9) == 0:
        walk.request_id = value
    elif size == 12 and memcmp(key, b"AWSRequestId", 12) == 0:
        walk.aws_request_id = value
    elif size == 12 and memcmp(key, b"executionArn", 12) == 0:
        walk.execution_arn = value


cdef int status_of(const Walk* walk, const uint8_t* end) noexcept nogil:
    """The status that an object names: `level` if the key is there, else `status`; info if it names none.

    STATUS_UNDECIDED for a name with escapes or beyond ASCII, whose upper case this file does not know.
    """
    cdef const uint8_t* value = walk.level if walk.level != NULL else walk.status
    cdef const uint8_t* stop
    cdef const uint8_t* at
    cdef Py_ssize_t size
    if value == NULL or value[0] != c'"':
        return STATUS_INFO
    value += 1
    stop = find_special(value, end)
    if stop == end or stop[0] != c'"':
        return STATUS_UNDECIDED
    at = value
    while at < stop:
        if at[0] >= 0x80:
            return STATUS_UNDECIDED
        at += 1
    size = stop - value
    if is_name(value, size, b"ERROR", 5) or is_name(value, size, b"ERR", 3):
        return STATUS_ERROR
    if is_name(value, size, b"WARN", 4) or is_name(value, size, b"WARNING", 7):
        return STATUS_WARN
    if is_name(value, size, b"DEBUG", 5):
        return STATUS_DEBUG
    if is_name(value, size, b"TRACE", 5):
        return STATUS_TRACE
    if is_name(value, size, b"FATAL", 5) or is_name(value, size, b"CRITICAL", 8):
        return STATUS_CRITICAL
    return STATUS_INFO


cdef inline bint is_name(const uint8_t* value, Py_ssize_t size, const char* name, Py_ssize_t name_size) noexcept nogil:
    """Whether an ASCII text is an upper-case name, in any case."""
    cdef Py_ssize_t index
    cdef uint8_t byte
    if size != name_size:
        return False
    for index in range(size):
        byte = value[index]
        if c'a' <= byte <= c'z':
            byte -= 32
        if byte != <uint8_t>name[index]:
            return False
    return True
