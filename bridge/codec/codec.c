/* SNAPSHOT and ACTION as nearly all of them are: read, judged and written in one go.
 *
 * Each function answers None for whatever is unusual, be it wrong or only rare: npc_bridge.messages and
 * npc_bridge.border decide about that, repair it or say what is wrong with it. What is answered here they would have
 * answered in the same way; tests/property/test_codec_laws.py holds the two against each other. Layouts: PROTOCOL.md. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#include <float.h>
#include <math.h>
#include <numpy/arrayobject.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little-endian: on this machine npc_bridge does without a compiled codec"
#endif
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "NaN must compare false: build without -ffast-math"
#endif

enum { VERSION = 1 }; /* npc_bridge.codec uses no other: counted up with every change of what is asked or answered */
enum { HEADER = 48, ENTRY = 8, TIMING = 48, ALIGN = 16 };
enum { SNAPSHOT = 4, ACTION = 5 };
enum { KEYFRAME = 1, PLAIN_FLAGS = 1 | 4 | 8 }; /* all known ones but that of a delta */
enum { LAST_RUNG = 4, STATUS_BITS = 7, POSE = 4, EXECUTING = 4, MOST_KINDS = 255 };
#define LAST_TICK ((UINT64_C(1) << 62) - 1)

typedef struct { /* numbers each within its own range; both sides repeated, so that short rows are compared in runs */
    Py_ssize_t width, span;
    float *low, *high;
} Range;

typedef struct {
    PyObject *name;
    uint64_t most;
    Range range;
} Kind;

typedef struct {
    PyObject_HEAD
    uint32_t schema_id;
    uint64_t frame_bytes, rows, steps;
    Py_ssize_t kinds;
    Kind *kind;
    Range channels;
    char *discrete; /* by channel */
    PyObject *classes; /* by CLASS_* */
} Codec;

enum { CLASS_SNAPSHOT, CLASS_BLOCK, CLASS_EXECUTING, CLASS_ACTION, CLASSES };

/* Three parts of messages, with their fields in the order and at the places that the wire has them. */
typedef struct {
    char magic[4];
    uint8_t major, kind;
    uint16_t flags;
    uint32_t session, schema_id;
    uint64_t tick;
    int64_t time_us;
    uint32_t sequence, count;
    uint16_t fields;
    uint8_t dtype, blocks;
    uint32_t extra;
} Header;
typedef struct {
    uint16_t kind, width;
    uint32_t rows;
} Entry; /* of a SNAPSHOT's table */
typedef struct {
    uint64_t apply, until;
    int64_t received_us, planned_us;
    uint32_t chunk;
    uint16_t steps, channels;
    uint64_t reserved;
} Timing; /* of an ACTION */
_Static_assert(sizeof(Header) == HEADER && sizeof(Entry) == ENTRY && sizeof(Timing) == TIMING, "as on the wire");
static const Header DATA = {.magic = {'N', 'P', 'C', 'W'}, .major = 1, .dtype = 1}; /* what all data messages begin with */

/* names of attributes, in the order of their dataclasses */
static const char *SNAPSHOT_NAMES[] = {"session", "schema_id", "tick",      "time_us",
                                       "sequence", "blocks",   "executing", "flags"};
static const char *BLOCK_NAMES[] = {"ids", "values"};
static const char *EXECUTING_NAMES[] = {"ids", "chunk", "step", "rung"};
static const char *ACTION_NAMES[] = {"session",  "schema_id",   "source_tick", "apply_tick", "valid_until_tick", "chunk",
                                     "sequence", "received_us", "planned_us",  "sent_us",    "ids",              "steps",
                                     "expected", "brake",       "tolerance",   "status",     "bark",             "flags"};
enum { SNAPSHOT_SLOTS = 8, BLOCK_SLOTS = 2, EXECUTING_SLOTS = 4, ACTION_SLOTS = 18 };
enum { IDS_SLOT = 10, STEPS_SLOT = 11, FLAGS_SLOT = 17 };
static PyObject *snapshot_names[SNAPSHOT_SLOTS], *block_names[BLOCK_SLOTS], *executing_names[EXECUTING_SLOTS],
    *action_names[ACTION_SLOTS];

static const int EXECUTING_TYPES[] = {NPY_UINT32, NPY_UINT32, NPY_UINT16, NPY_UINT8};
static const int EXECUTING_BYTES[] = {4, 4, 2, 1};

