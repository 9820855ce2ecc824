//! Root mean square norm in Rust, for f32 and f64, in any layout. Without cargo:
//!
//!     rustc --crate-type cdylib -O --edition 2021 -o librms_norm.so src/lib.rs
//!     refnorm check rms_norm --impl ./librms_norm.so

mod refnorm;

use refnorm::{next, Array, Options, DECLINED, DONE, FAILED};

/// The version of refnorm.h that this was written from.
#[no_mangle]
pub static refnorm_abi: i32 = refnorm::ABI;

/// # Safety
/// Called by refnorm, which keeps to refnorm.h.
#[no_mangle]
pub unsafe extern "C" fn refnorm_rms_norm(
    input: *const Array,
    inputs: i32,
    output: *mut Array,
    outputs: i32,
    options: *const Options,
) -> i32 {
    if inputs != 2 || outputs != 1 {
        return FAILED;
    }
    let (x, weight, y) = (&*input, &*input.add(1), &*output);
    if x.is_float(32) {
        rms_norm::<f32>(x, weight, y, &*options, |v| v as f32)
    } else if x.is_float(64) {
        rms_norm::<f64>(x, weight, y, &*options, |v| v)
    } else {
        return DECLINED;
    }
    DONE
}

/// y = x / sqrt(mean(x^2) + eps) * weight, computed in f64 and rounded once.
unsafe fn rms_norm<T: Into<f64>>(x: &Array, weight: &Array, y: &Array, options: &Options, round: impl Fn(f64) -> T) {
    if x.is_empty() {
        return;
    }
    let along = options.axes("axis", x, -1);
    let all: Vec<usize> = (0..x.shape().len()).collect();
    let others: Vec<usize> = all.iter().copied().filter(|axis| !along.contains(axis)).collect();
    let eps = options.double("eps", 1e-6);
    let mut at = vec![0i64; all.len()];
    loop {
        let (mut squares, mut n) = (0.0, 0.0);
        loop {
            let value: f64 = x.load::<T>(x.offset(&at, &all)).into();
            squares += value * value;
            n += 1.0;
            if !next(x.shape(), &mut at, &along) {
                break;
            }
        }
        let scale = f64::sqrt(squares / n + eps);
        loop {
            let mut value: f64 = x.load::<T>(x.offset(&at, &all)).into();
            value /= scale;
            if weight.given() {
                value *= weight.load::<T>(weight.offset(&at, &along)).into();
            }
            y.store(y.offset(&at, &all), round(value));
            if !next(x.shape(), &mut at, &along) {
                break;
            }
        }
        if !next(x.shape(), &mut at, &others) {
            break;
        }
    }
}
