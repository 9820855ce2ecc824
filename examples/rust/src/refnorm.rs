//! The three structs of refnorm.h in Rust, and the few words that a kernel reads them with.

#![allow(dead_code)]

use std::ffi::{c_char, CStr};

pub const ABI: i32 = 1;

pub const DONE: i32 = 0;
pub const DECLINED: i32 = 1;
pub const FAILED: i32 = 2;

const CODE_FLOAT: u8 = 2;
const KIND_INT: i32 = 2;
const KIND_DOUBLE: i32 = 3;

/// One array: strides in bytes, which may be negative or zero; ndim is -1 where it was not given.
#[repr(C)]
pub struct Array {
    data: *mut u8,
    shape: *const i64,
    strides: *const i64,
    pub ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
}

impl Array {
    pub fn given(&self) -> bool {
        self.ndim >= 0
    }

    pub fn is_float(&self, bits: u8) -> bool {
        self.code == CODE_FLOAT && self.bits == bits
    }

    pub fn shape(&self) -> &[i64] {
        self.numbers(self.shape)
    }

    pub fn strides(&self) -> &[i64] {
        self.numbers(self.strides)
    }

    pub fn is_empty(&self) -> bool {
        self.shape().contains(&0)
    }

    fn numbers(&self, from: *const i64) -> &[i64] {
        match self.ndim {
            n if n > 0 => unsafe { std::slice::from_raw_parts(from, n as usize) },
            _ => &[],
        }
    }

    /// The byte offset of `index`, counted along `axes` alone: a weight has only some of the axes of the data.
    pub fn offset(&self, index: &[i64], axes: &[usize]) -> i64 {
        axes.iter().zip(self.strides()).map(|(&axis, stride)| index[axis] * stride).sum()
    }

    /// The element at a byte offset. Memory need not be aligned.
    ///
    /// # Safety
    /// `offset` must be that of an index within the shape, and `T` the type that the array says.
    pub unsafe fn load<T>(&self, offset: i64) -> T {
        self.data.offset(offset as isize).cast::<T>().read_unaligned()
    }

    /// # Safety
    /// As for `load`; the array must be an output.
    pub unsafe fn store<T>(&self, offset: i64, value: T) {
        self.data.offset(offset as isize).cast::<T>().write_unaligned(value)
    }
}

/// Move `index` to the next one along `axes`, the last of them fastest; false, and back at 0, after the last.
pub fn next(shape: &[i64], index: &mut [i64], axes: &[usize]) -> bool {
    for &axis in axes.iter().rev() {
        index[axis] += 1;
        if index[axis] < shape[axis] {
            return true;
        }
        index[axis] = 0;
    }
    false
}

#[repr(C)]
pub struct Opt {
    name: *const c_char,
    ints: *const i64,
    doubles: *const f64,
    text: *const c_char,
    kind: i32,
    count: i32,
}

#[repr(C)]
pub struct Options {
    items: *const Opt,
    message: *mut c_char,
    message_size: i32,
    count: i32,
    misread: *mut i32,
}

impl Options {
    fn find(&self, name: &str) -> Option<&Opt> {
        let items = match self.count {
            n if n > 0 => unsafe { std::slice::from_raw_parts(self.items, n as usize) },
            _ => &[],
        };
        items.iter().find(|item| unsafe { CStr::from_ptr(item.name) }.to_bytes() == name.as_bytes())
    }

    pub fn double(&self, name: &str, fallback: f64) -> f64 {
        match self.find(name) {
            Some(one) if one.count == 1 && (one.kind == KIND_DOUBLE || one.kind == KIND_INT) => unsafe { *one.doubles },
            _ => fallback,
        }
    }

    pub fn ints(&self, name: &str, fallback: &[i64]) -> Vec<i64> {
        match self.find(name) {
            Some(one) if one.kind == KIND_INT && one.count > 0 => {
                unsafe { std::slice::from_raw_parts(one.ints, one.count as usize) }.to_vec()
            }
            _ => fallback.to_vec(),
        }
    }

    /// The axes named by an option, those before 0 counted from the end.
    pub fn axes(&self, name: &str, array: &Array, fallback: i64) -> Vec<usize> {
        let ndim = array.ndim as i64;
        self.ints(name, &[fallback]).iter().map(|&axis| axis.rem_euclid(ndim) as usize).collect()
    }
}