static uint64_t padded(uint64_t size) { return (size + ALIGN - 1) / ALIGN * ALIGN; }

/* numbers */

static int within(const float *values, Py_ssize_t count, const Range *range)
{
    int outside = 0;
    for (; count > 0; count -= range->span, values += range->span) {
        const Py_ssize_t here = count < range->span ? count : range->span;
        const float *low = range->low, *high = range->high;
        for (Py_ssize_t i = 0; i < here; i++) /* NaN compares false */
            outside |= !(values[i] >= low[i]) | !(values[i] <= high[i]);
    }
    return !outside;
}

static int between(const float *values, Py_ssize_t count, float low, float high)
{
    int outside = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        outside |= !(values[i] >= low) | !(values[i] <= high);
    return !outside;
}

static int at_most(const uint8_t *values, Py_ssize_t count, uint8_t most)
{
    int outside = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        outside |= values[i] > most;
    return !outside;
}

static int whole(const Codec *self, const float *steps, Py_ssize_t rows)
{
    for (Py_ssize_t c = 0; c < self->channels.width; c++)
        if (self->discrete[c])
            for (Py_ssize_t i = 0; i < rows; i++)
                if (steps[i * self->channels.width + c] != rintf(steps[i * self->channels.width + c]))
                    return 0;
    return 1;
}

/* Each above 0 and above the one before, also where they come in several parts: *last is 0 at first. */
static int growing(const uint32_t *ids, Py_ssize_t count, uint32_t *last)
{
    uint32_t before = *last;
    int ok = 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        ok &= ids[i] > before;
        before = ids[i];
    }
    *last = before;
    return ok;
}

/* Python's numbers */

