"""The agent's distribution sketch as a plain struct: bins of four bytes, sorted by key.

Included by `metric_store.pyx`. The pure twin, `thimble.kernels.sketch_py`, says what the rules are. Most distributions
of a function have one value per bucket, so the first bin lies in the struct itself.
"""

cdef enum:
    KEY_MAX = 32767
    BIAS = 1338
    BINS_MAX = 4096
    BINS_HARD_MAX = 8192
    BIN_COUNT_MAX = 65535
    FIRST_BINS = 8

cdef double GAMMA_LN = 0.015504186535965254
cdef double NORM_MIN = 9.94185408912145e-10
cdef double WEIGHT_MAX = 4194240.0


cdef struct Bin:
    int16_t key
    uint16_t count


cdef struct Pair:
    int key
    int64_t count


cdef struct Bins:
    # A list of bins that grows; `data` is owned by whoever holds the struct.
    Bin* data
    uint32_t used
    uint32_t capacity


cdef struct Sketched:
    int64_t count
    double minimum
    double maximum
    double total
    double average
    Bins bins           # capacity 0: at most one bin, and it is `only`
    Bin only


cdef inline int key_of(double value) noexcept nogil:
    cdef double rounded
    if value < 0.0:
        return -key_of(-value)
    if value < NORM_MIN:
        return 0
    rounded = rint(log(value) / GAMMA_LN) + BIAS
    if rounded < 1.0:
        return 1
    return KEY_MAX if rounded > KEY_MAX else <int>rounded


cdef inline void clear_sketch(Sketched* sketch) noexcept nogil:
    """Free what it owns and make it empty."""
    free(sketch.bins.data)
    memset(sketch, 0, sizeof(Sketched))


cdef inline const Bin* bins_of(const Sketched* sketch) noexcept nogil:
    return sketch.bins.data if sketch.bins.capacity else &sketch.only


cdef int reserve_bins(Bins* bins, size_t wanted) except -1:
    cdef size_t capacity = bins.capacity
    cdef void* data
    if wanted <= capacity:
        return 0
    capacity = max(wanted, 2 * capacity, <size_t>FIRST_BINS)
    data = realloc(bins.data, capacity * sizeof(Bin))
    if data == NULL:
        raise MemoryError(f"no memory for {capacity} bins")
    bins.data = <Bin*>data
    bins.capacity = capacity
    return 0


cdef int own_bins(Sketched* sketch, size_t wanted) except -1:
    """Make room for bins outside of the struct."""
    cdef bint was_inside = sketch.bins.capacity == 0
    reserve_bins(&sketch.bins, wanted)
    if was_inside and sketch.bins.used:
        sketch.bins.data[0] = sketch.only
    return 0


cdef inline void put_bin(Bins* bins, int key, int count) noexcept nogil:
    """Append a bin for which there is room."""
    bins.data[bins.used].key = <int16_t>key
    bins.data[bins.used].count = <uint16_t>count
    bins.used += 1


cdef int put_count(Bins* bins, int key, int64_t count) except -1:
    """Append bins for a count: what does not fill a bin comes before the full ones."""
    cdef int64_t full = count // BIN_COUNT_MAX
    cdef int64_t rest = count % BIN_COUNT_MAX
    reserve_bins(bins, bins.used + full + 1)
    if rest:
        put_bin(bins, key, rest)
    while full > 0:
        put_bin(bins, key, BIN_COUNT_MAX)
        full -= 1
    return 0


cdef int put_bins(Bins* bins, const Bin* more, uint32_t count) except -1:
    if count:
        reserve_bins(bins, bins.used + count)
        memcpy(bins.data + bins.used, more, count * sizeof(Bin))
        bins.used += count
    return 0


cdef void count_samples(Sketched* sketch, double value, int64_t samples, double total) noexcept nogil:
    """Take a value into everything but the bins."""
    if sketch.count == 0 or value < sketch.minimum:
        sketch.minimum = value
    if sketch.count == 0 or value > sketch.maximum:
        sketch.maximum = value
    sketch.count += samples
    sketch.total += total
    sketch.average += (value - sketch.average) * <double>samples / <double>sketch.count


