#![no_main]

#[path = "../../tests/corpus/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(law) = targets::bill_csv(bytes) {
        panic!("{law}");
    }
});