static int whole_number(PyObject *number, uint64_t most, uint64_t *value)
{
    if (!PyLong_CheckExact(number))
        return 0;
    *value = PyLong_AsUnsignedLongLong(number);
    if (*value == UINT64_MAX && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return *value <= most;
}

static int time_number(PyObject *number, int64_t *value)
{
    if (!PyLong_CheckExact(number))
        return 0;
    *value = PyLong_AsLongLong(number);
    if (*value == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return 1;
}

/* the header */

static int read_header(const Codec *self, PyObject *frame, Header *h)
{
    if (!PyBytes_CheckExact(frame))
        return 0;
    const char *at = PyBytes_AS_STRING(frame);
    const uint64_t size = (uint64_t)PyBytes_GET_SIZE(frame);
    if (size < HEADER || size > self->frame_bytes)
        return 0;
    memcpy(h, at, HEADER);
    return !memcmp(h->magic, DATA.magic, 4) && h->major == DATA.major && !(h->flags & ~PLAIN_FLAGS) &&
           h->schema_id == self->schema_id && h->tick <= LAST_TICK && h->dtype == DATA.dtype && h->fields == DATA.fields;
}

/* arrays */

/* Returns a view of a frame, which cannot be written to; the frame lives as long as it does. */
static PyObject *view(PyObject *frame, const void *at, int type, int dims, const npy_intp *shape)
{
    PyObject *array = PyArray_New(&PyArray_Type, dims, shape, type, NULL, (void *)at, 0,
                                  NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, NULL);
    if (array == NULL)
        return NULL;
    Py_INCREF(frame);
    if (PyArray_SetBaseObject((PyArrayObject *)array, frame) < 0) {
        Py_DECREF(array);
        return NULL;
    }
    return array;
}

/* Returns where the numbers of an array begin, NULL where it is not just as the wire has it. */
static const void *numbers(PyObject *object, int type, int dims, const npy_intp *shape)
{
    if (object == NULL || !PyArray_CheckExact(object))
        return NULL;
    PyArrayObject *array = (PyArrayObject *)object;
    const int number = PyArray_TYPE(array); /* below 0 for types that have none */
    if (PyArray_NDIM(array) != dims || number < 0 || !PyArray_EquivTypenums(number, type) || !PyArray_ISCARRAY_RO(array))
        return NULL;
    for (int i = 0; i < dims; i++)
        if (PyArray_DIM(array, i) != shape[i])
            return NULL;
    return PyArray_DATA(array);
}

/* Returns how long an axis is of an array with so many, -1 where there is no such array. */
static npy_intp extent(PyObject *object, int dims, int axis)
{
    if (object == NULL || !PyArray_CheckExact(object) || PyArray_NDIM((PyArrayObject *)object) != dims)
        return -1;
    return PyArray_DIM((PyArrayObject *)object, axis);
}

static char *put(char *at, const void *numbers, uint64_t size)
{
    memcpy(at, numbers, size);
    memset(at + size, 0, padded(size) - size);
    return at + padded(size);
}

/* Returns a record, as its own constructor makes it; takes over the values, some of which may be missing. */
static PyObject *filled(const Codec *self, int class, PyObject **names, PyObject **values, int count)
{
    PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(self->classes, class);
    PyObject *made = type->tp_alloc(type, 0);
    for (int i = 0; i < count; i++) {
        if (made != NULL && (values[i] == NULL || PyObject_GenericSetAttr(made, names[i], values[i]) < 0))
            Py_CLEAR(made);
        Py_XDECREF(values[i]);
    }
    return made;
}

/* Takes the values of a record, which are to be let go of in any case; says whether it is just one of that class, and
 * whole. Of another one, to ask for a value might run anything. */
static int taken(const Codec *self, int class, PyObject *record, PyObject **names, PyObject **values, int count)
{
    int whole = self->classes != NULL && (PyObject *)Py_TYPE(record) == PyTuple_GET_ITEM(self->classes, class);
    for (int i = 0; i < count; i++) {
        values[i] = whole ? PyObject_GetAttr(record, names[i]) : NULL;
        whole = values[i] != NULL;
    }
    if (!whole)
        PyErr_Clear();
    return whole;
}

static void let_go(PyObject **values, int count)
{
    for (int i = 0; i < count; i++)
        Py_XDECREF(values[i]);
}

/* SNAPSHOT */

typedef struct {
    Entry entry;
    uint64_t ids, values; /* where they begin */
} Block;

/* Finds the blocks and judges their numbers; returns where `executing` begins, 0 where something is unusual. */
static uint64_t read_blocks(const Codec *self, const char *frame, uint64_t size, const Header *h, Block *block)
{
    uint64_t at = HEADER + padded((uint64_t)h->blocks * ENTRY), rows = 0;
    uint32_t next = 0, last = 0;
    if (size < at)
        return 0;
    for (int i = 0; i < h->blocks; i++) {
        Entry e;
        memcpy(&e, frame + HEADER + i * ENTRY, ENTRY);
        if (e.kind < next || e.kind >= self->kinds || e.rows > self->kind[e.kind].most || e.rows > self->rows ||
            e.width != self->kind[e.kind].range.width)
            return 0;
        next = e.kind + 1u;
        rows += e.rows;
        const uint64_t ids = at, values = ids + padded(4ull * e.rows);
        at = values + padded(4ull * e.rows * e.width);
        if (at > size || !growing((const uint32_t *)(frame + ids), e.rows, &last) ||
            !within((const float *)(frame + values), (Py_ssize_t)e.rows * e.width, &self->kind[e.kind].range))
            return 0;
        block[i] = (Block){e, ids, values};
    }
    return rows == h->count ? at : 0;
}

static PyObject *blocks_object(const Codec *self, PyObject *frame, const Block *block, int count)
{
    const char *data = PyBytes_AS_STRING(frame);
    PyObject *blocks = PyDict_New();
    for (int i = 0; blocks != NULL && i < count; i++) {
        const npy_intp shape[] = {block[i].entry.rows, block[i].entry.width};
        PyObject *values[] = {view(frame, data + block[i].ids, NPY_UINT32, 1, shape),
                              view(frame, data + block[i].values, NPY_FLOAT32, 2, shape)};
        PyObject *made = filled(self, CLASS_BLOCK, block_names, values, BLOCK_SLOTS);
        if (made == NULL || PyDict_SetItem(blocks, self->kind[block[i].entry.kind].name, made) < 0)
            Py_CLEAR(blocks);
        Py_XDECREF(made);
    }
    return blocks;
}

/* read_snapshot(frame, session, last_tick): a complete Snapshot of this session, newer than the last. */
static PyObject *read_snapshot(Codec *self, PyObject *const *args, Py_ssize_t nargs)
{
    Header h = {0};
    Block block[MOST_KINDS];
    uint64_t session;
    int64_t last_tick;
    if (nargs != 3)
        return PyErr_Format(PyExc_TypeError, "read_snapshot: expected 3 arguments, got %zd", nargs);
    PyObject *frame = args[0];
    if (!read_header(self, frame, &h) || h.kind != SNAPSHOT || !whole_number(args[1], UINT32_MAX, &session) ||
        h.session != session || !time_number(args[2], &last_tick) || (int64_t)h.tick <= last_tick ||
        h.count > self->rows || h.extra > self->rows)
        Py_RETURN_NONE;
    const char *data = PyBytes_AS_STRING(frame);
    const uint64_t size = (uint64_t)PyBytes_GET_SIZE(frame);
    uint64_t at = read_blocks(self, data, size, &h, block), executing[EXECUTING];
    if (at == 0)
        Py_RETURN_NONE;
    for (int i = 0; i < EXECUTING; i++) {
        executing[i] = at;
        at += padded((uint64_t)EXECUTING_BYTES[i] * h.extra);
    }
    uint32_t last = 0;
    if (at != size || !growing((const uint32_t *)(data + executing[0]), h.extra, &last) ||
        !at_most((const uint8_t *)(data + executing[3]), h.extra, LAST_RUNG))
        Py_RETURN_NONE;
    const npy_intp doing = h.extra;
    PyObject *arrays[EXECUTING];
    for (int i = 0; i < EXECUTING; i++)
        arrays[i] = view(frame, data + executing[i], EXECUTING_TYPES[i], 1, &doing);
    PyObject *values[] = {
        PyLong_FromUnsignedLong(h.session),
        PyLong_FromUnsignedLong(h.schema_id),
        PyLong_FromUnsignedLongLong(h.tick),
        PyLong_FromLongLong(h.time_us),
        PyLong_FromUnsignedLong(h.sequence),
        blocks_object(self, frame, block, h.blocks),
        filled(self, CLASS_EXECUTING, executing_names, arrays, EXECUTING_SLOTS),
        PyLong_FromLong(h.flags),
    };
    return filled(self, CLASS_SNAPSHOT, snapshot_names, values, SNAPSHOT_SLOTS);
}

typedef struct {
    PyObject *held[BLOCK_SLOTS]; /* the arrays, while their numbers are read */
    const void *ids, *values;
    npy_intp rows; /* -1 where the snapshot has no such block */
} Rows;

/* Takes the arrays of all blocks, in the order of the schema; returns how many blocks there are, -1 where one is unusual. */
static int take_rows(const Codec *self, PyObject *blocks, Rows *rows)
{
    int found = 0, usual = 1;
    for (Py_ssize_t i = 0; i < self->kinds; i++) {
        PyObject *block = usual ? PyDict_GetItemWithError(blocks, self->kind[i].name) : NULL;
        rows[i] = (Rows){{NULL, NULL}, NULL, NULL, -1};
        if (block != NULL) {
            usual = taken(self, CLASS_BLOCK, block, block_names, rows[i].held, BLOCK_SLOTS);
            rows[i].rows = extent(rows[i].held[0], 1, 0);
            found++;
        }
    }
    PyErr_Clear();
    return usual && found == PyDict_GET_SIZE(blocks) ? found : -1;
}

/* Finds the numbers of blocks that have been taken; says whether all are as the wire has them, and counts the rows. */
static int find_rows(const Codec *self, Rows *rows, uint64_t *count)
{
    for (Py_ssize_t i = 0; i < self->kinds; i++) {
        if (rows[i].held[0] == NULL)
            continue;
        const npy_intp shape[] = {rows[i].rows, self->kind[i].range.width};
        rows[i].ids = numbers(rows[i].held[0], NPY_UINT32, 1, shape);
        rows[i].values = numbers(rows[i].held[1], NPY_FLOAT32, 2, shape);
        if (rows[i].ids == NULL || rows[i].values == NULL)
            return 0;
        *count += (uint64_t)rows[i].rows;
    }
    return *count <= UINT32_MAX;
}

/* Finds the numbers of `executing`; says whether all are as the wire has them, and how many there are. */
static int find_executing(PyObject **held, const void **numbers_of, uint32_t *count)
{
    const npy_intp n = extent(held[0], 1, 0);
    for (int i = 0; i < EXECUTING; i++)
        if ((numbers_of[i] = numbers(held[i], EXECUTING_TYPES[i], 1, &n)) == NULL)
            return 0;
    *count = (uint32_t)n;
    return n <= UINT32_MAX;
}

static PyObject *snapshot_bytes(const Codec *self, const Header *h, const Rows *rows, const void **executing)
{
    uint64_t size = HEADER + padded((uint64_t)h->blocks * ENTRY);
    for (Py_ssize_t i = 0; i < self->kinds; i++)
        if (rows[i].rows >= 0)
            size += padded(4ull * rows[i].rows) + padded(4ull * rows[i].rows * self->kind[i].range.width);
    for (int i = 0; i < EXECUTING; i++)
        size += padded((uint64_t)EXECUTING_BYTES[i] * h->extra);
    PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (frame == NULL)
        return NULL;
    char *data = PyBytes_AS_STRING(frame), *table = data + HEADER;
    char *at = table + padded((uint64_t)h->blocks * ENTRY);
    memcpy(data, h, HEADER);
    memset(table, 0, (size_t)(at - table));
    for (Py_ssize_t i = 0; i < self->kinds; i++) {
        if (rows[i].rows < 0)
            continue;
        const Entry e = {(uint16_t)i, (uint16_t)self->kind[i].range.width, (uint32_t)rows[i].rows};
        memcpy(table, &e, ENTRY);
        table += ENTRY;
        at = put(at, rows[i].ids, 4ull * e.rows);
        at = put(at, rows[i].values, 4ull * e.rows * e.width);
    }
    for (int i = 0; i < EXECUTING; i++)
        at = put(at, executing[i], (uint64_t)EXECUTING_BYTES[i] * h->extra);
    return frame;
}

/* write_snapshot(session, tick, time_us, sequence, blocks, executing): the bytes of a complete SNAPSHOT. */
static PyObject *write_snapshot(Codec *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t session, sequence, count = 0;
    Header h = DATA;
    Rows rows[MOST_KINDS];
    PyObject *doing[EXECUTING], *frame = NULL;
    const void *executing[EXECUTING];
    if (nargs != 6)
        return PyErr_Format(PyExc_TypeError, "write_snapshot: expected 6 arguments, got %zd", nargs);
    if (!whole_number(args[0], UINT32_MAX, &session) || !whole_number(args[1], UINT64_MAX, &h.tick) ||
        !time_number(args[2], &h.time_us) || !whole_number(args[3], UINT32_MAX, &sequence) || !PyDict_CheckExact(args[4]))
        Py_RETURN_NONE;
    const int whole = taken(self, CLASS_EXECUTING, args[5], executing_names, doing, EXECUTING);
    const int found = take_rows(self, args[4], rows);
    if (whole && found >= 0 && find_executing(doing, executing, &h.extra) && find_rows(self, rows, &count)) {
        h.kind = SNAPSHOT;
        h.flags = KEYFRAME;
        h.session = (uint32_t)session;
        h.schema_id = self->schema_id;
        h.sequence = (uint32_t)sequence;
        h.count = (uint32_t)count;
        h.blocks = (uint8_t)found;
        frame = snapshot_bytes(self, &h, rows, executing);
    } else {
        frame = Py_NewRef(Py_None);
    }
    let_go(doing, EXECUTING);
    for (Py_ssize_t i = 0; i < self->kinds; i++)
        let_go(rows[i].held, BLOCK_SLOTS);
    return frame;
}

/* ACTION */

/* The arrays of an ACTION, in their order on the wire and in the dataclass; n NPCs, m steps, k channels. */
enum { IDS, STEPS, EXPECTED, BRAKE, TOLERANCE, STATUS, BARK, TOLD };
static const int TOLD_TYPES[TOLD] = {NPY_UINT32,  NPY_FLOAT32, NPY_FLOAT32, NPY_FLOAT32,
                                     NPY_FLOAT32, NPY_UINT8,   NPY_UINT16};
static const int TOLD_DIMS[TOLD] = {1, 3, 3, 1, 1, 1, 1};

/* Says how many bytes each array of an ACTION has. */
static void told_sizes(uint64_t n, uint64_t m, uint64_t k, uint64_t *sizes)
{
    const uint64_t each[TOLD] = {4, 4 * m * k, 4 * m * POSE, 4, 4, 1, 2};
    for (int i = 0; i < TOLD; i++)
        sizes[i] = n * each[i];
}

static int sound(const Codec *self, const Header *h, const Timing *t, const void *const *told)
{
    const Py_ssize_t n = h->count, m = t->steps, k = t->channels;
    uint32_t last = 0;
    return h->tick <= t->apply && t->apply <= t->until && growing(told[IDS], n, &last) &&
           within(told[STEPS], n * m * k, &self->channels) && whole(self, told[STEPS], n * m) &&
           between(told[EXPECTED], n * m * POSE, -FLT_MAX, FLT_MAX) && between(told[BRAKE], n, 0.0f, FLT_MAX) &&
           between(told[TOLERANCE], n, 0.0f, FLT_MAX) && at_most(told[STATUS], n, STATUS_BITS);
}

/* read_action(frame, session): an Action for this session. */
static PyObject *read_action(Codec *self, PyObject *const *args, Py_ssize_t nargs)
{
    Header h = {0};
    Timing t;
    uint64_t session, sizes[TOLD], at = HEADER + TIMING;
    const void *told[TOLD];
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "read_action: expected 2 arguments, got %zd", nargs);
    PyObject *frame = args[0];
    if (!read_header(self, frame, &h) || h.kind != ACTION || !whole_number(args[1], UINT32_MAX, &session) ||
        h.session != session || h.blocks || h.extra != TIMING || h.count > self->rows ||
        PyBytes_GET_SIZE(frame) < HEADER + TIMING)
        Py_RETURN_NONE;
    const char *data = PyBytes_AS_STRING(frame);
    memcpy(&t, data + HEADER, TIMING);
    if (t.channels != self->channels.width || t.reserved || t.until > LAST_TICK || t.steps < 1 || t.steps > self->steps)
        Py_RETURN_NONE;
    const uint64_t most = (uint64_t)PyBytes_GET_SIZE(frame) / 4; /* numbers, so that no product below overflows */
    if (h.count && (uint64_t)t.steps * (t.channels + POSE) > most / h.count)
        Py_RETURN_NONE;
    told_sizes(h.count, t.steps, t.channels, sizes);
    for (int i = 0; i < TOLD; i++) {
        told[i] = data + at;
        at += padded(sizes[i]);
    }
    if (at != (uint64_t)PyBytes_GET_SIZE(frame) || !sound(self, &h, &t, told))
        Py_RETURN_NONE;
    PyObject *values[ACTION_SLOTS] = {
        PyLong_FromUnsignedLong(h.session),
        PyLong_FromUnsignedLong(h.schema_id),
        PyLong_FromUnsignedLongLong(h.tick),
        PyLong_FromUnsignedLongLong(t.apply),
        PyLong_FromUnsignedLongLong(t.until),
        PyLong_FromUnsignedLong(t.chunk),
        PyLong_FromUnsignedLong(h.sequence),
        PyLong_FromLongLong(t.received_us),
        PyLong_FromLongLong(t.planned_us),
        PyLong_FromLongLong(h.time_us),
        [FLAGS_SLOT] = PyLong_FromLong(h.flags),
    };
    const npy_intp shape[] = {h.count, t.steps, t.channels}, poses[] = {h.count, t.steps, POSE};
    for (int i = 0; i < TOLD; i++)
        values[IDS_SLOT + i] = view(frame, told[i], TOLD_TYPES[i], TOLD_DIMS[i], i == EXPECTED ? poses : shape);
    return filled(self, CLASS_ACTION, action_names, values, ACTION_SLOTS);
}

/* Reads the numbers of an Action besides its arrays; session, schema id, sequence and sent_us are not asked. */
static int action_numbers(PyObject **slot, Header *h, Timing *t)
{
    uint64_t flags, chunk;
    if (!whole_number(slot[2], LAST_TICK, &h->tick) || !whole_number(slot[3], LAST_TICK, &t->apply) ||
        !whole_number(slot[4], LAST_TICK, &t->until) || !whole_number(slot[5], UINT32_MAX, &chunk) ||
        !time_number(slot[7], &t->received_us) || !time_number(slot[8], &t->planned_us) ||
        !whole_number(slot[FLAGS_SLOT], UINT16_MAX, &flags))
        return 0;
    h->flags = (uint16_t)flags;
    t->chunk = (uint32_t)chunk;
    return 1;
}

static PyObject *action_bytes(const Codec *self, PyObject **slot, Header *h)
{
    Timing t = {0};
    const npy_intp n = extent(slot[IDS_SLOT], 1, 0), m = extent(slot[STEPS_SLOT], 3, 1), k = self->channels.width;
    const npy_intp shape[] = {n, m, k}, poses[] = {n, m, POSE};
    const void *told[TOLD];
    for (int i = 0; i < TOLD; i++) {
        told[i] = numbers(slot[IDS_SLOT + i], TOLD_TYPES[i], TOLD_DIMS[i], i == EXPECTED ? poses : shape);
        if (told[i] == NULL)
            Py_RETURN_NONE;
    }
    if (n > UINT32_MAX || m > UINT16_MAX || !action_numbers(slot, h, &t))
        Py_RETURN_NONE;
    h->count = (uint32_t)n;
    t.steps = (uint16_t)m;
    t.channels = (uint16_t)k;
    if (!sound(self, h, &t, told))
        Py_RETURN_NONE;
    uint64_t sizes[TOLD], size = HEADER + TIMING;
    told_sizes(h->count, t.steps, t.channels, sizes);
    for (int i = 0; i < TOLD; i++)
        size += padded(sizes[i]);
    PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (frame == NULL)
        return NULL;
    char *at = PyBytes_AS_STRING(frame);
    memcpy(at, h, HEADER);
    at += HEADER;
    memcpy(at, &t, TIMING);
    at += TIMING;
    for (int i = 0; i < TOLD; i++)
        at = put(at, told[i], sizes[i]);
    return frame;
}

/* write_action(action, session, sequence, sent_us): the bytes of an ACTION, whose own session and so on are passed over. */
static PyObject *write_action(Codec *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t session, sequence;
    Header h = DATA;
    PyObject *slot[ACTION_SLOTS];
    if (nargs != 4)
        return PyErr_Format(PyExc_TypeError, "write_action: expected 4 arguments, got %zd", nargs);
    if (!whole_number(args[1], UINT32_MAX, &session) || !whole_number(args[2], UINT32_MAX, &sequence) ||
        !time_number(args[3], &h.time_us))
        Py_RETURN_NONE;
    h.kind = ACTION;
    h.extra = TIMING;
    h.session = (uint32_t)session;
    h.schema_id = self->schema_id;
    h.sequence = (uint32_t)sequence;
    const int whole = taken(self, CLASS_ACTION, args[0], action_names, slot, ACTION_SLOTS);
    PyObject *frame = whole ? action_bytes(self, slot, &h) : Py_NewRef(Py_None);
    let_go(slot, ACTION_SLOTS);
    return frame;
}

/* the type */

static void range_free(Range *range)
{
    PyMem_Free(range->low);
    PyMem_Free(range->high);
}

/* Takes two byte strings of float32; -1 with an error where they do not fit. */
static int range_init(Range *range, PyObject *low, PyObject *high)
{
    if (!PyBytes_Check(low) || !PyBytes_Check(high) || PyBytes_GET_SIZE(low) != PyBytes_GET_SIZE(high) ||
        PyBytes_GET_SIZE(low) % 4) {
        PyErr_SetString(PyExc_ValueError, "a range: expected two byte strings of as many float32");
        return -1;
    }
    range->width = PyBytes_GET_SIZE(low) / 4;
    const Py_ssize_t times = range->width ? (63 + range->width) / range->width : 0;
    range->span = range->width ? range->width * times : 1;
    range->low = PyMem_Calloc((size_t)range->span, 4);
    range->high = PyMem_Calloc((size_t)range->span, 4);
    if (range->low == NULL || range->high == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < times; i++) {
        memcpy(range->low + i * range->width, PyBytes_AS_STRING(low), (size_t)range->width * 4);
        memcpy(range->high + i * range->width, PyBytes_AS_STRING(high), (size_t)range->width * 4);
    }
    return 0;
}

static int kinds_init(Codec *self, PyObject *entities)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(entities);
    if (count > MOST_KINDS) {
        PyErr_Format(PyExc_ValueError, "expected at most %d entity types, got %zd", MOST_KINDS, count);
        return -1;
    }
    self->kind = PyMem_Calloc((size_t)count + 1, sizeof(Kind));
    if (self->kind == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->kinds < count; self->kinds++) {
        Kind *kind = &self->kind[self->kinds];
        unsigned long long most;
        PyObject *name, *low, *high;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(entities, self->kinds), "UKSS", &name, &most, &low, &high) ||
            range_init(&kind->range, low, high) < 0)
            return -1;
        kind->name = Py_NewRef(name);
        kind->most = most;
    }
    return 0;
}

