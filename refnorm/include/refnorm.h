/* refnorm.h: have a compiled kernel judged by refnorm.
 *
 * The whole of it: export one function for each operator that you have, build a shared library, and ask.
 *
 *     #include "refnorm.h"
 *
 *     REFNORM_EXPORT int refnorm_softmax(const refnorm_array *in, int n_in, refnorm_array *out, int n_out,
 *                                        const refnorm_options *options)
 *     {
 *         ...read in[0], write out[0]...
 *         return REFNORM_DONE;
 *     }
 *
 *     cc -std=c99 -O2 -fPIC -shared -I"$(refnorm include)" -o libmine.so mine.c -lm
 *     refnorm check softmax --impl libmine.so
 *
 * `refnorm show softmax` prints what goes in, in which order, and the options. The header is plain C99 and needs
 * nothing but itself; C++ includes it as it is, Zig imports it, and Rust and Fortran write the three structs down
 * again (examples/rust/src/refnorm.rs). Read it from the top: arrays, elements, loops, options, answers, gradients.
 */
#ifndef REFNORM_H
#define REFNORM_H

#include <stdint.h>
#include <string.h>

/* The version of the three structs below. A library that says REFNORM_DECLARE_ABI; once, outside any function,
 * is refused with one clear line where it was built for another version; one that does not say it is trusted. */
#define REFNORM_ABI 1

#ifdef __cplusplus
#define REFNORM_C extern "C"
#else
#define REFNORM_C
#endif

#if defined(_WIN32)
#define REFNORM_EXPORT REFNORM_C __declspec(dllexport)
#elif defined(__GNUC__)
#define REFNORM_EXPORT REFNORM_C __attribute__((visibility("default")))
#else
#define REFNORM_EXPORT REFNORM_C
#endif

#define REFNORM_DECLARE_ABI \
    REFNORM_EXPORT int32_t refnorm_abi; \
    int32_t refnorm_abi = REFNORM_ABI


/* ---- 1. Arrays --------------------------------------------------------------------------------------------- */

/* The codes of DLPack's DLDataType; together with `bits` they name a type. */
enum {
    REFNORM_CODE_INT = 0,
    REFNORM_CODE_UINT = 1,
    REFNORM_CODE_FLOAT = 2,
    REFNORM_CODE_BFLOAT = 4,
    REFNORM_CODE_BOOL = 6
};

/* One array: what DLPack says of one, but with strides in bytes.
 *
 * Element (i, j) lies at (char *)data + i * strides[0] + j * strides[1]. An input comes in any layout: its strides
 * may be negative (a reversed view: data is then not the lowest address), zero (a repeated row), or leave gaps. Its
 * shape may hold a 0, and then there is no element. An output is always contiguous, in C order, and its cells hold
 * rubbish until you write them. Nothing but the cells of the outputs may be written. */
typedef struct refnorm_array {
    void *data;             /* the element at index (0, ..., 0); NULL where this optional array was not given */
    const int64_t *shape;   /* ndim numbers */
    const int64_t *strides; /* ndim numbers, in bytes */
    int32_t ndim;           /* -1 where this optional array was not given */
    uint8_t code;           /* REFNORM_CODE_... */
    uint8_t bits;           /* 16, 32 or 64; a bool has 8 */
    uint16_t lanes;         /* always 1 */
} refnorm_array;

/* `in` holds as many arrays as the operator has array parameters, in their order, those left out included: in[1] is
 * there though no weight was given, and refnorm_given(&in[1]) says whether it was. */
static inline int refnorm_given(const refnorm_array *array)
{
    return array->ndim >= 0;
}

/* The number of elements. */
static inline int64_t refnorm_size(const refnorm_array *array)
{
    int64_t size = 1;
    for (int32_t axis = 0; axis < array->ndim; axis++)
        size *= array->shape[axis];
    return size;
}

static inline int refnorm_is(const refnorm_array *array, int code, int bits)
{
    return array->ndim >= 0 && array->code == code && array->bits == bits;
}


/* ---- 2. Elements ------------------------------------------------------------------------------------------- */

/* The most axes an array has here; an index is `int64_t index[REFNORM_MAX_NDIM]`. */
#define REFNORM_MAX_NDIM 32

/* A set of axes: bit a stands for axis a. */
#define REFNORM_ALL_AXES 0xffffffffu

/* The address of the element of `array` that belongs to `index`. */
static inline void *refnorm_at(const refnorm_array *array, const int64_t *index)
{
    char *place = (char *)array->data;
    for (int32_t axis = 0; axis < array->ndim; axis++)
        place += index[axis] * array->strides[axis];
    return place;
}

