//! The dark side's reader, fed with anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| voile_fuzz::checks::dark_reads(input));