static int codec_init(Codec *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"schema_id", "frame_bytes", "rows", "steps", "entities", "low", "high", "discrete", "classes", NULL};
    unsigned long long frame_bytes, rows, steps;
    PyObject *entities, *low, *high, *discrete, *classes;
    if (self->channels.low != NULL) { /* what is made first: also where the rest was refused */
        PyErr_SetString(PyExc_TypeError, "Codec: made already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "IKKKO!SSSO!", names, &self->schema_id, &frame_bytes, &rows, &steps,
                                     &PyTuple_Type, &entities, &low, &high, &discrete, &PyTuple_Type, &classes))
        return -1;
    if (PyTuple_GET_SIZE(classes) != CLASSES) {
        PyErr_SetString(PyExc_ValueError, "classes: expected Snapshot, EntityBlock, Executing and Action");
        return -1;
    }
    for (int i = 0; i < CLASSES; i++)
        if (!PyType_Check(PyTuple_GET_ITEM(classes, i))) {
            PyErr_SetString(PyExc_TypeError, "classes: expected types");
            return -1;
        }
    self->frame_bytes = frame_bytes;
    self->rows = rows;
    self->steps = steps;
    if (range_init(&self->channels, low, high) < 0 || kinds_init(self, entities) < 0)
        return -1;
    if (PyBytes_GET_SIZE(discrete) != self->channels.width) {
        PyErr_SetString(PyExc_ValueError, "discrete: expected a byte for each channel");
        return -1;
    }
    self->discrete = PyMem_Calloc((size_t)self->channels.width + 1, 1);
    if (self->discrete == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(self->discrete, PyBytes_AS_STRING(discrete), (size_t)self->channels.width);
    self->classes = Py_NewRef(classes);
    return 0;
}

