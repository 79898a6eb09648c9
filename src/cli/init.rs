//! `runrate init`.

use std::path::PathBuf;

use crate::{
    error::{Error, Place},
    store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File to write
    #[arg(default_value = "scenario.toml")]
    path: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// The first example is the template: it is commented, it plans, and tests keep it so.
const TEMPLATE: &str = include_str!("../../examples/innovate.toml");

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let path = args.path.display().to_string();
    if args.path.exists() && !args.force {
        return Err(Error::at(Place::file(&path), "exists; name another file, or pass --force"));
    }
    store::write_file(&args.path, TEMPLATE.as_bytes())?;
    super::say(&format!("wrote {path}; try `runrate plan {path}`"));
    Ok(())
}
