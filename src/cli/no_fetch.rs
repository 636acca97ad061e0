//! `petrec models fetch` in a petrec without the feature `fetch`.

use super::Outcome;
use super::args::Global;

/// Whatever is typed, the answer is how to get the weights.
#[derive(Debug, clap::Args)]
pub(super) struct Fetch {
    /// Not in this petrec, which was built without the feature 'fetch'
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    typed: Vec<String>,
}

pub(super) fn run(command: &Fetch, _: &Global) -> anyhow::Result<Outcome> {
    let what = command.typed.first().map_or("weights", String::as_str);
    anyhow::bail!(
        "this petrec cannot download {what}: run 'cargo xtask import-weights' in a clone of petrec, which can, or \
         build petrec with --features fetch"
    )
}
