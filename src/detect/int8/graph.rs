//! From an ONNX graph of standard quantised operators to a list of steps.
//!
//! Taken are `QLinearConv` (1x1 or 3x3, stride and dilation 1 or 2, as many zeros around as keep the size; of each channel
//! by itself 3x3 or 5x5 with dilation 1; of the picture also the mean of each 2x2, which halves it), `Concat` of two along
//! the channels, and between a `DequantizeLinear` and a `QuantizeLinear` either `Add` of two or `Resize` to the nearest at
//! twice the size; at the end `DequantizeLinear` and a `Conv` of 1x1 to the two logits. The input is `u8 [1, 3, H, W]`,
//! every layer but its half has a multiple of 16 channels. The zero point of weights is 0, and so is that of what is
//! convolved by more than 1x1, doubled, made into logits, or made by a depthwise convolution. That is what
//! `models/train/quantise.py` writes.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};
use tract_onnx::prelude::Framework;

use super::conv::Conv;
use super::head::Head;
use super::kernel::{DEPTH, Kernel, LANES, Weights, depthwise, winograd};
use super::tensors::{CHANNELS_MAX, f32s, i8s, i32s, integer, sides, single, text, u8s};
use super::{Code, Kind, Program, Step};
use crate::base::geometry::SCORE_CELL;

/// Why a graph is not one of these.
#[derive(Debug, thiserror::Error)]
pub enum Unsupported {
    /// It cannot be read or has no `QLinearConv`, so nothing says that it is meant for whole numbers.
    #[error("not quantised")]
    NotQuantised,
    /// It is quantised, but not as this reader takes it.
    #[error("{node}: {reason}")]
    Node {
        /// Name of the node.
        node: String,
        /// What it has and what is taken.
        reason: String,
    },
}

/// A name of the graph: what stands for it here.
#[derive(Clone)]
enum Value {
    /// Codes in the maps of this number.
    Codes(usize),
    /// What codes stand for.
    Real(usize, Code),
    /// The sum of two of these.
    Sum([(usize, Code); 2]),
    /// One of these at twice the size.
    Doubled(usize, Code),
}

/// Reads `bytes`; see [`Program::read`].
pub fn read(bytes: &[u8], kernel: Kernel) -> Result<Program, Unsupported> {
    let whole = |reason: String| Unsupported::Node { node: "the file".to_owned(), reason };
    let proto = tract_onnx::onnx().proto_model_for_read(&mut &*bytes).map_err(|_| Unsupported::NotQuantised)?;
    let graph = proto.graph.ok_or(Unsupported::NotQuantised)?;
    if !graph.node.iter().any(|node| node.op_type == "QLinearConv") {
        return Err(Unsupported::NotQuantised);
    }
    let mut reader = Reader::new(&graph, kernel).map_err(whole)?;
    for node in &graph.node {
        reader.take(node).map_err(|reason| Unsupported::Node { node: node.name.clone(), reason })?;
    }
    let head = reader.head.ok_or_else(|| whole("has no Conv to the logits at its end".to_owned()))?;
    Ok(Program { steps: reader.steps, kinds: reader.kinds, head, kernel })
}

struct Reader<'a> {
    constants: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, Value>,
    steps: Vec<Step>,
    kinds: Vec<Kind>,
    head: Option<Head>,
    kernel: Kernel,
}

impl<'a> Reader<'a> {
    fn new(graph: &'a GraphProto, kernel: Kernel) -> Result<Self, String> {
        let constants = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let [image] = graph.input.as_slice() else {
            return Err(format!("has {} inputs, expected 1", graph.input.len()));
        };
        let kind = image.r#type.as_ref().and_then(|kind| kind.value.as_ref());
        if !matches!(kind, Some(TypeValue::TensorType(tensor)) if tensor.elem_type == DataType::Uint8 as i32) {
            return Err(format!("takes {}, which is not u8", image.name));
        }
        let values = HashMap::from([(image.name.as_str(), Value::Codes(0))]);
        // Three colours and a byte that nothing looks at: a tap reads four.
        let kinds = vec![Kind { shrink: 1, channels: DEPTH }];
        Ok(Self { constants, values, steps: Vec::new(), kinds, head: None, kernel })
    }

