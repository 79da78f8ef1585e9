# cython: boundscheck=False, wraparound=False, cdivision=True
"""The store of metrics, and the scan of datagrams that fills it: the compiled twin of
`thimble.kernels.metric_store_py`, which says what is kept and what is refused.

A wake-up is one call: the socket is drained by `recvmmsg`, each line is read where it lies, and finds its context by a
hash over kind, name and tags as they were written. No Python object is made for a line. Every way of writing a series
has a key; it leads to the key of the canonical form, which leads to the newest context. Keys outlive a flush while they
are few, since the next invocation sends the same metrics.

Bounds and wrap-around checks are off since nothing here indexes a Python sequence: every pointer is compared with the
end of the datagram, or stays within room that was made before.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.math cimport isfinite, log, rint, round
from libc.stdint cimport INT64_MAX, int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow_exception) except? -1.0
    object PyErr_SetFromErrno(object kind)

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/socket.h>
    #include <sys/uio.h>
    """
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
        int msg_flags
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int MSG_DONTWAIT
    int MSG_TRUNC
    int recvmmsg(int fd, mmsghdr* messages, unsigned int count, int flags, void* timeout) nogil

include "metric_sketch.pxi"
include "metric_lines.pxi"
include "metric_keys.pxi"

cdef enum:
    DATAGRAMS_PER_CALL = 32
    REFUSALS_MAX = 16
    REFUSED_BYTES_MAX = 200
    TEXT_BYTES_MAX = 16777216
    CONTEXTS_HARD_MAX = 65536
    KEYS_KEPT_MAX = 4096            # more are forgotten at a flush, with their texts
    KEPT_TEXT_BYTES_MAX = 1048576
    CONTEXTS_PER_CHUNK = 512
    CONTEXTS_KEPT_MAX = 1024        # the room that outlives a flush
    BUCKET_S = 10


cdef int64_t TIMESTAMP_S_MAX = 42949672950      # what 32 bits of buckets hold


cdef struct Context:
    uint32_t key            # of the canonical form
    uint32_t older          # the context of the same series in another bucket, or NONE
    uint32_t bucket         # tens of Unix seconds
    uint32_t has_value
    double value            # a count or gauge, or the only value of a distribution
    Sketched* sketch        # a distribution of more values; owned