/* The same for a parameter that has only some of the axes of the data: the weight of a layer norm over `axes`, the
 * bias of each channel. `index` is an index into the data. */
static inline void *refnorm_at_along(const refnorm_array *array, const int64_t *index, uint32_t axes)
{
    char *place = (char *)array->data;
    for (int32_t own = 0, axis = 0; own < array->ndim && axis < REFNORM_MAX_NDIM; axis++)
        if (axes >> axis & 1)
            place += index[axis] * array->strides[own++];
    return place;
}

/* Half types as the numbers they stand for, and back, rounded once to nearest, ties to even: float16 has 10 bits
 * of fraction, bfloat16 has 7. */
static inline double refnorm_widen(uint16_t half, int fraction_bits)
{
    int top = (1 << (15 - fraction_bits)) - 1; /* the exponent of infinities and NaNs */
    int exponent = half >> fraction_bits & top;
    uint64_t fraction = half & ((1u << fraction_bits) - 1);
    uint64_t bits;
    double value, hidden;
    if (exponent == top)
        bits = (uint64_t)2047 << 52 | fraction << (52 - fraction_bits);
    else /* a denormal has no leading 1: it is read as if it had, and the 1 taken off again */
        bits = (uint64_t)((exponent ? exponent : 1) - top / 2 + 1023) << 52 | fraction << (52 - fraction_bits);
    memcpy(&value, &bits, 8);
    if (exponent == 0) {
        bits = (uint64_t)(1 - top / 2 + 1023) << 52;
        memcpy(&hidden, &bits, 8);
        value -= hidden;
    }
    return half >> 15 ? -value : value;
}

static inline uint16_t refnorm_narrow(double value, int fraction_bits)
{
    int top = (1 << (15 - fraction_bits)) - 1;
    int least = 1 - top / 2; /* the exponent of the smallest number that is not denormal */
    uint64_t bits, kept, lost, limit = (uint64_t)top << fraction_bits;
    memcpy(&bits, &value, 8);
    uint16_t sign = (uint16_t)(bits >> 63 << 15);
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    uint64_t digits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52;
    int shift = 52 - fraction_bits + (exponent < least ? least - exponent : 0);
    if (exponent == 1024) /* an infinity, or a NaN, which stays one */
        return (uint16_t)(sign | limit | (bits << 12 ? (uint64_t)1 << (fraction_bits - 1) : 0));
    if (shift > 54)
        return sign;
    kept = digits >> shift;
    lost = digits & (((uint64_t)1 << shift) - 1);
    kept += lost > (uint64_t)1 << (shift - 1) || (lost == (uint64_t)1 << (shift - 1) && (kept & 1));
    if (exponent >= least) /* the leading 1 of `kept` counts the exponent up by one, and so does a carry */
        kept += (uint64_t)(exponent - least) << fraction_bits;
    return (uint16_t)(sign | (kept < limit ? kept : limit));
}

/* One element as a double, of any type that comes; what type it was, `array` says. */
static inline double refnorm_read(const refnorm_array *array, const void *place)
{
    float f; double d; uint16_t h; int64_t i; int32_t j; uint8_t b;
    switch (array->code * 1000 + array->bits) {
    case REFNORM_CODE_FLOAT * 1000 + 64: memcpy(&d, place, 8); return d;
    case REFNORM_CODE_FLOAT * 1000 + 32: memcpy(&f, place, 4); return (double)f;
    case REFNORM_CODE_FLOAT * 1000 + 16: memcpy(&h, place, 2); return refnorm_widen(h, 10);
    case REFNORM_CODE_BFLOAT * 1000 + 16: memcpy(&h, place, 2); return refnorm_widen(h, 7);
    case REFNORM_CODE_INT * 1000 + 64: memcpy(&i, place, 8); return (double)i;
    case REFNORM_CODE_INT * 1000 + 32: memcpy(&j, place, 4); return (double)j;
    case REFNORM_CODE_BOOL * 1000 + 8: memcpy(&b, place, 1); return (double)b;
    }
    return 0.0; /* no other type is handed out */
}

