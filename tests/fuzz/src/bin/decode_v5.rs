#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artemis_rs_fuzz::run("decode_v5", data));
