# cython: boundscheck=False, wraparound=False, cdivision=True
"""Payloads of log entries, filled by scanning telemetry bodies: log lines are taken, the rest is handed back.

The compiled twin of `thimble.kernels.log_batch_py`, which says what an entry is and when a scan stops. What each takes
and what it hands back differs, the entries do not: this one also takes JSON lines if nothing about them is unusual, and
hands back events with keys beyond time, type and record, or with one of them twice.

Bounds and wrap-around checks are off since nothing here indexes a Python sequence: every pointer is compared with the
end of the body, or stays within room that was made before.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset, strlen

cdef extern from "malloc.h":
    int malloc_trim(size_t pad)

include "json_strings.pxi"
include "json_objects.pxi"
include "log_events.pxi"

cdef enum:
    # The same numbers as thimble.kernels.log_batch_codes; a test compares them.
    END = 0
    FULL = 1
    EVENT = 2
    CUT = 3
    GARBAGE = 4
    FIELDS_BYTES_MAX = 64       # a 64-bit integer, a status, the quotes of two texts
    FIRST_BYTES = 16384
    KEPT_BYTES_MAX = 2097152    # a payload of 1,000 usual lines has 1 MB; what unusual ones took is given back


def release_memory():
    """Give free pages of the heap back to the kernel; see the pure twin."""
    malloc_trim(0)


cdef class LogBatch:
    """The payload that is being filled, and the scan that fills it; see the pure twin for arguments and answers.

    Owns `data`, the payload without its closing bracket. The buffer stays for the next payload: fresh memory for each
    costs more in page faults than the scan itself. No pointer into it or into a body leaves this class.
    """

    cdef readonly Py_ssize_t count, position, event_start, event_end
    cdef Py_ssize_t entries_max, bytes_max
    cdef uint8_t* data
    cdef Py_ssize_t used, capacity
    cdef bytes head, to_request_id, request_id, to_time, to_status, after_status
    cdef Py_ssize_t fragment_bytes

    def __cinit__(self, Py_ssize_t entries_max, Py_ssize_t bytes_max):
        self.entries_max = entries_max
        self.bytes_max = bytes_max
        self.head = self.to_request_id = self.request_id = self.to_time = self.to_status = self.after_status = b""

    def __dealloc__(self):
        free(self.data)

    @property
    def size(self):
        return self.used + 1 if self.count else 2

    def set_fragments(self, bytes head not None, bytes to_request_id not None, bytes request_id not None,
                      bytes to_time not None, bytes to_status not None, bytes after_status not None):
        """Set what every entry is made of; an empty `head` hands every event back."""
        self.head = head
        self.to_request_id = to_request_id
        self.request_id = request_id
        self.to_time = to_time
        self.to_status = to_status
        self.after_status = after_status
        self.fragment_bytes = (PyBytes_GET_SIZE(head) + PyBytes_GET_SIZE(to_request_id) + PyBytes_GET_SIZE(request_id)
                               + PyBytes_GET_SIZE(to_time) + PyBytes_GET_SIZE(to_status) + PyBytes_GET_SIZE(after_status))

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
        cdef Py_ssize_t record_bytes = line.record_end - line.record
        cdef Py_ssize_t entry_begin, size
        cdef Text text
        # Room for the text, at most twice as long as the record, for a copy of the record, and for a request id out of
        # it. What is not used is taken back below.
        self.begin_entry(self.fragment_bytes + 4 * record_bytes + FIELDS_BYTES_MAX)
        entry_begin = self.used
        self.write(self.head)
        text.begin = self.data + self.used
        text.status = STATUS_INFO
        text.request_id = NULL
        if not (write_object(&text, line) if line.is_object else write_text(&text, line)) or has_hint(text.begin, text.end):
            self.used = used_before
            return EVENT
        self.used = text.end - self.data
        self.write(self.to_request_id)
        if text.request_id == NULL:
            self.write(self.request_id)
        else:
            self.write_bytes(text.request_id, text.request_id_bytes)
        self.write(self.to_time)
        self.used += write_integer(self.data + self.used, line.time_ms)
        self.write(self.to_status)
        self.write_bytes(STATUS_NAMES[text.status], strlen(STATUS_NAMES[text.status]))
        self.write(self.after_status)
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
        self.write_bytes(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))

    cdef inline void write_bytes(self, const void* piece, Py_ssize_t size) noexcept:
        memcpy(self.data + self.used, piece, size)
        self.used += size

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
