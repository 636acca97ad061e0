//! Reading a node: its settings, and how an error calls it.

use super::proto::{AttributeProto, NodeProto};
use crate::import::Refusal;

/// Names longer than this are cut in messages; real exporters' stay below 120.
const NAME_LIMIT: usize = 160;

/// A name as a message shows it: quoted, control characters escaped, cut where it is absurdly long.
pub(super) fn quoted(name: &str) -> String {
    match name.char_indices().nth(NAME_LIMIT) {
        Some((end, _)) => format!("{:?}...", &name[..end]),
        None => format!("{name:?}"),
    }
}

impl NodeProto {
    /// The operator, if it is one of ONNX's own; another set's operators never match anything.
    pub(super) fn op(&self) -> &str {
        if matches!(self.domain.as_str(), "" | "ai.onnx") { &self.op_type } else { "" }
    }

    /// Name of the first output.
    pub(super) fn first_output(&self) -> &str {
        self.output.first().map_or("", String::as_str)
    }

    /// Name of an input that is there and not omitted.
    pub(super) fn input_name(&self, index: usize) -> Option<&str> {
        self.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The one input besides `value`, for an operator of two operands.
    pub(super) fn operand_beside(&self, value: &str) -> Option<&str> {
        match self.input.as_slice() {
            [a, b] if a == value => Some(b),
            [a, b] if b == value => Some(a),
            _ => None,
        }
    }

    /// A setting by name.
    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// A whole-number setting.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    /// A setting of several whole numbers.
    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// A text setting; empty where it is absent or not UTF-8.
    pub(super) fn text(&self, name: &str) -> &str {
        self.attribute(name).and_then(|attribute| str::from_utf8(&attribute.s).ok()).unwrap_or_default()
    }

    /// Operator, name and output: `Conv "stem" (output "stem:0")`.
    pub(super) fn label(&self) -> String {
        let op = quoted(&self.op_type);
        format!("{} {} (output {})", op.trim_matches('"'), quoted(&self.name), quoted(self.first_output()))
    }

    /// The refusal that names this node.
    pub(super) fn refuse(&self, found: impl Into<String>, expected: impl Into<String>) -> Refusal {
        Refusal::Node { node: self.label(), found: found.into(), expected: expected.into() }
    }
}