cdef class MetricStore:
    """Contexts and their values; see the pure twin for arguments and answers.

    Owns the buffers that datagrams are read into, the keys and the contexts. Nothing points into a datagram after its
    scan.
    """

    cdef readonly uint32_t count
    cdef readonly uint64_t lines
    cdef uint32_t contexts_max, capacity
    cdef Context** chunks
    cdef Keys keys
    cdef size_t text_bytes
    cdef size_t datagram_bytes_max, stride
    cdef uint8_t* buffers
    cdef uint8_t* canonical     # a name with its namespace, and tags in canonical form
    cdef mmsghdr* messages
    cdef iovec* vectors
    cdef bytes namespace
    cdef tuple unprefixed
    cdef bint maps_histograms
    cdef uint64_t[REASONS] refused
    cdef list refusals

    def __cinit__(self, uint32_t contexts_max, size_t datagram_bytes_max, bytes namespace not None,
                  tuple unprefixed not None, bint maps_histograms):
        self.contexts_max = contexts_max
        self.datagram_bytes_max = datagram_bytes_max
        # A multiple of the cache line, but not of the page: else the beginnings of all buffers share one cache set.
        self.stride = (datagram_bytes_max + 1 + 63) // 64 * 64 + 64
        self.namespace = namespace
        self.unprefixed = unprefixed
        self.maps_histograms = maps_histograms
        self.refusals = []

    def __dealloc__(self):
        self.free_contexts(0)
        free(self.chunks)
        free_keys(&self.keys)
        free(self.buffers)
        free(self.canonical)
        free(self.messages)
        free(self.vectors)

    def receive(self, sock, int64_t now_s, Py_ssize_t datagrams_max):
        """Scan what waits in a socket, without waiting for more."""
        cdef int fd = sock.fileno()
        cdef Py_ssize_t total = 0
        cdef int count, index
        self.make_buffers()
        while total < datagrams_max:
            count = recvmmsg(fd, self.messages, DATAGRAMS_PER_CALL, MSG_DONTWAIT, NULL)
            if count < 0:
                if errno == EINTR:
                    continue
                if errno == EAGAIN:
                    break
                PyErr_SetFromErrno(OSError)
            for index in range(count):
                self.scan_buffer(self.buffers + index * self.stride, self.messages[index].msg_len,
                                 self.messages[index].msg_hdr.msg_flags & MSG_TRUNC, now_s)
            total += count
            if count < DATAGRAMS_PER_CALL:
                break
        return total

    def scan(self, bytes datagram not None, bint is_cut, int64_t now_s):
        """Take the lines of one datagram."""
        cdef size_t size = PyBytes_GET_SIZE(datagram)
        self.make_buffers()
        if size > self.datagram_bytes_max:
            size = self.datagram_bytes_max
            is_cut = True
        memcpy(self.buffers, PyBytes_AS_STRING(datagram), size)
        self.scan_buffer(self.buffers, size, is_cut, now_s)

    def insert(self, int kind, bytes name not None, bytes tags not None, int64_t timestamp_s, double value,
               double weight=1.0):
        """Take a metric of our own: no namespace, and a higher limit."""
        cdef Spelling spelling
        cdef uint32_t key, context
        cdef uint64_t hashed
        spelling.kind = kind
        spelling.name = <const uint8_t*>PyBytes_AS_STRING(name)
        spelling.name_size = PyBytes_GET_SIZE(name)
        spelling.tags = <const uint8_t*>PyBytes_AS_STRING(tags)
        spelling.tags_size = PyBytes_GET_SIZE(tags)
        hashed = hash_of(&spelling)
        key = find_key(&self.keys, &spelling, hashed, IS_CANONICAL)
        if key == NONE and self.has_room(spelling.name_size + spelling.tags_size, CONTEXTS_HARD_MAX):
            key = add_key(&self.keys, &spelling, hashed, IS_CANONICAL)
        context = NONE
        if key != NONE:
            context = self.context_of(key, timestamp_s, CONTEXTS_HARD_MAX)
        if context == NONE:
            self.refuse(CONTEXT_LIMIT, spelling.name, spelling.name + spelling.name_size)
            return
        self.add(context, kind, value, weight)

    def entry(self, size_t index):
        """Kind, name, canonical tags and bucket of a context; raises IndexError beyond `count`."""
        cdef const Context* context = self.at(index)
        cdef const Key* key = key_at(&self.keys, context.key)
        return (key.kind, PyBytes_FromStringAndSize(<const char*>key.text, key.name_size),
                PyBytes_FromStringAndSize(<const char*>key.text + key.name_size, key.tags_size),
                <int64_t>context.bucket * BUCKET_S)

    def value(self, size_t index):
        """The value of a count or gauge."""
        return self.at(index).value

    def sketch(self, size_t index):
        """Count, minimum, maximum, average, sum, and the packed keys and counts of a distribution."""
        cdef const Context* context = self.at(index)
        cdef const Sketched* sketch = context.sketch
        cdef Sketched single
        if sketch == NULL:
            memset(&single, 0, sizeof(Sketched))
            if context.has_value:
                insert_value(&single, context.value, 1.0)
            sketch = &single
        return (sketch.count, sketch.minimum, sketch.maximum, sketch.average, sketch.total, packed_keys(sketch),
                packed_counts(sketch))

    def clear(self):
        """Forget all contexts."""
        cdef uint32_t index
        self.free_contexts(CONTEXTS_KEPT_MAX)
        self.text_bytes = 0
        if self.keys.count > KEYS_KEPT_MAX or self.keys.text_bytes > KEPT_TEXT_BYTES_MAX:
            free_keys(&self.keys)
        for index in range(self.keys.count):
            key_at(&self.keys, index).context = NONE

    def take_refused(self):
        """Lines refused since the last call, per reason."""
        cdef int index
        result = [self.refused[index] for index in range(REASONS)]
        memset(&self.refused[0], 0, sizeof(self.refused))
        return result

    def take_refusals(self):
        """Reasons and beginnings of the first lines refused since the last call."""
        refusals, self.refusals = self.refusals, []
        return refusals

    cdef const Context* at(self, size_t index) except NULL:
        if index >= self.count:
            raise IndexError(f"context {index} of {self.count}")
        return self.context_at(index)

    cdef inline Context* context_at(self, uint32_t index) noexcept:
        return &self.chunks[index // CONTEXTS_PER_CHUNK][index % CONTEXTS_PER_CHUNK]

    cdef void free_contexts(self, uint32_t kept) noexcept:
        """Empty all contexts, and give back the room for more than `kept`."""
        cdef uint32_t index
        cdef Context* context
        for index in range(self.count):
            context = self.context_at(index)
            if context.sketch != NULL:
                clear_sketch(context.sketch)
                free(context.sketch)
        self.count = 0
        while self.capacity > kept:
            self.capacity -= CONTEXTS_PER_CHUNK
            free(self.chunks[self.capacity // CONTEXTS_PER_CHUNK])

    cdef int make_buffers(self) except -1:
        """Make the buffers at their first use: a function without metrics never pays for them."""
        cdef size_t index
        if self.messages != NULL:
            return 0
        if self.buffers == NULL:
            self.buffers = <uint8_t*>malloc(DATAGRAMS_PER_CALL * self.stride)
        if self.canonical == NULL:
            self.canonical = <uint8_t*>malloc(PyBytes_GET_SIZE(self.namespace) + self.stride)
        if self.vectors == NULL:
            self.vectors = <iovec*>calloc(DATAGRAMS_PER_CALL, sizeof(iovec))
        if self.buffers == NULL or self.canonical == NULL or self.vectors == NULL:
            raise MemoryError(f"no memory for {DATAGRAMS_PER_CALL} datagrams of {self.datagram_bytes_max} bytes")
        self.messages = <mmsghdr*>calloc(DATAGRAMS_PER_CALL, sizeof(mmsghdr))
        if self.messages == NULL:
            raise MemoryError("no memory for the headers of datagrams")
        for index in range(DATAGRAMS_PER_CALL):
            self.vectors[index].iov_base = self.buffers + index * self.stride
            self.vectors[index].iov_len = self.datagram_bytes_max
            self.messages[index].msg_hdr.msg_iov = &self.vectors[index]
            self.messages[index].msg_hdr.msg_iovlen = 1
        return 0

    cdef int scan_buffer(self, uint8_t* at, size_t size, bint is_cut, int64_t now_s) except -1:
        """Take the lines of a datagram; the byte behind it may be written."""
        cdef uint8_t* end = at + size
        cdef uint8_t* stop
        while True:
            stop = find_far(at, end, c'\n')
            if stop == end and is_cut:
                self.refuse(CUT, at, stop)
                return 0
            if stop > at and not is_ignored(at, stop):
                self.take(at, stop, now_s)
            if stop == end:
                return 0
            at = stop + 1

    cdef int take(self, uint8_t* begin, uint8_t* end, int64_t now_s) except -1:
        """Take one line, or refuse it."""
        cdef Line line
        cdef int64_t timestamp_s = now_s
        cdef uint32_t key, context
        cdef int reason = read_line(begin, end, self.maps_histograms, &line)
        if reason == FINE:
            reason = self.find_series(&line, &key)
        if reason == FINE:
            if 0.0 < line.timestamp_s < <double>now_s:
                timestamp_s = <int64_t>round(line.timestamp_s)
            context = self.context_of(key, timestamp_s, self.contexts_max)
            if context == NONE:
                reason = CONTEXT_LIMIT
        if reason != FINE:
            self.refuse(reason, begin, end)
            return 0
        self.lines += 1
        if line.is_packed:
            self.add_packed(context, &line)
        else:
            self.add(context, line.kind, line.first, line.weight)
        return 0

    cdef int add_packed(self, uint32_t context, const Line* line) except -1:
        """Add every value of a line whose values are in order."""
        cdef uint8_t* at = line.values.begin
        cdef uint8_t* stop
        cdef double value
        while at <= line.values.end:
            stop = find_byte(at, line.values.end, c':')
            if stop > at:
                parse_number(at, stop, &value)
                self.add(context, line.kind, value, line.weight)
            at = stop + 1
        return 0

    cdef inline int add(self, uint32_t index, int kind, double value, double weight) except -1:
        cdef Context* context = self.context_at(index)
        if kind == COUNT:
            context.value += value * weight
        elif kind == GAUGE:
            context.value = value
        elif context.sketch != NULL:
            return insert_value(context.sketch, value, weight)
        elif not context.has_value and weight == 1.0:
            context.value = value
            context.has_value = True
        else:
            self.make_sketch(context)
            return insert_value(context.sketch, value, weight)
        return 0

    cdef int make_sketch(self, Context* context) except -1:
        """Give a distribution a sketch, with the only value that it has had so far."""
        cdef Sketched* sketch = <Sketched*>calloc(1, sizeof(Sketched))
        if sketch == NULL:
            raise MemoryError(f"no memory for a sketch of {sizeof(Sketched)} bytes")
        if context.has_value:
            insert_value(sketch, context.value, 1.0)
        context.sketch = sketch
        return 0

    cdef int find_series(self, const Line* line, uint32_t* key) except -2:
        """Find the canonical key of a line, or make it if there is room for its context: FINE, or why not."""
        cdef Spelling spelling
        cdef Spelling canonical
        cdef uint32_t written
        cdef Py_ssize_t size
        cdef uint64_t hashed
        spelling.kind = line.kind
        spelling.name = line.name.begin
        spelling.name_size = line.name.end - line.name.begin
        spelling.tags = line.tags.begin
        spelling.tags_size = line.tags.end - line.tags.begin
        hashed = hash_of(&spelling)
        written = find_key(&self.keys, &spelling, hashed, IS_WRITTEN)
        if written != NONE:
            key[0] = key_at(&self.keys, written).canonical
            return FINE
        canonical.kind = line.kind
        canonical.name = self.canonical
        canonical.name_size = self.write_name(&line.name)
        canonical.tags = self.canonical + canonical.name_size
        size = write_canonical_tags(&line.tags, self.canonical + canonical.name_size)
        if size < 0:
            return TAGS
        canonical.tags_size = size
        key[0] = find_key(&self.keys, &canonical, hash_of(&canonical), IS_CANONICAL)
        if key[0] == NONE:
            if not self.has_room(canonical.name_size + canonical.tags_size, self.contexts_max):
                return CONTEXT_LIMIT
            key[0] = add_key(&self.keys, &canonical, hash_of(&canonical), IS_CANONICAL)
        remember_spelling(&self.keys, &spelling, hashed, key[0])
        return FINE

    cdef inline bint has_room(self, size_t more_text, uint32_t contexts_max) noexcept:
        return self.count < contexts_max and self.text_bytes + more_text <= TEXT_BYTES_MAX

    cdef size_t write_name(self, const Text* name) except? 0:
        """Write a name with its namespace into `canonical`; answer its size."""
        cdef size_t size = name.end - name.begin
        cdef size_t before = PyBytes_GET_SIZE(self.namespace)
        cdef bytes prefix
        if before:
            for prefix in self.unprefixed:
                if begins_with(name.begin, name.end, PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix)):
                    before = 0
                    break
        memcpy(self.canonical, PyBytes_AS_STRING(self.namespace), before)
        memcpy(self.canonical + before, name.begin, size)
        return before + size

    cdef uint32_t context_of(self, uint32_t key_index, int64_t timestamp_s, uint32_t contexts_max) except? NONE:
        """The context of a series at a time, or NONE where there is no room for it."""
        cdef Key* key = key_at(&self.keys, key_index)
        cdef uint32_t bucket = <uint32_t>(max(min(timestamp_s, TIMESTAMP_S_MAX), 0) // BUCKET_S)
        cdef uint32_t found = key.context
        cdef Context* context
        while found != NONE:
            context = self.context_at(found)
            if context.bucket == bucket:
                return found
            found = context.older
        if not self.has_room(key.name_size + key.tags_size if key.context == NONE else 0, contexts_max):
            return NONE
        self.reserve_context()
        context = self.context_at(self.count)
        memset(context, 0, sizeof(Context))
        context.key = key_index
        context.older = key.context
        context.bucket = bucket
        if key.context == NONE:
            self.text_bytes += key.name_size + key.tags_size
        key.context = self.count
        self.count += 1
        return self.count - 1

    cdef int reserve_context(self) except -1:
        cdef void* chunk
        cdef void* chunks
        if self.count < self.capacity:
            return 0
        chunks = realloc(self.chunks, (self.capacity // CONTEXTS_PER_CHUNK + 1) * sizeof(Context*))
        if chunks != NULL:
            self.chunks = <Context**>chunks
        chunk = malloc(CONTEXTS_PER_CHUNK * sizeof(Context))
        if chunks == NULL or chunk == NULL:
            free(chunk)
            raise MemoryError(f"no memory for {CONTEXTS_PER_CHUNK} contexts")
        self.chunks[self.capacity // CONTEXTS_PER_CHUNK] = <Context*>chunk
        self.capacity += CONTEXTS_PER_CHUNK
        return 0

    cdef int refuse(self, int reason, const uint8_t* begin, const uint8_t* end) except -1:
        self.refused[reason] += 1
        if len(self.refusals) < REFUSALS_MAX:
            self.refusals.append((reason, PyBytes_FromStringAndSize(<const char*>begin,
                                                                     min(end - begin, REFUSED_BYTES_MAX))))
        return 0