static void codec_free(Codec *self)
{
    PyTypeObject *type = Py_TYPE(self);
    range_free(&self->channels);
    for (Py_ssize_t i = 0; i < self->kinds; i++) {
        range_free(&self->kind[i].range);
        Py_XDECREF(self->kind[i].name);
    }
    PyMem_Free(self->kind);
    PyMem_Free(self->discrete);
    Py_XDECREF(self->classes);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

#define METHOD(name, what) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, what}
static PyMethodDef methods[] = {
    METHOD(read_snapshot, "read_snapshot(frame, session, last_tick): returns a Snapshot, None where it is not a usual one."),
    METHOD(write_snapshot, "write_snapshot(session, tick, time_us, sequence, blocks, executing): returns a frame, or None."),
    METHOD(read_action, "read_action(frame, session): returns an Action, None where it is not a usual one."),
    METHOD(write_action, "write_action(action, session, sequence, sent_us): returns a frame, or None."),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Reads, judges and writes the usual SNAPSHOT and ACTION of one schema."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, codec_init},
    {Py_tp_dealloc, codec_free},
    {Py_tp_methods, methods},
    {0, NULL},
};
static PyType_Spec spec = {"npc_bridge_codec.Codec", sizeof(Codec), 0, Py_TPFLAGS_DEFAULT, slots};

static int intern(PyObject **names, const char **texts, int count)
{
    for (int i = 0; i < count; i++)
        if ((names[i] = PyUnicode_InternFromString(texts[i])) == NULL)
            return -1;
    return 0;
}

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "npc_bridge_codec", "The compiled codec of npc_bridge.", -1, NULL,
                             NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_npc_bridge_codec(void)
{
    import_array();
    if (intern(snapshot_names, SNAPSHOT_NAMES, SNAPSHOT_SLOTS) < 0 || intern(block_names, BLOCK_NAMES, BLOCK_SLOTS) < 0 ||
        intern(executing_names, EXECUTING_NAMES, EXECUTING_SLOTS) < 0 || intern(action_names, ACTION_NAMES, ACTION_SLOTS) < 0)
        return NULL;
    PyObject *made = PyModule_Create(&module), *type = PyType_FromSpec(&spec);
    if (made == NULL || type == NULL || PyModule_AddObjectRef(made, "Codec", type) < 0 ||
        PyModule_AddIntConstant(made, "VERSION", VERSION) < 0)
        Py_CLEAR(made);
    Py_XDECREF(type);
    return made;
}
