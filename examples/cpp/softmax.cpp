// Softmax in C++ and its gradient, one template for float and double: it asks for the type once, then walks on
// pointers and strides.
//
//     c++ -std=c++17 -O2 -fPIC -shared -I"$(refnorm include)" -o libsoftmax.so softmax.cpp
//     refnorm check softmax --impl ./libsoftmax.so

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "refnorm.h"

REFNORM_DECLARE_ABI;

namespace {

// Call f with the place of every element of the row that `at` is in, for each array in turn.
template <class T, class F>
void along(const refnorm_array &array, int64_t *at, uint32_t axes, F f)
{
    do
        f(*static_cast<T *>(refnorm_at(&array, at)));
    while (refnorm_next(&array, at, axes));
}

template <class T>
void softmax(const refnorm_array &x, const refnorm_array &y, uint32_t axes)
{
    if (refnorm_size(&x) == 0)
        return;
    int64_t at[REFNORM_MAX_NDIM] = {0};
    std::vector<double> row; // float32 is summed in double
    do {
        row.clear();
        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
        along<const T>(x, at, axes, [&](const T &value) {
            row.push_back(value);
            largest = std::max(largest, row.back()); // a NaN is not the larger one, but it stays in the row
        });
        for (double &value : row)
            sum += value = std::exp(value - largest);
        auto value = row.begin();
        along<T>(y, at, axes, [&](T &to) { to = static_cast<T>(*value++ / sum); });
    } while (refnorm_next(&x, at, ~axes));
}

// dx = y (g - sum(g y)): the cotangent comes first, then the input.
template <class T>
void softmax_vjp(const refnorm_array &cotangent, const refnorm_array &x, const refnorm_array &dx, uint32_t axes)
{
    if (refnorm_size(&x) == 0)
        return;
    softmax<T>(x, dx, axes);
    int64_t at[REFNORM_MAX_NDIM] = {0};
    std::vector<double> g;
    do {
        g.clear();
        double dot = 0;
        along<const T>(cotangent, at, axes, [&](const T &value) { g.push_back(value); });
        auto one = g.begin();
        along<T>(dx, at, axes, [&](T &y) { dot += static_cast<double>(y) * *one++; });
        one = g.begin();
        along<T>(dx, at, axes, [&](T &y) { y = static_cast<T>(y * (*one++ - dot)); });
    } while (refnorm_next(&x, at, ~axes));
}

} // namespace

REFNORM_EXPORT int refnorm_softmax(const refnorm_array *in, int n_in, refnorm_array *out, int n_out,
                                   const refnorm_options *options)
{
    if (n_in != 1 || n_out != 1)
        return refnorm_fail(options, "softmax has one input and one output");
    const uint32_t axes = refnorm_axes(options, "axis", in, -1);
    if (refnorm_is(in, REFNORM_CODE_FLOAT, 32))
        softmax<float>(in[0], out[0], axes);
    else if (refnorm_is(in, REFNORM_CODE_FLOAT, 64))
        softmax<double>(in[0], out[0], axes);
    else
        return refnorm_decline(options, "float and double only");
    return REFNORM_DONE;
}

REFNORM_EXPORT int refnorm_softmax_vjp(const refnorm_array *in, int n_in, refnorm_array *out, int n_out,
                                       const refnorm_options *options)
{
    if (n_in != 2 || n_out != 1)
        return refnorm_fail(options, "the gradient of softmax has a cotangent and x, and one output");
    const uint32_t axes = refnorm_axes(options, "axis", &in[1], -1);
    if (refnorm_is(in, REFNORM_CODE_FLOAT, 32))
        softmax_vjp<float>(in[0], in[1], out[0], axes);
    else if (refnorm_is(in, REFNORM_CODE_FLOAT, 64))
        softmax_vjp<double>(in[0], in[1], out[0], axes);
    else
        return refnorm_decline(options, "float and double only");
    return REFNORM_DONE;
}