/* A double into one element, rounded once. */
static inline void refnorm_write(const refnorm_array *array, void *place, double value)
{
    float f = (float)value; uint16_t h; int64_t i; int32_t j; uint8_t b;
    switch (array->code * 1000 + array->bits) {
    case REFNORM_CODE_FLOAT * 1000 + 64: memcpy(place, &value, 8); break;
    case REFNORM_CODE_FLOAT * 1000 + 32: memcpy(place, &f, 4); break;
    case REFNORM_CODE_FLOAT * 1000 + 16: h = refnorm_narrow(value, 10); memcpy(place, &h, 2); break;
    case REFNORM_CODE_BFLOAT * 1000 + 16: h = refnorm_narrow(value, 7); memcpy(place, &h, 2); break;
    case REFNORM_CODE_INT * 1000 + 64: i = (int64_t)value; memcpy(place, &i, 8); break;
    case REFNORM_CODE_INT * 1000 + 32: j = (int32_t)value; memcpy(place, &j, 4); break;
    case REFNORM_CODE_BOOL * 1000 + 8: b = value != 0; memcpy(place, &b, 1); break;
    }
}

/* The three that most kernels use: x[index], x[index] = value, and weight[index along axes]. They ask for the type
 * at every element, which is slow and always right; a fast kernel asks once (refnorm_is) and walks on pointers. */
static inline double refnorm_load(const refnorm_array *array, const int64_t *index)
{
    return refnorm_read(array, refnorm_at(array, index));
}

static inline void refnorm_store(const refnorm_array *array, const int64_t *index, double value)
{
    refnorm_write(array, refnorm_at(array, index), value);
}

static inline double refnorm_load_along(const refnorm_array *array, const int64_t *index, uint32_t axes)
{
    return refnorm_read(array, refnorm_at_along(array, index, axes));
}


/* ---- 3. Loops ---------------------------------------------------------------------------------------------- */

/* Move `index` to the next element of `array` along `axes`, the last of them fastest. After the last element it
 * returns 0 and the index is back at 0 along those axes. So this walks over rows, and over the elements of each:
 *
 *     int64_t at[REFNORM_MAX_NDIM] = {0};
 *     if (refnorm_size(x) == 0)
 *         return REFNORM_DONE;
 *     do {
 *         double sum = 0;
 *         do sum += refnorm_load(x, at); while (refnorm_next(x, at, axes));
 *         ...
 *     } while (refnorm_next(x, at, ~axes));
 */
static inline int refnorm_next(const refnorm_array *array, int64_t *index, uint32_t axes)
{
    for (int32_t axis = array->ndim - 1; axis >= 0; axis--)
        if (axes >> axis & 1) {
            if (++index[axis] < array->shape[axis])
                return 1;
            index[axis] = 0;
        }
    return 0;
}

/* How many elements such a walk along `axes` meets. */
static inline int64_t refnorm_count(const refnorm_array *array, uint32_t axes)
{
    int64_t count = 1;
    for (int32_t axis = 0; axis < array->ndim; axis++)
        if (axes >> axis & 1)
            count *= array->shape[axis];
    return count;
}


/* ---- 4. Options -------------------------------------------------------------------------------------------- */

enum {
    REFNORM_KIND_NONE = 0,   /* Python's None */
    REFNORM_KIND_BOOL = 1,   /* in `ints` */
    REFNORM_KIND_INT = 2,    /* in `ints`, and the same numbers in `doubles` */
    REFNORM_KIND_DOUBLE = 3, /* in `doubles` */
    REFNORM_KIND_TEXT = 4    /* in `text`, UTF-8 */
};

/* A None within a list of ints; within a list of doubles it is a NaN. */
#define REFNORM_NO_INT INT64_MIN

/* One option: `count` values of a kind. A value alone is a list of one. Lists of lists are laid end to end:
 * padding=((0, 1), (2, 3)) comes as 0, 1, 2, 3. */
typedef struct refnorm_option {
    const char *name;
    const int64_t *ints;
    const double *doubles;
    const char *text;
    int32_t kind;
    int32_t count;
} refnorm_option;

/* The options that the caller gave, and no others: what is not among them has your default, and the checker judges
 * defaults too. */
typedef struct refnorm_options {
    const refnorm_option *items;
    char *message;        /* room for a line of text that says why you decline or fail */
    int32_t message_size;
    int32_t count;
    int32_t *misread;     /* set to 1 by the functions below where an option is not of the kind asked for: the call
                             then counts as declined, whatever it returns */
} refnorm_options;

/* The option of that name; NULL where it was not given, or given as None. */
static inline const refnorm_option *refnorm_option_of(const refnorm_options *options, const char *name)
{
    for (int32_t i = 0; i < options->count; i++)
        if (strcmp(options->items[i].name, name) == 0)
            return options->items[i].kind == REFNORM_KIND_NONE ? NULL : &options->items[i];
    return NULL;
}

/* The same, of this kind and with so many values at most; otherwise NULL too, and the call is declined. An int
 * passes for a double. */
