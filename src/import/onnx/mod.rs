//! Weights from an ONNX model, whoever exported it.
//!
//! The graph is matched by structure, never by names: `file` reads, `graph` folds constants, `walk` follows the
//! data beside an architecture's table, `tensors` folds batch normalisation, `recipe` recognises preprocessing.
//! Exporters differ in all of it (batch norms folded, half folded or explicit; pads in the convolution, before it, or
//! computed; N, H, W, C or N, C, H, W), but not in what the network does.

mod affine;
mod array;
mod classifier;
mod contrib;
mod file;
mod fold;
mod front;
mod graph;
mod index;
mod nchwc;
mod node;
mod padding;
mod pooled;
pub mod proto;
mod recipe;
mod shapes;
mod tensors;
mod walk;

use std::path::Path;

use self::classifier::{Dense, classifier};
use self::file::{ExternalData, ModelFile};
use self::graph::Graph;
use self::proto::{GraphProto, ModelProto};
use super::matched::matched;
use super::{ImportError, Options, Refusal};
use crate::model::{Architecture, Tensor, Weights};

/// Reads the weights of an architecture that petrec knows from an ONNX file and the data file beside it, if it has one.
///
/// # Errors
/// [`ImportError`] names the file and the first node or tensor that is damaged, missing or not what the architecture
/// has in its place.
pub fn import_onnx(path: &Path, options: &Options) -> Result<Weights, ImportError> {
    let refused = |refusal| ImportError::Refused { path: path.into(), refusal };
    let ModelFile { mut model, external, sha256, size } = ModelFile::read(path)?;
    let source = options.provenance(path, exporter(&model), sha256);
    let proto = model.graph.take().ok_or_else(|| refused(Refusal::Damaged { problem: "it holds no graph".into() }))?;
    let proto = nchwc::unblocked(proto, &external).map_err(refused)?;
    // Folding may make as many values as the file has bytes, and what a few small shapes need.
    let graph = build(proto, external, size.saturating_add(1 << 16), options).map_err(refused)?;

    let (architecture, found) =
        matched(options.architecture, |architecture| walk::walk(&graph, &options.network(architecture)))
            .map_err(|(architecture, refusal)| ImportError::Differs { path: path.into(), architecture, refusal })?;
    let mut tensors = tensors::tensors(&graph, &found.convolutions).map_err(refused)?;
    if options.with_top {
        let (features, axes) = &found.features;
        let channels = architecture.network().head.output;
        let Dense { weight, bias } = classifier(&graph, features, axes, [channels, found.side]).map_err(refused)?;
        tensors.extend(Tensor::classifier(weight, bias));
    }
    let preprocess =
        recipe::recipe(&found.front.affine, graph.takes_bytes(), found.padding, options).map_err(refused)?;
    let side = found.front.side;
    if let Some(asked) = options.side.filter(|&asked| asked != side) {
        let found = format!("it takes pictures of {side} x {side}, but --size {asked} was asked for");
        return Err(refused(Refusal::Preprocessing { found, hint: "leave out --size" }));
    }
    Weights::new(options.metadata(architecture, found.padding, preprocess, Some(side), source), tensors)
        .map_err(|source| ImportError::Weights { path: path.into(), source })
}

/// The graph; where it computes with the picture's size and the file leaves that open, the graph at the size of the first
/// architecture that it then is.
fn build(proto: GraphProto, external: ExternalData, budget: usize, options: &Options) -> Result<Graph, Refusal> {
    if !proto.node.iter().any(|node| node.op() == "Shape") {
        return Graph::new(proto, external, budget, None);
    }
    let graph = Graph::new(proto.clone(), external.clone(), budget, None)?;
    if !graph.asks_for_open_sizes() {
        return Ok(graph);
    }
    for &architecture in options.architecture.as_ref().map_or(Architecture::ALL.as_slice(), std::slice::from_ref) {
        let network = options.network(architecture);
        let narrowed = Graph::new(proto.clone(), external.clone(), budget, Some(network.side))?;
        if walk::walk(&narrowed, &network).is_ok() {
            return Ok(narrowed);
        }
    }
    Ok(graph)
}

/// The program that wrote the file, with its version.
fn exporter(model: &ModelProto) -> String {
    const LIMIT: usize = 100; // a hostile file must not fill the weight file's header
    let text = format!("{} {}", model.producer_name, model.producer_version);
    match text.trim() {
        "" => "unknown".into(),
        text => text.chars().filter(|character| !character.is_control()).take(LIMIT).collect(),
    }
}