    fn take(&mut self, node: &'a NodeProto) -> Result<(), String> {
        if self.head.is_some() {
            return Err("comes after the logits".to_owned());
        }
        let value = match node.op_type.as_str() {
            "QLinearConv" => Value::Codes(self.convolution(node)?),
            "DequantizeLinear" => Value::Real(self.codes(node, 0)?, self.code(node, [1, 2])?),
            "QuantizeLinear" => Value::Codes(self.coded(node)?),
            "Add" => match (self.value(node, 0)?, self.value(node, 1)?) {
                (Value::Real(a, a_code), Value::Real(b, b_code)) if a != b && self.kinds[a] == self.kinds[b] => {
                    Value::Sum([(a, a_code), (b, b_code)])
                }
                _ => return Err("adds what is not two layers of one shape".to_owned()),
            },
            "Resize" => {
                let twice = self.floats(node, 2)?;
                let ways = ["mode", "coordinate_transformation_mode", "nearest_mode"].map(|name| text(node, name));
                if twice != [1.0, 1.0, 2.0, 2.0] || ways != ["nearest", "asymmetric", "floor"] {
                    return Err(format!("resizes {ways:?} by {twice:?}, expected nearest, asymmetric, floor by 2"));
                }
                match self.value(node, 0)? {
                    Value::Real(from, code) => Value::Doubled(from, code),
                    _ => return Err("resizes what is not one layer".to_owned()),
                }
            }
            "Concat" if integer(node, "axis", 0) == 1 && node.input.len() == 2 => {
                Value::Codes(self.join([self.codes(node, 0)?, self.codes(node, 1)?])?)
            }
            "Conv" => {
                self.head = Some(self.logits(node)?);
                return Ok(());
            }
            other => return Err(format!("the operator {other} has no form in whole numbers here")),
        };
        let [name] = node.output.as_slice() else {
            return Err(format!("has {} outputs, expected 1", node.output.len()));
        };
        self.values.insert(name, value);
        Ok(())
    }

    /// New maps, and their number.
    fn maps(&mut self, kind: Kind) -> usize {
        self.kinds.push(kind);
        self.kinds.len() - 1
    }