static inline const refnorm_option *refnorm_find(const refnorm_options *options, const char *name, int kind, int room)
{
    const refnorm_option *option = refnorm_option_of(options, name);
    if (option == NULL)
        return NULL;
    int fits = option->kind == kind || (option->kind == REFNORM_KIND_INT && kind == REFNORM_KIND_DOUBLE);
    if (fits && option->count <= room)
        return option;
    *options->misread = 1;
    return NULL;
}

/* One value: `eps = refnorm_double(options, "eps", 1e-5)`. */
static inline double refnorm_double(const refnorm_options *options, const char *name, double fallback)
{
    const refnorm_option *option = refnorm_find(options, name, REFNORM_KIND_DOUBLE, 1);
    return option && option->count ? option->doubles[0] : fallback;
}

static inline int64_t refnorm_int(const refnorm_options *options, const char *name, int64_t fallback)
{
    const refnorm_option *option = refnorm_find(options, name, REFNORM_KIND_INT, 1);
    return option && option->count ? option->ints[0] : fallback;
}

static inline int refnorm_bool(const refnorm_options *options, const char *name, int fallback)
{
    const refnorm_option *option = refnorm_find(options, name, REFNORM_KIND_BOOL, 1);
    return option && option->count ? option->ints[0] != 0 : fallback;
}

static inline const char *refnorm_text(const refnorm_options *options, const char *name, const char *fallback)
{
    const refnorm_option *option = refnorm_find(options, name, REFNORM_KIND_TEXT, 1);
    return option ? option->text : fallback;
}

/* A list: copied into `into`, which has room for `room` values. Returns how many there are, -1 where the option was
 * not given: `int n = refnorm_ints(options, "window", window, 3)`. */
static inline int refnorm_ints(const refnorm_options *options, const char *name, int64_t *into, int room)
{
    const refnorm_option *option = refnorm_find(options, name, REFNORM_KIND_INT, room);
    for (int32_t i = 0; option && i < option->count; i++)
        into[i] = option->ints[i];
    return option ? option->count : -1;
}

static inline int refnorm_doubles(const refnorm_options *options, const char *name, double *into, int room)
{
    const refnorm_option *option = refnorm_find(options, name, REFNORM_KIND_DOUBLE, room);
    for (int32_t i = 0; option && i < option->count; i++)
        into[i] = option->doubles[i];
    return option ? option->count : -1;
}

/* An axis, or several, of `array` as a set; negative ones count from the end. Declined: axes that do not rise, for
 * a parameter along them would have its axes in another order than the data. */
static inline uint32_t refnorm_axes(const refnorm_options *options, const char *name, const refnorm_array *array,
                                    int64_t fallback)
{
    int64_t listed[REFNORM_MAX_NDIM], last = -1;
    uint32_t axes = 0;
    int count = refnorm_ints(options, name, listed, REFNORM_MAX_NDIM);
    if (count < 0) {
        listed[0] = fallback;
        count = 1;
    }
    for (int i = 0; i < count; i++) {
        int64_t axis = listed[i] < 0 ? listed[i] + array->ndim : listed[i];
        if (axis <= last || axis >= array->ndim) {
            *options->misread = 1;
            return 0;
        }
        axes |= (uint32_t)1 << axis;
        last = axis;
    }
    return axes;
}


/* ---- 5. Answers -------------------------------------------------------------------------------------------- */

/* What a kernel returns; any other number is an error too. `return refnorm_decline(options, "float16 only");` says
 * why besides. */
enum {
    REFNORM_DONE = 0,
    REFNORM_DECLINED = 1, /* this dtype, option or layout is not offered: counted apart, and no mistake */
    REFNORM_FAILED = 2
};

static inline void refnorm_say(const refnorm_options *options, const char *why)
{
    if (options->message_size > 0) {
        strncpy(options->message, why, (size_t)options->message_size - 1);
        options->message[options->message_size - 1] = '\0';
    }
}

static inline int refnorm_decline(const refnorm_options *options, const char *why)
{
    refnorm_say(options, why);
    return REFNORM_DECLINED;
}

static inline int refnorm_fail(const refnorm_options *options, const char *why)
{
    refnorm_say(options, why);
    return REFNORM_FAILED;
}


/* ---- 6. Gradients, where you have them --------------------------------------------------------------------- *
 *
 *     refnorm_<operator>_vjp(in, n_in, out, n_out, options)
 *
 * `in` holds the cotangents of the outputs (one for each output that is an array; not given where nobody asks for
 * it), then the inputs of the operator. `out` holds one array an input, of its shape and type; one that is not given
 * (ndim -1) is not wanted: its input is absent, or holds indices. */

#endif
