//! Walking a graph beside a table of convolutions: by what the nodes do, never by what they are called.
//!
//! The walk starts at the picture and follows the data. At every step the table says what must come next; the first
//! node that is something else ends it. What was found is kept as references into the graph, nothing is copied yet.

use super::affine::{Affine, RANK};
use super::array::Array;
use super::front::{Front, MAX_STEPS, transposed};
use super::graph::Graph;
use super::node::quoted;
use super::padding::{Border, Style};
use super::pooled::Pooled;
use super::proto::NodeProto;
use crate::import::Refusal;
use crate::import::matched::Mismatch;
use crate::model::{Activation, Block, Convolution, Network, Padding, SqueezeExcite};

/// A convolution of the graph with everything that belongs to it.
#[derive(Debug)]
pub(super) struct Found<'g> {
    /// The `Conv` node.
    pub(super) node: &'g NodeProto,
    /// Its place in the table.
    pub(super) conv: Convolution,
    /// The batch normalisation after it, or what is left of one.
    pub(super) affine: Affine,
}

/// A graph that is the table's network.
#[derive(Debug)]
pub(super) struct Match<'g> {
    /// In the table's order.
    pub(super) convolutions: Vec<Found<'g>>,
    /// Where strided convolutions pad.
    pub(super) padding: Padding,
    /// What the graph does to the picture first, and the picture's size.
    pub(super) front: Front<'g>,
    /// The value that holds the features, and which of N, C, H, W each of its axes is.
    pub(super) features: (&'g str, Vec<usize>),
    /// Height and width of the features.
    pub(super) side: usize,
}

/// Walks `graph` beside `network`.
pub(super) fn walk<'g>(graph: &'g Graph, network: &Network) -> Result<Match<'g>, Mismatch> {
    let mut walk = Walk {
        graph,
        value: graph.input(),
        agreed: 0,
        side: network.side,
        open: Vec::new(),
        found: Vec::new(),
        style: Style::default(),
    };
    match walk.network(network) {
        Ok((front, axes)) => {
            let (padding, features) = (walk.style.padding(), (walk.value, axes));
            Ok(Match { convolutions: walk.found, padding, front, features, side: walk.side })
        }
        Err(refusal) => Err(Mismatch { agreed: walk.agreed, refusal }),
    }
}

struct Walk<'g> {
    graph: &'g Graph,
    /// The value that the walk has reached.
    value: &'g str,
    /// How many nodes lie behind it.
    agreed: usize,
    /// Height and width of that value, in pixels.
    side: usize,
    /// The nodes at which branches that were left open will meet again, innermost last.
    open: Vec<(&'g NodeProto, &'g str)>,
    found: Vec<Found<'g>>,
    style: Style,
}

impl<'g> Walk<'g> {
    /// Preprocessing, and the axes of the features.
    fn network(&mut self, network: &Network) -> Result<(Front<'g>, Vec<usize>), Refusal> {
        let front = Front::read(self.graph, network)?;
        (self.value, self.side) = (front.value, front.side);
        self.convolution(&network.stem)?;
        self.activation(network.activation, &network.stem)?;
        for block in &network.blocks {
            self.block(block, network.activation)?;
        }
        self.convolution(&network.head)?;
        self.activation(network.activation, &network.head)?;
        let axes = self.end()?;
        Ok((front, axes))
    }

    fn block(&mut self, block: &Block, activation: Activation) -> Result<(), Refusal> {
        if block.residual {
            self.fork("Add", &format!("an Add of {}'s input to its output", block.name))?;
        }
        if let Some(expand) = &block.expand {
            self.convolution(expand)?;
            self.activation(activation, expand)?;
        }
        self.convolution(&block.depthwise)?;
        self.activation(activation, &block.depthwise)?;
        if let Some(squeeze_excite) = &block.squeeze_excite {
            self.squeeze_excite(squeeze_excite, activation)?;
        }
        self.convolution(&block.project)?;
        if block.residual {
            self.join(&format!("the Add of {}'s input", block.name))?;
        }
        Ok(())
    }

