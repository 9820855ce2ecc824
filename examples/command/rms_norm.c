/* rms_norm as a program, for `refnorm check rms_norm --as command --impl ./rms_norm`.
 *
 *     cc -O2 -o rms_norm rms_norm.c -lm
 *
 * It is run with two file names, IN and OUT, in refnorm's JSON. Numbers are hexadecimal text, which strtod reads and
 * %a writes without loss. It knows the last axis and two dtypes, and declines anything else with exit status 77. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECLINES = 77 };

typedef struct {
    char dtype[16];
    long ndim, shape[8], size;
    double *data;
} tensor;

static void leave(int status, const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(status);
}

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) leave(1, "cannot read IN");
    long size = ftell(file);
    char *text = malloc(size + 1);
    rewind(file);
    if (!text || fread(text, 1, size, file) != (size_t)size) leave(1, "cannot read IN");
    text[size] = 0;
    fclose(file);
    return text;
}

/* Find what follows `key` at or after `at`; NULL where the key is not there. */
static const char *after(const char *at, const char *key) {
    at = strstr(at, key);
    return at ? at + strlen(key) : NULL;
}

/* Read the entry of a tensor: {"dtype": "float32", "shape": [4, 8], "data": ["0x1.8p+0", ...]}. */
static int read_tensor(const char *text, const char *name, tensor *t) {
    char key[16];
    snprintf(key, sizeof key, "\n\"%s\":", name);
    const char *at = after(text, key);
    if (!at) return 0;
    if (sscanf(after(at, "\"dtype\": "), "\"%15[a-z0-9]\"", t->dtype) != 1) leave(1, "no dtype");
    const char *p = after(at, "\"shape\": [");
    for (t->ndim = 0, t->size = 1; *p != ']' && t->ndim < 8; t->ndim++) {
        t->size *= t->shape[t->ndim] = strtol(p, (char **)&p, 10);
        p += strspn(p, ", ");
    }
    t->data = malloc((t->size + 1) * sizeof *t->data);
    if (!t->data) leave(1, "no memory");
    p = after(at, "\"data\": [");
    for (long i = 0; i < t->size; i++) {
        p += strspn(p, ", \"");
        t->data[i] = strtod(p, (char **)&p);
        p += strspn(p, "\"");
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) leave(1, "usage: rms_norm IN OUT");
    char *text = read_all(argv[1]);
    tensor x, weight;
    if (!read_tensor(text, "x0", &x)) leave(1, "IN has no x0");
    int weighted = read_tensor(text, "x1", &weight);

    /* options are JSON inside a JSON string: their quotes come as \" */
    const char *option = after(text, "\\\"eps\\\": ");
    double eps = option ? strtod(option, NULL) : 1e-6;
    if (strstr(text, "\\\"axis\\\": ")) leave(DECLINES, "the last axis only");
    if (!x.ndim) leave(DECLINES, "rows only");
    int narrow = !strcmp(x.dtype, "float32");
    if (!narrow && strcmp(x.dtype, "float64")) leave(DECLINES, "float32 and float64 only");

    FILE *out = fopen(argv[2], "wb");
    if (!out) leave(1, "cannot write OUT");
    fprintf(out, "{\"schema\": \"refnorm.tensors/1\", \"metadata\": {}, \"tensors\": {\"y0\": {\"dtype\": \"%s\", \"shape\": [",
            x.dtype);
    for (long i = 0; i < x.ndim; i++) fprintf(out, "%s%ld", i ? ", " : "", x.shape[i]);
    fprintf(out, "], \"data\": [");
    long n = x.shape[x.ndim - 1];
    for (long start = 0; start < x.size; start += n) {
        double sum = 0;
        for (long i = 0; i < n; i++) sum += x.data[start + i] * x.data[start + i];
        double root = sqrt(sum / n + eps);
        for (long i = 0; i < n; i++) {
            double y = x.data[start + i] / root * (weighted ? weight.data[i] : 1);
            fprintf(out, "%s\"%a\"", start + i ? ", " : "", narrow ? (float)y : y);
        }
    }
    fprintf(out, "]}}}\n");
    return fclose(out) ? 1 : 0;
}
