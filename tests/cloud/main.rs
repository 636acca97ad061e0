//! Data sets and records in object stores: a real S3 server on this machine, petrec as a program, and what can go wrong between
//! the two. In all of it the objects must be the files that a local run writes, byte for byte.
//!
//! `PETREC_S3_SERVER` names the server: the program `s3s-fs`, which keeps each object in a file (docs/object-stores.md). Without
//! it these tests skip, and say so.

mod faults;
mod photos;
mod plans;
#[path = "../common/program.rs"]
mod program;
mod proxy;
mod reading;
mod scene;
mod server;
#[path = "../common/steps.rs"]
mod steps;
mod workers;
mod writing;