    fn squeeze_excite(&mut self, se: &SqueezeExcite, activation: Activation) -> Result<(), Refusal> {
        let wide = se.expand.output;
        self.fork("Mul", &format!("the Mul that ends {}'s squeeze-excite", se.reduce.name))?;
        let mean = format!("the mean over the picture ({})", se.reduce.name);
        let mut axes: Vec<usize> = (0..RANK).collect();
        let mut node = self.next(&mean)?;
        while node.op() == "Transpose" {
            axes = transposed(&axes, node)?;
            self.pass(node);
            node = self.next(&mean)?;
        }
        let pooled = Pooled::mean(self.graph, node, &axes, [wide, self.side])?
            .ok_or_else(|| node.refuse("comes next", &mean))?;
        self.pass(node);
        let side = std::mem::replace(&mut self.side, 1);
        self.reshape(pooled, &se.reduce)?;
        self.convolution(&se.reduce)?;
        self.activation(activation, &se.reduce)?;
        self.reshape(Pooled::new(se.reduce.output), &se.expand)?;
        self.convolution(&se.expand)?;
        self.step("Sigmoid", &format!("a Sigmoid after {}", se.expand.name))?;
        self.reshape(Pooled::new(wide), &se.expand)?;
        self.side = side;
        self.join(&format!("the Mul that ends {}'s squeeze-excite", se.reduce.name))
    }

    /// Follows what only changes the shape of one value per channel, up to N, C, 1, 1.
    fn reshape(&mut self, mut pooled: Pooled, conv: &Convolution) -> Result<(), Refusal> {
        while let Some(node) = self.only_use() {
            if !pooled.apply(self.graph, node)? {
                break;
            }
            self.pass(node);
        }
        match self.graph.producer(self.value) {
            Some(node) if !pooled.is_picture() => {
                Err(node.refuse("its axes are not N, C, 1, 1", format!("these axes at {}", conv.name)))
            }
            _ => Ok(()),
        }
    }

    fn activation(&mut self, activation: Activation, after: &Convolution) -> Result<(), Refusal> {
        match activation {
            Activation::Swish => {
                let swish = format!("Sigmoid and Mul (swish) after {}", after.name);
                self.fork("Mul", &swish)?;
                self.step("Sigmoid", &swish)?;
                self.join(&swish)
            }
            Activation::Relu6 => self.relu6(after),
        }
    }

    /// `Clip` to 0..6, or `Relu` with a `Clip` or `Min` behind it.
    fn relu6(&mut self, after: &Convolution) -> Result<(), Refusal> {
        let expected = format!("Clip to 0..6 (ReLU6) after {}", after.name);
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        while (low, high) != (0.0, 6.0) {
            let node = self.next(&expected)?;
            let bound = |input: usize, attribute: &str| match node.input_name(input) {
                Some(name) => match self.graph.constant(name)?.as_deref().and_then(Array::as_reals) {
                    Some(&[bound]) => Ok(Some(bound)),
                    _ => Err(node.refuse(format!("its {attribute} {} is no single number", quoted(name)), &expected)),
                },
                None => Ok(node.attribute(attribute).map(|attribute| f64::from(attribute.f))),
            };
            let (from, to) = match node.op() {
                "Clip" => (bound(1, "min")?, bound(2, "max")?),
                "Relu" => (Some(0.0), None),
                "Min" if node.input.len() == 2 => (None, bound(1, "bound")?),
                _ => return Err(node.refuse("comes next", expected)),
            };
            low = from.map_or(low, |from| low.max(from));
            high = to.map_or(high, |to| high.min(to));
            self.pass(node);
            let wrong = |limit: f64, wanted: f64| limit.is_finite() && limit != wanted;
            if wrong(low, 0.0) || wrong(high, 6.0) || (from.is_none() && to.is_none()) {
                return Err(node.refuse(format!("it limits to {low}..{high}"), expected));
            }
        }
        Ok(())
    }

    fn convolution(&mut self, conv: &Convolution) -> Result<(), Refusal> {
        let mut border = Border::default();
        let mut node = self.next(&describe(conv))?;
        while node.op() == "Pad" && node.input_name(0) == Some(self.value) {
            border = border.plus_pad(self.graph, node)?;
            self.pass(node);
            node = self.next(&describe(conv))?;
        }
        if node.op() != "Conv" || node.input_name(0) != Some(self.value) {
            return Err(node.refuse("comes next", describe(conv)));
        }
        self.check_convolution(node, conv)?;
        let border = border.plus_conv(node, conv, self.side)?;
        self.style.see(node, conv, border, self.side)?;
        self.side = self.side.div_ceil(conv.stride);
        self.pass(node);

        let mut affine = Affine::identity(conv.output);
        for _ in 0..MAX_STEPS {
            let Some(next) = self.only_use() else { break };
            let Some(step) = Affine::read(self.graph, next, self.value, 1, conv.output)? else { break };
            affine.then(&step);
            self.pass(next);
        }
        self.found.push(Found { node, conv: conv.clone(), affine });
        Ok(())
    }

