//! The migrations are compiled in, so a new file must recompile this crate.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
