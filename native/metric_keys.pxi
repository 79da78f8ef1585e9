"""Series and the ways of writing them, in one hash table. Included by `metric_store.pyx`.

A key is found by its text. It may stand for a series in canonical form, for a way of writing one in a datagram, or for
both, which is the usual case.
"""

cdef enum:
    NONE = 0xFFFFFFFF
    IS_CANONICAL = 1
    IS_WRITTEN = 2
    KEYS_PER_CHUNK = 512            # tables grow by chunks: growing by doubling left a third of the heap in holes
    SLOTS_FIRST = 256
    TEXT_BLOCK_BYTES = 16384
    SPELLINGS_MAX = 16384           # ways of writing that are remembered; others are sorted out again each time
    SPELLING_BYTES_MAX = 1024


cdef struct Spelling:
    # Text that somebody else owns.
    int kind
    const uint8_t* name
    size_t name_size
    const uint8_t* tags
    size_t tags_size


cdef struct Key:
    uint64_t hashed
    uint8_t* text           # the name, then the tags; in a block
    uint32_t name_size
    uint32_t tags_size
    uint32_t canonical      # the key of the canonical form, maybe this one
    uint32_t context        # of a canonical key: the newest context, or NONE
    uint8_t kind
    uint8_t roles


cdef struct Block:
    # Texts, one behind the other; they follow the header.
    Block* next
    size_t used
    size_t capacity


cdef struct Keys:
    Key** chunks
    uint32_t count
    uint32_t capacity
    Block* texts
    uint32_t* slots         # indices of keys by hash, NONE where empty
    uint32_t slots_mask
    uint32_t spellings      # keys that are not canonical
    size_t text_bytes


cdef inline uint64_t mix(uint64_t state, uint64_t word) noexcept nogil:
    state = (state ^ word) * 0x9E3779B97F4A7C15ULL
    return state ^ (state >> 32)


cdef inline uint64_t hash_bytes(uint64_t state, const uint8_t* at, size_t size) noexcept nogil:
    cdef uint64_t word
    while size >= 8:
        memcpy(&word, at, 8)
        state = mix(state, word)
        at += 8
        size -= 8
    word = 0
    memcpy(&word, at, size)
    return mix(state, word)


cdef inline uint64_t hash_of(const Spelling* spelling) noexcept nogil:
    cdef uint64_t state = mix(spelling.kind + 1, spelling.name_size << 32 | spelling.tags_size)
    state = hash_bytes(state, spelling.name, spelling.name_size)
    return hash_bytes(state, spelling.tags, spelling.tags_size)