cdef int insert_value(Sketched* sketch, double value, double weight) except -1:
    cdef Pair pair
    if weight == 1.0:
        count_samples(sketch, value, 1, value)
        return insert_key(sketch, key_of(value))
    if weight > WEIGHT_MAX:
        weight = WEIGHT_MAX
    pair.key = key_of(value)
    pair.count = <int64_t>weight
    count_samples(sketch, value, pair.count, value * weight)
    return merge_pairs(sketch, &pair, 1)


cdef int insert_key(Sketched* sketch, int key) except -1:
    cdef uint32_t low = 0, high = sketch.bins.used, middle
    cdef Bin* bins
    if sketch.bins.capacity == 0:
        if high == 0:
            sketch.only.key = <int16_t>key
            sketch.only.count = 1
            sketch.bins.used = 1
            return 0
        if sketch.only.key == key and sketch.only.count < BIN_COUNT_MAX:
            sketch.only.count += 1
            return 0
        own_bins(sketch, high + 1)
    bins = sketch.bins.data
    while low < high:
        middle = (low + high) // 2
        if bins[middle].key < key:
            low = middle + 1
        else:
            high = middle
    if low < sketch.bins.used and bins[low].key == key and bins[low].count < BIN_COUNT_MAX:
        bins[low].count += 1
        return 0
    own_bins(sketch, sketch.bins.used + 1)
    bins = sketch.bins.data
    memmove(bins + low + 1, bins + low, (sketch.bins.used - low) * sizeof(Bin))
    bins[low].key = <int16_t>key
    bins[low].count = 1
    sketch.bins.used += 1
    return trim(sketch)


cdef int merge_pairs(Sketched* sketch, const Pair* pairs, size_t count) except -1:
    """Take counts per key, ascending, into the bins alone."""
    cdef const Bin* old = bins_of(sketch)
    cdef uint32_t old_used = sketch.bins.used, at = 0, run
    cdef Bins merged
    cdef int64_t samples
    cdef size_t index
    memset(&merged, 0, sizeof(merged))
    try:
        reserve_bins(&merged, old_used + count)
        for index in range(count):
            run = at
            while at < old_used and old[at].key < pairs[index].key:
                at += 1
            put_bins(&merged, old + run, at - run)
            samples = pairs[index].count
            if at < old_used and old[at].key == pairs[index].key:
                samples += old[at].count
                at += 1
            put_count(&merged, pairs[index].key, samples)
        put_bins(&merged, old + at, old_used - at)
    except BaseException:
        free(merged.data)
        raise
    free(sketch.bins.data)
    sketch.bins = merged
    return trim(sketch)


cdef int trim(Sketched* sketch) except -1:
    """Collapse the leftmost bins beyond the limit into the first that stays, and into full bins before it."""
    cdef Bins trimmed
    cdef Bin* bins = sketch.bins.data
    cdef int64_t missing = 0
    cdef uint32_t index, excess, beyond
    if sketch.bins.used <= BINS_MAX:
        return 0
    excess = sketch.bins.used - BINS_MAX
    memset(&trimmed, 0, sizeof(trimmed))
    try:
        for index in range(excess):
            missing += bins[index].count
            if missing > BIN_COUNT_MAX:
                reserve_bins(&trimmed, trimmed.used + 1)
                put_bin(&trimmed, bins[index].key, BIN_COUNT_MAX)
                missing -= BIN_COUNT_MAX
        missing += bins[excess].count
        if missing > BIN_COUNT_MAX:
            put_count(&trimmed, bins[excess].key, missing - BIN_COUNT_MAX)
            missing = BIN_COUNT_MAX
        bins[excess].count = <uint16_t>missing
        if trimmed.used == 0:
            memmove(bins, bins + excess, BINS_MAX * sizeof(Bin))
            sketch.bins.used = BINS_MAX
            return 0
        put_bins(&trimmed, bins + excess, BINS_MAX)
    except BaseException:
        free(trimmed.data)
        raise
    if trimmed.used > BINS_HARD_MAX:
        beyond = trimmed.used - BINS_HARD_MAX
        memmove(trimmed.data, trimmed.data + beyond, BINS_HARD_MAX * sizeof(Bin))
        trimmed.used = BINS_HARD_MAX
    free(sketch.bins.data)
    sketch.bins = trimmed
    return 0


