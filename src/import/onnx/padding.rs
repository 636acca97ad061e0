//! Where a graph pads its convolutions, and which of the two styles that is.

use super::affine::RANK;
use super::graph::Graph;
use super::index::axis_of;
use super::node::quoted;
use super::pooled::integers;
use super::proto::NodeProto;
use crate::import::Refusal;
use crate::model::{Convolution, Padding};

/// Pixels added on each side of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Border {
    /// Above and below.
    vertical: (usize, usize),
    /// Left and right.
    horizontal: (usize, usize),
}

impl Border {
    fn even(amounts: (usize, usize)) -> Self {
        Self { vertical: amounts, horizontal: amounts }
    }

    fn plus(self, other: Self) -> Option<Self> {
        let sum = |a: (usize, usize), b: (usize, usize)| Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?));
        Some(Self {
            vertical: sum(self.vertical, other.vertical)?,
            horizontal: sum(self.horizontal, other.horizontal)?,
        })
    }

    /// This and what a `Pad` of N, C, H, W adds: zeros at the edges of the picture.
    pub(super) fn plus_pad(self, graph: &Graph, node: &NodeProto) -> Result<Self, Refusal> {
        let found = |found: String| node.refuse(found, "zeros around the picture in front of a convolution");
        if !matches!(node.text("mode"), "" | "constant") {
            return Err(found(format!("it pads with mode {}", quoted(node.text("mode")))));
        }
        let value = match node.input_name(2) {
            Some(name) => graph.constant(name)?.map(|array| array.as_reals() == Some(&[0.0])),
            None => Some(node.attribute("value").is_none_or(|attribute| attribute.f == 0.0)),
        };
        if value != Some(true) {
            return Err(found("it pads with another value than 0".into()));
        }
        let amounts = match node.input_name(1) {
            Some(name) if graph.constant_shape(name)?.is_none() => {
                let expected = "constant amounts: export at a fixed picture size or by torch.onnx.export(dynamo=True), \
                                or run onnxsim on the file";
                return Err(node.refuse("its pads are computed", expected));
            }
            _ => integers(graph, node, 1, "pads")?.unwrap_or_default(),
        };
        let axes = integers(graph, node, 3, "axes")?;
        let border = Self::of_pads(&amounts, axes.as_deref()).ok_or_else(|| {
            let axes = axes.map_or(String::new(), |axes| format!(" on axes {axes:?}"));
            found(format!("it pads by {amounts:?}{axes}"))
        })?;
        self.plus(border).ok_or_else(|| found(format!("it pads by {amounts:?}")))
    }

    /// What a `Pad` with these amounts, first all before and then all after, adds to N, C, H, W; absent where it adds
    /// elsewhere.
    pub(super) fn of_pads(amounts: &[i64], axes: Option<&[i64]>) -> Option<Self> {
        let axes = axes.unwrap_or(&[0, 1, 2, 3]);
        if amounts.len() != 2 * axes.len() || axes.len() > RANK {
            return None;
        }
        let (before, after) = amounts.split_at(axes.len());
        let mut lengths = [(0, 0); RANK];
        for (&axis, (&before, &after)) in axes.iter().zip(before.iter().zip(after)) {
            lengths[axis_of(axis, RANK)?] = (usize::try_from(before).ok()?, usize::try_from(after).ok()?);
        }
        let [(0, 0), (0, 0), vertical, horizontal] = lengths else { return None };
        Some(Self { vertical, horizontal })
    }

    /// What the `pads` of a `Conv` add.
    pub(super) fn of_conv(pads: Option<&[i64]>) -> Option<Self> {
        pads.map_or(Some(Self::default()), explicit)
    }

    /// The height of a map of that height with its border.
    pub(super) fn padded_height(&self, height: usize) -> Option<usize> {
        height.checked_add(self.vertical.0)?.checked_add(self.vertical.1)
    }

    /// The width of a map of that width with its border.
    pub(super) fn padded_width(&self, width: usize) -> Option<usize> {
        width.checked_add(self.horizontal.0)?.checked_add(self.horizontal.1)
    }

    /// This and what a `Conv` of `conv`'s kernel and stride pads by itself; `side` is the picture's before all padding.
    pub(super) fn plus_conv(self, node: &NodeProto, conv: &Convolution, side: usize) -> Result<Self, Refusal> {
        let refuse = |found: String| node.refuse(found, format!("the padding of {}", conv.name));
        let own = match node.text("auto_pad") {
            "" | "NOTSET" => Self::of_conv(node.ints("pads")),
            "VALID" => Some(Self::default()),
            "SAME_UPPER" => {
                let amounts = |side| Padding::Same.amounts(side, conv.kernel, conv.stride);
                let sides = self.padded_height(side).zip(self.padded_width(side));
                sides.map(|(height, width)| Self { vertical: amounts(height), horizontal: amounts(width) })
            }
            other => return Err(refuse(format!("its auto_pad is {}", quoted(other)))),
        };
        own.and_then(|own| self.plus(own)).ok_or_else(|| refuse(format!("its pads are {:?}", node.ints("pads"))))
    }
}

/// Top, left, bottom, right as ONNX orders them.
fn explicit(pads: &[i64]) -> Option<Border> {
    let amounts: Vec<usize> = pads.iter().map(|&amount| usize::try_from(amount).ok()).collect::<Option<_>>()?;
    match amounts.as_slice() {
        [] => Some(Border::default()),
        &[top, left, bottom, right] => Some(Border { vertical: (top, bottom), horizontal: (left, right) }),
        _ => None,
    }
}

/// What the convolutions so far have said about the style; strided ones decide, the others allow both.
#[derive(Debug, Default)]
pub(super) struct Style {
    decided: Option<(Padding, String)>,
}

impl Style {
    /// Compares the border of `conv`, whose input has `side` pixels, with both styles and with the earlier layers'.
    pub(super) fn see(
        &mut self,
        node: &NodeProto,
        conv: &Convolution,
        border: Border,
        side: usize,
    ) -> Result<(), Refusal> {
        let of = |padding: Padding| Border::even(padding.amounts(side, conv.kernel, conv.stride));
        let fits = |padding: Padding| of(padding) == border;
        let padding = match (fits(Padding::Same), fits(Padding::Symmetric)) {
            (true, true) => return Ok(()),
            (true, false) => Padding::Same,
            (false, true) => Padding::Symmetric,
            (false, false) => {
                let (same, symmetric) = (of(Padding::Same), of(Padding::Symmetric));
                let expected = if same == symmetric {
                    format!("{same} ({})", conv.name)
                } else {
                    format!("{same} (TensorFlow) or {symmetric} (PyTorch) for {}", conv.name)
                };
                return Err(node.refuse(format!("it pads {border}"), expected));
            }
        };
        match &self.decided {
            Some((earlier, name)) if *earlier != padding => {
                let expected = format!("{} as {name} has it", of(*earlier));
                Err(node.refuse(format!("it pads {border}, the other style"), expected))
            }
            Some(_) => Ok(()),
            None => {
                self.decided = Some((padding, conv.name.clone()));
                Ok(())
            }
        }
    }

    /// The style; where no layer told them apart they are one and the same.
    pub(super) fn padding(&self) -> Padding {
        self.decided.as_ref().map_or(Padding::Same, |(padding, _)| *padding)
    }
}

impl std::fmt::Display for Border {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { vertical: (top, bottom), horizontal: (left, right) } = self;
        write!(f, "top {top}, left {left}, bottom {bottom}, right {right}")
    }
}
