//! What an ONNX graph's constants and attributes say, checked against their own types and shapes.
//!
//! Owns the reading of values, not what they are for, and never guesses: what is of another type, or more or fewer than its
//! shape says, is an error.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{NodeProto, TensorProto};

/// Far above any network that a companion computer could run, and far below what would overflow.
pub const CHANNELS_MAX: usize = 4096;

/// The values of a tensor of f32.
pub fn f32s(tensor: &TensorProto) -> Result<Vec<f32>, String> {
    if tensor.data_type != DataType::Float as i32 {
        return Err(format!("{} is not f32", tensor.name));
    }
    let raw = tensor.raw_data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    complete(tensor, tensor.float_data.iter().copied().chain(raw).collect())
}

/// The values of a tensor of u8.
pub fn u8s(tensor: &TensorProto) -> Result<Vec<u8>, String> {
    if tensor.data_type != DataType::Uint8 as i32 {
        return Err(format!("{} is not u8", tensor.name));
    }
    let listed = tensor.int32_data.iter().map(|value| u8::try_from(*value));
    let listed: Vec<u8> = listed.collect::<Result<_, _>>().map_err(|_| format!("{} is not u8", tensor.name))?;
    complete(tensor, listed.into_iter().chain(tensor.raw_data.iter().copied()).collect())
}

/// The values of a tensor of i8.
pub fn i8s(tensor: &TensorProto) -> Result<Vec<i8>, String> {
    if tensor.data_type != DataType::Int8 as i32 {
        return Err(format!("{} is not i8", tensor.name));
    }
    let listed = tensor.int32_data.iter().map(|value| i8::try_from(*value));
    let listed: Vec<i8> = listed.collect::<Result<_, _>>().map_err(|_| format!("{} is not i8", tensor.name))?;
    complete(tensor, listed.into_iter().chain(tensor.raw_data.iter().map(|byte| byte.cast_signed())).collect())
}

/// The values of a tensor of i32.
pub fn i32s(tensor: &TensorProto) -> Result<Vec<i32>, String> {
    if tensor.data_type != DataType::Int32 as i32 {
        return Err(format!("{} is not i32", tensor.name));
    }
    let raw = tensor.raw_data.chunks_exact(4).map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    complete(tensor, tensor.int32_data.iter().copied().chain(raw).collect())
}

/// The four sides of a convolution's weights.
pub fn sides(tensor: &TensorProto) -> Result<[usize; 4], String> {
    let sides: Vec<usize> = tensor.dims.iter().filter_map(|side| usize::try_from(*side).ok()).collect();
    let sane = sides.iter().all(|side| (1..=CHANNELS_MAX).contains(side));
    <[usize; 4]>::try_from(sides)
        .ok()
        .filter(|_| sane)
        .ok_or_else(|| format!("{} has shape {:?}", tensor.name, tensor.dims))
}

/// An attribute that is one number.
pub fn integer(node: &NodeProto, name: &str, otherwise: i64) -> i64 {
    node.attribute.iter().find(|attribute| attribute.name == name).map_or(otherwise, |attribute| attribute.i)
}

/// An attribute that is a text, empty where there is none.
pub fn text<'a>(node: &'a NodeProto, name: &str) -> &'a str {
    let found = node.attribute.iter().find(|attribute| attribute.name == name);
    found.and_then(|attribute| std::str::from_utf8(&attribute.s).ok()).unwrap_or_default()
}

/// An attribute with one number for every side.
pub fn single(node: &NodeProto, name: &str, otherwise: usize) -> Result<usize, String> {
    let Some(found) = node.attribute.iter().find(|attribute| attribute.name == name) else {
        return Ok(otherwise);
    };
    match found.ints.as_slice() {
        [first, rest @ ..] if rest.iter().all(|side| side == first) => {
            usize::try_from(*first).map_err(|_| format!("{name} is negative"))
        }
        _ => Err(format!("{name} is {:?}, expected one number for every side", found.ints)),
    }
}

/// The values of a tensor, if they are as many as its shape says.
fn complete<T>(tensor: &TensorProto, values: Vec<T>) -> Result<Vec<T>, String> {
    let expected = tensor
        .dims
        .iter()
        .try_fold(1_usize, |product, side| usize::try_from(*side).ok().and_then(|side| product.checked_mul(side)));
    if expected == Some(values.len()) {
        return Ok(values);
    }
    Err(format!("{} has {} values for a shape of {:?}", tensor.name, values.len(), tensor.dims))
}