    fn check_convolution(&self, node: &NodeProto, conv: &Convolution) -> Result<(), Refusal> {
        let weight = node.input_name(1).unwrap_or_default();
        let shape = self
            .graph
            .constant_shape(weight)?
            .ok_or_else(|| node.refuse(format!("its weight {} is not in the file", quoted(weight)), describe(conv)))?;
        let groups = node.int("group").unwrap_or(1);
        let strides = node.ints("strides").unwrap_or(&[1, 1]);
        let dilations = node.ints("dilations").unwrap_or(&[1, 1]);
        let found = if shape != conv.weight_shape() {
            format!("its weight {} has shape {shape:?}, not {:?}", quoted(weight), conv.weight_shape())
        } else if groups != conv.groups as i64 {
            format!("its group is {groups}, not {}", conv.groups)
        } else if strides != [conv.stride as i64; 2] {
            format!("its strides are {strides:?}")
        } else if dilations != [1, 1] {
            format!("its dilations are {dilations:?}")
        } else {
            return Ok(());
        };
        Err(node.refuse(found, describe(conv)))
    }

    /// Behind the features comes nothing, a change of layout, or a classifier that starts with their mean.
    fn end(&mut self) -> Result<Vec<usize>, Refusal> {
        let mut axes: Vec<usize> = (0..RANK).collect();
        while let Some(node) = self.only_use().filter(|node| node.op() == "Transpose") {
            axes = transposed(&axes, node)?;
            self.pass(node);
        }
        let is_classifier = |node: &NodeProto| matches!(node.op(), "AveragePool" | "GlobalAveragePool" | "ReduceMean");
        match self.graph.consumers(self.value).find(|node| !is_classifier(node)) {
            Some(node) => Err(node.refuse("it follows the features", "the end or a classifier on their mean")),
            None => Ok(axes),
        }
    }

    /// Leaves a branch open that ends at a later `operator`, which also takes the current value.
    fn fork(&mut self, operator: &str, expected: &str) -> Result<(), Refusal> {
        let uses = self.unopened();
        let Some(join) = uses.iter().find(|node| node.op() == operator) else {
            return Err(uses.first().map_or_else(|| self.ended(expected), |node| node.refuse("comes next", expected)));
        };
        self.open.push((join, self.value));
        Ok(())
    }

    /// Closes the branch that was opened last.
    fn join(&mut self, expected: &str) -> Result<(), Refusal> {
        let Some((join, base)) = self.open.pop() else { return Err(self.ended(expected)) };
        let node = self.next(expected)?;
        if !std::ptr::eq(node, join) || node.operand_beside(base) != Some(self.value) {
            return Err(node.refuse("comes next", expected));
        }
        self.pass(node);
        Ok(())
    }

    /// Goes on behind a node.
    fn pass(&mut self, node: &'g NodeProto) {
        self.value = node.first_output();
        self.agreed += 1;
    }

    fn step(&mut self, operator: &str, expected: &str) -> Result<(), Refusal> {
        let node = self.next(expected)?;
        if node.op() != operator {
            return Err(node.refuse("comes next", expected));
        }
        self.pass(node);
        Ok(())
    }

    /// The uses of the current value, without the ends of open branches.
    fn unopened(&self) -> Vec<&'g NodeProto> {
        let is_open = |node: &NodeProto| self.open.iter().any(|(join, _)| std::ptr::eq(*join, node));
        self.graph.consumers(self.value).filter(|node| !is_open(node)).collect()
    }

    /// The only use of the current value, if there is just one.
    fn only_use(&self) -> Option<&'g NodeProto> {
        match self.unopened().as_slice() {
            [node] => Some(node),
            _ => None,
        }
    }

    /// The only use of the current value, which must be there.
    fn next(&self, expected: &str) -> Result<&'g NodeProto, Refusal> {
        match self.unopened().as_slice() {
            [] => Err(self.ended(expected)),
            [node] => Ok(node),
            [first, second, ..] => {
                let found = format!("it uses {}, which {} uses as well", quoted(self.value), first.label());
                Err(second.refuse(found, format!("only {expected} there")))
            }
        }
    }

    fn ended(&self, expected: &str) -> Refusal {
        match self.graph.producer(self.value) {
            Some(node) => node.refuse("nothing follows it", expected),
            None => Refusal::Damaged { problem: format!("nothing follows {}", quoted(self.value)) },
        }
    }
}

/// `stem: 3x3 Conv, stride 2, 3 -> 32 channels, 1 group`.
pub(super) fn describe(conv: &Convolution) -> String {
    let Convolution { name, input, output, kernel, stride, groups } = conv;
    let group = if *groups == 1 { "group" } else { "groups" };
    format!("{name}: {kernel}x{kernel} Conv, stride {stride}, {input} -> {output} channels, {groups} {group}")
}