cdef inline Key* key_at(const Keys* keys, uint32_t index) noexcept nogil:
    return &keys.chunks[index // KEYS_PER_CHUNK][index % KEYS_PER_CHUNK]


cdef void free_keys(Keys* keys) noexcept nogil:
    cdef uint32_t chunk
    cdef Block* block = keys.texts
    cdef Block* next
    while block != NULL:
        next = block.next
        free(block)
        block = next
    for chunk in range(keys.capacity // KEYS_PER_CHUNK):
        free(keys.chunks[chunk])
    free(keys.chunks)
    free(keys.slots)
    memset(keys, 0, sizeof(Keys))


cdef uint8_t* new_text(Keys* keys, size_t size) except NULL:
    """Room for a text, which lives as long as the keys."""
    cdef Block* block = keys.texts
    cdef size_t capacity
    if block == NULL or block.capacity - block.used < size:
        capacity = max(size, <size_t>TEXT_BLOCK_BYTES)
        block = <Block*>malloc(sizeof(Block) + capacity)
        if block == NULL:
            raise MemoryError(f"no memory for {capacity} bytes of names and tags")
        block.next = keys.texts
        block.used = 0
        block.capacity = capacity
        keys.texts = block
    block.used += size
    return <uint8_t*>block + sizeof(Block) + block.used - size


cdef inline uint32_t find_key(const Keys* keys, const Spelling* spelling, uint64_t hashed, uint8_t role) noexcept nogil:
    """The key of a text in a role, or NONE."""
    cdef uint32_t slot, index
    cdef const Key* key
    if keys.slots == NULL:
        return NONE
    slot = <uint32_t>hashed & keys.slots_mask
    while True:
        index = keys.slots[slot]
        if index == NONE:
            return NONE
        key = key_at(keys, index)
        if (key.hashed == hashed and key.roles & role and key.kind == spelling.kind
                and key.name_size == spelling.name_size and key.tags_size == spelling.tags_size
                and memcmp(key.text, spelling.name, key.name_size) == 0
                and memcmp(key.text + key.name_size, spelling.tags, key.tags_size) == 0):
            return index
        slot = (slot + 1) & keys.slots_mask


cdef int reserve_key(Keys* keys) except -1:
    """Make room for one more key, the slots at most half full."""
    cdef void* chunk
    cdef void* chunks
    if 2 * keys.count >= keys.slots_mask:
        grow_slots(keys)
    if keys.count < keys.capacity:
        return 0
    chunks = realloc(keys.chunks, (keys.capacity // KEYS_PER_CHUNK + 1) * sizeof(Key*))
    if chunks != NULL:
        keys.chunks = <Key**>chunks
    chunk = malloc(KEYS_PER_CHUNK * sizeof(Key))
    if chunks == NULL or chunk == NULL:
        free(chunk)
        raise MemoryError(f"no memory for {KEYS_PER_CHUNK} series")
    keys.chunks[keys.capacity // KEYS_PER_CHUNK] = <Key*>chunk
    keys.capacity += KEYS_PER_CHUNK
    return 0


cdef int grow_slots(Keys* keys) except -1:
    cdef size_t count = 2 * (<size_t>keys.slots_mask + 1) if keys.slots != NULL else SLOTS_FIRST
    cdef uint32_t* slots = <uint32_t*>malloc(count * sizeof(uint32_t))
    cdef uint32_t index, slot
    cdef uint32_t mask = count - 1
    if slots == NULL:
        raise MemoryError(f"no memory for {count} slots of series")
    memset(slots, 0xFF, count * sizeof(uint32_t))
    for index in range(keys.count):
        slot = <uint32_t>key_at(keys, index).hashed & mask
        while slots[slot] != NONE:
            slot = (slot + 1) & mask
        slots[slot] = index
    free(keys.slots)
    keys.slots = slots
    keys.slots_mask = mask
    return 0


cdef uint32_t add_key(Keys* keys, const Spelling* spelling, uint64_t hashed, uint8_t role) except? NONE:
    """Add a text that is not there yet."""
    cdef size_t size = spelling.name_size + spelling.tags_size
    cdef uint32_t slot, index
    cdef Key* key
    cdef uint8_t* text
    reserve_key(keys)
    text = new_text(keys, size)
    memcpy(text, spelling.name, spelling.name_size)
    memcpy(text + spelling.name_size, spelling.tags, spelling.tags_size)
    index = keys.count
    key = key_at(keys, index)
    key.hashed = hashed
    key.text = text
    key.name_size = spelling.name_size
    key.tags_size = spelling.tags_size
    key.canonical = index
    key.context = NONE
    key.kind = spelling.kind
    key.roles = role
    slot = <uint32_t>hashed & keys.slots_mask
    while keys.slots[slot] != NONE:
        slot = (slot + 1) & keys.slots_mask
    keys.slots[slot] = index
    keys.count += 1
    keys.text_bytes += size
    return index


cdef int remember_spelling(Keys* keys, const Spelling* spelling, uint64_t hashed, uint32_t canonical) except -1:
    """Let a way of writing lead to its series from now on."""
    cdef Key* key = key_at(keys, canonical)
    cdef uint32_t index
    if (key.hashed == hashed and key.name_size == spelling.name_size and key.tags_size == spelling.tags_size
            and memcmp(key.text, spelling.name, key.name_size) == 0
            and memcmp(key.text + key.name_size, spelling.tags, key.tags_size) == 0):
        key.roles |= IS_WRITTEN
        return 0
    if keys.spellings >= SPELLINGS_MAX or spelling.name_size + spelling.tags_size > SPELLING_BYTES_MAX:
        return 0
    index = add_key(keys, spelling, hashed, IS_WRITTEN)
    key_at(keys, index).canonical = canonical
    keys.spellings += 1
    return 0
