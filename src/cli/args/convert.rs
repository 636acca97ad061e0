//! What can be typed of a conversion, and of its plan.

use std::num::NonZero;
use std::path::PathBuf;

use clap::ArgGroup;

use crate::cli::choices::{COMPRESSIONS, LAYOUTS, LayoutName, POOLS, WORKER_ENVS, choice, model};
use crate::cli::files::{Listing, Policy};
use crate::cli::place::place;
use crate::cli::size::parse_size;
use crate::cli::worker_env::WorkerEnv;
use crate::engine::Pool;
use crate::manifest::{Splits, Tfds};
use crate::model::Architecture;
use crate::tfrecord::{Compression, Extra};

/// What decides about the bytes that are written.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("drawn").multiple(true))]
pub(in crate::cli) struct Recipe {
    #[command(flatten)]
    pub(in crate::cli) network: Network,
    #[command(flatten)]
    pub(in crate::cli) listing: Listing,
    #[command(flatten)]
    pub(in crate::cli) policy: Policy,
    /// Sharded files, or OUT/<Class>/TFRecord/<stem>.tfrecord for each image
    #[arg(long, default_value = "shards", value_parser = choice(LAYOUTS))]
    pub(in crate::cli) layout: LayoutName,
    /// About how large a shard is to be
    #[arg(long, value_name = "SIZE", default_value = "100MB", value_parser = parse_size)]
    pub(in crate::cli) shard_size: u64,
    /// How many shards there are to be
    #[arg(long, value_name = "N", conflicts_with = "shard_size")]
    pub(in crate::cli) shards: Option<NonZero<usize>>,
    /// Mix the classes: the records in an order that --seed decides
    #[arg(long, group = "drawn")]
    pub(in crate::cli) shuffle: bool,
    /// Divide the images, such as train=0.8,val=0.1,test=0.1; the path of each decides, with --seed
    #[arg(long, value_name = "LIST", group = "drawn")]
    pub(in crate::cli) split: Option<Splits>,
    /// Another number shuffles and divides otherwise
    #[arg(long, value_name = "N", default_value_t = 0, requires = "drawn")]
    pub(in crate::cli) seed: u64,
    /// Compress each file as a whole, as TensorFlow's compression_type has it
    #[arg(long, default_value = "none", value_parser = choice(COMPRESSIONS))]
    pub(in crate::cli) compression: Compression,
    /// Write an index beside each record file, as tfrecord2idx does for NVIDIA DALI
    #[arg(long)]
    pub(in crate::cli) index: bool,
    /// Make OUT a data set of TensorFlow Datasets under this name and version
    #[arg(long, value_name = "NAME:VERSION")]
    pub(in crate::cli) tfds: Option<Tfds>,
    /// Store the whole feature, or its average over height and width
    #[arg(long, default_value = "none", value_parser = choice(POOLS))]
    pub(in crate::cli) pool: Pool,
    /// Key of the features in each record
    #[arg(long, value_name = "KEY", default_value = "Feature")]
    pub(in crate::cli) feature_key: String,
    /// Key of the label in each record
    #[arg(long, value_name = "KEY", default_value = "Label")]
    pub(in crate::cli) label_key: String,
    /// Store more in each record: path, class, image (the file's bytes)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(in crate::cli) with: Vec<Extra>,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("worker"))]
#[command(override_usage = "petrec convert [OPTIONS] <DATASET> <OUT>\n       petrec convert [OPTIONS] --plan <OUT>")]
pub(in crate::cli) struct Convert {
    /// Folder with a sub-folder of photos per class, or a URL such as s3://bucket/photos
    #[arg(required_unless_present = "plan", value_parser = place())]
    pub(in crate::cli) dataset: Option<PathBuf>,
    /// Folder or URL for the records: new, empty, or with the same conversion, which is finished
    #[arg(required_unless_present = "plan", value_parser = place())]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Do what 'petrec plan' planned in OUT, or what is left of it, instead of listing a data set; the plan has the options
    #[arg(long, value_name = "OUT", conflicts_with_all = PLANNED, value_parser = place())]
    pub(in crate::cli) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) recipe: Recipe,
    /// Exit with 3 if any file was rejected
    #[arg(long)]
    pub(in crate::cli) fail_on_reject: bool,
    /// Read each record file back before it gets its name
    #[arg(long = "verify")]
    pub(in crate::cli) read_back: bool,
    /// Be one of several workers: do the record files of worker I, counted from 0, and leave the end to 'petrec finalize'
    #[arg(long, value_name = "I", group = "worker", requires = "shard_count")]
    pub(in crate::cli) shard_index: Option<usize>,
    /// How many workers share the conversion
    #[arg(long, value_name = "N", requires = "worker")]
    pub(in crate::cli) shard_count: Option<usize>,
    /// Be the worker that a Slurm job array or a Kubernetes Indexed Job (with --shard-count) says
    #[arg(long, value_name = "SYSTEM", group = "worker", value_parser = choice(WORKER_ENVS))]
    pub(in crate::cli) worker_env: Option<WorkerEnv>,
    /// Where the report of every file goes [default: OUT/petrec-report.json]
    #[arg(long, value_name = "FILE.json", conflicts_with = "worker", value_parser = place())]
    pub(in crate::cli) report: Option<PathBuf>,
    /// Tell what would be done, with an estimate of time and disk from a few of the images, and write nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Remove what an earlier conversion left in OUT, and start anew
    #[arg(long, conflicts_with = "worker")]
    pub(in crate::cli) restart: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is typed for a plan, and not with it.
pub(super) const PLANNED: [&str; 27] = [
    "dataset",
    "out",
    "model",
    "weights",
    "classes",
    "ext",
    "accept",
    "max_pixels",
    "max_side",
    "max_file_size",
    "time_limit",
    "layout",
    "shard_size",
    "shards",
    "shuffle",
    "split",
    "seed",
    "compression",
    "index",
    "tfds",
    "pool",
    "feature_key",
    "label_key",
    "with",
    "report",
    "dry_run",
    "restart",
];

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Plan {
    /// Folder with a sub-folder of photos per class, or a URL such as s3://bucket/photos
    #[arg(value_parser = place())]
    pub(in crate::cli) dataset: PathBuf,
    /// Folder or URL for the plan, and later for the records: new, empty, or with the same plan, which then stays
    #[arg(value_parser = place())]
    pub(in crate::cli) out: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) recipe: Recipe,
    /// Remove what an earlier conversion left in OUT, and start anew
    #[arg(long)]
    pub(in crate::cli) restart: bool,
    /// Print what was planned as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Which network runs.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Network {
    /// Network, with the weights found in model-weights/ or built in
    #[arg(long, value_name = "NAME", default_value = "efficientnet-b0", value_parser = model())]
    pub(in crate::cli) model: Architecture,
    /// Weight file to use; it tells the network
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub(in crate::cli) weights: Option<PathBuf>,
}
