#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| shootx_api::fuzz::token(input));