cdef inline uint8_t* put_varint(uint8_t* to, uint32_t value) noexcept nogil:
    while value >= 0x80:
        to[0] = <uint8_t>(value | 0x80)
        value >>= 7
        to += 1
    to[0] = <uint8_t>value
    return to + 1


cdef bytes packed_keys(const Sketched* sketch):
    """The field `k` of the sketches intake: zigzag varints."""
    cdef const Bin* bins = bins_of(sketch)
    cdef uint32_t index, key
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, 3 * sketch.bins.used)
    cdef uint8_t* begin = <uint8_t*>PyBytes_AS_STRING(packed)
    cdef uint8_t* to = begin
    for index in range(sketch.bins.used):
        key = <uint32_t>(bins[index].key * 2) if bins[index].key >= 0 else <uint32_t>(-bins[index].key * 2 - 1)
        to = put_varint(to, key)
    return packed[:to - begin]


cdef bytes packed_counts(const Sketched* sketch):
    """The field `n` of the sketches intake: varints."""
    cdef const Bin* bins = bins_of(sketch)
    cdef uint32_t index
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, 3 * sketch.bins.used)
    cdef uint8_t* begin = <uint8_t*>PyBytes_AS_STRING(packed)
    cdef uint8_t* to = begin
    for index in range(sketch.bins.used):
        to = put_varint(to, bins[index].count)
    return packed[:to - begin]


cdef class Sketch:
    """Samples of one distribution; see the pure twin. Owns its bins."""

    cdef Sketched data

    def __dealloc__(self):
        clear_sketch(&self.data)

    @property
    def count(self):
        return self.data.count

    @property
    def minimum(self):
        return self.data.minimum

    @property
    def maximum(self):
        return self.data.maximum

    @property
    def total(self):
        return self.data.total

    @property
    def average(self):
        return self.data.average

    def insert(self, double value, double weight=1.0):
        """Insert a finite value that stands for `weight` samples, at least 1; a fraction counts in the sum alone."""
        if not (isfinite(value) and weight >= 1.0):
            raise ValueError(f"value {value}, weight {weight}: not finite, or less than one sample")
        insert_value(&self.data, value, weight)

    def count_samples(self, double value, int64_t samples):
        """Take a value into everything but the bins."""
        count_samples(&self.data, value, samples, value * <double>samples)

    def merge(self, Sketch other not None):
        """Take in all samples of another sketch."""
        if other.data.count == 0:
            return
        if self.data.count == 0 or other.data.minimum < self.data.minimum:
            self.data.minimum = other.data.minimum
        if self.data.count == 0 or other.data.maximum > self.data.maximum:
            self.data.maximum = other.data.maximum
        self.data.count += other.data.count
        self.data.total += other.data.total
        self.data.average += ((other.data.average - self.data.average) * <double>other.data.count
                              / <double>self.data.count)
        self.merge_pairs(other.bins())

    def merge_pairs(self, list pairs not None):
        """Take counts per key, a list of pairs in ascending order, into the bins alone."""
        cdef size_t index, count = len(pairs)
        cdef Pair* data
        if count == 0:
            return
        data = <Pair*>malloc(count * sizeof(Pair))
        if data == NULL:
            raise MemoryError(f"no memory for {count} counts")
        try:
            for index in range(count):
                key, samples = pairs[index]
                if not (-KEY_MAX <= key <= KEY_MAX and 1 <= samples <= INT64_MAX // 2):
                    raise ValueError(f"key {key}, count {samples}: out of range")
                data[index].key = key
                data[index].count = samples
            merge_pairs(&self.data, data, count)
        finally:
            free(data)

    def bins(self):
        """Keys, ascending, and counts, each in 1..65535."""
        cdef const Bin* bins = bins_of(&self.data)
        cdef uint32_t index
        return [(bins[index].key, bins[index].count) for index in range(self.data.bins.used)]

    def packed(self):
        """Keys as zigzag varints and counts as varints: the fields `k` and `n` of the sketches intake, without tags."""
        return packed_keys(&self.data), packed_counts(&self.data)
