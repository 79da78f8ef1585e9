"""JSON strings and brackets, read over bytes: where they end, whether they are valid, and their canonical form.

The canonical form of a string: `\\"`, `\\\\`, the five short escapes, `\\u00xx` in lower case for other controls, everything
else as UTF-8. Included by the kernels that need it. `at` is always before or at `end`, and nothing at `end` is read.
"""

cdef extern from *:
    """
    /* 16 bytes at a time, in the compiler's own vectors: SSE2 and NEON alike. */
    typedef uint8_t thimble_block __attribute__((vector_size(16)));

    /* The lowest lane that is set, or 16. Lanes are 0 or 0xFF; x86-64 and arm64 both put lane 0 first. */
    static inline int thimble_first(thimble_block lanes) {
        uint64_t halves[2];
        memcpy(halves, &lanes, 16);
        if (halves[0])
            return __builtin_ctzll(halves[0]) / 8;
        return halves[1] ? 8 + __builtin_ctzll(halves[1]) / 8 : 16;
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
            int first = thimble_first((thimble_block)(block == '"') | (thimble_block)(block == 0x5C)
                                      | (thimble_block)(block < 0x20));
            at += first;
            if (first < 16)
                return at;
        }
        while (at < end && *at != '"' && *at != 0x5C && *at >= 0x20)
            at++;
        return at;
    }
    """
    const uint8_t* find_special "thimble_special"(const uint8_t* at, const uint8_t* end) noexcept nogil

cdef enum:
    REPLACEMENT = 0xFFFD


cdef inline const uint8_t* skip_space(const uint8_t* at, const uint8_t* end) noexcept nogil:
    while at < end and (at[0] == c' ' or at[0] == c'\t' or at[0] == c'\r' or at[0] == c'\n'):
        at += 1
    return at


cdef const uint8_t* text_end(const uint8_t* at, const uint8_t* end, bint* is_canonical,
                             bint* has_surrogate) noexcept nogil:
    """Behind the JSON string that begins at `at`, or NULL if it is no valid one or not closed.

    Clears `is_canonical` if the string has to be rewritten, and sets `has_surrogate` if an escape stands for half a
    character, with its other half or without.
    """
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
            if 0xD800 <= code <= 0xDFFF:
                has_surrogate[0] = True
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


cdef uint8_t* write_decoded(uint8_t* to, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Write the characters of a string in canonical form, quotes around it left out; never longer than the string."""
    cdef const uint8_t* run
    at += 1
    while True:
        run = at
        at = find_special(at, end)
        memcpy(to, run, at - run)
        to += at - run
        if at[0] == c'"':
            return to
        if at[1] == c'u':
            to[0] = <uint8_t>read_unit(at, end)
            at += 6
        else:
            to[0] = decoded_escape(at[1])
            at += 2
        to += 1


cdef inline uint8_t decoded_escape(uint8_t letter) noexcept nogil:
    if letter == c'n':
        return c'\n'
    if letter == c't':
        return c'\t'
    if letter == c'r':
        return c'\r'
    if letter == c'b':
        return 8
    if letter == c'f':
        return 12
    return letter


cdef uint8_t* write_encoded(uint8_t* to, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Write characters without controls as a JSON string; at most twice as long, and two quotes."""
    cdef const uint8_t* run
    to[0] = c'"'
    to += 1
    while True:
        run = at
        at = find_special(at, end)
        memcpy(to, run, at - run)
        to += at - run
        if at == end:
            to[0] = c'"'
            return to + 1
        to[0] = 0x5C
        to[1] = at[0]
        to += 2
        at += 1
