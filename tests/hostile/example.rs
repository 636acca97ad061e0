//! Any bytes as a record's `tf.train.Example`.

use petrec::tfrecord::proto::Kind;
use petrec::tfrecord::{Example, Extra, Message, RecordLayout};

/// Parsing does not panic; what was parsed survives being written; our own layout and the general encoder agree.
pub(crate) fn holds(data: &[u8]) {
    let Ok(example) = Example::decode(data) else { return };
    let written = example.encode_to_vec();
    let again = Example::decode(&written[..]).expect("what was encoded decodes");
    assert_eq!(again.encode_to_vec(), written);

    let features = example.features.iter().flat_map(|features| &features.feature);
    let kind =
        |(key, feature): (&String, &petrec::tfrecord::proto::Feature)| Some((key.clone(), feature.kind.clone()?));
    let kinds: Vec<_> = features.filter_map(kind).collect();
    let floats = kinds.iter().find_map(|(key, kind)| match kind {
        Kind::FloatList(list) => Some((key, list.value.clone())),
        _ => None,
    });
    let label = kinds.iter().find_map(|(key, kind)| match kind {
        Kind::Int64List(list) => Some((key, *list.value.first()?)),
        _ => None,
    });
    let (Some((feature_key, floats)), Some((label_key, label))) = (floats, label) else { return };
    let extra = kinds.iter().find_map(|(_, kind)| match kind {
        Kind::BytesList(list) => list.value.first().cloned(),
        _ => None,
    });
    let extras: Vec<&[u8]> = extra.as_deref().into_iter().collect();
    let Ok(layout) = RecordLayout::new(feature_key, label_key, &[Extra::Image][..extras.len()]) else { return };
    let mut ours = Vec::new();
    layout.encode(&floats, label, &extras, &mut ours);
    let lengths: Vec<usize> = extras.iter().map(|bytes| bytes.len()).collect();
    assert_eq!(ours.len(), layout.encoded_len(floats.len(), label, &lengths));
    assert_eq!(Example::decode(&ours[..]).expect("ours decodes").encode_to_vec(), ours);
}