    fn convolution(&mut self, node: &NodeProto) -> Result<usize, String> {
        let from = self.codes(node, 0)?;
        let (given, made) = (self.code(node, [1, 2])?, self.code(node, [6, 7])?);
        if i8s(self.constant(node, 5)?)?.iter().any(|zero| *zero != 0) {
            return Err("has weights whose zero point is not 0".to_owned());
        }
        let tensor = self.constant(node, 3)?;
        let [outputs, inputs, side, down] = sides(tensor)?;
        let stride = single(node, "strides", 1)?;
        let dilation = single(node, "dilations", 1)?;
        let reach = single(node, "pads", 0)?;
        let colours = self.colours(from);
        let groups = integer(node, "group", 1);
        let by_itself = inputs == 1 && outputs == colours && usize::try_from(groups) == Ok(outputs);
        let fits = match (side, by_itself) {
            (2, true) if side == down => return self.halved(node, from, [stride, dilation, reach], (given, made)),
            (1 | 3, false) => matches!(dilation, 1 | 2) && groups == 1,
            (3 | 5, true) => dilation == 1,
            _ => false,
        };
        if !fits || side != down || !matches!(stride, 1 | 2) || reach != side / 2 * dilation {
            return Err(format!(
                "a {side}x{down} convolution by {stride} in {groups} groups, dilation {dilation}, pads {reach}: see graph.rs"
            ));
        }
        if by_itself && made.zero != 0 {
            return Err(format!("a depthwise convolution to a zero point of {}, expected 0", made.zero));
        }
        if side > 1 && given.zero != 0 {
            return Err(format!("a {side}x{side} convolution of what has a zero point of {}, expected 0", given.zero));
        }
        let kind = self.kinds[from];
        if !(by_itself || inputs == colours) || !outputs.is_multiple_of(LANES) || outputs == 0 {
            return Err(format!("takes {inputs} channels of {colours} and gives {outputs}, expected a multiple of 16"));
        }
        let shrink = kind.shrink * stride;
        if shrink > 32 {
            return Err(format!("is at 1/{shrink} of the picture, expected 1/32 at most"));
        }
        let values = i8s(tensor)?;
        if values.contains(&i8::MIN) {
            return Err("has a weight of -128, expected -127 to 127".to_owned());
        }
        let scales = self.floats(node, 4)?;
        let mut bias = i32s(self.constant(node, 8)?)?;
        if scales.len() != outputs || bias.len() != outputs {
            return Err(format!("has {} scales and {} biases for {outputs} outputs", scales.len(), bias.len()));
        }
        let scale: Vec<f32> = scales.iter().map(|scale| given.scale * scale / made.scale).collect();
        if !scale.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
            return Err("a scale is not finite and above 0".to_owned());
        }
        let each = values.len() / outputs;
        // What the highest codes and weights come to, what a zero point takes away, and the bias have to fit in a sum.
        let room = i32::try_from(2 * each * 255 * 127).ok().and_then(|most| i32::MAX.checked_sub(most)).unwrap_or(0);
        if bias.iter().any(|bias| bias.unsigned_abs() > room.unsigned_abs()) {
            return Err(format!("has a bias beyond {room}, with which a sum may not fit in 32 bits"));
        }
        // A sum is of codes less their zero point.
        for (bias, values) in bias.iter_mut().zip(values.chunks_exact(each)) {
            *bias -= i32::from(given.zero) * values.iter().copied().map(i32::from).sum::<i32>();
        }
        let to = self.maps(Kind { shrink, channels: outputs });
        if by_itself {
            let weights = depthwise::Weights::new(self.kernel, [side, stride], &values, &bias, &scale);
            self.steps.push(Step::Depthwise { from, to, weights });
            return Ok(to);
        }
        let taps = side * side * kind.channels / DEPTH;
        let mut ordered = vec![0; outputs * taps * DEPTH];
        for (index, &value) in values.iter().enumerate() {
            let (output, rest) = (index / (inputs * side * side), index % (inputs * side * side));
            let (channel, place) = (rest / (side * side), rest % (side * side));
            ordered[(output * side * side + place) * kind.channels + channel] = value;
        }
        let by_tiles = side == 3 && stride == 1 && made.zero == 0 && self.kernel.prefers_tiles();
        let tiles = by_tiles.then(|| winograd::Weights::new(self.kernel, dilation, &ordered, &bias, &scale));
        self.steps.push(match tiles.flatten() {
            Some(weights) => Step::Tiles { from, to, weights },
            None => {
                let weights = Weights::new(self.kernel, taps, &ordered, &bias, &scale, made.zero);
                Step::Conv { from, to, conv: Conv { side, stride, dilation, weights } }
            }
        });
        Ok(to)
    }

    /// The picture at half the size: the mean of each 2x2 of its pixels, half to even.
    fn halved(
        &mut self,
        node: &NodeProto,
        from: usize,
        [stride, dilation, reach]: [usize; 3],
        (given, made): (Code, Code),
    ) -> Result<usize, String> {
        let weights = i8s(self.constant(node, 3)?)?;
        let scales = self.floats(node, 4)?;
        let mean = matches!(scales.len(), 1 | 3) && scales.iter().all(|scale| given.scale * scale / made.scale == 0.25);
        let plain = i32s(self.constant(node, 8)?)? == [0; 3] && given.zero == 0 && made.zero == 0;
        if from != 0 || weights != [1; 12] || !mean || !plain || [stride, dilation, reach] != [2, 1, 0] {
            return Err("a 2x2 convolution that is not the mean of the picture's pixels".to_owned());
        }
        let to = self.maps(Kind { shrink: 2, channels: DEPTH });
        self.steps.push(Step::Halve { from, to });
        Ok(to)
    }

    /// Channels that mean something: all, but of a picture three of four.
    fn colours(&self, number: usize) -> usize {
        match self.kinds[number].channels {
            DEPTH => 3,
            channels => channels,
        }
    }

    /// What `QuantizeLinear` makes of a sum or of something doubled.
    fn coded(&mut self, node: &NodeProto) -> Result<usize, String> {
        let made = self.code(node, [1, 2])?;
        match self.value(node, 0)? {
            Value::Sum([(a, a_code), (b, b_code)]) => {
                let to = self.maps(self.kinds[a]);
                self.steps.push(Step::Add { from: [a, b], to, given: [a_code, b_code], made });
                Ok(to)
            }
            Value::Doubled(from, given) if given == made && made.zero == 0 => {
                let kind = self.kinds[from];
                if !kind.shrink.is_multiple_of(2) {
                    return Err("is larger than the picture".to_owned());
                }
                let to = self.maps(Kind { shrink: kind.shrink / 2, ..kind });
                self.steps.push(Step::Double { from, to });
                Ok(to)
            }
            _ => Err("codes something else than a sum or a doubled layer of the same scale".to_owned()),
        }
    }

    fn join(&mut self, from: [usize; 2]) -> Result<usize, String> {
        let [a, b] = from.map(|number| self.kinds[number]);
        let is_picture = [a, b].iter().any(|kind| kind.channels == DEPTH);
        if a.shrink != b.shrink || from[0] == from[1] || is_picture || a.channels + b.channels > CHANNELS_MAX {
            return Err("joins layers of two sizes, the picture, or to more than 4096 channels".to_owned());
        }
        let to = self.maps(Kind { shrink: a.shrink, channels: a.channels + b.channels });
        self.steps.push(Step::Join { from, to });
        Ok(to)
    }

    fn logits(&self, node: &NodeProto) -> Result<Head, String> {
        let Value::Real(from, Code { scale, zero: 0 }) = self.value(node, 0)? else {
            return Err("makes logits of what is not one layer with a zero point of 0".to_owned());
        };
        let kind = self.kinds[from];
        let found = sides(self.constant(node, 1)?)?;
        if found != [2, kind.channels, 1, 1] || kind.shrink != SCORE_CELL || from == 0 {
            return Err(format!("makes logits by {found:?} at 1/{} of the picture, expected 2 at 1/8", kind.shrink));
        }
        let weights = self.floats(node, 1)?;
        let bias = self.floats(node, 2)?;
        let [first, second] = bias[..] else {
            return Err(format!("has {} biases, expected 2", bias.len()));
        };
        if !weights.iter().chain(&bias).all(|value| value.is_finite()) {
            return Err("a weight of the logits is not finite".to_owned());
        }
        let (person, vehicle) = weights.split_at(kind.channels);
        Ok(Head { from, scale, weights: [person.to_vec(), vehicle.to_vec()], bias: [first, second] })
    }

    fn value(&self, node: &NodeProto, input: usize) -> Result<Value, String> {
        let name = node.input.get(input).ok_or_else(|| format!("has no input {input}"))?;
        self.values.get(name.as_str()).cloned().ok_or_else(|| format!("reads {name}, which nothing before it gives"))
    }

    fn codes(&self, node: &NodeProto, input: usize) -> Result<usize, String> {
        match self.value(node, input)? {
            Value::Codes(number) => Ok(number),
            Value::Real(..) | Value::Sum(_) | Value::Doubled(..) => Err(format!("input {input} is not quantised")),
        }
    }

    fn constant(&self, node: &NodeProto, input: usize) -> Result<&'a TensorProto, String> {
        let name = node.input.get(input).ok_or_else(|| format!("has no input {input}"))?;
        self.constants.get(name.as_str()).copied().ok_or_else(|| format!("{name} is not a constant"))
    }

    fn floats(&self, node: &NodeProto, input: usize) -> Result<Vec<f32>, String> {
        f32s(self.constant(node, input)?)
    }

    fn scale(&self, node: &NodeProto, input: usize) -> Result<f32, String> {
        match self.floats(node, input)?[..] {
            [scale] if scale.is_finite() && scale > 0.0 => Ok(scale),
            _ => Err(format!("input {input} is not one scale above 0")),
        }
    }

    /// The scale and the zero point that these inputs are.
    fn code(&self, node: &NodeProto, [scale, zero]: [usize; 2]) -> Result<Code, String> {
        let tensor = self.constant(node, zero)?;
        match u8s(tensor)?[..] {
            [zero] => Ok(Code { scale: self.scale(node, scale)?, zero }),
            _ => Err(format!("the zero point {} is not one number", tensor.name)),
        }
    }
}
