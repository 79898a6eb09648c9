//! Packs `pricing-cache/` and `models/` into the program: deflated, because their texts are a tenth of their size so.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::DeflateEncoder};

const FOLDERS: [(&str, &str); 2] = [("PRICES", "pricing-cache"), ("MODELS", "models")];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut code = String::new();
    for (name, folder) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        let mut files = Vec::new();
        find(&root.join(folder), "", &mut files)?;
        // They are looked up by path.
        files.sort();
        writeln!(code, "pub static {name}: Packed = Packed(&[")?;
        for (place, path) in files.iter().enumerate() {
            let packed = format!("{folder}-{place}");
            fs::write(out.join(&packed), deflate(&fs::read(root.join(folder).join(path))?)?)?;
            let bytes = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{packed}\"))");
            writeln!(code, "({path:?}, {bytes}),")?;
        }
        writeln!(code, "]);")?;
    }
    fs::write(out.join("packed.rs"), code)?;
    Ok(())
}

/// Collects the files below a folder, by their paths from it.
fn find(folder: &Path, below: &str, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().display());
        if entry.file_type()?.is_dir() {
            find(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn deflate(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
