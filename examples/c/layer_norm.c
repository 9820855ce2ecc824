/* Layer norm in C: any layout, any axes, any floating type, computed in double. The header explains every word. */
#include <math.h>

#include "refnorm.h"

REFNORM_DECLARE_ABI;

REFNORM_EXPORT int refnorm_layer_norm(const refnorm_array *in, int n_in, refnorm_array *out, int n_out,
                                      const refnorm_options *options)
{
    if (n_in != 3 || n_out != 1)
        return refnorm_fail(options, "layer_norm has x, weight and bias, and one output");
    const refnorm_array *x = &in[0], *weight = &in[1], *bias = &in[2], *y = &out[0];
    uint32_t axes = refnorm_axes(options, "axis", x, -1);
    double eps = refnorm_double(options, "eps", 1e-5);
    double n = (double)refnorm_count(x, axes);
    int64_t at[REFNORM_MAX_NDIM] = {0};

    if (refnorm_size(x) == 0)
        return REFNORM_DONE;
    do { /* one row after another */
        double sum = 0, squares = 0, drift = 0;
        do
            sum += refnorm_load(x, at);
        while (refnorm_next(x, at, axes));
        double mean = sum / n;
        do { /* about the mean, since mean(x^2) - mean(x)^2 would cancel; the mean was rounded, by drift */
            double c = refnorm_load(x, at) - mean;
            squares += c * c;
            drift += c;
        } while (refnorm_next(x, at, axes));
        drift /= n;
        double scale = sqrt(squares / n - drift * drift + eps);
        do {
            double value = (refnorm_load(x, at) - mean - drift) / scale;
            if (refnorm_given(weight))
                value *= refnorm_load_along(weight, at, axes);
            if (refnorm_given(bias))
                value += refnorm_load_along(bias, at, axes);
            refnorm_store(y, at, value);
        } while (refnorm_next(x, at, axes));
    } while (refnorm_next(x, at, ~axes));
    return REFNORM_DONE;
}
